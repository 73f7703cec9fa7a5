/** The codec of BFD control packets: vectors field by field, every refusal, and bytes at random. */
import fc from 'fast-check'
import t from 'tap'
import {
  decodePacket,
  encodePacket,
  formatDiagnostic,
  type Packet,
  type PacketFault,
} from '../../bgp/bfd/packet.ts'
import { seed } from './scene.ts'

t.comment(`fast-check seed ${seed}`)

const vectors: readonly { caption: string; hex: string; packet: Packet }[] = [
  {
    caption: 'the first packet to a remote still unknown',
    hex: '20 40 03 18  11223344  00000000  000f4240  000493e0  00000000',
    packet: {
      state: 'Down',
      diagnostic: 0,
      poll: false,
      final: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 0x11223344,
      yourDiscriminator: 0,
      desiredTransmitMicros: 1_000_000,
      requiredReceiveMicros: 300_000,
    },
  },
  {
    caption: 'Up with a Poll',
    hex: '20 e0 05 18  00000001  ffffffff  0000c350  0000c350  00000000',
    packet: {
      state: 'Up',
      diagnostic: 0,
      poll: true,
      final: false,
      demand: false,
      multiplier: 5,
      myDiscriminator: 1,
      yourDiscriminator: 0xffff_ffff,
      desiredTransmitMicros: 50_000,
      requiredReceiveMicros: 50_000,
    },
  },
  {
    caption: 'AdminDown with its reason, as a Final, in demand mode',
    hex: '27 12 ff 18  80000000  00000007  ffffffff  00000000  00000000',
    packet: {
      state: 'AdminDown',
      diagnostic: 7,
      poll: false,
      final: true,
      demand: true,
      multiplier: 255,
      myDiscriminator: 0x8000_0000,
      yourDiscriminator: 7,
      desiredTransmitMicros: 0xffff_ffff,
      requiredReceiveMicros: 0,
    },
  },
]

for (const { caption, hex, packet } of vectors) {
  t.test(`both ways: ${caption}`, async (t) => {
    t.same(decode(hex), packet)
    t.same(encodePacket(packet), bytesOf(hex))
  })
}

const rest = '11223344 55667788 000f4240 000493e0 00000000'
const refused: readonly { caption: string; hex: string; fault: PacketFault }[] = [
  { caption: 'one octet too few', hex: `20 c0 03 18 ${rest.slice(0, -2)}`, fault: 'short' },
  { caption: 'nothing at all', hex: '', fault: 'short' },
  { caption: 'version 0', hex: `00 c0 03 18 ${rest}`, fault: 'version' },
  { caption: 'version 2', hex: `40 c0 03 18 ${rest}`, fault: 'version' },
  { caption: 'a length below the least', hex: `20 c0 03 17 ${rest}`, fault: 'length' },
  { caption: 'a length beyond the datagram', hex: `20 c0 03 19 ${rest}`, fault: 'length' },
  { caption: 'authenticated, and too short', hex: `20 c4 03 18 ${rest}`, fault: 'length' },
  { caption: 'a detect multiplier of 0', hex: `20 c0 00 18 ${rest}`, fault: 'multiplier' },
  { caption: 'the multipoint bit', hex: `20 c1 03 18 ${rest}`, fault: 'multipoint' },
  {
    caption: 'my discriminator 0',
    hex: `20 c0 03 18 00000000 ${rest.slice(9)}`,
    fault: 'discriminator',
  },
  { caption: 'Up with your discriminator 0', hex: zeroYours('c0'), fault: 'state' },
  { caption: 'Init with your discriminator 0', hex: zeroYours('80'), fault: 'state' },
  {
    caption: 'a simple password (RFC 5880 §4.2)',
    hex: `20 c4 03 1f ${rest} 01 07 01 70617373`,
    fault: 'authentication',
  },
]

for (const { caption, hex, fault } of refused) {
  t.test(`refused: ${caption}`, async (t) => {
    t.equal(decode(hex), fault)
  })
}

t.test('AdminDown may come without our discriminator', async (t) => {
  t.match(decode(zeroYours('00')), { state: 'AdminDown', yourDiscriminator: 0 })
})

t.test('what follows the declared length is not looked at', async (t) => {
  t.match(decode(`20 c0 03 18 ${rest} ffffffff`), { state: 'Up' })
})

t.test('a buffer longer than the packet is read only as far as the packet goes', async (t) => {
  const bytes = bytesOf(`20 c0 03 18 ${rest}`)
  t.equal(decodePacket(bytes, 23), 'short')
  t.match(decodePacket(bytes, 24), { state: 'Up' })
  t.equal(decodePacket(bytes, 25), 'short', 'nor is a length believed that the buffer lacks')
})

t.test('every packet survives the wire', async (t) => {
  const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
  const packets = fc.record<Packet>({
    state: fc.constantFrom('AdminDown', 'Down', 'Init', 'Up'),
    diagnostic: fc.integer({ min: 0, max: 31 }),
    poll: fc.boolean(),
    final: fc.boolean(),
    demand: fc.boolean(),
    multiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    desiredTransmitMicros: uint32,
    requiredReceiveMicros: uint32,
  })
  fc.assert(
    fc.property(packets, (packet) => {
      const bytes = encodePacket(packet)
      t.same(decodePacket(bytes, bytes.length), packet, { diagnostic: false })
    }),
    { seed, numRuns: 200 },
  )
  t.pass('200 packets')
})

t.test(
  'any bytes are a packet or a fault, and a packet keeps what a session relies on',
  async (t) => {
    const bytes = fc.uint8Array({ maxLength: 64 })
    const plausible = fc
      .tuple(fc.uint8Array({ minLength: 20, maxLength: 40 }), fc.integer({ min: 0, max: 255 }))
      .map(([tail, flags]) => Uint8Array.of(0x20, flags, tail[0]!, 24, ...tail))
    fc.assert(
      fc.property(fc.oneof(bytes, plausible), (input) => {
        const packet = decodePacket(input, input.length)
        if (typeof packet === 'string') return true
        const anonymous = packet.yourDiscriminator === 0
        const early = packet.state === 'Down' || packet.state === 'AdminDown'
        return packet.multiplier > 0 && packet.myDiscriminator > 0 && (!anonymous || early)
      }),
      { seed, numRuns: 2000 },
    )
    t.pass('2000 inputs')
  },
)

t.test('diagnostics are told in the words of the RFC', async (t) => {
  t.equal(formatDiagnostic(1), 'Control Detection Time Expired')
  t.equal(formatDiagnostic(8), 'Reverse Concatenated Path Down')
  t.equal(formatDiagnostic(31), 'Diagnostic 31')
})

function decode(hex: string): Packet | PacketFault {
  const bytes = bytesOf(hex)
  return decodePacket(bytes, bytes.length)
}

function bytesOf(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\s/g, '')
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  )
}

function zeroYours(stateAndFlags: string): string {
  return `20 ${stateAndFlags} 03 18 11223344 00000000 000f4240 000493e0 00000000`
}
