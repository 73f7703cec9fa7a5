/**
 * The prefixes of a table in the order of people (address, then length), for whoever reads a large
 * table page by page. Nothing of it is there until somebody asks, and the way of an UPDATE pays one
 * branch for it.
 *
 * The order is a copy of the keys, sorted once by radix in bounded steps. What is inserted later is
 * kept in a short list beside it and merged while walking; what was removed, or came back under the
 * same row number as another prefix, no longer fits its copied key and is left out. So a walk that
 * goes from key to key gives every prefix that is there all along exactly once. When the list beside
 * is full, what comes later is missing until the order is built anew; meanwhile the old one serves.
 */
import type { Prefix } from './prefix.ts'
import { RowList } from './rib/columns.ts'
import type { PrefixTable } from './rib/prefix-table.ts'

/** New prefixes merged into the order while walking; with more, it is built anew. */
export const freshRowsMax = 2048
/** Rows handled between two turns while the order is built. */
export const rowsPerStepMax = 65_536
/** Keys that no longer fit and were passed over in one walk; with more, the order is worn out. */
export const passedOverMax = 65_536

/** A digit of the radix sort: 11 bits, the last one of a word 10. */
const digitShifts = [0, 11, 22] as const
const digitMask = 0x7ff

/** Rows inserted since an order was begun. */
interface Fresh {
  readonly rows: RowList
  /** There were more than it holds. */
  full: boolean
}

/** Keys as they were when the order was built, and the places of these in ascending order. */
interface Sorted {
  readonly rows: Uint32Array
  readonly addresses: Uint32Array
  readonly lengths: Uint8Array
  readonly places: Uint32Array
}

export class PrefixOrder {
  readonly #table: PrefixTable
  #sorted: Sorted | null = null
  #fresh: Fresh = { rows: new RowList(), full: false }
  /** Of the order that is being built. */
  #next: Fresh | null = null
  #worn = false

  constructor(table: PrefixTable) {
    this.#table = table
  }

  /** Whether `after` can be asked; otherwise `build` first. */
  get built(): boolean {
    return this.#sorted !== null
  }

  /** Whether `after` gives every prefix that is in the table. */
  get complete(): boolean {
    return this.#sorted !== null && !this.#fresh.full
  }

  /** Whether a walk had to pass over so much that building it anew costs less than further walks. */
  get worn(): boolean {
    return this.#worn
  }

  /** Builds the order; whoever drives it lets others run at every yield. */
  *build(): Generator<void> {
    const table = this.#table
    const next: Fresh = { rows: new RowList(), full: false }
    this.#next = next
    table.onInsert = (row) => this.#note(row)
    const keys = yield* this.#copyKeys()
    const count = keys.rows.length
    let places = new Uint32Array(count)
    for (let place = 0; place < count; place++) places[place] = place
    yield
    let spare = new Uint32Array(count)
    for (const digit of digitsOf(keys, table.words)) {
      if (yield* scatter(places, spare, digit)) [places, spare] = [spare, places]
    }
    this.#sorted = { ...keys, places }
    this.#fresh = next
    this.#worn = false
    this.#next = null
  }

  /** Rows behind `lower` in ascending order; null: from the first. Only once `built`. */
  *after(lower: Prefix | null): Generator<number> {
    const sorted = this.#sorted
    if (sorted === null) return
    const table = this.#table
    const fresh = this.#freshAfter(lower)
    let next = 0
    let passedOver = 0
    for (let at = this.#firstAfter(sorted, lower); at < sorted.places.length; at++) {
      const place = sorted.places[at] as number
      const row = sorted.rows[place] as number
      if (this.#compareCopied(sorted, place, row) !== 0) {
        if (++passedOver === passedOverMax) this.#worn = true
        continue
      }
      while (next < fresh.length && table.compare(fresh[next] as number, row) <= 0) {
        const early = fresh[next++] as number
        if (early !== row) yield early
      }
      yield row
    }
    for (; next < fresh.length; next++) yield fresh[next] as number
  }

  #note(row: number): void {
    let noted = false
    for (const fresh of [this.#fresh, this.#next]) {
      if (fresh === null || fresh.full) continue
      if (fresh.rows.length < freshRowsMax) {
        fresh.rows.push(row)
        noted = true
      } else {
        fresh.full = true
      }
    }
    // Then an insertion costs nothing any more.
    if (!noted) this.#table.onInsert = null
  }

