/**
 * Addresses of requests: canonical text out, or a problem that says what to write.
 */
import fc from 'fast-check'
import t from 'tap'
import { parsePrefix } from '../../api/address.ts'
import { Problem } from '../../api/problem.ts'

t.test('text becomes canonical', async (t) => {
  for (const [caption, text, prefix, host] of [
    ['an IPv4 address', '10.1.2.3', '10.1.2.3/32', true],
    ['an IPv4 prefix', '10.1.2.0/24', '10.1.2.0/24', false],
    ['the IPv4 default route', '0.0.0.0/0', '0.0.0.0/0', false],
    ['an address written with its length', '10.1.2.3/32', '10.1.2.3/32', false],
    ['an IPv6 address in capitals', '2001:DB8::A', '2001:db8::a/128', true],
    ['zeroes are compressed', '2001:db8:0:0:0:0:0:0/48', '2001:db8::/48', false],
    ['the IPv6 default route', '::/0', '::/0', false],
    ['blanks around it', '  10.1.2.3\n', '10.1.2.3/32', true],
  ] as const) {
    t.same(parsePrefix(text, 'prefix'), { prefix, host }, caption)
  }
})

t.test('what is canonical stays as it is', async () => {
  const length4 = fc.integer({ min: 0, max: 32 })
  const length6 = fc.integer({ min: 0, max: 128 })
  const prefixes = fc.oneof(fc.tuple(fc.ipV4(), length4), fc.tuple(fc.ipV6(), length6))
  fc.assert(
    fc.property(prefixes, ([address, length]) => {
      const once = networkOf(`${address}/${length}`)
      return parsePrefix(once, 'prefix').prefix === once && once.endsWith(`/${length}`)
    }),
    { seed: 20_253, numRuns: 500 },
  )
})

t.test('whatever the text, the answer is a prefix or a problem', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdefx.:/%[] '), maxLength: 60 }),
  )
  fc.assert(
    fc.property(text, (value) => {
      try {
        return /^[0-9a-f.:]+\/[0-9]+$/.test(parsePrefix(value, 'prefix').prefix)
      } catch (error) {
        return error instanceof Problem && error.remedy !== ''
      }
    }),
    { seed: 20_254, numRuns: 2000 },
  )
})

/** The network a prefix lies in: either it is one, or the problem's remedy names it. */
function networkOf(text: string): string {
  try {
    return parsePrefix(text, 'prefix').prefix
  } catch (error) {
    return /the network (\S+)/.exec((error as Problem).remedy)![1]!
  }
}
