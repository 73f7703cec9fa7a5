/**
 * Prefixes and addresses, as text for people and as 32-bit words for tables. Words come most
 * significant first: one for IPv4, four for IPv6. Nothing here knows a message or a route.
 *
 * Text follows RFC 4632 (IPv4 CIDR), RFC 4291 §2.2 (IPv6 input) and RFC 5952 (IPv6 output, §5
 * dotted quad for IPv4-mapped addresses). Martians: RFC 6890 and RFC 4291 §2.4.
 */
import type { FamilyName } from './types.ts'

export interface Prefix {
  readonly family: FamilyName
  /** One word for IPv4, four for IPv6; bits past `length` are zero. */
  readonly words: Uint32Array
  readonly length: number
}

/** The family an address or prefix text belongs to; a colon makes it IPv6. Validates nothing. */
export function familyOf(text: string): FamilyName {
  return text.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast'
}

/**
 * Reads `10.0.0.0/8` or `2001:db8::/32`.
 * @throws RangeError when it is no prefix, or has bits set past its length.
 */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/')
  if (slash < 0) {
    throw new RangeError(`"${text}" is no prefix: "/length" is missing, as in ${text}/32`)
  }
  const lengthText = text.slice(slash + 1)
  const address = text.slice(0, slash)
  if (address.includes('%')) {
    throw new RangeError(`"${text}" is no prefix: a zone belongs to an address, not to a prefix`)
  }
  const family = familyOf(address)
  const words = wordsOf(parseAddress(address))
  const bits = words.length * 32
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText) || Number(lengthText) > bits) {
    throw new RangeError(
      `"${text}" is no prefix: the length "${lengthText}" is not a number from 0 to ${bits}`,
    )
  }
  const length = Number(lengthText)
  const masked = maskWords(words, length)
  if (masked.some((word, i) => word !== words[i])) {
    const meant = formatPrefix(family, masked, 0, length)
    throw new RangeError(`"${text}" has bits set past its length; the network is ${meant}`)
  }
  return { family, words, length }
}

/**
 * An address as the prefix that holds it alone; a `%zone` is dropped.
 * @throws RangeError when it is no address
 */
export function parseHost(address: string): Prefix {
  const words = wordsOf(parseAddress(address))
  return { family: familyOf(address), words, length: words.length * 32 }
}

/** Canonical text of the prefix whose first word is `words[offset]`; bits past the length are ignored. */
export function formatPrefix(
  family: FamilyName,
  words: Uint32Array,
  offset: number,
  length: number,
): string {
  if (family === 'ipv4-unicast') return `${formatIpv4(maskWord(words[offset]!, length))}/${length}`
  const masked = maskWords(words.subarray(offset, offset + 4), length)
  return `${formatIpv6(groupsOfWords(masked))}/${length}`
}

/**
 * Reads an address without a length into 4 or 16 octets; a `%zone` is dropped.
 * @throws RangeError saying what is wrong with it.
 */
export function parseAddress(text: string): Uint8Array {
  const zone = text.indexOf('%')
  const bare = zone < 0 ? text : text.slice(0, zone)
  if (bare.includes(':')) return parseIpv6(bare)
  if (zone >= 0) throw new RangeError(`"${text}" is no address: only IPv6 addresses have a zone`)
  const word = parseIpv4(bare)
  return Uint8Array.of(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255)
}

/** Canonical text of the 4 or 16 octets at `offset`. */
export function formatAddress(bytes: Uint8Array, offset: number, length: number): string {
  if (length === 4) {
    return `${bytes[offset]!}.${bytes[offset + 1]!}.${bytes[offset + 2]!}.${bytes[offset + 3]!}`
  }
  if (length !== 16) throw new RangeError(`an address has 4 or 16 octets, not ${length}`)
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((bytes[offset + i]! << 8) | bytes[offset + i + 1]!)
  }
  return formatIpv6(groups)
}

/**
 * Reads a dotted quad into an unsigned 32-bit number. Leading zeros are refused, since some
 * readers take them for octal.
 * @throws RangeError
 */
export function parseIpv4(text: string): number {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match)
    throw new RangeError(`"${text}" is no IPv4 address: four numbers with dots are needed`)
  let word = 0
  for (let i = 1; i <= 4; i++) {
    const part = match[i]!
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) {
      throw new RangeError(`"${text}" is no IPv4 address: "${part}" is not a number from 0 to 255`)
    }
    word = (word << 8) | Number(part)
  }
  return word >>> 0
}

export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/** Whether every address of `inner` lies in `outer`; a prefix covers itself. */
export function covers(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.family === inner.family &&
    outer.length <= inner.length &&
    lies(inner.words, 0, outer.words, outer.length)
  )
}

interface Martian {
  readonly words: Uint32Array
  readonly length: number
  readonly reason: string
}

