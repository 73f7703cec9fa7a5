/**
 * One message in words, as plain JSON, read by the very code a session runs: framer, then the
 * decoder of its type. For `routelet decode`, the API and tests.
 *
 * What treat-as-withdraw did has taken effect: announced prefixes are then listed as withdrawn
 * (RFC 7606 §2). Attributes are shown as a session keeps them, except that unknown ones have the
 * flags they came with: the partial bit is set for those we pass them on to (RFC 4271 §5).
 */
import { formatAddress, formatIpv4, formatPrefix } from '../prefix.ts'
import type { AttributesView, FamilyName } from '../types.ts'
import { viewAttributes } from './attribute.ts'
import { attributeEnd } from './attribute-bytes.ts'
import { hexOf, u16At } from './bytes.ts'
import { formatCapability } from './capability.ts'
import type { Negotiated } from './context.ts'
import { Framer } from './framer.ts'
import {
  decodeRefresh,
  headerLength,
  maxExtendedLength,
  maxMessageLength,
  messageType,
} from './message.ts'
import { decodeNotification, NotificationError } from './notification.ts'
import { decodeOpen, type Open } from './open.ts'
import { NlriCursor, type NlriRange, UpdateReader } from './update.ts'

export interface DescribedPrefix {
  readonly family: FamilyName
  readonly prefix: string
  readonly pathId?: number
}

export interface DescribedRoute extends DescribedPrefix {
  readonly nextHops: readonly string[]
}

export interface DescribedFault {
  /** Attribute code. */
  readonly attribute: number
  readonly action: 'treat-as-withdraw' | 'attribute-discard'
  readonly reason: string
}

export interface DescribedUpdate {
  readonly type: 'UPDATE'
  readonly announced: readonly DescribedRoute[]
  readonly withdrawn: readonly DescribedPrefix[]
  readonly attributes: AttributesView
  readonly faults: readonly DescribedFault[]
  readonly endOfRib?: FamilyName
}

export interface DescribedError {
  /** What a session would send before it closes. */
  readonly error: {
    readonly code: number
    readonly subcode: number
    /** Hexadecimal. */
    readonly data: string
    readonly reason: string
  }
}

export type DescribedMessage =
  | {
      readonly type: 'OPEN'
      readonly version: number
      readonly asn: number
      readonly holdSeconds: number
      readonly routerId: string
      readonly capabilities: readonly string[]
    }
  | DescribedUpdate
  | {
      readonly type: 'NOTIFICATION'
      readonly code: number
      readonly subcode: number
      readonly name: string
      readonly data: string
      readonly text: string | null
    }
  | { readonly type: 'KEEPALIVE' }
  | { readonly type: 'ROUTE-REFRESH'; readonly family: FamilyName | null; readonly subtype: number }
  | DescribedError

/** What a session asks beside the octets. Both throw NotificationError where it would end. */
export interface MessageJudge {
  /** Whether a message of this type has a place now; asked before it is read. */
  admit(type: number): void
  /** Whether an OPEN is the one expected. */
  admitOpen(open: Open): void
}

const indifferent: MessageJudge = { admit() {}, admitOpen() {} }

/** Describes the one whole message in `bytes`; a message that would end a session gives `error`. */
export function describeMessage(bytes: Uint8Array, negotiated: Negotiated): DescribedMessage {
  return new MessageDecoder().describe(bytes, negotiated)
}

/** Long-lived: decodes message after message in the same buffers, and keeps nothing of them. */
export class MessageDecoder {
  readonly #reader = new UpdateReader()
  readonly #cursor = new NlriCursor()
  #framer = new Framer()

  /** As describeMessage, and asks `judge` what a session would ask beyond the octets. */
  describe(
    bytes: Uint8Array,
    negotiated: Negotiated,
    judge: MessageJudge = indifferent,
  ): DescribedMessage {
    const framer = this.#framer
    framer.maxLength = negotiated.extendedMessage ? maxExtendedLength : maxMessageLength
    let described: DescribedMessage | null = null
    try {
      framer.push(bytes, (type, start, end) => {
        if (described !== null) throw wrongLength(bytes)
        judge.admit(type)
        described = this.#describe(type, start, end, negotiated, judge)
      })
      if (described === null || framer.pending > 0) throw wrongLength(bytes)
      return described
    } catch (error) {
      // A framer that threw, or was interrupted, can't be used again.
      this.#framer = new Framer()
      if (!(error instanceof NotificationError)) throw error
      return describeError(error)
    }
  }

