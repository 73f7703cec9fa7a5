/**
 * Addresses and prefixes as this room keeps them: 32-bit words, most significant first (one for
 * IPv4, four for IPv6), and canonical text (RFC 5952) at its outer face.
 */

export type Family = 4 | 6

export interface Address {
  readonly family: Family
  /** One word, or four. */
  readonly words: Uint32Array
  /** Interface of a link-local address (`fe80::1%eth0`); null without one. */
  readonly zone: string | null
}

export interface Prefix {
  readonly family: Family
  readonly words: Uint32Array
  readonly length: number
}

export function wordsOf(family: Family): 1 | 4 {
  return family === 4 ? 1 : 4
}

/** Prefix length of a single address. */
export function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128
}

/** An address in canonical or any other valid text; null when it is none. */
export function parseAddress(text: string): Address | null {
  const percent = text.indexOf('%')
  const bare = percent < 0 ? text : text.slice(0, percent)
  const zone = percent < 0 ? null : text.slice(percent + 1)
  if (zone === '') return null
  if (bare.includes(':')) {
    const words = parse6(bare)
    return words === null ? null : { family: 6, words, zone }
  }
  const word = parse4(bare)
  return word === null || zone !== null
    ? null
    : { family: 4, words: Uint32Array.of(word), zone: null }
}

/** A prefix; null when it is none. Bits beyond its length are cleared. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/')
  if (slash < 0) return null
  const address = parseAddress(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (address === null || address.zone !== null || !/^\d{1,3}$/.test(digits)) return null
  const length = Number(digits)
  if (length > bitsOf(address.family)) return null
  mask(address.words, 0, address.words, 0, address.words.length, length)
  return { family: address.family, words: address.words, length }
}

/** Copies an address and clears its bits from `length` on; source and target may be the same. */
export function mask(
  source: Uint32Array,
  at: number,
  target: Uint32Array,
  to: number,
  words: number,
  length: number,
): void {
  for (let index = 0; index < words; index++) {
    const left = length - 32 * index
    const word = source[at + index]!
    target[to + index] = left >= 32 ? word : left <= 0 ? 0 : word & (-1 << (32 - left))
  }
}

/** Whether the prefix holds the address. */
export function covers(
  prefix: Uint32Array,
  at: number,
  length: number,
  address: Uint32Array,
): boolean {
  for (let index = 0; 32 * index < length; index++) {
    const left = length - 32 * index
    const bits = left >= 32 ? -1 : -1 << (32 - left)
    if (((prefix[at + index]! ^ address[index]!) & bits) !== 0) return false
  }
  return true
}

/** Canonical text of the address whose words start at `at`. */
export function formatAddress(family: Family, words: Uint32Array, at = 0): string {
  return family === 4 ? format4(words[at]!) : format6(words, at)
}

/** Canonical text of an address without its zone. */
export function addressText(address: Address): string {
  return formatAddress(address.family, address.words)
}

export function formatPrefix(
  family: Family,
  words: Uint32Array,
  at: number,
  length: number,
): string {
  return `${formatAddress(family, words, at)}/${length}`
}

/** Order of addresses as numbers, then of lengths: negative when a comes first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family - b.family
  for (let index = 0; index < a.words.length; index++) {
    const difference = a.words[index]! - b.words[index]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function parse4(text: string): number | null {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  let word = 0
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || (part.length > 1 && part.startsWith('0'))) return null
    const octet = Number(part)
    if (octet > 255) return null
    word = (word << 8) | octet
  }
  return word >>> 0
}

function parse6(text: string): Uint32Array | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = groups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? groups(halves[1]!, true) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail]
  const words = new Uint32Array(4)
  for (let index = 0; index < 4; index++) {
    words[index] = (all[2 * index]! << 16) | all[2 * index + 1]!
  }
  return words
}

/** The 16-bit groups of a part of an IPv6 address; a dotted quad may end the last one. */
function groups(text: string, last: boolean): number[] | null {
  if (text === '') return []
  const parts = text.split(':')
  const result: number[] = []
  for (const [index, part] of parts.entries()) {
    if (last && part.includes('.') && index === parts.length - 1) {
      const word = parse4(part)
      if (word === null) return null
      result.push(word >>> 16, word & 0xffff)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null
      result.push(Number.parseInt(part, 16))
    }
  }
  return result
}

function format4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups is `::`. */
function format6(words: Uint32Array, at: number): string {
  const mapped = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff
  if (mapped) return `::ffff:${format4(words[at + 3]!)}`
  const parts: number[] = []
  for (let index = 0; index < 4; index++) {
    const word = words[at + index]!
    parts.push(word >>> 16, word & 0xffff)
  }
  const run = longestZeroRun(parts)
  const text = (from: number, to: number): string =>
    parts
      .slice(from, to)
      .map((part) => part.toString(16))
      .join(':')
  return run.length < 2 ? text(0, 8) : `${text(0, run.start)}::${text(run.start + run.length, 8)}`
}

function longestZeroRun(parts: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < parts.length; start++) {
    let length = 0
    while (parts[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}
