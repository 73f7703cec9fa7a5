/**
 * A received attribute block brought into the form that is stored: the cure of each fault (RFC
 * 7606), independence of how it was sent, and paths of speakers with two-octet AS numbers (RFC
 * 6793).
 */
import t from 'tap'
import type { Negotiated } from '../../../bgp/wire/context.ts'
import {
  basics,
  context,
  hex,
  hexText,
  iBasics,
  ibgp,
  net,
  outcome,
  readUpdate,
  stored,
  type UpdateParts,
  updateOf,
} from './vectors.ts'

const ebgp = context()

t.test('a malformed attribute meets the cure of RFC 7606', async (t) => {
  const withdraw = 'treat-as-withdraw'
  const discard = 'attribute-discard'
  const e = (attribute: string) => ({ attributes: `${basics} ${attribute}`, announced: net })
  const i = (attribute: string) => ({ attributes: `${iBasics} ${attribute}`, announced: net })
  const table: readonly [string, UpdateParts, Negotiated, string][] = [
    [
      'ORIGIN 3',
      { attributes: basics.replace('400101 00', '400101 03'), announced: net },
      ebgp,
      `1 ${withdraw}`,
    ],
    [
      'ORIGIN empty',
      { attributes: basics.replace('400101 00', '400100'), announced: net },
      ebgp,
      `1 ${withdraw}`,
    ],
    [
      'ORIGIN with optional flag',
      { attributes: basics.replace('400101 00', 'c00101 00'), announced: net },
      ebgp,
      `1 ${withdraw}`,
    ],
    [
      'NEXT_HOP of 5',
      { attributes: basics.replace('400304', '400305 00'), announced: net },
      ebgp,
      `3 ${withdraw}`,
    ],
    [
      'NEXT_HOP 0.0.0.0',
      { attributes: basics.replace('0a000001', '00000000'), announced: net },
      ebgp,
      `3 ${withdraw}`,
    ],
    [
      'NEXT_HOP 224.0.0.1',
      { attributes: basics.replace('0a000001', 'e0000001'), announced: net },
      ebgp,
      `3 ${withdraw}`,
    ],
    ['MED of 3', e('800403 000000'), ebgp, `4 ${withdraw}`],
    ['LOCAL_PREF from eBGP', e('400504 00000064'), ebgp, `5 ${discard}`],
    ['LOCAL_PREF from eBGP, malformed', e('400501 00'), ebgp, `5 ${discard}`],
    [
      'LOCAL_PREF of 3',
      { attributes: `${basics} 400503 000000`, announced: net },
      ibgp,
      `5 ${withdraw}`,
    ],
    ['ATOMIC_AGGREGATE of 1', e('400601 00'), ebgp, `6 ${discard}`],
    ['ATOMIC_AGGREGATE with optional flag', e('c00600'), ebgp, `6 ${discard}`],
    ['AGGREGATOR of 6', e('c00706 00010a000001'), ebgp, `7 ${discard}`],
    ['AGGREGATOR with AS 0', e('c00708 000000000a000001'), ebgp, `7 ${discard}`],
    ['COMMUNITIES empty', e('c00800'), ebgp, `8 ${withdraw}`],
    ['COMMUNITIES of 3', e('c00803 000000'), ebgp, `8 ${withdraw}`],
    ['COMMUNITIES non-transitive', e('800804 00010001'), ebgp, `8 ${withdraw}`],
    ['ORIGINATOR_ID from eBGP', e('800904 01010101'), ebgp, `9 ${discard}`],
    ['ORIGINATOR_ID of 3', i('800903 010101'), ibgp, `9 ${withdraw}`],
    ['CLUSTER_LIST from eBGP', e('800a04 01010101'), ebgp, `10 ${discard}`],
    ['CLUSTER_LIST of 5', i('800a05 0101010101'), ibgp, `10 ${withdraw}`],
    ['EXTENDED COMMUNITIES of 7', e('c01007 00000000000000'), ebgp, `16 ${withdraw}`],
    ['AS4_PATH from a NEW speaker', e('c01106 0201 0000fdea'), ebgp, `17 ${discard}`],
    ['AS4_AGGREGATOR from a NEW speaker', e('c01208 000000010a000001'), ebgp, `18 ${discard}`],
    ['LARGE_COMMUNITY of 13', e(`c0200d ${'00'.repeat(13)}`), ebgp, `32 ${withdraw}`],
    ['OTC of 3', e('c02303 000001'), ebgp, `35 ${withdraw}`],
    ['a second MED', e('800404 00000001 800404 00000002'), ebgp, `4 ${discard}`],
    ['a second unknown one', e('c06300 c06300'), ebgp, `99 ${discard}`],
    ['an attribute past the end', e('800404 0000'), ebgp, `4 ${withdraw}`],
    ['two octets at the end', e('8004'), ebgp, `4 ${withdraw}`],
    ['one octet at the end', e('80'), ebgp, `0 ${withdraw}`],
    ['extended length cut off', e('9004 00'), ebgp, `4 ${withdraw}`],
  ]
  for (const [what, parts, negotiated, fault] of table) {
    const { withdraw: treated, faults } = outcome(parts, negotiated)
    t.same(faults, [fault], what)
    t.equal(treated, fault.endsWith(withdraw), `${what}: withdrawn or not`)
  }
})

