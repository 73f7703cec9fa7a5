/** Addresses, prefixes and endpoints: what is read, how it is written, what is said otherwise. */
import fc from 'fast-check'
import t from 'tap'
import {
  coversPrefix,
  knownPrefix,
  overlapsPrefix,
  parseAddress,
  parseEndpoint,
  parseInterfaceAddress,
  parsePrefix,
} from '../../src/config/address.ts'

const { SEED: seedText = '179' } = process.env
const seed = Number(seedText)

t.test('an address is written canonically', async (t) => {
  const table: readonly [string, string, string][] = [
    ['IPv4 as it is', '10.0.0.1', '10.0.0.1'],
    ['lower case', '2001:DB8::A', '2001:db8::a'],
    ['longest run of zeros, the first of two', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['leading zeros of a group go', '2001:0db8::0001', '2001:db8::1'],
    ['the unspecified address', '0:0:0:0:0:0:0:0', '::'],
    ['a zone stays', 'FE80::1%eth0', 'fe80::1%eth0'],
  ]
  for (const [caption, text, canonical] of table) {
    const read = parseAddress(text)
    t.equal(read.ok && read.value.text, canonical, caption)
  }
})

t.test('what is no address is refused in words', async (t) => {
  const table: readonly [string, string, RegExp][] = [
    ['nothing', '', /empty/],
    ['too few numbers', '10.0.0', /invalid IPv4 address/],
    ['a number too great', '10.0.0.256', /invalid IPv4 address/],
    ['octal look-alike', '010.0.0.1', /leading zeroes/],
    ['a length where none belongs', '10.0.0.1/24', /prefix length/],
    ['two runs of zeros', '1::2::3', /./],
    ['a blank', ' 10.0.0.1', /characters that no address has/],
    ['a name', 'localhost', /characters that no address has/],
    ['IPv4 inside IPv6', '::ffff:10.0.0.1', /write 10\.0\.0\.1/],
    ['a zone that is no interface', 'fe80::1%a b', /not an interface name/],
    ['far too long', '1'.repeat(1000), /too long/],
  ]
  for (const [caption, text, message] of table) {
    const read = parseAddress(text)
    t.notOk(read.ok, caption)
    if (!read.ok) t.match(read.error, message, caption)
  }
})

t.test('a prefix has no bits beyond its length', async (t) => {
  const network = parsePrefix('2001:DB8:1::/48')
  t.equal(network.ok && network.value.text, '2001:db8:1::/48')
  t.same(parsePrefix('10.1.2.3/24'), {
    ok: false,
    error: 'bits are set beyond the prefix length; the network is 10.1.2.0/24',
  })
  t.match(parsePrefix('10.1.2.0'), { ok: false, error: /length is missing/ })
  t.match(parsePrefix('10.1.2.0/33'), { ok: false })
  t.match(parsePrefix('fe80::%eth0/64'), { ok: false, error: /no zone/ })
})

t.test('an interface address keeps the host and the length', async (t) => {
  t.same(parseInterfaceAddress('10.0.0.7/24'), {
    ok: true,
    value: { address: '10.0.0.7', family: 4, length: 24 },
  })
  t.match(parseInterfaceAddress('2001:db8::7'), { ok: true, value: { length: null, family: 6 } })
})

t.test('an endpoint is an address with or without a port', async (t) => {
  const table: readonly [string, string, number | null][] = [
    ['10.0.0.1', '10.0.0.1', null],
    ['10.0.0.1:1790', '10.0.0.1', 1790],
    ['2001:db8::1', '2001:db8::1', null],
    ['[2001:db8::1]:1790', '2001:db8::1', 1790],
    ['[2001:db8::1]', '2001:db8::1', null],
    ['fe80::1%eth0', 'fe80::1%eth0', null],
  ]
  for (const [text, address, port] of table) {
    t.match(parseEndpoint(text), { ok: true, value: { address: { text: address }, port } }, text)
  }
  for (const text of ['10.0.0.1:0', '10.0.0.1:65536', '[10.0.0.1]:179', '[::1]:x', '10.0.0.1:']) {
    t.notOk(parseEndpoint(text).ok, text)
  }
})

t.test('prefixes cover and overlap within their family only', async (t) => {
  const [wide, narrow] = [knownPrefix('10.0.0.0/8'), knownPrefix('10.1.0.0/16')]
  t.ok(coversPrefix(wide, narrow))
  t.notOk(coversPrefix(narrow, wide))
  t.ok(overlapsPrefix(narrow, wide))
  t.notOk(overlapsPrefix(knownPrefix('10.2.0.0/16'), narrow))
  t.notOk(coversPrefix(knownPrefix('0.0.0.0/0'), knownPrefix('::/0')))
  t.throws(() => knownPrefix('x'), TypeError)
})

t.test(
  `any text is read or refused, and reading again changes nothing (seed ${seed})`,
  async (t) => {
    const texts = fc.oneof(
      fc.string(),
      fc.ipV4(),
      fc.ipV6(),
      fc.ipV4Extended(),
      fc
        .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(140))
        .map(([ip, length]) => `${ip}/${length}`),
      fc.stringMatching(/^[0-9a-f:.%/[\]]{0,40}$/),
    )
    fc.assert(
      fc.property(texts, (text) => {
        for (const parse of [parseAddress, parsePrefix]) {
          const read = parse(text)
          if (read.ok && parse(read.value.text).ok !== true) return false
          const again = read.ok ? parse(read.value.text) : read
          if (read.ok && again.ok && again.value.text !== read.value.text) return false
        }
        parseEndpoint(text)
        parseInterfaceAddress(text)
        return true
      }),
      { seed, numRuns: 2000 },
    )
    t.pass('nothing thrown')
  },
)
