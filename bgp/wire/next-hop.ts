/**
 * Whether a next hop can be the address of a host (RFC 4271 §6.3, RFC 4760 §3, RFC 2545 §3). Whether
 * it is ours, or can be reached, is asked by the RIB.
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
  if (first === 127) return 'the next hop is a loopback address'
  return first >= 224 ? 'the next hop is a multicast or reserved address' : null
}

function ipv6Problem(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xff) return 'the next hop is a multicast address'
  if (!isZero(bytes, 0, 10)) return null
  if (bytes[10] === 0xff && bytes[11] === 0xff) return ipv4Problem(bytes, 12)
  if (!isZero(bytes, 10, 15) || bytes[15]! > 1) return null
  return bytes[15] === 1 ? 'the next hop is the loopback address' : 'the next hop is ::'
}

function isLinkLocal(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}
