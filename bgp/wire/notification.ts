/**
 * Error codes and their words: one table, from which come the names we throw (`Fault`), the bytes
 * we send, and the text for what a peer sends us. NotificationError is the only error that may end
 * a session with a message of its own; anything else that escapes is our bug.
 *
 * RFC 4271 §4.5 and §6, RFC 6608 (FSM subcodes), RFC 4486 and RFC 9003 (Cease, shutdown text),
 * RFC 8538 (hard reset), RFC 9384 (BFD down), RFC 7313 §5 (ROUTE-REFRESH), RFC 9234 §4.2 (roles),
 * RFC 9687 (send hold timer).
 */
import { Writer } from './bytes.ts'
import { headerLength, maxMessageLength, messageType, writeHeader } from './message.ts'

const areas = {
  header: {
    code: 1,
    text: 'Message Header Error',
    kinds: {
      unspecific: [0, 'Unspecific'],
      unsynchronized: [1, 'Connection Not Synchronized'],
      badLength: [2, 'Bad Message Length'],
      badType: [3, 'Bad Message Type'],
    },
  },
  open: {
    code: 2,
    text: 'OPEN Message Error',
    kinds: {
      unspecific: [0, 'Unspecific'],
      unsupportedVersion: [1, 'Unsupported Version Number'],
      badPeerAs: [2, 'Bad Peer AS'],
      badBgpIdentifier: [3, 'Bad BGP Identifier'],
      unsupportedOptionalParameter: [4, 'Unsupported Optional Parameter'],
      authenticationFailure: [5, 'Authentication Failure (deprecated)'],
      unacceptableHoldTime: [6, 'Unacceptable Hold Time'],
      unsupportedCapability: [7, 'Unsupported Capability'],
      roleMismatch: [11, 'Role Mismatch'],
    },
  },
  update: {
    code: 3,
    text: 'UPDATE Message Error',
    kinds: {
      unspecific: [0, 'Unspecific'],
      malformedAttributes: [1, 'Malformed Attribute List'],
      unrecognizedWellKnown: [2, 'Unrecognized Well-known Attribute'],
      missingWellKnown: [3, 'Missing Well-known Attribute'],
      attributeFlags: [4, 'Attribute Flags Error'],
      attributeLength: [5, 'Attribute Length Error'],
      invalidOrigin: [6, 'Invalid ORIGIN Attribute'],
      asRoutingLoop: [7, 'AS Routing Loop (deprecated)'],
      invalidNextHop: [8, 'Invalid NEXT_HOP Attribute'],
      optionalAttribute: [9, 'Optional Attribute Error'],
      invalidNetwork: [10, 'Invalid Network Field'],
      malformedAsPath: [11, 'Malformed AS_PATH'],
    },
  },
  holdTimerExpired: { code: 4, text: 'Hold Timer Expired', kinds: {} },
  fsm: {
    code: 5,
    text: 'Finite State Machine Error',
    kinds: {
      unspecific: [0, 'Unspecific'],
      unexpectedInOpenSent: [1, 'Unexpected Message in OpenSent State'],
      unexpectedInOpenConfirm: [2, 'Unexpected Message in OpenConfirm State'],
      unexpectedInEstablished: [3, 'Unexpected Message in Established State'],
    },
  },
  cease: {
    code: 6,
    text: 'Cease',
    kinds: {
      unspecific: [0, 'Unspecific'],
      maxPrefixes: [1, 'Maximum Number of Prefixes Reached'],
      administrativeShutdown: [2, 'Administrative Shutdown'],
      peerDeconfigured: [3, 'Peer De-configured'],
      administrativeReset: [4, 'Administrative Reset'],
      connectionRejected: [5, 'Connection Rejected'],
      otherConfigurationChange: [6, 'Other Configuration Change'],
      connectionCollision: [7, 'Connection Collision Resolution'],
      outOfResources: [8, 'Out of Resources'],
      hardReset: [9, 'Hard Reset'],
      bfdDown: [10, 'BFD Down'],
    },
  },
  refresh: {
    code: 7,
    text: 'ROUTE-REFRESH Message Error',
    kinds: { unspecific: [0, 'Unspecific'], invalidLength: [1, 'Invalid Message Length'] },
  },
  sendHoldTimerExpired: { code: 8, text: 'Send Hold Timer Expired', kinds: {} },
} as const

type Areas = typeof areas
type FaultOf<A extends keyof Areas> = keyof Areas[A]['kinds'] extends never
  ? A
  : `${A}/${keyof Areas[A]['kinds'] & string}`

/** Name of an error as thrown, logged and counted: `open/badPeerAs`, `holdTimerExpired`. */
export type Fault = { [A in keyof Areas]: FaultOf<A> }[keyof Areas]

