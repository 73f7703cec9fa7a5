/**
 * Whether a next hop can be the address of a host (RFC 4271 §6.3, RFC 4760 §3, RFC 2545 §3): if not,
 * the attribute is malformed. A loopback address is one, though no other host's: such an attribute is
 * well formed and its routes are ignored, as those whose next hop is this router (BIRD does the same).
 * That, and whether a next hop can be reached, is asked above.
 */

/** Why the 4, 16 or 32 octets at the start of `bytes` are no next hop, or null. */
export function nextHopProblem(bytes: Uint8Array, length: number): string | null {
  if (length === 4) return ipv4Problem(bytes, 0)
  const problem = ipv6Problem(bytes)
  // Some speakers leave the global half empty on links that only have link-local addresses.
  return problem !== null && length === 32 && isZero(bytes, 0, 16) && isLinkLocal(bytes, 16)
    ? null
    : problem
}

function ipv4Problem(bytes: Uint8Array, at: number): string | null {
  const first = bytes[at]!
  if (first === 0) return 'the next hop is in 0.0.0.0/8'
  return first >= 224 ? 'the next hop is a multicast or reserved address' : null
}

function ipv6Problem(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xff) return 'the next hop is a multicast address'
  if (!isZero(bytes, 0, 10)) return null
  if (bytes[10] === 0xff && bytes[11] === 0xff) return ipv4Problem(bytes, 12)
  return isZero(bytes, 10, 16) ? 'the next hop is ::' : null
}

/** 127.0.0.0/8, also mapped into IPv6, and ::1. */
export function isLoopback(bytes: Uint8Array, length: number): boolean {
  if (length === 4) return bytes[0] === 127
  if (length < 16 || !isZero(bytes, 0, 10)) return false
  if (bytes[10] === 0xff && bytes[11] === 0xff) return bytes[12] === 127
  return isZero(bytes, 10, 15) && bytes[15] === 1
}

function isLinkLocal(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}
