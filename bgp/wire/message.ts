/**
 * The message header, and the two messages that are little more than a header.
 *
 * RFC 4271 §4.1 (header), §4.4 (KEEPALIVE); RFC 2918 §3 and RFC 7313 §3.2 (ROUTE-REFRESH and its
 * subtypes); RFC 8654 §4 (extended length).
 */
import type { FamilyName } from '../types.ts'
import { Writer } from './bytes.ts'
import { families, familyByCode } from './family.ts'

export const messageType = {
  open: 1,
  update: 2,
  notification: 3,
  keepalive: 4,
  refresh: 5,
} as const

export const headerLength = 19
export const maxMessageLength = 4096
export const maxExtendedLength = 65535
export const refreshLength = headerLength + 4

/** Writes marker, length and type of a message of `length` octets in all. */
export function writeHeader(out: Writer, type: number, length: number): void {
  for (let i = 0; i < 4; i++) out.u32(0xffffffff)
  out.u16(length)
  out.u8(type)
}

/** The one KEEPALIVE; callers share it and never change it. */
export const keepaliveMessage: Uint8Array = encodeKeepalive()

function encodeKeepalive(): Uint8Array {
  const out = new Writer(headerLength)
  writeHeader(out, messageType.keepalive, headerLength)
  return out.buffer
}

/** 0: please send everything again; 1 and 2: begin and end of an answer (RFC 7313). */
export type RefreshSubtype = 0 | 1 | 2

export function encodeRefresh(family: FamilyName, subtype: RefreshSubtype): Uint8Array {
  const { afi, safi } = families[family]
  const out = new Writer(refreshLength)
  writeHeader(out, messageType.refresh, refreshLength)
  out.u16(afi)
  out.u8(subtype)
  out.u8(safi)
  return out.buffer
}

export interface Refresh {
  /** null: a family we don't speak; RFC 2918 §4 has it ignored. */
  readonly family: FamilyName | null
  /** As sent; RFC 7313 §5 has subtypes other than 0, 1 and 2 ignored. */
  readonly subtype: number
}

/** Reads a ROUTE-REFRESH whose framing was checked. */
export function decodeRefresh(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  _end: number,
): Refresh {
  const at = start + headerLength
  const family = familyByCode(view.getUint16(at), bytes[at + 3]!)
  return { family: family?.name ?? null, subtype: bytes[at + 2]! }
}
