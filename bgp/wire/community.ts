/**
 * Communities as text and as numbers: plain (RFC 1997), large (RFC 8092), and the well-known ones
 * that change what a speaker does (RFC 1997, RFC 3765, RFC 7999, RFC 8326, RFC 9494).
 */
import { u16At, u32At } from './bytes.ts'

export const wellKnown = {
  gracefulShutdown: 0xffff0000,
  llgrStale: 0xffff0006,
  noLlgr: 0xffff0007,
  blackhole: 0xffff029a,
  noExport: 0xffffff01,
  noAdvertise: 0xffffff02,
  noExportSubconfed: 0xffffff03,
  noPeer: 0xffffff04,
} as const

/** `65001:100` for the four octets at `at`. */
export function formatCommunity(bytes: Uint8Array, at: number): string {
  return `${u16At(bytes, at)}:${u16At(bytes, at + 2)}`
}

/** `65001:1:2` for the twelve octets at `at`. */
export function formatLargeCommunity(bytes: Uint8Array, at: number): string {
  return `${u32At(bytes, at)}:${u32At(bytes, at + 4)}:${u32At(bytes, at + 8)}`
}

/**
 * Reads `65001:100` into one number, `65001:1:2` into three.
 * @throws RangeError when it is neither.
 */
export function parseCommunity(text: string): readonly number[] {
  const parts = text.split(':')
  const max = parts.length === 2 ? 0xffff : 0xffffffff
  const numbers = parts.map((part) => (/^\d{1,10}$/.test(part) ? Number(part) : Number.NaN))
  if (numbers.length < 2 || numbers.length > 3 || numbers.some((n) => !(n <= max))) {
    throw new RangeError(
      `"${text}" is no community: 0-65535:0-65535 or, large, three numbers up to 4294967295`,
    )
  }
  if (numbers.length === 3) return numbers
  return [((numbers[0]! << 16) | numbers[1]!) >>> 0]
}
