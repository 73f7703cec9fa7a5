/** Community patterns: what they fit, as text and in the octets of an attribute. */
import fc from 'fast-check'
import t from 'tap'
import { fitsPattern, hasCommunity, parsePattern } from '../../../bgp/policy/community-pattern.ts'
import { parseCommunity } from '../../../bgp/wire/community.ts'
import { refusalOf, seed } from './scene.ts'

t.test('a pattern fits what it names, and any number where it has a gap', async (t) => {
  const table: readonly [pattern: string, fits: string[], others: string[]][] = [
    ['65001:100', ['65001:100'], ['65001:101', '65002:100', '65001:100:0']],
    ['65001:*', ['65001:0', '65001:65535'], ['65000:0', '65001:0:0']],
    ['*:0', ['0:0', '65535:0'], ['0:1']],
    ['*:*', ['0:0', '65535:65535'], ['0:0:0']],
    ['4294967295:*:7', ['4294967295:1:7'], ['4294967295:1:8', '4294967294:1:7', '1:7']],
    ['*:*:*', ['0:0:0', '4294967295:4294967295:4294967295'], ['1:1']],
  ]
  for (const [pattern, fits, others] of table) {
    for (const text of fits) t.ok(fitsPattern(parsePattern(pattern), parseCommunity(text)), text)
    for (const text of others) {
      t.notOk(fitsPattern(parsePattern(pattern), parseCommunity(text)), text)
    }
  }
})

t.test('text that is no pattern is refused', async (t) => {
  for (const text of ['', '*', '1', '65536:*', '1:2:3:4', '**:1', '1:*a', ':', '1:', '-1:*']) {
    t.match(
      refusalOf(() => parsePattern(text)),
      /is no community/,
      `"${text}"`,
    )
  }
})

t.test('octets are searched as the pattern would be held against each of them', async () => {
  for (const count of [2, 3]) {
    const part = fc.constantFrom('*', '0', '1', '65535')
    const pattern = fc.array(part, { minLength: count, maxLength: count })
    const number = fc.constantFrom(0, 1, 65535)
    const community = fc.array(number, { minLength: count, maxLength: count })
    fc.assert(
      fc.property(pattern, fc.array(community, { maxLength: 5 }), (parts, communities) => {
        const octets = communities.flatMap((numbers) =>
          numbers.flatMap((n) => (count === 2 ? [n >>> 8, n & 255] : [0, 0, n >>> 8, n & 255])),
        )
        const expected = communities.some((numbers) =>
          numbers.every((n, i) => parts[i] === '*' || parts[i] === String(n)),
        )
        const found = hasCommunity(
          parsePattern(parts.join(':')),
          Uint8Array.from(octets),
          0,
          octets.length,
        )
        return found === expected
      }),
      { seed, numRuns: 1000 },
    )
  }
})
