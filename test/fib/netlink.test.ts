/**
 * The codec against byte vectors (laid out by hand from linux/rtnetlink.h; what the real kernel makes
 * of such bytes is kernel.test.ts), against itself, and against noise.
 */
import fc from 'fast-check'
import t from 'tap'
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from '../../fib/address.ts'
import {
  littleEndian,
  RouteMessage,
  readAddress4,
  readError,
  readLink,
  readNeighbour,
  readRoute,
  visitMessages,
} from '../../fib/netlink.ts'
import {
  batchBytesMax,
  encodeDump,
  encodeLegs,
  encodeNeighbourPrompt,
  type Leg,
  RouteBatch,
} from '../../fib/request.ts'
import { Ways } from '../../fib/way.ts'
import { seed } from './scene.ts'

t.comment(`fast-check seed ${seed}`)
t.ok(littleEndian, 'the vectors below are little-endian, as every machine we run on')

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const mark = { table: 254, protocol: 179, metric: 2179 }
const far = { table: 1000, protocol: 179, metric: 2179 }

interface Seen {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly start: number
  readonly end: number
}

function messages(bytes: Uint8Array): { view: DataView; seen: Seen[]; whole: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const seen: Seen[] = []
  const whole = visitMessages(view, bytes.length, (type, flags, sequence, _port, start, end) =>
    seen.push({ type, flags, sequence, start, end }),
  )
  return { view, seen, whole }
}

t.test('requests are the bytes the kernel expects', async (t) => {
  const add = (prefix: string, legs: readonly Leg[], where = mark, type = 1) => {
    const batch = new RouteBatch()
    const { family, words, length } = parsePrefix(prefix)!
    batch.add(0x600, type, 7, family, where, words, 0, length, encodeLegs(family, legs))
    batch.seal()
    return hex(batch.bytes.subarray(0, batch.length))
  }
  const eth = { interface: 2, gateway: '10.0.0.2' }
  const table: readonly [what: string, bytes: string, wanted: string][] = [
    [
      'one gateway',
      add('10.1.0.0/24', [eth]),
      `3c000000 1800 0506 07000000 00000000 02180000 feb30001 00000000
       08000100 0a010000 08000600 83080000 08000400 02000000 08000500 0a000002`,
    ],
    [
      'two gateways',
      add('10.1.0.0/24', [eth, { interface: 3, gateway: '10.0.1.2' }]),
      `50000000 1800 0506 07000000 00000000 02180000 feb30001 00000000
       08000100 0a010000 08000600 83080000
       24000900 10000000 02000000 08000500 0a000002 10000000 03000000 08000500 0a000102`,
    ],
    [
      'a blackhole of IPv6',
      add('fd01::/48', [], mark, 6),
      `38000000 1800 0506 07000000 00000000 0a300000 feb30006 00000000
       14000100 fd010000 00000000 00000000 00000000 08000600 83080000`,
    ],
    [
      'the default route, in a table beyond a byte, through an IPv6 gateway',
      add('0.0.0.0/0', [{ interface: 2, gateway: 'fe80::2' }], far),
      `4c000000 1800 0506 07000000 00000000 02000000 fcb30001 00000000
       08000600 83080000 08000f00 e8030000
       08000400 02000000 16001200 0a00 fe800000 00000000 00000000 00000002 0000`,
    ],
  ]
  for (const [what, bytes, wanted] of table) t.equal(bytes, wanted.replaceAll(/\s/g, ''), what)

  const batch = new RouteBatch()
  batch.remove(9, 4, mark, parsePrefix('10.1.0.0/24')!.words, 0, 24)
  t.equal(
    hex(batch.bytes.subarray(0, batch.length)),
    '2c0000001900010009000000000000000218000' + '0feb3ff0000000000080001000a0100000800060083080000',
    'a removal: any scope, any type, but table, protocol and metric',
  )
  t.equal(hex(encodeDump(18, null, 1)), `20000000120001030100000000000000${'00'.repeat(16)}`)
  t.equal(hex(encodeDump(26, 6, 1)), `1c0000001a00010301000000000000000a${'00'.repeat(11)}`)
  t.equal(
    hex(encodeNeighbourPrompt(2, parseAddress('10.0.0.2')!, 5)),
    '240000001c000504050000000000000002000000020000000000010008000100' + '0a000002',
  )
})

