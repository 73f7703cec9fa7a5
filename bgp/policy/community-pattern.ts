/**
 * Communities with gaps: `65001:100`, `65001:*`, and large ones as `65001:1:*`. A pattern is matched
 * against the octets of an attribute in place. RFC 1997 (standard), RFC 8092 (large).
 */
import { u32At } from '../wire/bytes.ts'
import { parseCommunity } from '../wire/community.ts'
import type { CommunityPattern } from './types.ts'

const every = 0xffffffff

/**
 * Reads a community any part of which may be `*`.
 * @throws RangeError when it is none.
 */
export function parsePattern(text: string): CommunityPattern {
  const parts = text.split(':')
  const words = parseCommunity(parts.map((part) => (part === '*' ? '0' : part)).join(':'))
  const masks = parts.map((part) => (part === '*' ? 0 : every))
  if (words.length === 3) return { words, masks }
  return { words, masks: [((masks[0]! & 0xffff0000) | (masks[1]! & 0xffff)) >>> 0] }
}

export function fitsPattern(pattern: CommunityPattern, community: readonly number[]): boolean {
  if (community.length !== pattern.words.length) return false
  return community.every((word, i) => (word & pattern.masks[i]!) >>> 0 === pattern.words[i])
}

/** Whether one of the communities in `[start, end)`, standard or large as the pattern is, fits. */
export function hasCommunity(
  pattern: CommunityPattern,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const { words, masks } = pattern
  const size = words.length * 4
  for (let at = start; at < end; at += size) {
    let i = 0
    while (i < words.length && (u32At(bytes, at + i * 4) & masks[i]!) >>> 0 === words[i]) i++
    if (i === words.length) return true
  }
  return false
}
