/** Text and numbers of addresses and prefixes, with ip-address as the second opinion. */
import fc from 'fast-check'
import { Address4, Address6 } from 'ip-address'
import t from 'tap'
import {
  bitsOf,
  comparePrefixes,
  covers,
  formatAddress,
  formatPrefix,
  mask,
  parseAddress,
  parsePrefix,
} from '../../fib/address.ts'
import { seed } from './scene.ts'

t.comment(`fast-check seed ${seed}`)
const word = fc.nat({ max: 0xffff_ffff })

t.test('addresses come out in canonical text', async (t) => {
  const table: readonly [given: string, canonical: string][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
  ]
  for (const [given, canonical] of table) {
    const address = parseAddress(given)!
    t.equal(formatAddress(address.family, address.words), canonical, given)
  }
  t.equal(parseAddress('fe80::1%eth0')?.zone, 'eth0')
})

t.test('what is no address or prefix is null', async (t) => {
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.1%eth0',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    'fe80::1%',
    '12345::',
    ':1::2',
    '1.2.3.4::',
  ]) {
    t.equal(parseAddress(text), null, text)
  }
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/x',
    'fe80::%e/64',
  ]) {
    t.equal(parsePrefix(text), null, text)
  }
})

t.test('any IPv4 and IPv6 address reads as ip-address reads it, and back', async () => {
  fc.assert(
    fc.property(word, (value) => {
      const text = formatAddress(4, Uint32Array.of(value))
      return (
        Number(Address4.fromBigInt(BigInt(value)).bigInt()) === parseAddress(text)!.words[0] &&
        text === Address4.fromBigInt(BigInt(value)).address
      )
    }),
    { seed },
  )
  fc.assert(
    fc.property(fc.tuple(word, word, fc.constantFrom(0, 1, 0x10000), word), (words) => {
      const value = words.reduce((sum, part) => (sum << 32n) | BigInt(part), 0n)
      const text = formatAddress(6, Uint32Array.from(words))
      const back = parseAddress(Address6.fromBigInt(value).canonicalForm())
      return (
        back !== null &&
        parseAddress(text)!.words.join() === words.join() &&
        back.words.join() === words.join()
      )
    }),
    { seed },
  )
})

t.test('no text makes the reader throw', async () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./%gx') }), (text) => {
      parseAddress(text)
      parsePrefix(text)
      return true
    }),
    { seed, numRuns: 2000 },
  )
})

t.test('a masked address is covered by its prefix, and by no sibling', async () => {
  fc.assert(
    fc.property(
      fc.tuple(word, word, word, word),
      fc.integer({ min: 1, max: 128 }),
      (parts, length) => {
        const address = Uint32Array.from(parts)
        const prefix = new Uint32Array(4)
        mask(address, 0, prefix, 0, 4, length)
        const sibling = prefix.slice()
        sibling[(length - 1) >>> 5]! ^= 1 << (31 - ((length - 1) & 31))
        return covers(prefix, 0, length, address) && !covers(sibling, 0, length, address)
      },
    ),
    { seed },
  )
})

t.test('prefixes are ordered by family, address, length', async (t) => {
  const ordered = [
    '0.0.0.0/0',
    '9.0.0.0/8',
    '10.0.0.0/8',
    '10.0.0.0/9',
    '200.0.0.0/8',
    '::/0',
    '8000::/1',
  ]
  const shuffled = [...ordered].reverse().map((text) => parsePrefix(text)!)
  t.same(
    shuffled
      .sort(comparePrefixes)
      .map((prefix) => formatPrefix(prefix.family, prefix.words, 0, prefix.length)),
    ordered,
  )
  t.equal(bitsOf(6), 128)
})
