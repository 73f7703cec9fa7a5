/**
 * One message in words, as plain JSON, read by the very code a session runs: framer, then the
 * decoder of its type. For `routelet decode`, the API and tests.
 *
 * What treat-as-withdraw did has taken effect: announced prefixes are then listed as withdrawn
 * (RFC 7606 §2).
 */
import { formatAddress, formatIpv4, formatPrefix } from '../prefix.ts'
import type { AttributesView, FamilyName } from '../types.ts'
import { viewAttributes } from './attribute.ts'
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
import { decodeOpen } from './open.ts'
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
  | {
      /** What a session would send before it closes. */
      readonly error: {
        readonly code: number
        readonly subcode: number
        /** Hexadecimal. */
        readonly data: string
        readonly reason: string
      }
    }

/** Describes the one whole message in `bytes`; a message that would end a session gives `error`. */
export function describeMessage(bytes: Uint8Array, negotiated: Negotiated): DescribedMessage {
  const framer = new Framer()
  framer.maxLength = negotiated.extendedMessage ? maxExtendedLength : maxMessageLength
  let described: DescribedMessage | null = null
  try {
    framer.push(bytes, (type, start, end) => {
      if (described !== null) throw wrongLength(bytes)
      described = describe(framer, type, start, end, negotiated)
    })
    if (described === null || framer.pending > 0) throw wrongLength(bytes)
    return described
  } catch (error) {
    if (!(error instanceof NotificationError)) throw error
    const { code, subcode, data, message } = error
    return { error: { code, subcode, data: hexOf(data), reason: message } }
  }
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

function describe(
  { bytes, view }: Framer,
  type: number,
  start: number,
  end: number,
  negotiated: Negotiated,
): DescribedMessage {
  switch (type) {
    case messageType.open: {
      const open = decodeOpen(bytes, view, start, end)
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
      return describeUpdate(bytes, view, start, end, negotiated)
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

function describeUpdate(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  negotiated: Negotiated,
): DescribedUpdate {
  const reader = new UpdateReader()
  reader.read(bytes, view, start, end, negotiated)
  reader.check(negotiated)
  const classic = formatNextHops(reader.nextHop, reader.nextHopLength)
  const mp = formatNextHops(reader.mpNextHop, reader.mpNextHopLength)
  const prefixes = (range: NlriRange) => listPrefixes(bytes, view, range)
  const announced = [
    ...prefixes(reader.announced).map((prefix) => ({ ...prefix, nextHops: classic })),
    ...prefixes(reader.mpReach).map((prefix) => ({ ...prefix, nextHops: mp })),
  ]
  const withdrawn = [...prefixes(reader.withdrawn), ...prefixes(reader.mpUnreach)]
  if (reader.treatAsWithdraw) {
    withdrawn.push(...announced.map(({ nextHops: _, ...prefix }) => prefix))
    announced.length = 0
  }
  return {
    type: 'UPDATE',
    announced,
    withdrawn,
    attributes: {
      ...viewAttributes(reader.attributes, 0, reader.attributesLength),
      ...(classic.length > 0 ? { nextHop: classic[0]! } : {}),
    },
    faults: reader.faults.map(({ code, action, reason }) => ({ attribute: code, action, reason })),
    ...(reader.endOfRib === null ? {} : { endOfRib: reader.endOfRib }),
  }
}

function listPrefixes(bytes: Uint8Array, view: DataView, range: NlriRange): DescribedPrefix[] {
  const { family, addPath } = range
  const list: DescribedPrefix[] = []
  if (family === null) return list
  const cursor = new NlriCursor()
  cursor.start(bytes, view, range)
  while (cursor.next()) {
    const words = Uint32Array.of(cursor.w0, cursor.w1, cursor.w2, cursor.w3)
    const prefix = formatPrefix(family, words, 0, cursor.length)
    list.push({ family, prefix, ...(addPath ? { pathId: cursor.pathId } : {}) })
  }
  return list
}

/** Global first, then link-local. */
function formatNextHops(bytes: Uint8Array, length: number): string[] {
  if (length === 32) return [formatAddress(bytes, 0, 16), formatAddress(bytes, 16, 16)]
  return length === 0 ? [] : [formatAddress(bytes, 0, length)]
}
