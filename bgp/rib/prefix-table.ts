/**
 * The prefix table: every prefix the RIB has heard of gets a small dense number, by which all other
 * columns are indexed. Open addressing with linear probing over typed columns; deletion shifts the
 * following entries back, so there are no tombstones and probe lengths stay short.
 *
 * With a million prefixes nearly every probe is a cache miss, and those are what a lookup costs. So
 * a slot holds the hash beside the row: a probe that fails looks at nothing else, and the slots are
 * moved to a larger table in the order they lie in. `warm` fetches the slots of several keys at once.
 * The slots are in `segmentCount` segments by the hash's first bits, each of which grows by itself:
 * to move half a million at once would hold up the event loop for tens of milliseconds.
 *
 * A key is `words` 32-bit words (1 for IPv4, 4 for IPv6; next hops use 8) plus a length, passed in a
 * caller's array so that nothing is allocated per lookup.
 */
import { growUint8, growUint32, RowList, roomAfter } from './columns.ts'

const initialRows = 256
/** The hash's first `segmentBits` bits choose the segment, its last bits the slot there. */
const segmentBits = 6
const segmentCount = 1 << segmentBits
const segmentShift = 32 - segmentBits

interface Segment {
  /** Two words a slot: the hash, and the row + 1 or 0 where it is empty. At most half full. */
  slots: Int32Array
  /** Slots - 1; their number is a power of two. */
  mask: number
  used: number
}

export class PrefixTable {
  readonly words: number
  /** `words` words a row, most significant first. */
  addresses: Uint32Array
  lengths: Uint8Array
  /** One more than the highest row in use: the bound for scans and for parallel columns. */
  limit = 0
  size = 0
  /** How many rows have each prefix length; guides longest-match probing. */
  readonly perLength: Uint32Array
  /** Told of every new row; null: nobody reads the table in order at present. */
  onInsert: ((row: number) => void) | null = null
  readonly #segments: Segment[]
  readonly #free = new RowList()
  /** What `warm` read last: a loop without a result might be left out by the compiler. */
  warmed = 0

