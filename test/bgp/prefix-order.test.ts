/**
 * The order of a large table: whatever comes, goes and comes back under the same row number, a walk
 * from key to key meets everything that is there all along exactly once, ascending.
 */
import fc from 'fast-check'
import t from 'tap'
import { freshRowsMax, PrefixOrder, passedOverMax } from '../../bgp/prefix-order.ts'
import { maskInto, PrefixTable } from '../../bgp/rib/prefix-table.ts'

const settings = { seed: 7, numRuns: 300 }

interface Key {
  readonly words: Uint32Array
  readonly length: number
}

/** Keys that share most of their bits, so that they meet, nest and collide. */
const keys = (words: number): fc.Arbitrary<Key> =>
  fc
    .tuple(
      fc.array(fc.constantFrom(0, 1, 0x0a000000, 0x80000000, 0xffffffff), {
        minLength: words,
        maxLength: words,
      }),
      fc.integer({ min: 0, max: words * 32 }),
    )
    .map(([text, length]) => {
      const masked = new Uint32Array(words)
      maskInto(masked, Uint32Array.from(text), 0, words, length)
      return { words: masked, length }
    })

const change = (words: number) =>
  fc.record({ key: keys(words), gone: fc.boolean(), build: fc.boolean() })

for (const [words, name] of [
  [1, 'IPv4'],
  [4, 'IPv6'],
] as const) {
  t.test(`${name}: the order is that of a sorted table, after any changes`, async (t) => {
    fc.assert(
      fc.property(fc.array(change(words), { maxLength: 60 }), (changes) => {
        const table = new PrefixTable(words)
        const order = new PrefixOrder(table)
        finish(order.build())
        for (const { key, gone, build } of changes) {
          const row = table.find(key.words, 0, key.length)
          if (!gone) table.insert(key.words, 0, key.length)
          else if (row !== -1) table.remove(row)
          if (build) finish(order.build())
        }
        t.same([...order.after(null)], sortedRows(table))
      }),
      settings,
    )
    t.pass('holds')
  })

  t.test(`${name}: a walk goes on behind any key, whether it is still there or not`, async (t) => {
    fc.assert(
      fc.property(fc.array(keys(words), { maxLength: 40 }), keys(words), (all, lower) => {
        const table = new PrefixTable(words)
        for (const { words: key, length } of all.slice(20)) table.insert(key, 0, length)
        const order = new PrefixOrder(table)
        finish(order.build())
        for (const { words: key, length } of all.slice(0, 20)) table.insert(key, 0, length)
        const place = table.find(lower.words, 0, lower.length)
        const known = place !== -1
        const row = known ? place : table.insert(lower.words, 0, lower.length)
        const expected = sortedRows(table).filter((each) => table.compare(each, row) > 0)
        if (!known) table.remove(row)
        const family = words === 1 ? 'ipv4-unicast' : 'ipv6-unicast'
        t.same([...order.after({ family, ...lower })], expected)
      }),
      settings,
    )
    t.pass('holds')
  })
}

t.test('what changes while the order is built is in it', async (t) => {
  const table = new PrefixTable(1)
  for (let n = 0; n < 400_000; n++) table.insert(Uint32Array.of(n << 8), 0, 24)
  const order = new PrefixOrder(table)
  const steps = order.build()
  let turn = 0
  for (; !steps.next().done; turn++) {
    table.remove(table.find(Uint32Array.of(turn << 8), 0, 24))
    table.insert(Uint32Array.of((0x800000 + turn) << 8), 0, 24)
  }
  t.ok(turn > 10, `${turn} turns`)
  t.ok(order.complete)
  t.ok(isSorted(order, table))
})

t.test('the order before serves while the next is built', async (t) => {
  const table = new PrefixTable(1)
  for (let n = 0; n < 300_000; n++) table.insert(Uint32Array.of(n << 8), 0, 24)
  const order = new PrefixOrder(table)
  finish(order.build())
  table.insert(Uint32Array.of(0x02000000), 0, 24)
  const steps = order.build()
  for (let turn = 0; !steps.next().done; turn++) {
    table.insert(Uint32Array.of((0x400000 + turn) << 8), 0, 24)
    if (turn % 8 === 0) t.ok(isSorted(order, table), `turn ${turn}`)
  }
  t.ok(isSorted(order, table))
})

t.test('an order of what is gone is worn out by the first walk over it', async (t) => {
  const table = new PrefixTable(1)
  for (let n = 0; n < passedOverMax + 10; n++) table.insert(Uint32Array.of(n << 8), 0, 24)
  const order = new PrefixOrder(table)
  finish(order.build())
  for (let n = 0; n < passedOverMax; n++) table.remove(table.find(Uint32Array.of(n << 8), 0, 24))
  t.notOk(order.worn, 'nobody has walked yet')
  t.same([...order.after(null)], sortedRows(table))
  t.ok(order.worn)
  finish(order.build())
  t.notOk(order.worn)
  t.same([...order.after(null)], sortedRows(table))
})

t.test('beyond its list of new rows it says that it is not complete', async (t) => {
  const table = new PrefixTable(1)
  const order = new PrefixOrder(table)
  finish(order.build())
  for (let n = 0; n < freshRowsMax; n++) table.insert(Uint32Array.of(n << 8), 0, 24)
  t.ok(order.complete)
  t.equal([...order.after(null)].length, freshRowsMax)
  table.insert(Uint32Array.of(0x0a000000), 0, 8)
  t.notOk(order.complete)
  t.equal(table.onInsert, null, 'an insertion costs nothing any more')
  finish(order.build())
  t.ok(order.complete)
  t.equal([...order.after(null)].length, freshRowsMax + 1)
})

function finish(steps: Generator<void>): void {
  for (const _step of steps);
}

/** For tables so large that a comparison in words takes its time. */
function isSorted(order: PrefixOrder, table: PrefixTable): boolean {
  const expected = sortedRows(table)
  const rows = [...order.after(null)]
  return rows.length === expected.length && rows.every((row, at) => row === expected[at])
}

function sortedRows(table: PrefixTable): number[] {
  const rows: number[] = []
  for (let row = 0; row < table.limit; row++) if (table.used(row)) rows.push(row)
  return rows.sort((a, b) => table.compare(a, b))
}
