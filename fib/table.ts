/**
 * Our own routes of one family as typed columns. Intent (`sets`, `targets`) and what the kernel
 * acknowledged (`ways`, `marks`) are kept apart: "installed" may only ever be concluded from the
 * latter. `sequences` holds the number of the last request sent for a row, so that a reply to an
 * older one changes nothing. A queue of rows to look at again holds each row once: of many changes
 * to one prefix only the newest is carried out.
 */
import type { Family } from './address.ts'
import { PrefixTable, widen } from './prefix-table.ts'
import { noWay } from './way.ts'

export const rowFlags = {
  queued: 1,
  /** Ours from before the restart, not wanted so far. */
  stale: 2,
  /** A foreign route holds this very key. */
  conflict: 4,
  /** Wanted as a blackhole, whatever else is wanted. */
  blackhole: 8,
  /** Seen by the scan in progress. */
  seen: 16,
  /** Held by a host route; what else is wanted of it waits beneath. */
  pinned: 32,
} as const

export class RouteTable {
  readonly family: Family
  readonly index: PrefixTable
  /** Wanted set; 0: none. */
  sets!: Uint32Array
  /** The way the row was last found to need; `noWay` when nothing is to be installed. */
  targets!: Uint32Array
  /** The way the kernel acknowledged; `noWay` when it holds no route of ours. */
  ways!: Uint32Array
  /** Which mark that acknowledged route bears. */
  marks!: Uint16Array
  sequences!: Uint32Array
  flags!: Uint8Array
  /** Repairs in a row after somebody else's interference, and the second of the last one. */
  repairs!: Uint8Array
  repairedAt!: Uint32Array

  /** Rows the kernel holds for us, by the way acknowledged. */
  #uses: Uint32Array = new Uint32Array(64)
  /** A ring as large as the table: each row is in it at most once. */
  #ring!: Uint32Array
  #first = 0
  #queued = 0

  constructor(family: Family) {
    this.family = family
    this.index = new PrefixTable(family === 4 ? 1 : 4, (capacity) => this.#grow(capacity))
  }

  get queued(): number {
    return this.#queued
  }

  /** The row of a prefix, made with nothing wanted and nothing installed. */
  insert(source: Uint32Array, at: number, length: number): number {
    const { size } = this.index
    const row = this.index.insert(source, at, length)
    if (this.index.size === size) return row
    this.sets[row] = 0
    this.targets[row] = noWay
    this.ways[row] = noWay
    this.marks[row] = 0
    this.sequences[row] = 0
    this.flags[row] = 0
    this.repairs[row] = 0
    return row
  }

  /** Forgets a row nobody wants and the kernel doesn't hold; false when it is still needed. */
  release(row: number): boolean {
    const needed =
      this.sets[row] !== 0 ||
      this.ways[row] !== noWay ||
      (this.flags[row]! & (rowFlags.queued | rowFlags.blackhole)) !== 0
    if (needed) return false
    this.index.remove(row)
    return true
  }

  /** Takes note of what the kernel holds for a row: every change of `ways` goes through here. */
  hold(row: number, way: number): void {
    const before = this.ways[row]!
    if (before === way) return
    if (way >= this.#uses.length) this.#uses = widen(this.#uses, 2 * way)
    if (before !== noWay) this.#uses[before]!--
    if (way !== noWay) this.#uses[way]!++
    this.ways[row] = way
  }

  /** How many rows the kernel holds with this way. */
  uses(way: number): number {
    return this.#uses[way] ?? 0
  }

  isWanted(row: number): boolean {
    return this.sets[row] !== 0 || this.has(row, rowFlags.blackhole)
  }

  has(row: number, flag: number): boolean {
    return (this.flags[row]! & flag) !== 0
  }

  set(row: number, flag: number): void {
    this.flags[row]! |= flag
  }

  clear(row: number, flag: number): void {
    this.flags[row]! &= ~flag
  }

  enqueue(row: number): void {
    if (this.has(row, rowFlags.queued)) return
    this.set(row, rowFlags.queued)
    this.#ring[(this.#first + this.#queued++) % this.#ring.length] = row
  }

  /** The next row to look at, or -1. */
  dequeue(): number {
    if (this.#queued === 0) return -1
    const row = this.#ring[this.#first]!
    this.#first = (this.#first + 1) % this.#ring.length
    this.#queued--
    this.clear(row, rowFlags.queued)
    return row
  }

  /** Puts a row that was just taken back to the front. */
  requeue(row: number): void {
    if (this.has(row, rowFlags.queued)) return
    this.set(row, rowFlags.queued)
    this.#first = (this.#first + this.#ring.length - 1) % this.#ring.length
    this.#ring[this.#first] = row
    this.#queued++
  }

  *rows(): Generator<number> {
    for (let row = 0; row < this.index.rowsEnd; row++) if (this.index.isLive(row)) yield row
  }

  /**
   * Every row in scattered order. Deleting in address order shrinks the kernel's IPv4 trie again and
   * again: measured, it takes three to four times as long.
   */
  *scattered(): Generator<number> {
    const end = this.index.rowsEnd
    let span = 1
    while (span < end) span *= 2
    for (let step = 0; step < span; step++) {
      const row = Math.imul(step, 7919) & (span - 1)
      if (row < end && this.index.isLive(row)) yield row
    }
  }

  #grow(capacity: number): void {
    if (this.sets === undefined) {
      this.sets = new Uint32Array(capacity)
      this.targets = new Uint32Array(capacity)
      this.ways = new Uint32Array(capacity)
      this.marks = new Uint16Array(capacity)
      this.sequences = new Uint32Array(capacity)
      this.flags = new Uint8Array(capacity)
      this.repairs = new Uint8Array(capacity)
      this.repairedAt = new Uint32Array(capacity)
      this.#ring = new Uint32Array(capacity)
      return
    }
    this.sets = widen(this.sets, capacity)
    this.targets = widen(this.targets, capacity)
    this.ways = widen(this.ways, capacity)
    this.marks = widen(this.marks, capacity)
    this.sequences = widen(this.sequences, capacity)
    this.flags = widen(this.flags, capacity)
    this.repairs = widen(this.repairs, capacity)
    this.repairedAt = widen(this.repairedAt, capacity)
    const ring = new Uint32Array(capacity)
    for (let place = 0; place < this.#queued; place++) {
      ring[place] = this.#ring[(this.#first + place) % this.#ring.length]!
    }
    this.#ring = ring
    this.#first = 0
  }
}