t.test('an AS_PATH that cannot be right is treated as withdrawn', async (t) => {
  const table: readonly [what: string, path: string, negotiated: Negotiated, ok: boolean][] = [
    ['empty', '', ebgp, true],
    ['two segments', '0201 0000fdea 0202 0000fdeb 0000fdec', ebgp, true],
    ['AS_SET (RFC 9774)', '0201 0000fdea 0102 0000fdeb 0000fdec', ebgp, false],
    ['AS_SET from iBGP', '0101 0000fdea', ibgp, false],
    ['AS_CONFED_SET from iBGP (RFC 9774)', '0401 0000fdea', ibgp, false],
    ['unknown segment type', '0501 0000fdea', ebgp, false],
    ['segment type 0', '0001 0000fdea', ebgp, false],
    ['segment too long', '0202 0000fdea', ebgp, false],
    ['half a header', '0201 0000fdea 02', ebgp, false],
    ['empty segment', '0200', ebgp, false],
    ['AS 0', '0202 0000fdea 00000000', ebgp, false],
    ['confederation from eBGP', '0301 0000fdea', ebgp, false],
    ['confederation from iBGP', '0301 0000fdea', ibgp, true],
    ['750 AS numbers', `${`02fa${'0000fdea'.repeat(250)}`.repeat(3)}`, ebgp, true],
    ['751 AS numbers', `${`02fa${'0000fdea'.repeat(250)}`.repeat(3)}02010000fdea`, ebgp, false],
  ]
  for (const [what, path, negotiated, ok] of table) {
    const size = hex(path).length.toString(16).padStart(4, '0')
    const attributes = `400101 00 5002${size} ${path} 400304 0a000001 ${negotiated.ebgp ? '' : '40050400000064'}`
    const { withdraw, faults } = outcome({ attributes, announced: net }, negotiated)
    t.equal(withdraw, !ok, what)
    t.same(faults, ok ? [] : ['2 treat-as-withdraw'], what)
  }
})

t.test('the canonical form does not depend on how attributes were sent', async (t) => {
  const canonical = `${stored}80040400000005${'c00804fde90064'}`
  const table: readonly [what: string, attributes: string][] = [
    ['ascending', `${basics} 800404 00000005 c00804 fde90064`],
    [
      'descending',
      'c00804 fde90064 800404 00000005 400304 0a000001 400206 0201 0000fdea 400101 00',
    ],
    [
      'extended lengths',
      '50010001 00 50020006 0201 0000fdea 50030004 0a000001 90040004 00000005 d0080004 fde90064',
    ],
    [
      'spare flag bits set',
      '4f0101 00 4f0206 0201 0000fdea 400304 0a000001 8f0404 00000005 c00804 fde90064'
        .replaceAll('4f', '4e')
        .replaceAll('8f', '8e'),
    ],
    [
      'partial where it means nothing',
      `60010100 600206 0201 0000fdea 400304 0a000001 a00404 00000005 c00804 fde90064`,
    ],
    ['doubles', `${basics} 800404 00000005 c00804 fde90064 400101 02 c00804 00010001`],
  ]
  for (const [what, attributes] of table) {
    const found = outcome({ attributes, announced: net }, ebgp)
    t.equal(found.stored, canonical, what)
    t.equal(found.withdraw, false, what)
  }
})

t.test('unknown attributes go on byte for byte, or stay here', async (t) => {
  const found = (attribute: string) =>
    outcome({ attributes: `${basics} ${attribute}`, announced: net }, ebgp).stored
  t.equal(found('c06303 010203'), `${stored}e06303010203`, 'optional transitive: partial')
  t.equal(found('806303 010203'), stored, 'optional non-transitive: dropped')
  const long = 'ab'.repeat(300)
  t.equal(found(`d063012c ${long}`), `${stored}f063012c${long}`, 'a long one keeps two octets')
  t.equal(found('c01703 ffffff'), `${stored}e01703ffffff`, 'tunnel encapsulation is never parsed')
  t.equal(found('e02304 0000fdea'), `${stored}e023040000fdea`, 'OTC keeps its partial bit')
  t.equal(found('c02304 0000fdea'), `${stored}c023040000fdea`, 'OTC is known, so not partial')
})

