/**
 * Attributes rewritten on their way out: each edit changes its own and nothing beside it,
 * reflection (RFC 4456 §8), AS paths for OLD speakers (RFC 6793).
 */
import fc from 'fast-check'
import t from 'tap'
import { Writer } from '../../../bgp/wire/bytes.ts'
import { type AttributeEdit, rewriteAttributes } from '../../../bgp/wire/rewrite.ts'
import { hex, hexText, ibgp, net, outcome, seed } from './vectors.ts'

/** Copies everything as it is; each case changes what it is about. */
const untouched: AttributeEdit = {
  prependAsn: 0,
  prependCount: 0,
  localPref: null,
  keepMed: true,
  originatorId: null,
  prependClusterId: null,
  replaceAsn: null,
  as4: true,
  nextHop: null,
  stripReflection: false,
}

function rewrite(source: string, edit: Partial<AttributeEdit>): string {
  const bytes = hex(source)
  const out = new Writer(65535)
  rewriteAttributes(bytes, 0, bytes.length, { ...untouched, ...edit }, out)
  return hexText(out.written())
}

const path = '400206 0201 0000fdea'
const own = { prependAsn: 65001, prependCount: 1 }

t.test('each edit changes its attribute and nothing beside it', async (t) => {
  const around = ['400101 00', 'c00804 fde90064 c0200c 000000010000000200000003 e06302 beef']
  const table: readonly [
    what: string,
    given: string,
    edit: Partial<AttributeEdit>,
    sent: string,
  ][] = [
    ['nothing', `${path} 800404 00000005`, {}, `${path} 800404 00000005`],
    ['prepend', path, own, '40020a 0202 0000fde9 0000fdea'],
    [
      'prepend three times',
      path,
      { ...own, prependCount: 3 },
      '400212 0204 0000fde9 0000fde9 0000fde9 0000fdea',
    ],
    ['prepend to an empty path', '400200', own, '400206 0201 0000fde9'],
    ['prepend to a set', '400206 0101 0000fdea', own, '40020c 0201 0000fde9 0101 0000fdea'],
    [
      'prepending ends a confederation',
      '40020c 0301 00000001 0201 0000fdea',
      own,
      '40020a 0202 0000fde9 0000fdea',
    ],
    [
      'AS override',
      '40020e 0203 0000fdea 00000007 0000fdea',
      { ...own, replaceAsn: { from: 65002, to: 65001 } },
      '400212 0204 0000fde9 0000fde9 00000007 0000fde9',
    ],
    [
      'AS override spares what is prepended',
      path,
      { ...own, replaceAsn: { from: 65001, to: 1 } },
      '40020a 0202 0000fde9 0000fdea',
    ],
    ['next hop', path, { nextHop: hex('0a000001') }, `${path} 400304 0a000001`],
    ['MED kept', `${path} 800404 00000005`, {}, `${path} 800404 00000005`],
    ['MED dropped', `${path} 800404 00000005`, { keepMed: false }, path],
    ['LOCAL_PREF stripped', `${path} 400504 00000064`, {}, path],
    ['LOCAL_PREF set', `${path} 400504 00000064`, { localPref: 200 }, `${path} 400504 000000c8`],
    ['LOCAL_PREF added', path, { localPref: 0 }, `${path} 400504 00000000`],
    [
      'aggregate',
      `${path} 400600 c00708 00011170 0a000001`,
      {},
      `${path} 400600 c00708 00011170 0a000001`,
    ],
  ]
  for (const [what, given, edit, sent] of table) {
    t.equal(rewrite(around.join(given), edit), hexText(hex(around.join(sent))), what)
  }
})

t.test('reflection adds, keeps and strips its attributes (RFC 4456 §8)', async (t) => {
  const start = `400101 00 ${path}`
  const reflect = { originatorId: 0xc0000201, prependClusterId: 9 }
  const table: readonly [
    what: string,
    given: string,
    edit: Partial<AttributeEdit>,
    sent: string,
  ][] = [
    ['added', '', reflect, '800904 c0000201 800a04 00000009'],
    [
      'ORIGINATOR_ID stays, CLUSTER_LIST grows',
      '800904 01010101 800a04 00000001',
      reflect,
      '800904 01010101 800a08 00000009 00000001',
    ],
    ['kept', '800904 01010101 800a04 00000001', {}, '800904 01010101 800a04 00000001'],
    ['stripped', '800904 01010101 800a04 00000001', { stripReflection: true }, ''],
    ['stripped wins', '', { ...reflect, stripReflection: true }, ''],
  ]
  for (const [what, given, edit, sent] of table) {
    t.equal(
      rewrite(`${start} ${given} c02304 00000001`, edit),
      hexText(hex(`${start} ${sent} c02304 00000001`)),
      what,
    )
  }
})

