/**
 * OPEN and its capabilities: octets, values and words, parameters that no session could accept, and
 * the extended form (RFC 9072).
 */
import fc from 'fast-check'
import t from 'tap'
import { Writer } from '../../../bgp/wire/bytes.ts'
import {
  type Capability,
  encodeCapability,
  formatCapability,
  multiprotocol,
} from '../../../bgp/wire/capability.ts'
import { messageType, writeHeader } from '../../../bgp/wire/message.ts'
import { decodeOpen, encodeOpen, type Open } from '../../../bgp/wire/open.ts'
import { faultOf, hex, hexText, seed, viewOf } from './vectors.ts'

const plain: Open = {
  version: 4,
  asn: 65001,
  holdSeconds: 90,
  routerId: 0xc0000201,
  capabilities: [],
}

const decode = (message: Uint8Array) => decodeOpen(message, viewOf(message), 0, message.length)

/** An OPEN with this body; the header is always right. */
function openOf(body: string): Uint8Array {
  const octets = hex(body)
  const out = new Writer(19 + octets.length)
  writeHeader(out, messageType.open, out.buffer.length)
  out.bytes(octets)
  return out.buffer
}

const ipv4 = { family: 'ipv4-unicast', afi: 1, safi: 1 } as const
const vpn = { family: null, afi: 1, safi: 128 } as const

const vectors: readonly [octets: string, capability: Capability, text: string][] = [
  ['0104 00010001', multiprotocol('ipv4-unicast'), 'multiprotocol ipv4-unicast'],
  ['0104 00020001', multiprotocol('ipv6-unicast'), 'multiprotocol ipv6-unicast'],
  ['0104 00010080', { kind: 'multiprotocol', ...vpn }, 'multiprotocol afi 1 safi 128'],
  ['0200', { kind: 'routeRefresh' }, 'route refresh'],
  [
    '0506 0001 0001 0002',
    { kind: 'extendedNextHop', entries: [{ ...ipv4, nextHopAfi: 2 }] },
    'extended next hop: ipv4-unicast by afi 2',
  ],
  ['0600', { kind: 'extendedMessage' }, 'extended message'],
  [
    '4002 c078',
    {
      kind: 'gracefulRestart',
      restarting: true,
      notification: true,
      seconds: 120,
      families: [],
    },
    'graceful restart 120 s: notification, restarting',
  ],
  [
    '400a 4fff 00010180 00018000',
    {
      kind: 'gracefulRestart',
      restarting: false,
      notification: true,
      seconds: 4095,
      families: [
        { ...ipv4, forwarding: true },
        { ...vpn, forwarding: false },
      ],
    },
    'graceful restart 4095 s: notification, ipv4-unicast forwarding, afi 1 safi 128',
  ],
  ['4104 00011170', { kind: 'as4', asn: 70000 }, '4-octet AS 70000'],
  [
    '450c 00010101 00020102 00010103',
    {
      kind: 'addPath',
      entries: [
        { ...ipv4, send: false, receive: true },
        { family: 'ipv6-unicast', afi: 2, safi: 1, send: true, receive: false },
        { ...ipv4, send: true, receive: true },
      ],
    },
    'add-path: ipv4-unicast receive, ipv6-unicast send, ipv4-unicast both',
  ],
  ['4600', { kind: 'enhancedRefresh' }, 'enhanced route refresh'],
  [
    '4909 0474 6f72 31 03 6c6162',
    { kind: 'fqdn', host: 'tor1', domain: 'lab' },
    'host name: tor1.lab',
  ],
  ['0901 04', { kind: 'unknown', code: 9, value: hex('04') }, 'role 0x04'],
  ['8000', { kind: 'unknown', code: 128, value: hex('') }, 'route refresh (Cisco)'],
  ['f502 0102', { kind: 'unknown', code: 245, value: hex('0102') }, 'capability 245 0x0102'],
]

t.test('every capability has its octets, its value and its words', async (t) => {
  for (const [octets, capability, text] of vectors) {
    const out = new Writer(300)
    encodeCapability(capability, out)
    t.equal(hexText(out.written()), hexText(hex(octets)), `${text}: encoded`)
    const [decoded] = decode(encodeOpen({ ...plain, capabilities: [capability] })).capabilities
    t.same(decoded, capability, `${text}: decoded`)
    t.equal(formatCapability(capability), text)
  }
})

t.test('a capability with a wrong length is an unspecific OPEN error', async (t) => {
  const broken = [
    '0103 000100',
    '0105 0001000100',
    '0201 00',
    '0505 0001000100',
    '0601 00',
    '4001 00',
    '4003 007800',
    '4103 000001',
    '4503 000101',
    '4601 00',
    '4901 05',
    '4100',
  ]
  for (const capability of broken) {
    const value = hexText(hex(capability))
    const size = (value.length / 2).toString(16).padStart(2, '0')
    const total = (value.length / 2 + 2).toString(16).padStart(2, '0')
    const message = openOf(`04 fde9 005a c0000201 ${total} 02${size} ${value}`)
    t.equal(
      faultOf(() => decode(message)),
      'open/unspecific',
      capability,
    )
  }
})

