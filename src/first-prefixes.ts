/**
 * The first few prefixes that changes name, each in a place of its own. A batch has thousands of rows, and
 * nearly all of them are none of these: a row is told apart by its numbers, without an object or a text.
 */

import { formatPrefix } from '../bgp/index.ts'
import type { FamilyName, RouteChanges } from '../bgp/types.ts'

const wordsMax = 4
/** So that one row in many is looked at twice. */
const slotsEach = 64

export class FirstPrefixes {
  #count = 0
  readonly #max: number
  /** A place plus one; 0: nobody's. A power of two of them, few of which are taken. */
  readonly #slots: Uint16Array
  readonly #shift: number
  /** Words of the address and length of each, in one number. */
  readonly #kinds: Uint16Array
  readonly #words: Uint32Array

  /** @param max Prefixes that have a place; at most 65,535. */
  constructor(max: number) {
    const bits = Math.ceil(Math.log2(max * slotsEach))
    this.#max = max
    this.#slots = new Uint16Array(2 ** bits)
    this.#shift = 32 - bits
    this.#kinds = new Uint16Array(max)
    this.#words = new Uint32Array(max * wordsMax)
  }

  get count(): number {
    return this.#count
  }

  /**
   * The next row that `placeOf` may have a place for. One loop, and little in it: a whole table comes
   * through here.
   * @returns a row from this one on; `changes.count`: there is none
   */
  nextRow({ addresses, count, family, lengths }: RouteChanges, from: number): number {
    if (this.#count < this.#max) return from
    const slots = this.#slots
    const shift = this.#shift
    const size = sizeOf(family)
    for (let row = from; row < count; row++) {
      const hash = hashOf(addresses, row * size, size, lengths[row] as number)
      if (slots[hash >>> shift] !== 0) return row
    }
    return count
  }

  /** @returns the place of the row's prefix, from 0; -1: it is none of the first, and all are taken */
  placeOf({ addresses, family, lengths }: RouteChanges, row: number): number {
    const size = sizeOf(family)
    const from = row * size
    const length = lengths[row] as number
    const kind = (size << 8) | length
    const slots = this.#slots
    let slot = hashOf(addresses, from, size, length) >>> this.#shift
    for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
      const place = (slots[slot] as number) - 1
      if (this.#kinds[place] === kind && this.#holds(place, addresses, from, size)) return place
    }
    if (this.#count === this.#max) return -1
    const place = this.#count++
    slots[slot] = place + 1
    this.#kinds[place] = kind
    this.#words.set(addresses.subarray(from, from + size), place * wordsMax)
    return place
  }

  /** Canonical text. */
  format(place: number): string {
    const kind = this.#kinds[place] as number
    const family = kind >> 8 === sizeOf('ipv4-unicast') ? 'ipv4-unicast' : 'ipv6-unicast'
    return formatPrefix(family, this.#words, place * wordsMax, kind & 255)
  }

  /** All places: IPv4 before IPv6, by address, the shorter of two prefixes first. */
  inOrder(): readonly number[] {
    const places = Array.from({ length: this.#count }, (_, place) => place)
    return places.sort((a, b) => this.#compare(a, b))
  }

  #holds(place: number, addresses: Uint32Array, from: number, size: number): boolean {
    for (let word = 0; word < size; word++) {
      if (this.#words[place * wordsMax + word] !== addresses[from + word]) return false
    }
    return true
  }

  #compare(a: number, b: number): number {
    const kindA = this.#kinds[a] as number
    const kindB = this.#kinds[b] as number
    if (kindA >> 8 !== kindB >> 8) return kindA - kindB
    for (let word = 0; word < wordsMax; word++) {
      const wordA = this.#words[a * wordsMax + word] as number
      const wordB = this.#words[b * wordsMax + word] as number
      if (wordA !== wordB) return wordA - wordB
    }
    return kindA - kindB
  }
}

/** Its highest bits are the ones to use. */
function hashOf(words: Uint32Array, from: number, size: number, length: number): number {
  let hash = length
  for (let at = from; at < from + size; at++) {
    hash = Math.imul(hash ^ (words[at] as number), 0x9e3779b1)
  }
  return hash
}

function sizeOf(family: FamilyName): number {
  return family === 'ipv4-unicast' ? 1 : wordsMax
}