t.test('a full segment is not overfilled (RFC 4271 §5.1.2)', async (t) => {
  const segment = (count: number) =>
    `02${count.toString(16).padStart(2, '0')}${'0000fdea'.repeat(count)}`
  const attribute = (value: string) =>
    `5002${hex(value).length.toString(16).padStart(4, '0')}${value}`
  t.equal(
    rewrite(attribute(segment(254)), own),
    hexText(hex(attribute(`02ff0000fde9${segment(254).slice(4)}`))),
  )
  t.equal(
    rewrite(attribute(segment(255)), own),
    hexText(hex(attribute(`02010000fde9${segment(255)}`))),
  )
  t.throws(() => rewrite(path, { ...own, prependCount: 256 }), /255 times at most, not 256/)
})

t.test(
  'OLD speakers get two octets, and what that loses in AS4 attributes (RFC 6793)',
  async (t) => {
    const table: readonly [
      what: string,
      given: string,
      edit: Partial<AttributeEdit>,
      sent: string,
    ][] = [
      ['nothing is lost', path, {}, '400204 0201 fdea'],
      [
        'path',
        '40020a 0202 00011170 0000fdea',
        {},
        '400206 0202 5ba0 fdea c0110a 0202 00011170 0000fdea',
      ],
      [
        'own AS',
        path,
        { prependAsn: 70000, prependCount: 1 },
        '400206 0202 5ba0 fdea c0110a 0202 00011170 0000fdea',
      ],
      [
        'small aggregator',
        `${path} c00708 0000fdea 0a000001`,
        {},
        '400204 0201 fdea c00706 fdea 0a000001',
      ],
      [
        'aggregator',
        `${path} e00708 00011170 0a000001`,
        {},
        '400204 0201 fdea e00706 5ba0 0a000001 c01208 00011170 0a000001',
      ],
      [
        'confederations stay out of AS4_PATH',
        '40020c 0301 00011171 0201 00011170',
        {},
        '400208 0301 5ba0 0201 5ba0 c01106 0201 00011170',
      ],
    ]
    for (const [what, given, edit, sent] of table) {
      t.equal(
        rewrite(`400101 00 ${given}`, { ...edit, as4: false }),
        hexText(hex(`400101 00 ${sent}`)),
        what,
      )
    }
  },
)

t.test('the order stays ascending around AS4 attributes', async (t) => {
  const given = `400101 00 40020a 0202 00011170 0000fdea c01008 0002fde900000064 c0200c 000000010000000200000003`
  t.equal(
    rewrite(given, { as4: false, nextHop: hex('0a000001') }),
    hexText(
      hex(`400101 00 400206 0202 5ba0 fdea 400304 0a000001 c01008 0002fde900000064
      c0110a 0202 00011170 0000fdea c0200c 000000010000000200000003`),
    ),
  )
})

t.test('what cannot be sent is refused by name', async (t) => {
  t.throws(() => rewrite(path, { nextHop: new Uint8Array(16) }), /four octets, not 16/)
  const bytes = hex(path)
  t.throws(() => rewriteAttributes(bytes, 0, bytes.length, untouched, new Writer(8)), /don't fit/)
})

t.test(`canonical attributes survive an OLD speaker in between (seed ${seed})`, async (t) => {
  const asn = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffffffff }))
  const segment = fc.record({
    type: fc.constantFrom(2, 2, 2, 1),
    asns: fc.array(
      asn.filter((n) => n !== 23456),
      { minLength: 1, maxLength: 6 },
    ),
  })
  const word = (n: number) => n.toString(16).padStart(8, '0')
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 4 }), asn, (segments, aggregator) => {
      // Two sequences that touch are one and the same path as the joined sequence.
      const apart = segments.filter((s, i) => s.type === 1 || segments[i - 1]?.type !== 2)
      const value = apart
        .map(({ type, asns }) => `0${type}0${asns.length}${asns.map(word).join('')}`)
        .join('')
      const size = (value.length / 2).toString(16).padStart(2, '0')
      const canonical = `40010100 4002${size}${value} 40050400000064 c00708${word(aggregator)}0a000001`
      const sent = rewrite(canonical, { as4: false, localPref: 100, nextHop: hex('0a000001') })
      const old = { ...ibgp, as4: false }
      const back = outcome({ attributes: sent, announced: net }, old)
      t.equal(back.stored, hexText(hex(canonical)))
      // RFC 9774: what has a set survives, and is treated as withdrawn.
      t.same(back.faults, apart.some(({ type }) => type === 1) ? ['2 treat-as-withdraw'] : [])
    }),
    { seed, numRuns: 300 },
  )
})