t.test('add-path entries with another direction are as if not sent (RFC 7911 §4)', async (t) => {
  const message = openOf('04 fde9 005a c0000201 0c 020a 4508 00010100 00010104')
  t.same(decode(message).capabilities, [{ kind: 'addPath', entries: [] }])
})

t.test('an OPEN that no session could accept is refused', async (t) => {
  const table: readonly [what: string, body: string, fault: string][] = [
    ['version 3', '03 fde9 005a c0000201 00', 'open/unsupportedVersion 0004'],
    ['version 5', '05 fde9 005a c0000201 00', 'open/unsupportedVersion 0004'],
    ['hold time 0', '04 fde9 0000 c0000201 00', 'accepted'],
    ['hold time 1', '04 fde9 0001 c0000201 00', 'open/unacceptableHoldTime'],
    ['hold time 2', '04 fde9 0002 c0000201 00', 'open/unacceptableHoldTime'],
    ['hold time 3', '04 fde9 0003 c0000201 00', 'accepted'],
    ['identifier 0', '04 fde9 005a 00000000 00', 'open/badBgpIdentifier'],
    ['authentication', '04 fde9 005a c0000201 03 0101 00', 'open/unsupportedOptionalParameter'],
    ['parameters too long', '04 fde9 005a c0000201 05 0200', 'open/unspecific'],
    ['octets behind them', '04 fde9 005a c0000201 00 00', 'open/unspecific'],
    ['parameter too long', '04 fde9 005a c0000201 02 0204', 'open/unspecific'],
    ['half a parameter', '04 fde9 005a c0000201 01 02', 'open/unspecific'],
    ['capability too long', '04 fde9 005a c0000201 04 0202 4104', 'open/unspecific'],
    ['half a capability', '04 fde9 005a c0000201 03 0201 41', 'open/unspecific'],
    ['empty parameter', '04 fde9 005a c0000201 02 0200', 'accepted'],
    ['extended, cut off', '04 fde9 005a c0000201 ff ff00', 'open/unspecific'],
    ['extended, empty', '04 fde9 005a c0000201 ff ff0000', 'accepted'],
    ['extended, any first length', '04 fde9 005a c0000201 01 ff0005 020002 0200', 'accepted'],
    ['extended, wrong total', '04 fde9 005a c0000201 ff ff0006 020002 0200', 'open/unspecific'],
  ]
  for (const [what, body, fault] of table)
    t.equal(
      faultOf(() => decode(openOf(body))),
      fault,
      what,
    )
})

t.test('an OPEN without capabilities has no parameters', async (t) => {
  const message = encodeOpen(plain)
  t.equal(hexText(message.slice(19)), '04fde9005ac000020100')
  t.same(decode(message), plain)
})

t.test('many capabilities go in extended parameters and come back (RFC 9072)', async (t) => {
  const value = new Uint8Array(60).fill(7)
  const many = (count: number): Open => ({
    ...plain,
    capabilities: Array.from({ length: count }, () => ({ kind: 'unknown', code: 200, value })),
  })
  for (const count of [4, 5, 20]) {
    const message = encodeOpen(many(count))
    t.same(decode(message), many(count), `${count} capabilities`)
    t.equal(message[29] === 255, count > 4, `${count} capabilities: extended or not`)
  }
})

t.test('what cannot be encoded is refused by name', async (t) => {
  const out = new Writer(4096)
  const long: Capability = { kind: 'unknown', code: 200, value: new Uint8Array(256) }
  t.throws(() => encodeCapability(long, out), /holds 255 octets, 256 were given/)
  const late: Capability = {
    kind: 'gracefulRestart',
    restarting: false,
    notification: false,
    seconds: 4096,
    families: [],
  }
  t.throws(() => encodeCapability(late, out), /0 to 4095 seconds, not 4096/)
})

t.test(`any octets give an OPEN or a NotificationError (seed ${seed})`, async () => {
  const body = fc.uint8Array({ minLength: 10, maxLength: 80 })
  const parameters = fc.array(fc.constantFrom(...vectors.map(([octets]) => octets)))
  fc.assert(
    fc.property(body, (octets) => {
      faultOf(() => decode(openOf(`04${hexText(octets).slice(2)}`)))
    }),
    { seed, numRuns: 3000 },
  )
  const flip = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(parameters, flip, (list, [place, octet]) => {
      const value = hexText(hex(list.join('')))
      const size = (value.length / 2).toString(16).padStart(4, '0')
      const total = (value.length / 2 + 3).toString(16).padStart(4, '0')
      const message = openOf(`04 fde9 005a c0000201 ff ff${total} 02${size} ${value}`)
      message[19 + (place % (message.length - 19))] = octet
      faultOf(() => decode(message))
    }),
    { seed, numRuns: 3000 },
  )
})