export interface FaultCode {
  readonly code: number
  readonly subcode: number
}

interface FaultRow extends FaultCode {
  readonly name: string
}

const rowOfFault = new Map<string, FaultRow>()
const nameOfCode = new Map<number, string>()
for (const [area, { code, text, kinds }] of Object.entries(areas)) {
  nameOfCode.set(code, text)
  const entries = Object.entries(kinds) as [string, readonly [number, string]][]
  if (entries.length === 0) rowOfFault.set(area, { code, subcode: 0, name: text })
  for (const [kind, [subcode, words]] of entries) {
    rowOfFault.set(`${area}/${kind}`, { code, subcode, name: `${text} / ${words}` })
  }
}

/** Every fault of the table, in the order of its codes. */
export const faults = [...rowOfFault.keys()] as Fault[]

export function codeOf(fault: Fault): FaultCode {
  const { code, subcode } = rowOfFault.get(fault)!
  return { code, subcode }
}

/** Words for a code and subcode; numbers where we know no word. */
export function nameOf(code: number, subcode: number): string {
  for (const row of rowOfFault.values()) {
    if (row.code === code && row.subcode === subcode) return row.name
  }
  const area = nameOfCode.get(code)
  return area === undefined ? `code ${code} / subcode ${subcode}` : `${area} / subcode ${subcode}`
}

/** Ends a session: its code, subcode and data go to the peer, its message to the log. */
export class NotificationError extends Error {
  override readonly name = 'NotificationError'
  readonly fault: Fault
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array

  constructor(fault: Fault, message: string, data: Uint8Array = new Uint8Array(0)) {
    super(message)
    const { code, subcode } = codeOf(fault)
    this.fault = fault
    this.code = code
    this.subcode = subcode
    this.data = data
  }
}

/**
 * A whole NOTIFICATION message. Data beyond 4096 octets of message is cut, since a peer without
 * extended messages could not read it, and data serves diagnosis only.
 */
export function encodeNotification(code: number, subcode: number, data: Uint8Array): Uint8Array {
  const length = Math.min(data.length, maxMessageLength - headerLength - 2)
  const out = new Writer(headerLength + 2 + length)
  writeHeader(out, messageType.notification, out.buffer.length)
  out.u8(code)
  out.u8(subcode)
  out.copy(data, 0, length)
  return out.buffer
}

/** RFC 9003 §2: at most this many octets of UTF-8. */
const shutdownTextMax = 255

/** Data of a Cease with a text for the peer's operator; a longer text is cut between characters. */
export function encodeShutdownText(text: string): Uint8Array {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(shutdownTextMax))
  const octets = new TextEncoder().encode(text.slice(0, read))
  const data = new Uint8Array(1 + octets.length)
  data[0] = octets.length
  data.set(octets, 1)
  return data
}

export interface DecodedNotification extends FaultCode {
  /** For people: `Cease / Administrative Shutdown`. */
  readonly name: string
  /** A copy of the data octets. */
  readonly data: Uint8Array
  /** Shutdown text (RFC 9003) without control characters, or null when there is none. */
  readonly text: string | null
}

/** Reads a NOTIFICATION whose framing was checked; never throws, since an answer is forbidden. */
export function decodeNotification(
  bytes: Uint8Array,
  start: number,
  end: number,
): DecodedNotification {
  const at = start + headerLength
  return describe(bytes[at]!, bytes[at + 1]!, bytes.slice(at + 2, end))
}

function describe(code: number, subcode: number, data: Uint8Array): DecodedNotification {
  const name = nameOf(code, subcode)
  if (is('cease/hardReset', code, subcode) && data.length >= 2) {
    // RFC 8538 §3.1: the data is the code, subcode and data of the actual reason. Nobody may nest
    // them, so this goes one level deep whatever is sent.
    const inner = nameOf(data[0]!, data[1]!)
    const text = shutdownText(data[0]!, data[1]!, data.subarray(2))
    return { code, subcode, name: `${name} (${inner})`, data, text }
  }
  return { code, subcode, name, data, text: shutdownText(code, subcode, data) }
}

function is(fault: Fault, code: number, subcode: number): boolean {
  const row = rowOfFault.get(fault)!
  return row.code === code && row.subcode === subcode
}

/** RFC 9003 §2: only two Cease subcodes have a text. */
function shutdownText(code: number, subcode: number, data: Uint8Array): string | null {
  const allowed =
    is('cease/administrativeShutdown', code, subcode) ||
    is('cease/administrativeReset', code, subcode)
  if (!allowed) return null
  const length = data[0] ?? 0
  if (length === 0 || length > data.length - 1) return null
  // What a stranger writes must not steer a terminal or reorder a log line.
  return new TextDecoder()
    .decode(data.subarray(1, 1 + length))
    .replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD')
}
