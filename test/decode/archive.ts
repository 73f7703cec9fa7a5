/** MRT records put together by hand, for the tests that read them (RFC 6396). */
import { Writer } from '../../bgp/wire/bytes.ts'
import { hex } from '../bgp/wire/vectors.ts'

/** 2026-01-02T03:04:05Z */
export const seconds = 1_767_323_045

/** A record of any type around its body. */
export function record(type: number, subtype: number, body: Uint8Array): Uint8Array {
  const out = new Writer(12 + body.length)
  out.u32(seconds)
  out.u16(type)
  out.u16(subtype)
  out.u32(body.length)
  out.bytes(body)
  return out.buffer
}

/** Peer 10.0.0.2 AS 65002, local 10.0.0.1 AS 65001, four octets each. */
const as4Head = '0000fdea 0000fde9 0000 0001 0a000002 0a000001'

/** A BGP4MP MESSAGE_AS4 record. */
export function bgp4mpMessage(message: Uint8Array): Uint8Array {
  return record(16, 4, Uint8Array.of(...hex(as4Head), ...message))
}

/** Two peers: 10.0.0.2 AS 65002 and 2001:db8::3 AS 70000. */
export const peerIndex = record(
  13,
  1,
  hex(`c0000201 0004 74657374 0002
    00 0a000002 0a000002 fdea
    03 0a000003 20010db8000000000000000000000003 00011170`),
)

export interface RibEntry {
  readonly peer: number
  readonly pathId?: number
  /** Hexadecimal. */
  readonly attributes: string
}

/** A RIB record: `prefix` is length and octets in hexadecimal. */
export function rib(subtype: number, prefix: string, entries: readonly RibEntry[]): Uint8Array {
  const parts = entries.map(({ peer, pathId, attributes }) => {
    const octets = hex(attributes)
    const id = pathId === undefined ? '' : word(pathId, 8)
    return `${word(peer, 4)} ${word(seconds, 8)} ${id} ${word(octets.length, 4)} ${attributes}`
  })
  return record(13, subtype, hex(`00000009 ${prefix} ${word(entries.length, 4)} ${parts.join('')}`))
}

function word(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0')
}
