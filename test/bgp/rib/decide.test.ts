/**
 * The decision process: for each rule a base path and one that is worse in that rule only, compared
 * in both orders; then mixed sets in every order of arrival, with the MED triangle among them.
 */
import fc from 'fast-check'
import t from 'tap'
import { AttributeStore } from '../../../bgp/rib/attribute-store.ts'
import { Decision, type DecisionTables, multipathRules, rules } from '../../../bgp/rib/decide.ts'
import { NextHops } from '../../../bgp/rib/next-hops.ts'
import { PathTable } from '../../../bgp/rib/paths.ts'
import { PeerTable } from '../../../bgp/rib/peers.ts'
import type { NextHopState } from '../../../bgp/types.ts'
import { Writer } from '../../../bgp/wire/bytes.ts'

const seed = 20_261_122
t.comment(`fast-check seed ${seed}`)

interface Sample {
  readonly localPref?: number
  readonly asns?: readonly number[]
  readonly origin?: number
  readonly med?: number
  readonly ebgp?: boolean
  readonly metric?: number
  readonly routerId?: number
  readonly originator?: number
  readonly clusters?: number
  readonly address?: string
  readonly pathId?: number
  readonly reachable?: boolean
}

const base: Sample = { asns: [65001, 65100], med: 10, ebgp: true, routerId: 9, address: '10.0.0.9' }

/** Each row is worse than `base` in the rule it is named after, and in no earlier one. */
const variants: readonly { rule: string; worse: Sample; base?: Sample }[] = [
  { rule: 'higher LOCAL_PREF', worse: { localPref: 50 } },
  { rule: 'shorter AS path', worse: { asns: [65001, 65002, 65100] } },
  { rule: 'lower ORIGIN', worse: { origin: 2 } },
  { rule: 'lower MED', worse: { med: 11 } },
  { rule: 'eBGP over iBGP', worse: { ebgp: false } },
  { rule: 'lower interior cost to the next hop', worse: { metric: 5 } },
  { rule: 'lower router id', worse: { routerId: 10 } },
  { rule: 'lower router id', worse: { originator: 4000 }, base: { originator: 3000 } },
  {
    rule: 'shorter CLUSTER_LIST',
    worse: { originator: 3, clusters: 2 },
    base: { originator: 3, clusters: 1 },
  },
  { rule: 'lower peer address', worse: { address: '10.0.0.10' } },
  { rule: 'lower path id', worse: { pathId: 7 } },
]

function tables(): DecisionTables {
  const listeners: ((states: readonly NextHopState[]) => void)[] = []
  const nextHops = new NextHops({
    track: () => {},
    untrack: () => {},
    onChange: (listener) => void listeners.push(listener),
  })
  return {
    paths: new PathTable(),
    attributes: new AttributeStore(nextHops),
    nextHops,
    peers: new PeerTable(),
    localPreference: 100,
    maxPaths: 16,
    asPathRelax: true,
  }
}

/** Adds a path and returns its row; every path has a next hop of its own. */
function add(t: DecisionTables, sample: Sample, hop: number): number {
  const merged = { ...base, ...sample }
  const nextHop = t.nextHops.intern(Uint8Array.of(192, 0, 2, hop), 4)
  const bytes = encode(merged)
  const set =
    t.attributes.find(bytes, bytes.length, nextHop) ||
    t.attributes.add(bytes, bytes.length, nextHop)
  t.attributes.retain(set)
  t.nextHops.apply([
    {
      nextHop: `192.0.2.${hop}`,
      reachable: merged.reachable ?? true,
      metric: merged.metric ?? 0,
    },
  ])
  const address = merged.address as string
  const peer = t.peers.add({
    name: `p${hop}`,
    address,
    addressBytes: Uint8Array.from(address.split('.'), Number),
    ebgp: merged.ebgp as boolean,
    client: false,
    routerId: merged.routerId as number,
  })
  const row = t.paths.add(0, peer, merged.pathId ?? 0)
  t.paths.attributes[row] = set
  return row
}

