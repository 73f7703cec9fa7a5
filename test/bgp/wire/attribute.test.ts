/**
 * Every path attribute from its octets to words and summary facts, whole, cut short and too long;
 * and the sets of own announcements. RFC 4271 §4.3, RFC 7606 §7.
 */
import t from 'tap'
import type { AttributesView } from '../../../bgp/types.ts'
import {
  AttributeSummary,
  attributeRows,
  countAsn,
  encodeOwnAttributes,
  formatAttributeCode,
  hasCluster,
  viewAttributes,
} from '../../../bgp/wire/attribute.ts'
import { attributeCode } from '../../../bgp/wire/attribute-bytes.ts'
import { basics, hex, hexText, iBasics, ibgp, net, outcome } from './vectors.ts'

/** One vector a row of the table; `iBasics` holds those that every iBGP route has. */
const vectors: readonly [octets: string, view: AttributesView][] = [
  ['80 04 04 ffffffff', { med: 4294967295 }],
  ['40 06 00', { atomicAggregate: true }],
  ['c0 07 08 00011170 c0000201', { aggregator: { asn: 70000, address: '192.0.2.1' } }],
  ['c0 08 08 fde90064 ffffff01', { communities: ['65001:100', '65535:65281'] }],
  ['80 09 04 c0000202', { originatorId: '192.0.2.2' }],
  ['80 0a 08 00000001 c0000203', { clusterList: ['0.0.0.1', '192.0.2.3'] }],
  ['c0 10 08 0002fde900000064', { extendedCommunities: ['0002fde900000064'] }],
  ['c0 20 0c 0000fde9 00000001 ffffffff', { largeCommunities: ['65001:1:4294967295'] }],
  ['c0 23 04 0000fde9', { otc: 65001 }],
  ['e0 63 02 beef', { unknown: [{ code: 99, flags: 0xe0, value: 'beef' }] }],
]

const iView: AttributesView = {
  origin: 'igp',
  asPath: [{ type: 'sequence', asns: [65002] }],
  localPref: 100,
}

const parts = (attribute: string) => ({ attributes: `${iBasics} ${attribute}`, announced: net })

t.test('every attribute is stored as it came and shown in words', async (t) => {
  for (const [octets, view] of vectors) {
    const found = outcome(parts(octets), ibgp)
    t.same([found.faults, found.withdraw], [[], false], octets)
    t.ok(found.stored.includes(hexText(hex(octets))), `${octets} byte for byte`)
    const bytes = hex(found.stored)
    t.same(viewAttributes(bytes, 0, bytes.length), { ...iView, ...view }, octets)
  }
})

t.test('every attribute cut short or made longer meets its cure and nothing else', async (t) => {
  for (const [octets] of vectors.slice(0, -1)) {
    const whole = hex(octets)
    const code = whole[1]!
    for (let length = 0; length < whole[2]!; length++) {
      const cut = whole.slice(0, 3 + length)
      cut[2] = length
      const { faults } = outcome(parts(hexText(cut)), ibgp)
      const stillFits = attributeRows[code]!.check(cut, 3, cut.length) === null
      const expected = stillFits ? [] : [`${code} ${attributeRows[code]!.action}`]
      t.same(faults, expected, `attribute ${code} of ${length}`)
    }
    const overrun = outcome(parts(hexText(whole.slice(0, -1))), ibgp, false)
    if (whole[2] !== 0) t.same(overrun.faults, [`${code} treat-as-withdraw`], `${code} overruns`)
    const longer = Uint8Array.of(...whole, 0)
    longer[2] = whole[2]! + 1
    t.same(outcome(parts(hexText(longer)), ibgp).faults, [`${code} ${attributeRows[code]!.action}`])
  }
})

t.test('the table has a name for each code it knows', async (t) => {
  for (const code of Object.values(attributeCode)) {
    t.equal(attributeRows[code]?.code, code)
    t.notMatch(formatAttributeCode(code), /^attribute/)
  }
  t.equal(formatAttributeCode(99), 'attribute 99')
})

t.test('all kinds of path segments are shown', async (t) => {
  const path = '0302 00000001 00000002 0401 00000003 0201 0000fdea 0102 00000004 00000005'
  const found = outcome(
    { attributes: `${iBasics.replace('400206 0201 0000fdea', `400220 ${path}`)}`, announced: net },
    ibgp,
  )
  const bytes = hex(found.stored)
  t.same(viewAttributes(bytes, 0, bytes.length).asPath, [
    { type: 'confed-sequence', asns: [1, 2] },
    { type: 'confed-set', asns: [3] },
    { type: 'sequence', asns: [65002] },
    { type: 'set', asns: [4, 5] },
  ])
  const summary = new AttributeSummary()
  summary.read(bytes, 0, bytes.length)
  t.same([summary.asPathLength, summary.neighbourAsn], [2, 65002])
  t.equal(hexText(bytes.slice(summary.asPathStart, summary.asPathEnd)), hexText(hex(path)))
  t.same(
    [1, 3, 4, 65002, 77].map((asn) => countAsn(bytes, 0, bytes.length, asn)),
    [1, 1, 1, 1, 0],
  )
})

