/**
 * The codec of nexthop objects against byte vectors (laid out by hand from linux/nexthop.h; what the
 * real kernel makes of such bytes is nexthops-kernel.test.ts), against itself, and against noise.
 */
import fc from 'fast-check'
import t from 'tap'
import { visitMessages } from '../../fib/netlink.ts'
import {
  NexthopBatch,
  type NexthopObject,
  type ObjectRequest,
  readNexthop,
} from '../../fib/nexthop-message.ts'
import { batchBytesMax, encodeDump, encodeNexthopId } from '../../fib/request.ts'
import { seed } from './scene.ts'

t.comment(`fast-check seed ${seed}`)

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function encode(request: ObjectRequest, seal = false): Uint8Array {
  const batch = new NexthopBatch()
  batch.add(7, 179, request)
  if (seal) batch.seal()
  return batch.bytes.slice(0, batch.length)
}

function read(bytes: Uint8Array): NexthopObject | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let object: NexthopObject | null = null
  visitMessages(view, bytes.length, (_type, _flags, _sequence, _port, start, end) => {
    object = readNexthop(view, start, end)
  })
  return object
}

t.test('requests are the bytes the kernel expects', async (t) => {
  const hop = { operation: 'hop', id: 1_790_000_000, interface: 2, gateway: '10.0.0.2' } as const
  const group = { operation: 'group', id: 1_791_000_000, replaces: true } as const
  const table: readonly [caption: string, bytes: Uint8Array, wanted: string][] = [
    [
      'a hop of IPv4',
      encode({ ...hop, replaces: false }),
      `30000000 6800 0106 07000000 00000000 02 00 b3 00 00000000
       08000100 803bb16a 08000500 02000000 08000600 0a000002`,
    ],
    [
      'a hop of IPv6, replaced, acknowledged',
      encode({ ...hop, gateway: 'fe80::2', replaces: true }, true),
      `3c000000 6800 0505 07000000 00000000 0a 00 b3 00 00000000
       08000100 803bb16a 08000500 02000000 14000600 fe800000 00000000 00000000 00000002`,
    ],
    [
      'a group',
      encode({ ...group, members: [1, 2] }),
      `34000000 6800 0105 07000000 00000000 00 00 b3 00 00000000
       08000100 c07dc06a 14000200 01000000 00000000 02000000 00000000`,
    ],
    [
      'a removal',
      encode({ operation: 'remove', id: 5 }, true),
      '20000000 6900 0500 07000000 00000000 00 00 00 00 00000000 08000100 05000000',
    ],
    ['a dump', encodeDump(106, null, 1), '18000000 6a00 0103 01000000 00000000 00000000 00000000'],
    ['the attribute of a route', encodeNexthopId(5), '08001e00 05000000'],
  ]
  for (const [caption, bytes, wanted] of table) {
    t.equal(hex(bytes), wanted.replaceAll(/\s/g, ''), caption)
  }
  t.throws(() => encode({ ...hop, gateway: 'tor', replaces: false }), /tor: not an IP address/)
})

t.test('what the kernel tells is read', async (t) => {
  t.match(read(encode({ operation: 'group', id: 9, members: [4, 2, 3], replaces: false })), {
    members: [2, 3, 4],
    gateway: null,
  })
  // NHA_BLACKHOLE, and attributes nobody asked for (NHA_GROUP_TYPE, NHA_OP_FLAGS).
  const text = '34000000 6800 0000 00000000 00000000 02 fd 04 00 00000000'
  const rest = '08000100 07000000 04000400 06000300 00000000 08000f00 00000000'
  const bytes = new Uint8Array(Buffer.from(`${text}${rest}`.replaceAll(/\s/g, ''), 'hex'))
  new DataView(bytes.buffer).setUint32(0, bytes.length, true)
  t.match(read(bytes), { id: 7, protocol: 4, blackhole: true, members: [], gateway: null })
})

t.test('any object that is encoded reads back as itself', async () => {
  const id = fc.integer({ min: 1, max: 0xffff_ffff })
  const hop = fc.record({
    operation: fc.constant('hop' as const),
    id,
    interface: fc.integer({ min: 1, max: 0x7fff_ffff }),
    gateway: fc.oneof(
      fc.ipV4(),
      fc.nat({ max: 0xfffe }).map((low) => `fd00::${(low + 1).toString(16)}`),
    ),
    replaces: fc.boolean(),
  })
  const group = fc.record({
    operation: fc.constant('group' as const),
    id,
    members: fc.uniqueArray(id, { minLength: 1, maxLength: 256 }),
    replaces: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.oneof(hop, group), (request) => {
      const object = read(encode(request))
      if (object === null || object.id !== request.id || object.protocol !== 179) return false
      if (request.operation === 'hop') {
        return object.interface === request.interface && object.gateway === request.gateway
      }
      const members = [...request.members].sort((a, b) => a - b)
      return object.members.join() === members.join()
    }),
    { seed },
  )
})

t.test('a batch never outgrows its buffer', async (t) => {
  const members = Array.from({ length: 256 }, (_, index) => index + 1)
  const request = { operation: 'group', id: 5, members, replaces: false } as const
  const batch = new NexthopBatch()
  while (batch.fits(request)) batch.add(1, 179, request)
  t.ok(batch.length <= batchBytesMax)
  t.ok(batch.count > 25)
})

t.test('noise and truncated messages end the reading and harm nothing', async () => {
  const harmless = (bytes: Uint8Array): boolean => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    readNexthop(view, 0, bytes.length)
    read(bytes)
    return true
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), harmless), { seed, numRuns: 3000 })
  const good = encode({ operation: 'group', id: 9, members: [1, 2, 3], replaces: true })
  fc.assert(
    fc.property(
      fc.nat({ max: good.length - 1 }),
      fc.nat({ max: 255 }),
      fc.nat({ max: good.length }),
      (at, byte, cut) => {
        const bad = good.slice(0, cut)
        if (at < bad.length) bad[at] = byte
        return harmless(bad)
      },
    ),
    { seed, numRuns: 3000 },
  )
})
