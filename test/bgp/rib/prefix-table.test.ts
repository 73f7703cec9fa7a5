/** The prefix table against an obvious Map, and the shift-back deletion under heavy collisions. */
import fc from 'fast-check'
import t from 'tap'
import { maskInto, PrefixTable } from '../../../bgp/rib/prefix-table.ts'

const seed = 20_260
t.comment(`fast-check seed ${seed}`)

for (const words of [1, 4] as const) {
  t.test(`a table of ${words} word(s) a key behaves like a Map`, async (t) => {
    // Few distinct values, so that inserts, finds and removals meet the same keys again and again.
    const key = fc.tuple(
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: words, maxLength: words }),
      fc.integer({ min: 0, max: words * 32 }),
    )
    const operation = fc.tuple(fc.constantFrom('insert', 'remove', 'find'), key)
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const table = new PrefixTable(words)
        const oracle = new Map<string, number>()
        for (const [what, [values, length]] of operations) {
          const packed = Uint32Array.from(values, (value) => Math.imul(value, 0x01000193) >>> 0)
          const text = `${packed.join(',')}/${length}`
          const row = table.find(packed, 0, length)
          if (row !== (oracle.get(text) ?? -1)) return false
          if (what === 'insert') oracle.set(text, table.insert(packed, 0, length))
          if (what === 'remove' && row !== -1) {
            table.remove(row)
            oracle.delete(text)
          }
        }
        const rows = new Set(oracle.values())
        return table.size === oracle.size && rows.size === oracle.size
      }),
      { seed, numRuns: 200 },
    )
    t.pass('200 random histories agree')
  })
}

t.test('a table grows past its first size and finds every prefix again', async (t) => {
  const table = new PrefixTable(1)
  const key = new Uint32Array(1)
  let sparse = 0
  for (let index = 0; index < 20_000; index++) {
    key[0] = (index << 8) >>> 0
    if (table.insert(key, 0, 24) !== index) sparse++
  }
  t.equal(sparse, 0, 'rows are dense')
  let missing = 0
  for (let index = 0; index < 20_000; index++) {
    key[0] = (index << 8) >>> 0
    if (table.find(key, 0, 24) !== index) missing++
  }
  t.equal(missing, 0, 'nothing is lost')
  t.equal(table.perLength[24], 20_000)
})

t.test('longest finds the most specific accepted prefix', async (t) => {
  const table = new PrefixTable(1)
  const insert = (address: number, length: number): number =>
    table.insert(Uint32Array.of(address >>> 0), 0, length)
  const all = insert(0, 0)
  const ten = insert(0x0a000000, 8)
  const narrow = insert(0x0a010200, 24)
  const host = Uint32Array.of(0x0a010203)
  t.equal(
    table.longest(host, 0, 32, () => true),
    narrow,
  )
  t.equal(
    table.longest(host, 0, 32, (row) => row !== narrow),
    ten,
  )
  t.equal(
    table.longest(Uint32Array.of(0x0b000000), 0, 32, () => true),
    all,
  )
  t.equal(
    table.longest(Uint32Array.of(0x0b000000), 0, 32, (row) => row !== all),
    -1,
  )
})

t.test('maskInto keeps exactly the bits of the length', async (t) => {
  const into = new Uint32Array(4)
  const key = Uint32Array.of(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)
  const cases: [number, number[]][] = [
    [0, [0, 0, 0, 0]],
    [1, [0x80000000, 0, 0, 0]],
    [32, [0xffffffff, 0, 0, 0]],
    [33, [0xffffffff, 0x80000000, 0, 0]],
    [127, [0xffffffff, 0xffffffff, 0xffffffff, 0xfffffffe]],
    [128, [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff]],
  ]
  for (const [length, expected] of cases) {
    maskInto(into, key, 0, 4, length)
    t.same([...into], expected, `/${length}`)
  }
})