  constructor(words: number) {
    this.words = words
    this.addresses = new Uint32Array(initialRows * words)
    this.lengths = new Uint8Array(initialRows)
    this.perLength = new Uint32Array(257)
    const slots = (initialRows * 2) / segmentCount
    this.#segments = Array.from({ length: segmentCount }, () => ({
      slots: new Int32Array(slots * 2),
      mask: slots - 1,
      used: 0,
    }))
  }

  /** Rows the columns have room for; parallel columns grow to this. */
  get capacity(): number {
    return this.lengths.length
  }

  /** Row of the prefix at `key[offset…]`, or -1. */
  find(key: Uint32Array, offset: number, length: number): number {
    const hash = this.#hash(key, offset, length)
    const segment = this.#segmentOf(hash)
    return (segment.slots[this.#seek(segment, hash, key, offset, length) * 2 + 1] as number) - 1
  }

  /** Row of the prefix, made if it wasn't there. Host bits must be zero. */
  insert(key: Uint32Array, offset: number, length: number): number {
    const hash = this.#hash(key, offset, length)
    const segment = this.#segmentOf(hash)
    let slot = this.#seek(segment, hash, key, offset, length)
    const known = segment.slots[slot * 2 + 1] as number
    if (known !== 0) return known - 1
    if (segment.used * 2 > segment.mask) {
      widen(segment)
      slot = this.#seek(segment, hash, key, offset, length)
    }
    const row = this.#free.length > 0 ? this.#free.pop() : this.limit++
    if (row >= this.lengths.length) this.#grow()
    const at = row * this.words
    for (let word = 0; word < this.words; word++) {
      this.addresses[at + word] = key[offset + word] as number
    }
    this.lengths[row] = length
    ;(this.perLength[length] as number)++
    this.size++
    segment.slots[slot * 2] = hash
    segment.slots[slot * 2 + 1] = row + 1
    segment.used++
    if (this.onInsert !== null) this.onInsert(row)
    return row
  }

  /**
   * Fetches the slots of the first `count` keys of `keys`, so that the lookups that follow find them
   * in the cache: loads that don't depend on each other are waited for together.
   */
  warm(keys: Uint32Array, lengths: Uint8Array, count: number): void {
    let seen = 0
    for (let index = 0; index < count; index++) {
      const hash = this.#hash(keys, index * this.words, lengths[index] as number)
      const { slots, mask } = this.#segmentOf(hash)
      seen |= slots[(hash & mask) * 2 + 1] as number
    }
    this.warmed = seen
  }

  /** Frees the row; its number may be given to another prefix at once. */
  remove(row: number): void {
    const hash = this.#hash(this.addresses, row * this.words, this.lengths[row] as number)
    const segment = this.#segmentOf(hash)
    const { slots, mask } = segment
    let slot = hash & mask
    while (slots[slot * 2 + 1] !== row + 1) slot = (slot + 1) & mask
    // Shift back every follower that would otherwise be cut off from its home slot.
    let hole = slot
    for (;;) {
      slot = (slot + 1) & mask
      if (slots[slot * 2 + 1] === 0) break
      const home = (slots[slot * 2] as number) & mask
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole * 2] = slots[slot * 2] as number
        slots[hole * 2 + 1] = slots[slot * 2 + 1] as number
        hole = slot
      }
    }
    slots[hole * 2 + 1] = 0
    segment.used--
    this.perLength[this.lengths[row] as number] =
      (this.perLength[this.lengths[row] as number] as number) - 1
    this.lengths[row] = 255
    this.size--
    this.#free.push(row)
  }

  /** Whether the row is in use; 255 marks a free one. */
  used(row: number): boolean {
    return this.lengths[row] !== 255
  }

  /**
   * Row of the longest prefix that covers `key[offset…]/length` and satisfies `accept`, or -1.
   * One probe for each prefix length that occurs.
   */
  longest(
    key: Uint32Array,
    offset: number,
    length: number,
    accept: (row: number) => boolean,
  ): number {
    const masked = new Uint32Array(this.words)
    for (let candidate = length; candidate >= 0; candidate--) {
      if (this.perLength[candidate] === 0) continue
      maskInto(masked, key, offset, this.words, candidate)
      const row = this.find(masked, 0, candidate)
      if (row !== -1 && accept(row)) return row
    }
    return -1
  }

  /** Order of people: by address, then by length. */
  compare(a: number, b: number): number {
    const left = a * this.words
    const right = b * this.words
    for (let word = 0; word < this.words; word++) {
      const difference =
        (this.addresses[left + word] as number) - (this.addresses[right + word] as number)
      if (difference !== 0) return difference
    }
    return (this.lengths[a] as number) - (this.lengths[b] as number)
  }

  #equals(row: number, key: Uint32Array, offset: number, length: number): boolean {
    if (this.lengths[row] !== length) return false
    const at = row * this.words
    for (let word = 0; word < this.words; word++) {
      if (this.addresses[at + word] !== key[offset + word]) return false
    }
    return true
  }

  #hash(key: Uint32Array, offset: number, length: number): number {
    let hash = Math.imul(length + 1, 0x9e3779b1)
    for (let word = 0; word < this.words; word++) {
      hash = Math.imul(hash ^ (key[offset + word] as number), 0x85ebca6b)
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash, 0xc2b2ae35)
    return hash ^ (hash >>> 13)
  }

  #segmentOf(hash: number): Segment {
    return this.#segments[hash >>> segmentShift] as Segment
  }

  /** The slot of this key, or the empty one it would get. */
  #seek(
    { slots, mask }: Segment,
    hash: number,
    key: Uint32Array,
    offset: number,
    length: number,
  ): number {
    let slot = hash & mask
    for (;;) {
      const entry = slots[slot * 2 + 1] as number
      if (entry === 0) return slot
      if (slots[slot * 2] === hash && this.#equals(entry - 1, key, offset, length)) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    const rows = roomAfter(this.lengths.length)
    this.addresses = growUint32(this.addresses, rows * this.words)
    this.lengths = growUint8(this.lengths, rows)
  }
}

/** Twice as many slots for a segment. */
function widen(segment: Segment): void {
  const old = segment.slots
  const slots = new Int32Array(old.length * 2)
  const mask = old.length - 1
  for (let at = 0; at < old.length; at += 2) {
    const entry = old[at + 1] as number
    if (entry === 0) continue
    const hash = old[at] as number
    let slot = hash & mask
    while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask
    slots[slot * 2] = hash
    slots[slot * 2 + 1] = entry
  }
  segment.slots = slots
  segment.mask = mask
}

/** Writes the first `length` bits of `key[offset…]` into `into`, zeroing the rest. */
export function maskInto(
  into: Uint32Array,
  key: Uint32Array,
  offset: number,
  words: number,
  length: number,
): void {
  for (let word = 0; word < words; word++) {
    const bits = Math.min(32, Math.max(0, length - word * 32))
    const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
    into[word] = ((key[offset + word] as number) & mask) >>> 0
  }
}
