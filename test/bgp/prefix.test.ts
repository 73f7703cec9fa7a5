/**
 * Prefixes as text and as numbers: canonical forms (RFC 5952), refusals with a reason, containment,
 * and that any text is either a prefix or a RangeError.
 */
import fc from 'fast-check'
import t from 'tap'
import {
  covers,
  familyOf,
  formatAddress,
  formatIpv4,
  formatPrefix,
  isMartian,
  parseAddress,
  parseHost,
  parseIpv4,
  parsePrefix,
} from '../../bgp/prefix.ts'
import { seed } from './wire/vectors.ts'

const again = (text: string) => {
  const { family, words, length } = parsePrefix(text)
  return formatPrefix(family, words, 0, length)
}

t.test('text of a prefix comes out in its canonical form', async (t) => {
  const table: readonly [given: string, canonical: string][] = [
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['255.255.255.255/32', '255.255.255.255/32'],
    ['::/0', '::/0'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['2001:db8:0:0:0:0:0:1/128', '2001:db8::1/128'],
    ['2001:0db8:0001:0000:0000:0000:0000:0000/48', '2001:db8:1::/48'],
    ['::ffff:10.0.0.0/104', '::ffff:10.0.0.0/104'],
    ['::1/128', '::1/128'],
  ]
  for (const [given, canonical] of table) t.equal(again(given), canonical, given)
})

t.test('text that is no prefix is refused with the reason', async (t) => {
  const table: readonly [given: string, problem: RegExp][] = [
    ['10.0.0.0', /"\/length" is missing/],
    ['10.0.0.0/', /length "" is not a number/],
    ['10.0.0.0/33', /from 0 to 32/],
    ['10.0.0.0/08', /not a number from 0 to 32/],
    ['10.0.0.0/-1', /not a number/],
    ['10.1.2.3/8', /the network is 10\.0\.0\.0\/8/],
    ['2001:db8::1/64', /the network is 2001:db8::\/64/],
    ['10.0.0/8', /four numbers/],
    ['10.0.0.256/32', /"256"/],
    ['010.0.0.0/8', /"010"/],
    ['2001:db8/32', /eight groups/],
    ['::/129', /from 0 to 128/],
    ['1::2::3/128', /once/],
    ['1:2:3:4:5:6:7:8::/128', /eight groups/],
    ['12345::/16', /hexadecimal/],
    [':1::/32', /empty/],
    ['1.2.3.4::/32', /hexadecimal/],
    ['fe80::%eth0/64', /zone/],
    ['', /missing/],
  ]
  for (const [given, problem] of table) {
    let said = 'accepted'
    try {
      parsePrefix(given)
    } catch (error) {
      t.ok(error instanceof RangeError)
      said = (error as Error).message
    }
    t.match(said, problem, `"${given}"`)
  }
})

t.test('IPv6 text follows RFC 5952', async (t) => {
  const table: readonly [given: string, canonical: string][] = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::1%eth0', 'fe80::1'],
  ]
  for (const [given, canonical] of table) {
    t.equal(formatAddress(parseAddress(given), 0, 16), canonical, given)
  }
  t.throws(() => parseAddress('10.0.0.1%eth0'), /only IPv6 addresses have a zone/)
  t.throws(() => formatAddress(new Uint8Array(8), 0, 8), RangeError)
})

t.test('families are told apart by the colon', async (t) => {
  t.equal(familyOf('10.0.0.0/8'), 'ipv4-unicast')
  t.equal(familyOf('::/0'), 'ipv6-unicast')
})

t.test('a prefix covers what lies inside it, itself included', async (t) => {
  const table: readonly [outer: string, inner: string, covered: boolean][] = [
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.1.0.0/16', '10.0.0.0/8', false],
    ['10.0.0.0/8', '11.0.0.0/16', false],
    ['0.0.0.0/0', '192.0.2.0/24', true],
    ['::/0', '192.0.2.0/24', false],
    ['2001:db8::/33', '2001:db8:7fff::/48', true],
    ['2001:db8::/33', '2001:db8:8000::/48', false],
    ['2001:db8::/64', '2001:db8::/64', true],
  ]
  for (const [outer, inner, covered] of table) {
    t.equal(covers(parsePrefix(outer), parsePrefix(inner)), covered, `${outer} ${inner}`)
  }
})

