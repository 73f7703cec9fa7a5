/** What the codec's tests share: hexadecimal fixtures, a context, and UPDATEs put together by hand. */

import { Writer } from '../../../bgp/wire/bytes.ts'
import type { Negotiated } from '../../../bgp/wire/context.ts'
import { messageType, writeHeader } from '../../../bgp/wire/message.ts'
import { NotificationError } from '../../../bgp/wire/notification.ts'
import { UpdateReader } from '../../../bgp/wire/update.ts'

const { RL_SEED = '20260817' } = process.env

/** Seed of every property test; the variable RL_SEED replays another one. */
export const seed = Number(RL_SEED)

/** Octets of a commented fixture: everything after `;` in a line is a comment. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/;.*$/gm, '').replace(/\s+/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) throw new Error(`bad fixture: ${text}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

export function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join('')
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** An eBGP session with four-octet AS numbers and both families, unless said otherwise. */
export function context(changes: Partial<Negotiated> = {}): Negotiated {
  return {
    ebgp: true,
    localAsn: 65001,
    peerAsn: 65002,
    localRouterId: 0x0a000001,
    peerRouterId: 0x0a000002,
    as4: true,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    addPathReceive: [],
    addPathSend: [],
    extendedMessage: false,
    extendedNextHop: false,
    refresh: true,
    enhancedRefresh: false,
    holdSeconds: 90,
    keepaliveSeconds: 30,
    peerRestart: null,
    ...changes,
  }
}

export const ibgp = context({ ebgp: false, peerAsn: 65001 })

export interface UpdateParts {
  readonly withdrawn?: string
  readonly attributes?: string
  readonly announced?: string
}

/** A whole UPDATE from its three fields in hexadecimal. */
export function updateOf(parts: UpdateParts): Uint8Array {
  const withdrawn = hex(parts.withdrawn ?? '')
  const attributes = hex(parts.attributes ?? '')
  const announced = hex(parts.announced ?? '')
  const out = new Writer(23 + withdrawn.length + attributes.length + announced.length)
  writeHeader(out, messageType.update, out.buffer.length)
  out.u16(withdrawn.length)
  out.bytes(withdrawn)
  out.u16(attributes.length)
  out.bytes(attributes)
  out.bytes(announced)
  return out.buffer
}

/** ORIGIN igp, AS_PATH 65002, NEXT_HOP 10.0.0.1: what every eBGP announcement needs. */
export const basics = '400101 00 400206 0201 0000fdea 400304 0a000001'

/** 10.1.0.0/16 */
export const net = '10 0a01'

export function readUpdate(bytes: Uint8Array, negotiated: Negotiated): UpdateReader {
  const reader = new UpdateReader()
  reader.read(bytes, viewOf(bytes), 0, bytes.length, negotiated)
  return reader
}

/** The NotificationError that `run` throws, as text that a table can hold; anything else escapes. */
export function faultOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!(error instanceof NotificationError)) throw error
    const data = error.data.length > 0 ? ` ${hexText(error.data)}` : ''
    return `${error.fault}${data}`
  }
  return 'accepted'
}

export const iBasics = `${basics} 400504 00000064`

/** What is stored of `basics`, in hexadecimal: all but the next hop. */
export const stored = '4001010040020602010000fdea'

/** Everything a reader found, as plain text. */
export function outcome(parts: UpdateParts, negotiated: Negotiated, checked = true) {
  const reader = readUpdate(updateOf(parts), negotiated)
  if (checked) reader.check(negotiated)
  return {
    stored: hexText(reader.attributes.slice(0, reader.attributesLength)),
    withdraw: reader.treatAsWithdraw,
    faults: reader.faults.map(({ code, action }) => `${code} ${action}`),
  }
}
