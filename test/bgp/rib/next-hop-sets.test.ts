/**
 * ECMP sets as rows: equal sets are one row, a set that came back has another id, and what is told
 * to the kernel writer is what is in use; against a model in a Map, with a fixed seed.
 */
import fc from 'fast-check'
import t from 'tap'
import { NextHopSets } from '../../../bgp/rib/next-hop-sets.ts'

const { FC_SEED: seedText } = process.env
const seed = Number(seedText ?? 4271)

const nextHopText = (id: number): string => `hop ${id}`
const peerText = (peer: number): string | null => (peer === 0 ? null : `peer ${peer}`)

function membersOf(...pairs: readonly (readonly [nextHop: number, peer: number])[]): Uint32Array {
  return Uint32Array.from(pairs.flat())
}

t.test('a set is told once, with each peer named once', async (t) => {
  const sets = new NextHopSets()
  const row = sets.intern(membersOf([1, 7], [2, 7], [3, 0]), 6)
  sets.retain(row)
  t.same(sets.takeFresh(nextHopText, peerText), [
    { id: sets.idOf(row), nextHops: ['hop 1', 'hop 2', 'hop 3'], peers: ['peer 7'] },
  ])
  t.equal(sets.intern(membersOf([1, 7], [2, 7], [3, 0]), 6), row)
  t.same(sets.takeFresh(nextHopText, peerText), [])
})

t.test('a set that was given up before anybody was told of it is not told', async (t) => {
  const sets = new NextHopSets()
  const first = sets.intern(membersOf([1, 1]), 2)
  sets.retain(first)
  const firstId = sets.idOf(first)
  sets.release(first)
  const second = sets.intern(membersOf([2, 2]), 2)
  sets.retain(second)
  t.not(sets.idOf(second), firstId, 'ids are never reused, though rows are')
  t.same(
    sets.takeFresh(nextHopText, peerText).map(({ nextHops }) => nextHops),
    [['hop 2']],
  )
})

t.test(
  'whatever comes and goes, rows are shared, freed and told as a Map would have it',
  async (t) => {
    t.comment(`seed ${seed}`)
    const order = fc.record({
      /** Of eight sets of up to four members. */
      set: fc.nat({ max: 7 }),
      take: fc.boolean(),
      tell: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(order, { maxLength: 400 }), (orders) => {
        const sets = new NextHopSets()
        const held = new Map<number, { row: number; id: number; count: number }>()
        const told = new Set<number>()
        for (const { set, take, tell } of orders) {
          const members = membersOf(
            ...Array.from({ length: 1 + (set % 4) }, (_, i) => [set, i] as const),
          )
          const known = held.get(set)
          if (take) {
            const row = sets.intern(members, members.length)
            sets.retain(row)
            if (known !== undefined && row !== known.row) return false
            held.set(set, { row, id: sets.idOf(row), count: (known?.count ?? 0) + 1 })
          } else if (known !== undefined) {
            sets.release(known.row)
            if (--known.count === 0) held.delete(set)
          }
          if (tell) {
            for (const { id, nextHops } of sets.takeFresh(nextHopText, peerText)) {
              if (told.has(id) || new Set(nextHops).size !== 1) return false
              told.add(id)
            }
            if (![...held.values()].every(({ id }) => told.has(id))) return false
          }
          if (sets.size !== held.size) return false
        }
        return true
      }),
      { seed, numRuns: 300 },
    )
  },
)

t.test('many sets are found again after the index has grown', async (t) => {
  const sets = new NextHopSets()
  const count = 5000
  const rows = Array.from({ length: count }, (_, i) => {
    const row = sets.intern(membersOf([i, 1], [i + 1, 2]), 4)
    sets.retain(row)
    return row
  })
  t.equal(sets.size, count)
  t.ok(rows.every((row, i) => sets.intern(membersOf([i, 1], [i + 1, 2]), 4) === row))
  for (const row of rows) sets.release(row)
  t.equal(sets.size, 0)
  sets.retain(sets.intern(membersOf([1, 1]), 2))
  t.equal(sets.takeFresh(nextHopText, peerText).length, 1)
})
