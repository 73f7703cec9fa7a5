/**
 * Changes gathered for the kernel writer: packed numbers that cross to another thread as they are.
 * A million routes must not become a million objects.
 */
import type { FamilyName, RouteChanges } from '../types.ts'
import type { PrefixTable } from './prefix-table.ts'

/** Rows in one batch. */
export const routesPerBatchMax = 8192

export class RouteBatch {
  count = 0
  readonly #words: number
  #addresses: Uint32Array<ArrayBuffer>
  #lengths: Uint8Array<ArrayBuffer>
  #sets: Uint32Array<ArrayBuffer>

  constructor(words: number) {
    this.#words = words
    this.#addresses = new Uint32Array(routesPerBatchMax * words)
    this.#lengths = new Uint8Array(routesPerBatchMax)
    this.#sets = new Uint32Array(routesPerBatchMax)
  }

  add(prefixes: PrefixTable, prefix: number, set: number): void {
    const at = prefix * this.#words
    for (let word = 0; word < this.#words; word++) {
      this.#addresses[this.count * this.#words + word] = prefixes.addresses[at + word] as number
    }
    this.#lengths[this.count] = prefixes.lengths[prefix] as number
    this.#sets[this.count++] = set
  }

  take(family: FamilyName, sets: RouteChanges['sets']): RouteChanges {
    const { count } = this
    this.count = 0
    return {
      family,
      count,
      addresses: this.#addresses.slice(0, count * this.#words),
      lengths: this.#lengths.slice(0, count),
      nextHopSets: this.#sets.slice(0, count),
      sets,
    }
  }
}