t.test('a summary holds what decides, and forgets the set before', async (t) => {
  const summary = new AttributeSummary()
  const fields = (octets: string) => {
    const bytes = hex(octets)
    summary.read(bytes, 0, bytes.length)
    const { origin, asPathLength, neighbourAsn, med, localPref, originatorId, clusterCount } =
      summary
    return [origin, asPathLength, neighbourAsn, med, localPref, originatorId, clusterCount]
  }
  const full = `400101 02 40020e 0203 0000fdea 00011170 0000fdea 800404 ffffffff 400504 00000000
    800904 c0000201 800a08 00000001 00000002`
  t.same(fields(full), [2, 3, 65002, 4294967295, 0, 0xc0000201, 2])
  t.same(fields('400101 00 400200'), [0, 0, 0, -1, -1, -1, 0], 'an empty path has no neighbour')
  t.same(fields('400101 01 400206 0101 0000fdea')[2], 0, 'nor has a path that starts with a set')
  const bytes = hex(full)
  t.equal(countAsn(bytes, 0, bytes.length, 65002), 2)
  t.equal(hasCluster(bytes, 0, bytes.length, 2), true)
  t.equal(hasCluster(bytes, 0, bytes.length, 3), false)
  t.equal(hasCluster(hex(full), 0, 4, 2), false, 'without CLUSTER_LIST')
  t.equal(countAsn(hex(''), 0, 0, 2), 0, 'without AS_PATH')
})

t.test('well-known communities become facts', async (t) => {
  const table = [
    ['ffff0000', 'gracefulShutdown'],
    ['ffff0006', 'llgrStale'],
    ['ffff0007', 'noLlgr'],
    ['ffff029a', 'blackhole'],
    ['ffffff01', 'noExport'],
    ['ffffff02', 'noAdvertise'],
    ['ffffff03', 'noExportSubconfed'],
    ['ffffff04', 'noPeer'],
    ['fde90064', null],
    ['ffff0001', null],
  ] as const
  const summary = new AttributeSummary()
  for (const [community, fact] of table) {
    const bytes = hex(`c00808 00000001 ${community}`)
    summary.read(bytes, 0, bytes.length)
    for (const [, name] of table) {
      if (name !== null) t.equal(summary[name], name === fact, `${community} ${name}`)
    }
  }
})

t.test('attributes of our own are canonical, whatever the order of communities', async (t) => {
  const own = {
    origin: 'igp',
    localPref: 100,
    med: null,
    communities: ['65001:2', '65001:1:1', '65000:3', '65001:2'],
  } as const
  const bytes = encodeOwnAttributes(own)
  t.equal(
    hexText(bytes),
    hexText(
      hex(
        '400101 00 400200 400504 00000064 c00808 fde80003 fde90002 c0200c 0000fde9 00000001 00000001',
      ),
    ),
  )
  t.same(encodeOwnAttributes({ ...own, communities: [...own.communities].reverse() }), bytes)
  const bare = encodeOwnAttributes({
    origin: 'incomplete',
    localPref: null,
    med: 7,
    communities: [],
  })
  t.equal(hexText(bare), hexText(hex('400101 02 400200 800404 00000007')))
  const many = Array.from({ length: 300 }, (_, i) => `65001:${i}`)
  const long = encodeOwnAttributes({ ...own, communities: many })
  t.same(viewAttributes(long, 0, long.length).communities, many, 'a long list has a long length')
})

t.test('a text that is no community is refused', async (t) => {
  for (const text of [
    '',
    '1',
    '1:2:3:4',
    '65536:1',
    '1:65536',
    '1:2:4294967296',
    '-1:2',
    'a:b',
    '1:',
  ]) {
    const own = { origin: 'igp', localPref: null, med: null, communities: [text] } as const
    t.throws(() => encodeOwnAttributes(own), /is no community/, `"${text}"`)
  }
})

t.test('what is stored reads back the same (idempotence)', async (t) => {
  const everything = vectors.map(([octets]) => octets).join(' ')
  const once = outcome(parts(everything), ibgp).stored
  const again = outcome({ attributes: `${once} 400304 0a000001`, announced: net }, ibgp)
  t.same([again.stored, again.faults], [once, []])
  t.ok(outcome({ attributes: basics, announced: net }, ibgp).withdraw, 'no LOCAL_PREF')
})
