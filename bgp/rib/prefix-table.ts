/**
 * The prefix table: every prefix the RIB has heard of gets a small dense number, by which all other
 * columns are indexed. Open addressing with linear probing over typed columns; deletion shifts the
 * following entries back, so there are no tombstones and probe lengths stay short.
 *
 * A key is `words` 32-bit words (1 for IPv4, 4 for IPv6; next hops use 8) plus a length, passed in a
 * caller's array so that nothing is allocated per lookup.
 */
import { growUint8, growUint32, RowList, roomAfter } from './columns.ts'

const initialRows = 256

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
  /** Row + 1, or 0 for an empty slot; a power of two, at most half full. */
  #slots: Uint32Array
  readonly #free = new RowList()

  constructor(words: number) {
    this.words = words
    this.addresses = new Uint32Array(initialRows * words)
    this.lengths = new Uint8Array(initialRows)
    this.perLength = new Uint32Array(257)
    this.#slots = new Uint32Array(initialRows * 2)
  }

  /** Rows the columns have room for; parallel columns grow to this. */
  get capacity(): number {
    return this.lengths.length
  }

  /** Row of the prefix at `key[offset…]`, or -1. */
  find(key: Uint32Array, offset: number, length: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#hash(key, offset, length) & mask
    for (;;) {
      const entry = slots[slot] as number
      if (entry === 0) return -1
      if (this.#equals(entry - 1, key, offset, length)) return entry - 1
      slot = (slot + 1) & mask
    }
  }

  /** Row of the prefix, made if it wasn't there. Host bits must be zero. */
  insert(key: Uint32Array, offset: number, length: number): number {
    const found = this.find(key, offset, length)
    if (found !== -1) return found
    if (this.size * 2 >= this.#slots.length) this.#rehash(this.#slots.length * 2)
    const row = this.#free.length > 0 ? this.#free.pop() : this.limit++
    if (row >= this.lengths.length) this.#grow()
    const at = row * this.words
    for (let word = 0; word < this.words; word++) {
      this.addresses[at + word] = key[offset + word] as number
    }
    this.lengths[row] = length
    ;(this.perLength[length] as number)++
    this.size++
    this.#place(row)
    if (this.onInsert !== null) this.onInsert(row)
    return row
  }

  /** Frees the row; its number may be given to another prefix at once. */
  remove(row: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#hashRow(row) & mask
    while (slots[slot] !== row + 1) slot = (slot + 1) & mask
    // Shift back every follower that would otherwise be cut off from its home slot.
    let hole = slot
    for (;;) {
      slot = (slot + 1) & mask
      const entry = slots[slot] as number
      if (entry === 0) break
      const home = this.#hashRow(entry - 1) & mask
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = entry
        hole = slot
      }
    }
    slots[hole] = 0
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
    return (hash ^ (hash >>> 13)) >>> 0
  }

  #hashRow(row: number): number {
    return this.#hash(this.addresses, row * this.words, this.lengths[row] as number)
  }

  #place(row: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#hashRow(row) & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = row + 1
  }

  #rehash(size: number): void {
    this.#slots = new Uint32Array(size)
    for (let row = 0; row < this.limit; row++) {
      if (this.used(row)) this.#place(row)
    }
  }

  #grow(): void {
    const rows = roomAfter(this.lengths.length)
    this.addresses = growUint32(this.addresses, rows * this.words)
    this.lengths = growUint8(this.lengths, rows)
  }
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