  *#copyKeys(): Generator<void, Omit<Sorted, 'places'>> {
    const { words } = this.#table
    const size = this.#table.size
    const rows = new Uint32Array(size)
    const addresses = new Uint32Array(size * words)
    const lengths = new Uint8Array(size)
    let count = 0
    // Columns may be replaced between two turns: they are read through the table.
    for (let row = 0; row < this.#table.limit && count < size; row++) {
      if (row % rowsPerStepMax === rowsPerStepMax - 1) yield
      if (!this.#table.used(row)) continue
      rows[count] = row
      lengths[count] = this.#table.lengths[row] as number
      for (let word = 0; word < words; word++) {
        addresses[count * words + word] = this.#table.addresses[row * words + word] as number
      }
      count++
    }
    return {
      rows: rows.subarray(0, count),
      addresses: addresses.subarray(0, count * words),
      lengths: lengths.subarray(0, count),
    }
  }

  /** New rows behind `lower`, each once, ascending. */
  #freshAfter(lower: Prefix | null): number[] {
    const table = this.#table
    const rows = new Set<number>()
    const fresh = this.#fresh.rows
    for (let at = 0; at < fresh.length; at++) {
      const row = fresh.rows[at] as number
      if (table.used(row) && (lower === null || compareRow(table, row, lower) > 0)) rows.add(row)
    }
    return [...rows].sort((a, b) => table.compare(a, b))
  }

  #firstAfter(sorted: Sorted, lower: Prefix | null): number {
    if (lower === null) return 0
    const { words } = this.#table
    let low = 0
    let high = sorted.places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const place = sorted.places[middle] as number
      const length = sorted.lengths[place] as number
      const order = compareKeys(sorted.addresses, place * words, length, lower.words, 0, lower)
      if (order > 0) high = middle
      else low = middle + 1
    }
    return low
  }

  /** 0 while the row still is the prefix that was copied. */
  #compareCopied({ addresses, lengths }: Sorted, place: number, row: number): number {
    const { words, addresses: now, lengths: lengthsNow } = this.#table
    const length = lengths[place] as number
    const than = { words: now, length: lengthsNow[row] as number }
    return compareKeys(addresses, place * words, length, now, row * words, than, words)
  }
}

/** How a row of the table stands to a prefix: negative, 0 or positive. */
export function compareRow(table: PrefixTable, row: number, than: Prefix): number {
  const { addresses, lengths, words } = table
  return compareKeys(addresses, row * words, lengths[row] as number, than.words, 0, than)
}

function compareKeys(
  left: Uint32Array,
  leftAt: number,
  leftLength: number,
  right: Uint32Array,
  rightAt: number,
  { length }: { readonly length: number },
  words = right.length,
): number {
  for (let word = 0; word < words; word++) {
    const difference = (left[leftAt + word] as number) - (right[rightAt + word] as number)
    if (difference !== 0) return difference
  }
  return leftLength - length
}

type Digit = (place: number) => number

/** Least significant first: the length, then the words from the last to the first. */
function digitsOf(keys: Omit<Sorted, 'places'>, words: number): Digit[] {
  const { addresses, lengths } = keys
  const digits: Digit[] = [(place) => lengths[place] as number]
  for (let word = words - 1; word >= 0; word--) {
    for (const shift of digitShifts) {
      digits.push((place) => ((addresses[place * words + word] as number) >>> shift) & digitMask)
    }
  }
  return digits
}

/** One stable pass. @returns false when all have the same digit, and nothing was written */
function* scatter(
  from: Uint32Array,
  into: Uint32Array,
  digit: Digit,
): Generator<void, boolean, void> {
  const starts = new Uint32Array(digitMask + 2)
  for (let at = 0; at < from.length; at++) {
    const value = digit(from[at] as number)
    starts[value + 1] = (starts[value + 1] as number) + 1
    if (at % rowsPerStepMax === rowsPerStepMax - 1) yield
  }
  if (starts.includes(from.length) && from.length > 0) return false
  for (let value = 1; value < starts.length; value++) {
    starts[value] = (starts[value] as number) + (starts[value - 1] as number)
  }
  for (let at = 0; at < from.length; at++) {
    const place = from[at] as number
    const value = digit(place)
    const target = starts[value] as number
    into[target] = place
    starts[value] = target + 1
    if (at % rowsPerStepMax === rowsPerStepMax - 1) yield
  }
  return true
}