t.test('an address is the prefix that holds it alone, whatever its zone', async (t) => {
  t.same(parseHost('10.1.2.3'), parsePrefix('10.1.2.3/32'))
  t.same(parseHost('2001:db8::1'), parsePrefix('2001:db8::1/128'))
  t.same(parseHost('fe80::1%eth0'), parsePrefix('fe80::1/128'))
  t.throws(() => parseHost('10.1.2'), RangeError)
})

t.test('martians are the prefixes none of whose addresses may be routed', async (t) => {
  const table: readonly [prefix: string, reason: RegExp | null][] = [
    ['0.0.0.0/0', null],
    ['0.0.0.0/1', null],
    ['0.0.0.0/8', /this network/],
    ['0.1.2.0/24', /this network/],
    ['10.0.0.0/8', null],
    ['100.64.0.0/10', null],
    ['127.0.0.0/8', /loopback/],
    ['126.0.0.0/7', null],
    ['127.1.0.0/16', /loopback/],
    ['169.254.0.0/16', /link-local/],
    ['169.254.169.254/32', /link-local/],
    ['192.0.2.0/24', null],
    ['224.0.0.0/4', /multicast/],
    ['224.0.0.0/3', /multicast and reserved/],
    ['240.0.0.0/4', /reserved/],
    ['255.255.255.255/32', /reserved/],
    ['::/0', null],
    ['::/128', /unspecified/],
    ['::1/128', /loopback/],
    ['::ffff:10.0.0.0/104', /IPv4-mapped/],
    ['::/8', /reserved/],
    ['64:ff9b::/96', null],
    ['64:ff9b:1::/48', null],
    ['100::/64', null],
    ['2001:db8::/32', null],
    ['fc00::/7', null],
    ['fd00::/8', null],
    ['fe80::/64', /link-local/],
    ['fec0::/10', /site-local/],
    ['ff02::/16', /multicast/],
    ['fe00::/7', /reserved, link-local/],
    ['fc00::/6', null],
  ]
  for (const [text, reason] of table) {
    const { family, words, length } = parsePrefix(text)
    const said = isMartian(family, words, 0, length)
    if (reason === null) t.equal(said, null, text)
    else t.match(said, reason, text)
  }
})

t.test(`any prefix survives text and back (seed ${seed})`, async (t) => {
  const v4 = fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 32 }))
  fc.assert(
    fc.property(v4, ([word, length]) => {
      const text = formatPrefix('ipv4-unicast', Uint32Array.of(word), 0, length)
      const parsed = parsePrefix(text)
      return (
        parsed.length === length && again(text) === text && parseIpv4(formatIpv4(word)) === word
      )
    }),
    { seed },
  )
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  const groups = fc.array(group, { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(groups, fc.integer({ min: 0, max: 128 }), (parts, length) => {
      const plain = parts.map((part) => part.toString(16)).join(':')
      const bytes = parseAddress(plain)
      const short = formatAddress(bytes, 0, 16)
      t.same(parseAddress(short), bytes)
      const words = Uint32Array.from([0, 2, 4, 6], (i) => parts[i]! * 0x10000 + parts[i + 1]!)
      const text = formatPrefix('ipv6-unicast', words, 0, length)
      return again(text) === text
    }),
    { seed, numRuns: 300 },
  )
})

t.test(`any text gives a prefix or a RangeError (seed ${seed})`, async () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('1', '0', 'f', ':', '.', '/', '%', '2') }),
  )
  fc.assert(
    fc.property(text, (given) => {
      try {
        again(given)
      } catch (error) {
        return error instanceof RangeError
      }
      return true
    }),
    { seed, numRuns: 2000 },
  )
})