t.test('what the kernel says is read', async (t) => {
  const route = new RouteMessage()
  const ways = new Ways()
  const table: readonly [what: string, bytes: string, wanted: string][] = [
    [
      'a connected route of IPv4, as in a dump',
      `3c000000 1800 2200 01000000 47120000 02180000 fe02fd01 00000000
       08000f00 fe000000 08000100 0a000000 08000700 0a000001 08000400 02000000`,
      '10.0.0.0/24 254 proto 2 metric 0 type 1 source 10.0.0.1: null@2',
    ],
    [
      'a multipath route of IPv6',
      `74000000 1800 0000 00000000 00000000 0a300000 feb30001 00000000
       08000f00 fe000000 14000100 fd020000 00000000 00000000 00000000 08000600 83080000
       3c000900
       1c000000 03000000 14000500 fd000000 00000001 00000000 00000002
       1c000000 02000000 14000500 fd000000 00000000 00000000 00000002`,
      'fd02::/48 254 proto 179 metric 2179 type 1: fd00::2@2 fd00:0:0:1::2@3',
    ],
    [
      'an IPv4 route with RTA_VIA, in table 1000',
      `4c000000 1800 0000 00000000 00000000 02180000 fcb30001 00000000
       08000f00 e8030000 08000100 0a010000
       08000400 02000000 16001200 0a00 fe800000 00000000 00000000 00000002 0000 00000000`,
      '10.1.0.0/24 1000 proto 179 metric 0 type 1: fe80::2@2',
    ],
  ]
  for (const [what, text, wanted] of table) {
    const bytes = bytesOf(text)
    new DataView(bytes.buffer).setUint32(0, bytes.length, true)
    const { view, seen } = messages(bytes)
    t.ok(readRoute(view, seen[0]!.start, seen[0]!.end, route), what)
    const prefix = formatPrefix(route.family, route.destination, 0, route.length)
    const source = route.hasSource ? ` source ${formatAddress(route.family, route.source)}` : ''
    const legs = ways.get(ways.fromMessage(route)).legs
    t.equal(
      `${prefix} ${route.table} proto ${route.protocol} metric ${route.metric} type ${route.type}` +
        `${source}: ${legs.map((leg) => `${leg.gateway}@${leg.interface}`).join(' ')}`,
      wanted,
      what,
    )
  }
})

t.test('errors carry the errno and the words of the kernel', async (t) => {
  // -EINVAL, capped header, "Nexthop has invalid gateway" (NLMSGERR_ATTR_MSG).
  const words = 'Nexthop has invalid gateway\0'
  const text = Buffer.from(words).toString('hex')
  const bytes = bytesOf(
    `44000000 0200 0003 07000000 00000000 eaffffff 3c000000 1800 0506 07000000 00000000 20000100 ${text}`,
  )
  const { view, seen, whole } = messages(bytes)
  t.ok(whole)
  const { flags, start, end } = seen[0]!
  t.same(readError(view, flags, start, end), { errno: 22, text: 'Nexthop has invalid gateway' })
  t.same(readError(view, 0, start, start + 20), { errno: 22, text: null })
  t.match(readError(view, 0, start, start + 2), { errno: 71 })
})

t.test(
  'links: the bridge talks about its ports in the same messages, and is not heard',
  async (t) => {
    const link = bytesOf(
      '2c000000 1000 0000 00000000 00000000 00000100 02000000 43100100 00000000 09000300 65746830 00000000',
    )
    const { view, seen } = messages(link)
    const { start, end } = seen[0]!
    t.same(readLink(view, start, end), { index: 2, name: 'eth0', up: true, running: true })
    link[16] = 7
    t.equal(readLink(view, start, end), null)
  },
)

