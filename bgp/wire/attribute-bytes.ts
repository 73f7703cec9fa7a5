/**
 * Path attributes as octets: codes, flags, and steps over canonical bytes (see attribute.ts).
 * RFC 4271 §4.3 fixes the layout: flags, code, a length of one octet or of two, value.
 */
import { u16At, type Writer } from './bytes.ts'

export const attributeCode = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  largeCommunities: 32,
  otc: 35,
} as const

export const attributeFlag = {
  optional: 0x80,
  transitive: 0x40,
  partial: 0x20,
  extendedLength: 0x10,
} as const

/** Where the value of the attribute at `at` starts. */
export function valueStart(bytes: Uint8Array, at: number): number {
  return at + ((bytes[at]! & attributeFlag.extendedLength) === 0 ? 3 : 4)
}

/** Where the attribute at `at` ends, and the next one starts. */
export function attributeEnd(bytes: Uint8Array, at: number): number {
  return (bytes[at]! & attributeFlag.extendedLength) === 0
    ? at + 3 + bytes[at + 2]!
    : at + 4 + u16At(bytes, at + 2)
}

/** Where the attribute with this code starts in canonical bytes, or -1. */
export function findAttribute(bytes: Uint8Array, start: number, end: number, code: number): number {
  for (let at = start; at < end && bytes[at + 1]! <= code; at = attributeEnd(bytes, at)) {
    if (bytes[at + 1] === code) return at
  }
  return -1
}

/** Starts an attribute in `out` and gives its place, for endAttribute. */
export function beginAttribute(out: Writer, flags: number, code: number): number {
  const at = out.position
  out.u8(flags & ~attributeFlag.extendedLength)
  out.u8(code)
  out.u8(0)
  return at
}

/** Sets the length of the attribute begun at `at`; a long value moves to make room for two octets. */
export function endAttribute(out: Writer, at: number): void {
  const value = at + 3
  const length = out.position - value
  if (length <= 0xff) {
    out.view.setUint8(at + 2, length)
    return
  }
  if (length > 0xffff) throw new RangeError(`an attribute of ${length} octets can't be written`)
  out.u8(0)
  out.buffer.copyWithin(value + 1, value, value + length)
  out.view.setUint8(at, out.buffer[at]! | attributeFlag.extendedLength)
  out.view.setUint16(at + 2, length)
}
