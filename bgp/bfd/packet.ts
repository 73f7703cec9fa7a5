/**
 * The BFD control packet (RFC 5880 §4.1) and the checks on it that need no session (§6.8.6).
 *
 *   0: version (3 bits), diagnostic (5)      1: state (2), P F C A D M
 *   2: detect multiplier                     3: length
 *   4: my discriminator                      8: your discriminator
 *  12: desired min TX, µs   16: required min RX, µs   20: required min echo RX, µs
 *
 * What is wrong with a packet is a value, not an exception: anybody may send us anything. There is no
 * authentication (§6.7): packets that carry it are refused, by name, and never sent.
 */
import type { BfdStateName } from './types.ts'

export const packetLength = 24
/** An authentication section has at least two octets (§4.1). */
const authenticatedLengthMin = 26
const version = 1

const flags = { poll: 0x20, final: 0x10, authentication: 0x04, demand: 0x02, multipoint: 0x01 }

const stateNames: readonly BfdStateName[] = ['AdminDown', 'Down', 'Init', 'Up']

export const diagnostics = {
  none: 0,
  detectionExpired: 1,
  neighbourDown: 3,
  administrativelyDown: 7,
} as const

const diagnosticNames: readonly string[] = [
  'No Diagnostic',
  'Control Detection Time Expired',
  'Echo Function Failed',
  'Neighbor Signaled Session Down',
  'Forwarding Plane Reset',
  'Path Down',
  'Concatenated Path Down',
  'Administratively Down',
  'Reverse Concatenated Path Down',
]

export interface Packet {
  readonly state: BfdStateName
  /** A number of RFC 5880 §4.1, or one still unassigned. */
  readonly diagnostic: number
  readonly poll: boolean
  readonly final: boolean
  readonly demand: boolean
  readonly multiplier: number
  readonly myDiscriminator: number
  /** 0: the sender doesn't know us yet. */
  readonly yourDiscriminator: number
  readonly desiredTransmitMicros: number
  readonly requiredReceiveMicros: number
}

/** Why a packet is refused; the order is that of RFC 5880 §6.8.6. */
export type PacketFault =
  | 'short'
  | 'version'
  | 'length'
  | 'multiplier'
  | 'multipoint'
  | 'discriminator'
  | 'state'
  | 'authentication'

export function decodePacket(bytes: Uint8Array, length: number): Packet | PacketFault {
  if (length < packetLength || bytes.length < length) return 'short'
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  const first = view.getUint8(0)
  const second = view.getUint8(1)
  const authenticated = (second & flags.authentication) !== 0
  if (first >> 5 !== version) return 'version'
  const declared = view.getUint8(3)
  if (declared < (authenticated ? authenticatedLengthMin : packetLength)) return 'length'
  if (declared > length) return 'length'
  const multiplier = view.getUint8(2)
  if (multiplier === 0) return 'multiplier'
  if ((second & flags.multipoint) !== 0) return 'multipoint'
  const myDiscriminator = view.getUint32(4)
  if (myDiscriminator === 0) return 'discriminator'
  const yourDiscriminator = view.getUint32(8)
  const state = stateNames[second >> 6] ?? 'Down'
  if (yourDiscriminator === 0 && (state === 'Init' || state === 'Up')) return 'state'
  if (authenticated) return 'authentication'
  return {
    state,
    diagnostic: first & 0x1f,
    poll: (second & flags.poll) !== 0,
    final: (second & flags.final) !== 0,
    demand: (second & flags.demand) !== 0,
    multiplier,
    myDiscriminator,
    yourDiscriminator,
    desiredTransmitMicros: view.getUint32(12),
    requiredReceiveMicros: view.getUint32(16),
  }
}

/**
 * The control-plane independent bit stays clear: our packets stop when the agent does, while the
 * kernel goes on forwarding (RFC 5882 §4.3). No echo is wanted, so its interval is 0.
 */
export function encodePacket(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(packetLength)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, (version << 5) | packet.diagnostic)
  view.setUint8(
    1,
    (stateNames.indexOf(packet.state) << 6) |
      (packet.poll ? flags.poll : 0) |
      (packet.final ? flags.final : 0) |
      (packet.demand ? flags.demand : 0),
  )
  view.setUint8(2, packet.multiplier)
  view.setUint8(3, packetLength)
  view.setUint32(4, packet.myDiscriminator)
  view.setUint32(8, packet.yourDiscriminator)
  view.setUint32(12, packet.desiredTransmitMicros)
  view.setUint32(16, packet.requiredReceiveMicros)
  return bytes
}

/** In the words of RFC 5880 §4.1; unassigned numbers stay numbers. */
export function formatDiagnostic(diagnostic: number): string {
  return diagnosticNames[diagnostic] ?? `Diagnostic ${diagnostic}`
}