  #describe(
    type: number,
    start: number,
    end: number,
    negotiated: Negotiated,
    judge: MessageJudge,
  ): DescribedMessage {
    const { bytes, view } = this.#framer
    switch (type) {
      case messageType.open: {
        const open = decodeOpen(bytes, view, start, end)
        judge.admitOpen(open)
        return {
          type: 'OPEN',
          version: open.version,
          asn: open.asn,
          holdSeconds: open.holdSeconds,
          routerId: formatIpv4(open.routerId),
          capabilities: open.capabilities.map(formatCapability),
        }
      }
      case messageType.update:
        return this.#describeUpdate(start, end, negotiated)
      case messageType.notification: {
        const { code, subcode, name, data, text } = decodeNotification(bytes, start, end)
        return { type: 'NOTIFICATION', code, subcode, name, data: hexOf(data), text }
      }
      case messageType.refresh:
        return { type: 'ROUTE-REFRESH', ...decodeRefresh(bytes, view, start, end) }
      default:
        return { type: 'KEEPALIVE' }
    }
  }

  #describeUpdate(start: number, end: number, negotiated: Negotiated): DescribedUpdate {
    const { bytes, view } = this.#framer
    const reader = this.#reader
    reader.read(bytes, view, start, end, negotiated)
    reader.check(negotiated)
    const classic = formatNextHops(reader.nextHop, reader.nextHopLength)
    const mp = formatNextHops(reader.mpNextHop, reader.mpNextHopLength)
    const announced = [
      ...this.#listPrefixes(reader.announced, classic),
      ...this.#listPrefixes(reader.mpReach, mp),
    ]
    const withdrawn: DescribedPrefix[] = [
      ...this.#listPrefixes(reader.withdrawn),
      ...this.#listPrefixes(reader.mpUnreach),
    ]
    if (reader.treatAsWithdraw) {
      for (const { nextHops: _, ...prefix } of announced.splice(0)) withdrawn.push(prefix)
    }
    const { attributes, attributesLength, faults, endOfRib } = reader
    const shown = withReceivedFlags(viewAttributes(attributes, 0, attributesLength), bytes, start)
    return {
      type: 'UPDATE',
      announced,
      withdrawn,
      attributes: { ...shown, ...(classic.length > 0 ? { nextHop: classic[0]! } : {}) },
      faults: faults.map(({ code, action, reason }) => ({ attribute: code, action, reason })),
      ...(endOfRib === null ? {} : { endOfRib }),
    }
  }

  #listPrefixes(range: NlriRange): DescribedPrefix[]
  #listPrefixes(range: NlriRange, nextHops: readonly string[]): DescribedRoute[]
  #listPrefixes(range: NlriRange, nextHops?: readonly string[]): DescribedPrefix[] {
    const { family, addPath } = range
    const list: DescribedPrefix[] = []
    if (family === null) return list
    const { bytes, view } = this.#framer
    const cursor = this.#cursor
    const words = new Uint32Array(4)
    cursor.start(bytes, view, range)
    while (cursor.next()) {
      words[0] = cursor.w0
      words[1] = cursor.w1
      words[2] = cursor.w2
      words[3] = cursor.w3
      list.push({
        family,
        prefix: formatPrefix(family, words, 0, cursor.length),
        ...(addPath ? { pathId: cursor.pathId } : {}),
        ...(nextHops === undefined ? {} : { nextHops }),
      })
    }
    return list
  }
}

/** An error that ends a session as its NOTIFICATION would say it. */
export function describeError({ code, subcode, data, message }: NotificationError): DescribedError {
  return { error: { code, subcode, data: hexOf(data), reason: message } }
}

/** A session would wait for more, or see a second message; here the length can only be wrong. */
function wrongLength(bytes: Uint8Array): NotificationError {
  const said = bytes.length < headerLength ? 'is cut off' : `says ${u16At(bytes, 16)} octets`
  return new NotificationError(
    'header/badLength',
    `the message ${said}, ${bytes.length} octets were given`,
    bytes.slice(16, 18),
  )
}

/** Unknown attributes with the flags octet of the UPDATE at `start`, whose lengths were checked. */
function withReceivedFlags(view: AttributesView, bytes: Uint8Array, start: number): AttributesView {
  if (view.unknown === undefined) return view
  const lengthAt = start + headerLength + 2 + u16At(bytes, start + headerLength)
  const end = lengthAt + 2 + u16At(bytes, lengthAt)
  const flagsByCode = new Map<number, number>()
  for (let at = lengthAt + 2; at < end; at = attributeEnd(bytes, at)) {
    const code = bytes[at + 1]!
    if (!flagsByCode.has(code)) flagsByCode.set(code, bytes[at]!)
  }
  return {
    ...view,
    unknown: view.unknown.map(({ code, flags, value }) => ({
      code,
      flags: flagsByCode.get(code) ?? flags,
      value,
    })),
  }
}

/** Global first, then link-local. */
function formatNextHops(bytes: Uint8Array, length: number): string[] {
  if (length === 32) return [formatAddress(bytes, 0, 16), formatAddress(bytes, 16, 16)]
  return length === 0 ? [] : [formatAddress(bytes, 0, length)]
}