t.test('any route that is encoded reads back as itself', async () => {
  const gateway4 = fc.ipV4()
  const gateway6 = fc.nat({ max: 0xffff }).map((low) => `fd00::${(low + 1).toString(16)}`)
  const legs = fc.uniqueArray(
    fc.record({
      interface: fc.integer({ min: 1, max: 9999 }),
      gateway: fc.oneof(gateway4, gateway6),
    }),
    { minLength: 1, maxLength: 64, selector: (leg) => `${leg.interface} ${leg.gateway}` },
  )
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.tuple(...new Array(4).fill(fc.nat({ max: 0xffff_ffff }))),
      fc.nat({ max: 128 }),
      legs,
      fc.record({
        table: fc.integer({ min: 1, max: 100_000 }),
        protocol: fc.integer({ min: 1, max: 255 }),
        metric: fc.integer({ min: 0, max: 0xffff_ffff }),
      }),
      (six, words, bits, given, where) => {
        const family = six ? 6 : 4
        const length = six ? bits : bits % 33
        const { words: source } = parsePrefix(
          formatPrefix(family, Uint32Array.from(words), 0, length),
        )!
        const usable = given.filter((leg) => !six || leg.gateway.includes(':'))
        const ways = new Ways()
        const batch = new RouteBatch()
        batch.add(0x600, 1, 3, family, where, source, 0, length, encodeLegs(family, usable))
        const { view, seen, whole } = messages(batch.bytes.subarray(0, batch.length))
        const route = new RouteMessage()
        if (!whole || !readRoute(view, seen[0]!.start, seen[0]!.end, route)) return false
        return (
          route.family === family &&
          route.length === length &&
          source.every((value, index) => route.destination[index] === value) &&
          route.table === where.table &&
          route.protocol === where.protocol &&
          route.metric === where.metric &&
          (usable.length === 0 || ways.fromMessage(route) === ways.unicast(usable))
        )
      },
    ),
    { seed },
  )
})

t.test('a batch never outgrows its buffer', async (t) => {
  const batch = new RouteBatch()
  const legs = encodeLegs(
    6,
    Array.from({ length: 64 }, (_, index) => ({ interface: index + 1, gateway: 'fd00::2' })),
  )
  const { words } = parsePrefix('fd01::/48')!
  while (batch.fits(legs.length)) batch.add(0, 1, 1, 6, far, words, 0, 48, legs)
  t.ok(batch.length <= batchBytesMax)
  t.ok(batch.length > batchBytesMax - legs.length - 64)
})

t.test('noise and truncated messages end the reading and harm nothing', async () => {
  const route = new RouteMessage()
  const everything = (bytes: Uint8Array): boolean => {
    const { view, seen } = messages(bytes)
    const ranges = [...seen, { flags: 0x200, start: 0, end: bytes.length }]
    for (const { flags, start, end } of ranges) {
      readRoute(view, start, end, route)
      readLink(view, start, end)
      readNeighbour(view, start, end)
      readAddress4(view, start, end)
      readError(view, flags, start, end)
    }
    return true
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), everything), { seed, numRuns: 3000 })
  const batch = new RouteBatch()
  const legs = encodeLegs(4, [
    { interface: 2, gateway: '10.0.0.2' },
    { interface: 3, gateway: 'fe80::2' },
  ])
  batch.add(0, 1, 1, 4, far, Uint32Array.of(0x0a01_0000), 0, 24, legs)
  const good = batch.bytes.slice(0, batch.length)
  fc.assert(
    fc.property(
      fc.nat({ max: good.length - 1 }),
      fc.nat({ max: 255 }),
      fc.nat({ max: good.length }),
      (at, byte, cut) => {
        const bad = good.slice(0, cut)
        if (at < bad.length) bad[at] = byte
        return everything(bad)
      },
    ),
    { seed, numRuns: 3000 },
  )
})