/** Canonical attribute bytes, written plainly. */
function encode(sample: Sample): Uint8Array {
  const out = new Writer(512)
  const attribute = (flags: number, code: number, value: readonly number[]): void => {
    for (const octet of [flags, code, value.length, ...value]) out.u8(octet)
  }
  const u32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255)
  const asns = sample.asns as readonly number[]
  attribute(0x40, 1, [sample.origin ?? 0])
  attribute(0x40, 2, [2, asns.length, ...asns.flatMap(u32)])
  if (sample.med !== undefined) attribute(0x80, 4, u32(sample.med))
  if (sample.localPref !== undefined) attribute(0x40, 5, u32(sample.localPref))
  if (sample.originator !== undefined) attribute(0x80, 9, u32(sample.originator))
  if (sample.clusters !== undefined) {
    attribute(0x80, 10, Array.from({ length: sample.clusters }, () => u32(1)).flat())
  }
  return out.written()
}

/** Chains rows in this order; returns the head. */
function chain(t: DecisionTables, rows: readonly number[]): number {
  rows.forEach((row, index) => {
    t.paths.next[row] = rows[index + 1] ?? 0
  })
  return rows[0] ?? 0
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [
      item,
      ...rest,
    ]),
  )
}

for (const { rule, worse, base: better } of variants) {
  t.test(`${rule}: the better path wins in either order, and the loser is told so`, async (t) => {
    const all = tables()
    const good = add(all, better ?? {}, 1)
    const bad = add(all, worse, 2)
    const decision = new Decision(all)
    for (const order of [
      [good, bad],
      [bad, good],
    ]) {
      const head = chain(all, order)
      decision.run(head)
      t.equal(decision.best, good)
      t.equal(decision.explain(head).get(bad)?.name, rule)
    }
  })
}

t.test('the result never depends on the order of arrival, MED triangle included', async (t) => {
  const sets: { caption: string; samples: Sample[]; best: number }[] = [
    {
      // a beats c by MED (same neighbour), b beats a by router id, c would beat b.
      caption: 'MED triangle',
      samples: [
        { asns: [65001, 1], med: 10, routerId: 30 },
        { asns: [65002, 1], med: 0, routerId: 20 },
        { asns: [65001, 1], med: 20, routerId: 10 },
      ],
      best: 1,
    },
    {
      caption: 'five paths, each the best in one rule',
      samples: [
        { localPref: 90, asns: [1] },
        { asns: [65001, 2, 3] },
        { origin: 1 },
        { ebgp: false, routerId: 1 },
        { routerId: 7 },
      ],
      best: 4,
    },
    {
      caption: 'an unreachable next hop takes no part',
      samples: [{ localPref: 500, reachable: false }, { routerId: 5 }, { routerId: 6 }],
      best: 1,
    },
  ]
  for (const { caption, samples, best } of sets) {
    const all = tables()
    const rows = samples.map((sample, index) => add(all, sample, index + 1))
    const decision = new Decision(all)
    for (const order of permutations(rows)) {
      decision.run(chain(all, order))
      t.equal(decision.best, rows[best], caption)
    }
  }
})

t.test('multipath holds what is equal up to the interior cost, best first', async (t) => {
  const all = tables()
  const rows = [
    add(all, { routerId: 3 }, 1),
    add(all, { routerId: 2 }, 2),
    add(all, { asns: [65002, 65100], routerId: 1 }, 3),
    add(all, { metric: 9 }, 4),
  ]
  const decision = new Decision(all)
  decision.run(chain(all, rows))
  t.equal(decision.best, rows[2])
  t.same([...decision.multipath.subarray(0, decision.multipathCount)].sort(), rows.slice(0, 3))
  t.equal(decision.multipath[0], rows[2])
  all.asPathRelax = false
  decision.run(chain(all, rows))
  t.same([...decision.multipath.subarray(0, decision.multipathCount)], [rows[2]])
  all.asPathRelax = true
  all.maxPaths = 2
  decision.run(chain(all, rows))
  t.equal(decision.multipathCount, 2)
  t.equal(decision.multipath[0], rows[2])
})

