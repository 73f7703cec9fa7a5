/** Prefix sets: ranges on one network and many, against a plain comparison of bits. */
import fc from 'fast-check'
import t from 'tap'
import { PrefixSet } from '../../../bgp/policy/prefix-set.ts'
import { formatPrefix, parsePrefix } from '../../../bgp/prefix.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { refusalOf, seed } from './scene.ts'

function has(set: PrefixSet, text: string): boolean {
  const { words, length } = parsePrefix(text)
  return set.has(Uint32Array.of(0xffffffff, ...words), 1, length)
}

t.test('nothing is in an empty set', async (t) => {
  t.notOk(has(new PrefixSet('ipv4-unicast', []), '0.0.0.0/0'))
})

t.test('ranges on one network add up, and holes between them stay holes', async (t) => {
  const set = new PrefixSet('ipv6-unicast', [
    { cidr: '2001:db8::/32', min: 32, max: 32 },
    { cidr: '2001:db8::/32', min: 64, max: 65 },
    { cidr: '2001:db8::/32', min: 128, max: 128 },
  ])
  const wanted = [32, 64, 65, 128]
  for (let length = 32; length <= 128; length++) {
    t.equal(has(set, `2001:db8::/${length}`), wanted.includes(length), `length ${length}`)
  }
})

t.test('a range that holds nothing is refused', async (t) => {
  const table: readonly [min: number, max: number][] = [
    [7, 8],
    [9, 8],
    [8, 33],
    [Number.NaN, 8],
  ]
  for (const [min, max] of table) {
    const make = () => new PrefixSet('ipv4-unicast', [{ cidr: '10.0.0.0/8', min, max }])
    t.match(refusalOf(make), /hold nothing: 8 <= min <= max <= 32 is needed/)
  }
})

/** Few different bits, so that random prefixes lie in each other. */
function prefixes(family: FamilyName): fc.Arbitrary<string> {
  const bits = family === 'ipv4-unicast' ? 32 : 128
  const word = fc.constantFrom(0, 0x80000000, 0xffffffff, 0x0a000001)
  const words = fc.array(word, { minLength: bits / 32, maxLength: bits / 32 })
  return fc
    .tuple(words, fc.integer({ min: 0, max: bits }))
    .map(([list, length]) => formatPrefix(family, Uint32Array.from(list), 0, length))
}

function bitsOf(text: string): string {
  const { words, length } = parsePrefix(text)
  return [...words]
    .map((word) => word.toString(2).padStart(32, '0'))
    .join('')
    .slice(0, length)
}

for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
  const bits = family === 'ipv4-unicast' ? 32 : 128
  const range = fc.tuple(prefixes(family), fc.nat(bits), fc.nat(bits)).map(([cidr, a, b]) => {
    const { length } = parsePrefix(cidr)
    const [min, max] = [Math.max(length, Math.min(a, b)), Math.max(length, a, b)]
    return { cidr, min, max }
  })

  t.test(`${family}: membership is that of a plain comparison of bits`, async () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), prefixes(family), (ranges, asked) => {
        const expected = ranges.some(({ cidr, min, max }) => {
          const length = bitsOf(asked).length
          return bitsOf(asked).startsWith(bitsOf(cidr)) && length >= min && length <= max
        })
        return has(new PrefixSet(family, ranges), asked) === expected
      }),
      { seed, numRuns: 2000 },
    )
  })
}
