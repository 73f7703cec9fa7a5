/** Typed columns against a plain Map, and the queue of rows to look at again. */
import fc from 'fast-check'
import t from 'tap'
import { PrefixTable } from '../../fib/prefix-table.ts'
import { RouteTable } from '../../fib/table.ts'
import { seed } from './scene.ts'

t.comment(`fast-check seed ${seed}`)

/** Few addresses, so that insertions, removals and probe runs meet. */
const step = fc.record({
  remove: fc.boolean(),
  words: fc.tuple(...new Array(4).fill(fc.nat({ max: 3 }))),
  length: fc.constantFrom(0, 24, 32),
})

t.test('the table agrees with a Map, whatever is inserted and removed', async () => {
  for (const words of [1, 4] as const) {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new PrefixTable(words)
        const model = new Map<string, number>()
        for (const { remove, words: parts, length } of steps) {
          const source = Uint32Array.from(parts)
          const key = `${parts.slice(0, words).join()} ${length}`
          if (remove) {
            const row = table.find(source, 0, length)
            if (row >= 0 !== model.has(key)) return false
            if (row >= 0) table.remove(row)
            model.delete(key)
          } else {
            const row = table.insert(source, 0, length)
            if (model.has(key) && model.get(key) !== row) return false
            model.set(key, row)
          }
        }
        const rows = new Set(model.values())
        return (
          table.size === model.size &&
          rows.size === model.size &&
          [...rows].every((row) => table.isLive(row)) &&
          table.lengthCounts.reduce((sum, count) => sum + count, 0) === model.size
        )
      }),
      { seed },
    )
  }
})

t.test('ten thousand prefixes survive growth and half of them removal', async (t) => {
  const table = new PrefixTable(1)
  const word = (index: number) => Uint32Array.of(index << 8)
  for (let index = 0; index < 10_000; index++) table.insert(word(index), 0, 24)
  for (let index = 0; index < 10_000; index += 2) table.remove(table.find(word(index), 0, 24))
  const found = Array.from({ length: 10_000 }, (_, index) => table.find(word(index), 0, 24) >= 0)
  t.ok(found.every((there, index) => there === (index % 2 === 1)))
  t.equal(table.size, 5000)
})

t.test('the queue of a route table holds each row once, in order, through growth', async (t) => {
  const table = new RouteTable(4)
  const insert = (index: number) => table.insert(Uint32Array.of(index << 8), 0, 24)
  const rows = Array.from({ length: 50 }, (_, index) => insert(index))
  for (const row of rows) table.enqueue(row)
  for (const row of rows) table.enqueue(row)
  for (let taken = 0; taken < 30; taken++) t.equal(table.dequeue(), rows[taken])
  const more = Array.from({ length: 500 }, (_, index) => insert(1000 + index))
  for (const row of more) table.enqueue(row)
  t.equal(table.queued, 520)
  const first = table.dequeue()
  t.equal(first, rows[30])
  table.requeue(first)
  t.same(
    Array.from({ length: 520 }, () => table.dequeue()),
    [...rows.slice(30), ...more],
  )
  t.equal(table.dequeue(), -1)
})

t.test('scattered order visits every row once', async (t) => {
  const table = new RouteTable(4)
  for (let index = 0; index < 1000; index++) table.insert(Uint32Array.of(index << 8), 0, 24)
  const seen = [...table.scattered()]
  t.same(
    [...seen].sort((a, b) => a - b),
    [...table.rows()],
  )
  t.not(seen[1], 1)
})
