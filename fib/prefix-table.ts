/**
 * A table of prefixes as typed columns: open addressing over a slot column, dense row numbers, no
 * object per prefix. Rows keep their number until they are removed; whoever keeps further columns
 * sizes them with `capacity` and is told when it grows.
 *
 * Longest-prefix match is a probe for each length present, longest first (`lengthCounts`): a node
 * knows a handful of lengths, so this beats a trie in speed and in lines.
 */

/** Rows at most: 2^26 keeps slot numbers within a 32-bit column with room to spare. */
export const rowsMax = 1 << 26

const firstCapacity = 64
const free = -1

export class PrefixTable {
  /** 32-bit words of an address: 1 for IPv4, 4 for IPv6. */
  readonly words: 1 | 4
  /** `words` numbers a row, most significant first. */
  addresses: Uint32Array
  lengths: Uint8Array
  /** Rows of each prefix length. */
  readonly lengthCounts: Uint32Array = new Uint32Array(129)
  size = 0
  capacity: number
  /** Rows handed out so far: every live row is below. */
  rowsEnd = 0

  #slots: Int32Array
  #freeRows: number[] = []
  #live: Uint8Array
  readonly #grown: (capacity: number) => void

  constructor(words: 1 | 4, grown: (capacity: number) => void = () => {}) {
    this.words = words
    this.capacity = firstCapacity
    this.addresses = new Uint32Array(firstCapacity * words)
    this.lengths = new Uint8Array(firstCapacity)
    this.#live = new Uint8Array(firstCapacity)
    this.#slots = new Int32Array(firstCapacity * 2).fill(free)
    this.#grown = grown
    grown(firstCapacity)
  }

  /** The row of a prefix whose words start at `at` (bits beyond the length are clear), or -1. */
  find(source: Uint32Array, at: number, length: number): number {
    return this.#slots[this.#slotOf(source, at, length)]!
  }

  /** The row of a prefix, made when it is new: then `size` has grown. */
  insert(source: Uint32Array, at: number, length: number): number {
    let slot = this.#slotOf(source, at, length)
    const found = this.#slots[slot]!
    if (found !== free) return found
    if (this.size === this.capacity) {
      this.#grow(this.capacity * 2)
      slot = this.#slotOf(source, at, length)
    }
    const row = this.#freeRows.pop() ?? this.rowsEnd++
    this.#slots[slot] = row
    for (let word = 0; word < this.words; word++) {
      this.addresses[row * this.words + word] = source[at + word]!
    }
    this.lengths[row] = length
    this.#live[row] = 1
    this.lengthCounts[length]!++
    this.size++
    return row
  }

  /** Grows at once for so many new prefixes, instead of step by step. */
  reserve(count: number): void {
    let capacity = this.capacity
    while (capacity < this.size + count && capacity < rowsMax) capacity *= 2
    if (capacity > this.capacity) this.#grow(capacity)
  }

  remove(row: number): void {
    this.#unplace(row)
    this.#live[row] = 0
    this.lengthCounts[this.lengths[row]!]!--
    this.size--
    this.#freeRows.push(row)
  }

  isLive(row: number): boolean {
    return this.#live[row] === 1
  }

  /** Where the row of a prefix is, or the free slot where it would be. */
  #slotOf(source: Uint32Array, at: number, length: number): number {
    const slots = this.#slots
    const limit = slots.length - 1
    let slot = this.#hash(source, at, length) & limit
    for (;;) {
      const row = slots[slot]!
      if (row === free || this.#equal(row, source, at, length)) return slot
      slot = (slot + 1) & limit
    }
  }

  #equal(row: number, source: Uint32Array, at: number, length: number): boolean {
    if (this.lengths[row] !== length) return false
    const own = row * this.words
    for (let word = 0; word < this.words; word++) {
      if (this.addresses[own + word] !== source[at + word]) return false
    }
    return true
  }

  #hash(source: Uint32Array, at: number, length: number): number {
    let hash = length
    for (let word = 0; word < this.words; word++) {
      hash = Math.imul(hash ^ source[at + word]!, 0x9e3779b1)
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash, 0x85ebca6b)
    return hash ^ (hash >>> 13)
  }

  #place(row: number): void {
    const limit = this.#slots.length - 1
    let slot = this.#hash(this.addresses, row * this.words, this.lengths[row]!) & limit
    while (this.#slots[slot] !== free) slot = (slot + 1) & limit
    this.#slots[slot] = row
  }

  /** Removal moves later members of the probe run back, so there are no tombstones to sweep. */
  #unplace(row: number): void {
    const slots = this.#slots
    const limit = slots.length - 1
    let hole = this.#hash(this.addresses, row * this.words, this.lengths[row]!) & limit
    while (slots[hole] !== row) hole = (hole + 1) & limit
    let next = hole
    for (;;) {
      next = (next + 1) & limit
      const other = slots[next]!
      if (other === free) break
      const home = this.#hash(this.addresses, other * this.words, this.lengths[other]!) & limit
      if (((next - home) & limit) >= ((next - hole) & limit)) {
        slots[hole] = other
        hole = next
      }
    }
    slots[hole] = free
  }

  #grow(capacity: number): void {
    if (this.capacity >= rowsMax) {
      throw new RangeError(`the prefix table is full: it holds ${rowsMax} prefixes`)
    }
    this.capacity = capacity
    this.addresses = widen(this.addresses, this.capacity * this.words)
    this.lengths = widen(this.lengths, this.capacity)
    this.#live = widen(this.#live, this.capacity)
    this.#slots = new Int32Array(this.capacity * 2).fill(free)
    for (let row = 0; row < this.rowsEnd; row++) if (this.#live[row] === 1) this.#place(row)
    this.#grown(this.capacity)
  }
}

/** A longer copy of a column. */
export function widen<C extends Uint8Array | Uint16Array | Uint32Array>(
  column: C,
  length: number,
): C {
  const make = column.constructor as new (length: number) => C
  const wider = new make(length)
  wider.set(column)
  return wider
}
