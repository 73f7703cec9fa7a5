/**
 * A set of prefix ranges, asked for every route: the members are the prefixes inside one of some
 * networks whose length is one of those wanted for it. Networks of equal length stand together and
 * sorted, so that a question costs one binary search for each different length, however long the
 * list is. Wanted lengths are bits, so several ranges on one network are one row.
 */
import { type Prefix, parsePrefix } from '../prefix.ts'
import type { FamilyName } from '../types.ts'

export interface LengthRange {
  readonly cidr: string
  readonly min: number
  readonly max: number
}

/** Rows of one network length: `[from, to)`. */
interface Group {
  readonly length: number
  readonly from: number
  readonly to: number
}

interface Row {
  readonly network: Prefix
  readonly lengths: Uint32Array
}

export class PrefixSet {
  /** Ascending by network length. */
  readonly #groups: readonly Group[]
  readonly #wordsPerRow: number
  readonly #networks: Uint32Array
  /** Bit n of a row: length n is wanted. */
  readonly #lengths: Uint32Array
  readonly #bitWordsPerRow: number

  /** @throws RangeError for a text that is no prefix of the family, or a range that holds nothing. */
  constructor(family: FamilyName, ranges: readonly LengthRange[]) {
    this.#wordsPerRow = family === 'ipv4-unicast' ? 1 : 4
    this.#bitWordsPerRow = this.#wordsPerRow + 1
    const rows = [...collectRows(family, ranges, this.#bitWordsPerRow).values()].sort(compareRows)
    this.#networks = new Uint32Array(rows.length * this.#wordsPerRow)
    this.#lengths = new Uint32Array(rows.length * this.#bitWordsPerRow)
    const groups: Group[] = []
    rows.forEach(({ network, lengths }, row) => {
      this.#networks.set(network.words, row * this.#wordsPerRow)
      this.#lengths.set(lengths, row * this.#bitWordsPerRow)
      const last = groups.at(-1)
      const from = last?.length === network.length ? groups.pop()!.from : row
      groups.push({ length: network.length, from, to: row + 1 })
    })
    this.#groups = groups
  }

  /** Whether the prefix at `words[offset…]` is a member. */
  has(words: Uint32Array, offset: number, length: number): boolean {
    const groups = this.#groups
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!
      if (group.length > length) return false
      const row = this.#find(group, words, offset)
      if (row >= 0 && this.#wants(row, length)) return true
    }
    return false
  }

  /** Row of the group's network that the address lies in, or -1. */
  #find({ length, from, to }: Group, words: Uint32Array, offset: number): number {
    let low = from
    let high = to
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#compare(middle, words, offset, length)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }

  /** Order of a row's network against the first `length` bits of the address. */
  #compare(row: number, words: Uint32Array, offset: number, length: number): number {
    const base = row * this.#wordsPerRow
    for (let i = 0, left = length; left > 0; i++, left -= 32) {
      const word = words[offset + i]!
      const masked = left >= 32 ? word : (word & (-1 << (32 - left))) >>> 0
      const network = this.#networks[base + i]!
      if (network !== masked) return network < masked ? -1 : 1
    }
    return 0
  }

  #wants(row: number, length: number): boolean {
    return (
      (this.#lengths[row * this.#bitWordsPerRow + (length >>> 5)]! & (1 << (length & 31))) !== 0
    )
  }
}

/** One row for each different network. */
function collectRows(
  family: FamilyName,
  ranges: readonly LengthRange[],
  bitWords: number,
): Map<string, Row> {
  const lengthMax = (bitWords - 1) * 32
  const rows = new Map<string, Row>()
  for (const { cidr, min, max } of ranges) {
    const network = parsePrefix(cidr)
    if (network.family !== family) throw new RangeError(`${cidr} is no ${family} prefix`)
    if (!(min >= network.length && min <= max && max <= lengthMax)) {
      const wanted = `${network.length} <= min <= max <= ${lengthMax}`
      throw new RangeError(`lengths ${min} to ${max} of ${cidr} hold nothing: ${wanted} is needed`)
    }
    const key = `${network.words.join()}/${network.length}`
    const row = rows.get(key) ?? { network, lengths: new Uint32Array(bitWords) }
    for (let length = min; length <= max; length++) row.lengths[length >>> 5]! |= 1 << (length & 31)
    rows.set(key, row)
  }
  return rows
}

function compareRows({ network: a }: Row, { network: b }: Row): number {
  if (a.length !== b.length) return a.length - b.length
  const differs = a.words.findIndex((word, i) => word !== b.words[i])
  return differs < 0 ? 0 : a.words[differs]! - b.words[differs]!
}