t.test('an own announcement wins over everything and stands alone', async (t) => {
  const all = tables()
  const learned = add(all, { localPref: 4_000_000_000 }, 1)
  const bytes = encode({ asns: [] })
  const set = all.attributes.add(bytes, bytes.length, 0)
  all.attributes.retain(set)
  const own = all.paths.add(0, 0, 0)
  all.paths.attributes[own] = set
  const decision = new Decision(all)
  decision.run(chain(all, [learned, own]))
  t.equal(decision.best, own)
  t.equal(decision.multipathCount, 1)
  t.equal(decision.explain(chain(all, [learned, own])).get(learned)?.name, 'local origin')
})

t.test('nothing usable leaves no best path', async (t) => {
  const all = tables()
  const decision = new Decision(all)
  decision.run(0)
  t.equal(decision.best, 0)
  const row = add(all, { reachable: false }, 1)
  decision.run(row)
  t.equal(decision.best, 0)
  t.equal(decision.multipathCount, 0)
})

t.test('the rule table has its multipath border behind the interior cost', async (t) => {
  t.equal(rules[multipathRules - 1]?.name, 'lower interior cost to the next hop')
  for (const rule of rules) t.match(rule.rfc, /^RFC \d+/, rule.name)
})

/** Few values, so that many are equal and MED groups overlap. */
const sample: fc.Arbitrary<Sample> = fc.record({
  localPref: fc.constantFrom(100, 100, 100, 90),
  asns: fc.constantFrom([65001, 1], [65002, 1], [65003, 1]),
  med: fc.nat(2),
  ebgp: fc.constantFrom(true, true, false),
  metric: fc.constantFrom(0, 0, 1),
  routerId: fc.integer({ min: 1, max: 4 }),
  address: fc.integer({ min: 1, max: 250 }).map((octet) => `10.0.0.${octet}`),
  reachable: fc.constantFrom(true, true, true, false),
})
const samples = fc.uniqueArray(sample, { maxLength: 8, selector: ({ address }) => address })

t.test('the rank of a path is what decides again and again among those left', async (t) => {
  fc.assert(
    fc.property(samples, fc.nat(9), (drawn, limit) => {
      const all = tables()
      let left = drawn.map((each, index) => add(all, each, index + 1))
      const decision = new Decision(all)
      const wanted: number[] = []
      while (wanted.length < limit) {
        decision.run(chain(all, left))
        if (decision.best === 0) break
        wanted.push(decision.best)
        left = left.filter((row) => !wanted.includes(row))
      }
      // In another order of arrival.
      const rows = [...wanted, ...left].sort((a, b) => b - a)
      decision.rank(chain(all, rows), limit)
      const ranked = [...decision.ranked.subarray(0, decision.rankedCount)]
      return JSON.stringify(ranked) === JSON.stringify(wanted)
    }),
    { seed, numRuns: 500 },
  )
  t.pass('500 sets of paths')
})

t.test('a worse MED hides a path only while the better one is there', async (t) => {
  const all = tables()
  const rows = [
    add(all, { asns: [65001, 1], med: 10, routerId: 30 }, 1),
    add(all, { asns: [65002, 1], med: 0, routerId: 20 }, 2),
    add(all, { asns: [65001, 1], med: 20, routerId: 10 }, 3),
  ] as const
  const decision = new Decision(all)
  decision.rank(chain(all, rows), 3)
  t.same([...decision.ranked.subarray(0, 3)], [rows[1], rows[0], rows[2]])
})

t.test('who is left out of a full ECMP set does not depend on the order of arrival', async (t) => {
  fc.assert(
    fc.property(samples, fc.integer({ min: 1, max: 4 }), fc.boolean(), (drawn, most, relax) => {
      const all = { ...tables(), maxPaths: most, asPathRelax: relax }
      const rows = drawn.map((each, index) => add(all, each, index + 1))
      const decision = new Decision(all)
      const setOf = (order: readonly number[], ordered: boolean): string => {
        decision.run(chain(all, order), ordered)
        const set = [...decision.multipath.subarray(0, decision.multipathCount)]
        return (ordered ? set : set.sort((a, b) => a - b)).join()
      }
      const reversed = [...rows].reverse()
      const same = (ordered: boolean): boolean => setOf(rows, ordered) === setOf(reversed, ordered)
      return same(false) && same(true)
    }),
    { seed, numRuns: 300 },
  )
  t.pass('300 sets of paths')
})