t.test('paths of OLD speakers are widened and merged (RFC 6793 §4.2.3)', async (t) => {
  const old = context({ as4: false })
  const read = (path: string, more: string) => {
    const size = hex(path).length.toString(16).padStart(2, '0')
    const attributes = `400101 00 4002${size} ${path} 400304 0a000001 ${more}`
    const { stored: bytes, faults } = outcome({ attributes, announced: net }, old)
    return [bytes.slice(8), faults.join()]
  }
  const table: readonly [
    what: string,
    path: string,
    more: string,
    bytes: string,
    faults: string,
  ][] = [
    ['two-octet path', '0202 fdea fdeb', '', '40020a 0202 0000fdea 0000fdeb', ''],
    [
      'AS4_PATH of equal length',
      '0202 5ba0 5ba0',
      'c0110a 0202 00011170 00011171',
      '40020a 0202 00011170 00011171',
      '',
    ],
    [
      'shorter AS4_PATH: the leading AS stays',
      '0203 fdea 5ba0 5ba0',
      'c0110a 0202 00011170 00011171',
      '40020e 0203 0000fdea 00011170 00011171',
      '',
    ],
    [
      'longer AS4_PATH is ignored',
      '0201 fdea',
      'c0110a 0202 00011170 00011171',
      '400206 0201 0000fdea',
      '',
    ],
    [
      'a set counts one',
      '0201 fdea 0102 5ba0 5ba0',
      'c0110a 0102 00011170 00011171',
      '400210 0201 0000fdea 0102 00011170 00011171',
      '2 treat-as-withdraw',
    ],
    [
      'malformed AS4_PATH is discarded',
      '0201 fdea',
      'c01105 0201 000111',
      '400206 0201 0000fdea',
      '17 attribute-discard',
    ],
    [
      'confederations in AS4_PATH are left out',
      '0201 5ba0',
      'c0110c 0301 00000001 0201 00011170',
      '400206 0201 00011170',
      '',
    ],
    [
      'AGGREGATOR by AS_TRANS: AS4_AGGREGATOR counts',
      '0201 5ba0',
      'c00706 5ba0 0a000001 c01106 0201 00011170 c01208 00011170 0a000001',
      '400206 0201 00011170 c00708 00011170 0a000001',
      '',
    ],
    [
      'AGGREGATOR by another AS: both AS4 attributes are ignored',
      '0201 5ba0',
      'c00706 fdea 0a000001 c01106 0201 00011170 c01208 00011170 0a000001',
      '400206 0201 00005ba0 c00708 0000fdea 0a000001',
      '',
    ],
    [
      'AGGREGATOR of 8',
      '0201 fdea',
      'c00708 0000fdea0a000001',
      '400206 0201 0000fdea',
      '7 attribute-discard',
    ],
    [
      'malformed AS4_AGGREGATOR is discarded',
      '0201 fdea',
      'c00706 5ba0 0a000001 c01204 00000001',
      '400206 0201 0000fdea c00708 00005ba0 0a000001',
      '18 attribute-discard',
    ],
    [
      'AS4_PATH of odd place',
      '0201 5ba0',
      'c00804 fde90064 c01106 0201 00011170',
      '400206 0201 00011170 c00804 fde90064',
      '',
    ],
  ]
  for (const [what, path, more, bytes, faults] of table) {
    t.same(read(path, more), [hexText(hex(bytes)), faults], what)
  }
  t.same(
    read('0201 fdea', '').join(),
    `${stored.slice(8)},`,
    'the same bytes as from a NEW speaker',
  )
})

t.test(
  'confederation segments go along while they touch what is taken (RFC 6793 §4.2.3)',
  async (t) => {
    const attributes = `400101 00 40020c 0301 0007 0201 fdea 0201 5ba0 400304 0a000001
    400504 00000064 c01106 0201 00011170`
    const old = context({ as4: false, ebgp: false })
    t.equal(
      outcome({ attributes, announced: net }, old).stored,
      hexText(hex('400101 00 400210 0301 00000007 0202 0000fdea 00011170 400504 00000064')),
    )
  },
)

t.test('a flood of doubled attributes is reported with a ceiling', async (t) => {
  const attributes = `${basics} ${'c06300'.repeat(1000)}`
  const reader = readUpdate(
    updateOf({ attributes, announced: net }),
    context({ extendedMessage: true }),
  )
  t.equal(reader.faults.length, 32)
  t.equal(reader.treatAsWithdraw, false)
})
