/**
 * OPEN: version, AS, hold time, identifier and capabilities. What depends on who the peer should be
 * (AS, identifier, families) is judged by the session; here only what no session could accept.
 *
 * RFC 4271 §4.2 and §6.2, RFC 5492 (capabilities), RFC 9072 (extended optional parameters).
 */
import { Reader, shortRead, Writer } from './bytes.ts'
import { type Capability, decodeCapability, encodeCapability } from './capability.ts'
import { headerLength, maxMessageLength, messageType, writeHeader } from './message.ts'
import { NotificationError } from './notification.ts'

export interface Open {
  readonly version: number
  /** The 2-octet field as sent: AS_TRANS (23456) where the AS needs four octets. */
  readonly asn: number
  /** Seconds; 0 for none. */
  readonly holdSeconds: number
  /** BGP identifier as an unsigned 32-bit number. */
  readonly routerId: number
  readonly capabilities: readonly Capability[]
}

export const bgpVersion = 4

const capabilitiesParameter = 2
/** In place of a first parameter's type, it says that lengths are two octets wide (RFC 9072 §2). */
const extendedMark = 255
/** What one classic parameter can hold, with its own type and length inside 255 octets. */
const classicLengthMax = 253

const reader = new Reader()
// Long-lived: a thousand peers may come at once.
const capabilities = new Writer(maxMessageLength)
const message = new Writer(maxMessageLength)

/** A whole OPEN message; lengths are two octets wide only when one octet can't say them. */
export function encodeOpen(open: Open): Uint8Array {
  capabilities.reset()
  for (const capability of open.capabilities) encodeCapability(capability, capabilities)
  const value = capabilities.written()

  const out = message
  out.reset()
  writeHeader(out, messageType.open, 0)
  out.u8(open.version)
  out.u16(open.asn)
  out.u16(open.holdSeconds)
  out.u32(open.routerId)
  if (value.length === 0) {
    out.u8(0)
  } else if (value.length <= classicLengthMax) {
    out.u8(value.length + 2)
    out.u8(capabilitiesParameter)
    out.u8(value.length)
  } else {
    out.u8(extendedMark)
    out.u8(extendedMark)
    out.u16(value.length + 3)
    out.u8(capabilitiesParameter)
    out.u16(value.length)
  }
  out.bytes(value)
  out.view.setUint16(16, out.position)
  return out.written()
}

/** Reads an OPEN whose framing was checked. @throws NotificationError */
export function decodeOpen(bytes: Uint8Array, view: DataView, start: number, end: number): Open {
  const at = start + headerLength
  const version = bytes[at]!
  if (version !== bgpVersion) {
    throw new NotificationError(
      'open/unsupportedVersion',
      `the peer speaks BGP version ${version}, we speak ${bgpVersion}`,
      Uint8Array.of(0, bgpVersion),
    )
  }
  reader.reset(bytes, view, at + 9, end)
  const capabilities = decodeParameters()
  const holdSeconds = view.getUint16(at + 3)
  if (holdSeconds === 1 || holdSeconds === 2) {
    throw new NotificationError(
      'open/unacceptableHoldTime',
      `the peer wants a hold time of ${holdSeconds} s; 0 or at least 3 is allowed`,
    )
  }
  const routerId = view.getUint32(at + 5)
  if (routerId === 0) {
    throw new NotificationError('open/badBgpIdentifier', 'the BGP identifier is 0.0.0.0')
  }
  return { version, asn: view.getUint16(at + 1), holdSeconds, routerId, capabilities }
}

function decodeParameters(): Capability[] {
  try {
    let length = reader.u8()
    // RFC 9072 §2: whatever the first length says, the mark decides.
    const extended = length > 0 && reader.peek8() === extendedMark
    if (extended) {
      reader.u8()
      length = reader.u16()
    }
    if (length !== reader.remaining) {
      throw malformed(`says ${length} octets of parameters and has ${reader.remaining}`)
    }
    const capabilities: Capability[] = []
    while (reader.remaining > 0) decodeParameter(extended, capabilities)
    return capabilities
  } catch (error) {
    if (error === shortRead) throw malformed('has a parameter that runs past its end')
    throw error
  }
}

function decodeParameter(extended: boolean, into: Capability[]): void {
  const type = reader.u8()
  const outer = reader.narrow(extended ? reader.u16() : reader.u8())
  if (type !== capabilitiesParameter) {
    throw new NotificationError(
      'open/unsupportedOptionalParameter',
      `the OPEN has a parameter of type ${type}; only capabilities (2) are known`,
    )
  }
  while (reader.remaining > 0) {
    const code = reader.peek8()
    const capability = decodeCapability(reader)
    if (capability === null) throw malformed(`has capability ${code} with a wrong length`)
    into.push(capability)
  }
  reader.widen(outer)
}

/** RFC 4271 §6.2: a parameter that is known and malformed has subcode 0. */
function malformed(problem: string): NotificationError {
  return new NotificationError('open/unspecific', `the OPEN ${problem}`)
}