// Rows are read in order, so the narrow name comes before the wide one that contains it.
const martians: Readonly<Record<FamilyName, readonly Martian[]>> = {
  'ipv4-unicast': [
    martian('0.0.0.0/8', '"this network" (0.0.0.0/8)'),
    martian('127.0.0.0/8', 'loopback (127.0.0.0/8)'),
    martian('169.254.0.0/16', 'link-local (169.254.0.0/16)'),
    martian('224.0.0.0/4', 'multicast (224.0.0.0/4)'),
    martian('240.0.0.0/4', 'reserved (240.0.0.0/4)'),
    martian('224.0.0.0/3', 'multicast and reserved (224.0.0.0/3)'),
  ],
  'ipv6-unicast': [
    martian('::1/128', 'loopback (::1)'),
    martian('::/128', 'the unspecified address (::)'),
    martian('::ffff:0.0.0.0/96', 'IPv4-mapped (::ffff:0.0.0.0/96)'),
    martian('::/8', 'reserved (::/8)'),
    martian('fe80::/10', 'link-local (fe80::/10)'),
    martian('fec0::/10', 'site-local, deprecated (fec0::/10)'),
    martian('ff00::/8', 'multicast (ff00::/8)'),
    martian('fe00::/7', 'reserved, link-local and multicast (fe00::/7)'),
  ],
}

/** By first octet: 1 where a martian begins with it; most prefixes need no other look. */
const martianOctets: Readonly<Record<FamilyName, Uint8Array>> = {
  'ipv4-unicast': firstOctets(martians['ipv4-unicast']),
  'ipv6-unicast': firstOctets(martians['ipv6-unicast']),
}

function firstOctets(rows: readonly Martian[]): Uint8Array {
  const octets = new Uint8Array(256)
  for (const { words, length } of rows) {
    const first = (words[0] as number) >>> 24
    octets.fill(1, first, first + (1 << Math.max(0, 8 - length)))
  }
  return octets
}

/** NAT64 (RFC 6052, RFC 8215) is the one part of ::/8 that is routed. */
const nat64 = parsePrefix('64:ff9b::/32')

/**
 * Why no route to this prefix can be right: none of its addresses may be routed. null when some
 * may; the default route, private and documentation space are no martians.
 */
export function isMartian(
  family: FamilyName,
  words: Uint32Array,
  offset: number,
  length: number,
): string | null {
  if (martianOctets[family][(words[offset] as number) >>> 24] === 0) return null
  for (const row of martians[family]) {
    if (row.length > length || !lies(words, offset, row.words, row.length)) continue
    const routed =
      family === 'ipv6-unicast' &&
      length >= nat64.length &&
      lies(words, offset, nat64.words, nat64.length)
    return routed ? null : row.reason
  }
  return null
}

function martian(text: string, reason: string): Martian {
  const { words, length } = parsePrefix(text)
  return { words, length, reason }
}

/** Whether the first `length` bits of `words[offset…]` are those of `network`. */
function lies(words: Uint32Array, offset: number, network: Uint32Array, length: number): boolean {
  for (let i = 0, left = length; left > 0; i++, left -= 32) {
    if (maskWord(words[offset + i]!, left) !== maskWord(network[i]!, left)) return false
  }
  return true
}

/** The first `bits` bits of a word; all of them from 32 on, none from 0 down. */
function maskWord(word: number, bits: number): number {
  if (bits >= 32) return word
  if (bits <= 0) return 0
  return (word & (-1 << (32 - bits))) >>> 0
}

function maskWords(words: Uint32Array, length: number): Uint32Array {
  return words.map((word, i) => maskWord(word, length - i * 32))
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(bytes.length / 4)
  for (let i = 0; i < bytes.length; i++) words[i >> 2] = (words[i >> 2]! << 8) | bytes[i]!
  return words
}

function groupsOfWords(words: Uint32Array): number[] {
  return Array.from(words).flatMap((word) => [word >>> 16, word & 0xffff])
}

function parseIpv6(text: string): Uint8Array {
  const fail = (problem: string): never => {
    throw new RangeError(`"${text}" is no IPv6 address: ${problem}`)
  }
  const halves = text.split('::')
  if (halves.length > 2) fail('"::" may occur once')
  const head = groupsOfText(halves[0]!, halves.length === 1, fail)
  const tail = halves.length === 2 ? groupsOfText(halves[1]!, true, fail) : []
  const zeros = 8 - head.length - tail.length
  // "::" stands for at least one group (RFC 4291 §2.2).
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) {
    fail(`eight groups are needed, or fewer with one "::"`)
  }
  const groups = [...head, ...new Array<number>(zeros).fill(0), ...tail]
  const bytes = new Uint8Array(16)
  groups.forEach((group, i) => {
    bytes[i * 2] = group >>> 8
    bytes[i * 2 + 1] = group & 255
  })
  return bytes
}

/** The 16-bit groups of one side of a "::"; a dotted quad may end the text. */
function groupsOfText(text: string, last: boolean, fail: (problem: string) => never): number[] {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  parts.forEach((part, i) => {
    if (last && i === parts.length - 1 && part.includes('.')) {
      const word = parseIpv4(part)
      groups.push(word >>> 16, word & 0xffff)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      fail(part === '' ? 'a group is empty' : `"${part}" is not one to four hexadecimal digits`)
    }
  })
  return groups
}

/** RFC 5952 §4: lower case, no leading zeros, the longest (first) run of two or more zero groups as "::". */
function formatIpv6(groups: readonly number[]): string {
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return `::ffff:${formatIpv4(((groups[6]! << 16) | groups[7]!) >>> 0)}`
  }
  let runStart = -1
  let runLength = 1
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > runLength) {
      runStart = i
      runLength = end - i
    }
    if (end > i) i = end
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  if (runStart < 0) return text(0, 8)
  return `${text(0, runStart)}::${text(runStart + runLength, 8)}`
}
