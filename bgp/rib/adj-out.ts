/**
 * Adj-RIB-Out (RFC 4271 §3.2) of an update group: what its members have been told, so that the next
 * flush tells only what differs, and a withdrawal is sent for what was said, not for what is thought
 * now. Two forms with one face: one path a prefix in two columns, and any number of paths a prefix
 * (RFC 7911) in rows of their own.
 *
 * An entry is known by a handle; handles are valid until the next change.
 */
import { growUint16, growUint32, RowList, roomAfter } from './columns.ts'

/** Path id of families without RFC 7911 path identifiers. */
export const noPathId = -1

/** What a prefix's entries shall be; long-lived and filled anew for each prefix. */
export class Wanted {
  count = 0
  sets = new Uint32Array(64)
  sources = new Uint16Array(64)
  pathIds = new Int32Array(64)

  add(set: number, source: number, pathId: number): void {
    if (this.count === this.sets.length) this.#grow()
    this.sets[this.count] = set
    this.sources[this.count] = source
    this.pathIds[this.count++] = pathId
  }

  #grow(): void {
    this.sets = growUint32(this.sets, this.count * 2)
    this.sources = growUint16(this.sources, this.count * 2)
    const ids = new Int32Array(this.count * 2)
    ids.set(this.pathIds)
    this.pathIds = ids
  }
}

/** Hears of the differences while a prefix is brought to what is wanted. */
export interface OutListener {
  /** `oldSource` is -1 when nothing was announced under this path id before. */
  announce(prefix: number, pathId: number, set: number, source: number, oldSource: number): void
  withdraw(prefix: number, pathId: number, oldSource: number): void
}

/** Keeps attribute sets alive while they are announced. */
export interface SetKeeper {
  retain(set: number): void
  release(set: number): void
}

export interface AdjOut {
  /** Entries announced. */
  readonly announced: number
  /** Whether a prefix has several entries, told apart by path ids. */
  readonly several: boolean
  /** Makes room for prefix rows below this. */
  growTo(rows: number): void
  change(prefix: number, wanted: Wanted, listener: OutListener): void
  /** Drops one entry without telling anybody. */
  drop(prefix: number, pathId: number): void
  /** How many entries came from this peer. */
  announcedFrom(source: number): number
  /** Handle of the first entry, or 0. */
  first(prefix: number): number
  next(handle: number): number
  setOf(handle: number): number
  sourceOf(handle: number): number
  pathIdOf(handle: number): number
  clear(): void
}

/** Counts entries by the peer they came from. */
class SourceCounts {
  total = 0
  readonly #bySource = new Map<number, number>()

  of(source: number): number {
    return this.#bySource.get(source) ?? 0
  }

  add(source: number, by: number): void {
    this.total += by
    const left = this.of(source) + by
    if (left === 0) this.#bySource.delete(source)
    else this.#bySource.set(source, left)
  }
}

/** One path a prefix: the handle is the prefix row + 1. */
export class SingleOut implements AdjOut {
  readonly several = false
  #sets = new Uint32Array(256)
  #sources = new Uint16Array(256)
  /** One more than the highest row that ever had an entry. */
  #limit = 0
  readonly #counts = new SourceCounts()
  readonly #keeper: SetKeeper

  constructor(keeper: SetKeeper) {
    this.#keeper = keeper
  }

  get announced(): number {
    return this.#counts.total
  }

  growTo(rows: number): void {
    if (rows <= this.#sets.length) return
    this.#sets = growUint32(this.#sets, rows)
    this.#sources = growUint16(this.#sources, rows)
  }

  change(prefix: number, wanted: Wanted, listener: OutListener): void {
    const set = wanted.count === 0 ? 0 : (wanted.sets[0] as number)
    const source = wanted.count === 0 ? 0 : (wanted.sources[0] as number)
    const oldSet = this.#sets[prefix] as number
    const oldSource = this.#sources[prefix] as number
    if (set === oldSet && source === oldSource) return
    if (set !== 0) {
      this.#keeper.retain(set)
      this.#counts.add(source, 1)
    }
    if (oldSet !== 0) this.#counts.add(oldSource, -1)
    if (prefix >= this.#limit) this.#limit = prefix + 1
    this.#sets[prefix] = set
    this.#sources[prefix] = source
    if (set !== 0) listener.announce(prefix, noPathId, set, source, oldSet === 0 ? -1 : oldSource)
    else listener.withdraw(prefix, noPathId, oldSource)
    if (oldSet !== 0) this.#keeper.release(oldSet)
  }

  drop(prefix: number): void {
    const set = this.#sets[prefix] as number
    if (set === 0) return
    this.#counts.add(this.#sources[prefix] as number, -1)
    this.#sets[prefix] = 0
    this.#sources[prefix] = 0
    this.#keeper.release(set)
  }

  announcedFrom(source: number): number {
    return this.#counts.of(source)
  }

  first(prefix: number): number {
    return prefix < this.#sets.length && this.#sets[prefix] !== 0 ? prefix + 1 : 0
  }

  next(): number {
    return 0
  }

  setOf(handle: number): number {
    return this.#sets[handle - 1] as number
  }

  sourceOf(handle: number): number {
    return this.#sources[handle - 1] as number
  }

  pathIdOf(): number {
    return noPathId
  }

  clear(): void {
    for (let prefix = 0; prefix < this.#limit; prefix++) this.drop(prefix)
    this.#limit = 0
  }
}

/** Any number of paths a prefix, as rows in lists. Row 0 means "none". */
export class MultiOut implements AdjOut {
  readonly several = true
  #heads = new Uint32Array(256)
  #sets = new Uint32Array(256)
  #sources = new Uint16Array(256)
  #pathIds = new Uint32Array(256)
  #next = new Uint32Array(256)
  #limit = 1
  readonly #free = new RowList()
  readonly #counts = new SourceCounts()
  readonly #keeper: SetKeeper

  constructor(keeper: SetKeeper) {
    this.#keeper = keeper
  }

  get announced(): number {
    return this.#counts.total
  }

  growTo(rows: number): void {
    if (rows > this.#heads.length) this.#heads = growUint32(this.#heads, rows)
  }

  change(prefix: number, wanted: Wanted, listener: OutListener): void {
    for (let row = this.first(prefix); row !== 0; ) {
      const next = this.#next[row] as number
      const pathId = this.#pathIds[row] as number
      if (!holds(wanted, pathId)) {
        const source = this.#sources[row] as number
        this.drop(prefix, pathId)
        listener.withdraw(prefix, pathId, source)
      }
      row = next
    }
    for (let index = 0; index < wanted.count; index++) {
      this.#put(
        prefix,
        wanted.pathIds[index] as number,
        wanted.sets[index] as number,
        wanted.sources[index] as number,
        listener,
      )
    }
  }

  drop(prefix: number, pathId: number): void {
    let before = 0
    let row = this.first(prefix)
    while (row !== 0 && this.#pathIds[row] !== pathId) {
      before = row
      row = this.#next[row] as number
    }
    if (row === 0) return
    const next = this.#next[row] as number
    if (before === 0) this.#heads[prefix] = next
    else this.#next[before] = next
    this.#counts.add(this.#sources[row] as number, -1)
    this.#keeper.release(this.#sets[row] as number)
    this.#sets[row] = 0
    this.#free.push(row)
  }

  announcedFrom(source: number): number {
    return this.#counts.of(source)
  }

  first(prefix: number): number {
    return this.#heads[prefix] ?? 0
  }

  next(handle: number): number {
    return this.#next[handle] as number
  }

  setOf(handle: number): number {
    return this.#sets[handle] as number
  }

  sourceOf(handle: number): number {
    return this.#sources[handle] as number
  }

  pathIdOf(handle: number): number {
    return this.#pathIds[handle] as number
  }

  clear(): void {
    for (let row = 1; row < this.#limit; row++) {
      const set = this.#sets[row] as number
      if (set !== 0) this.#keeper.release(set)
    }
    this.#sets = new Uint32Array(1)
    this.#heads = new Uint32Array(1)
    this.#limit = 1
  }

  #put(prefix: number, pathId: number, set: number, source: number, listener: OutListener): void {
    let row = this.first(prefix)
    while (row !== 0 && this.#pathIds[row] !== pathId) row = this.#next[row] as number
    if (row === 0) {
      row = this.#add(prefix, pathId)
      this.#keeper.retain(set)
      this.#sets[row] = set
      this.#sources[row] = source
      this.#counts.add(source, 1)
      listener.announce(prefix, pathId, set, source, -1)
      return
    }
    const oldSet = this.#sets[row] as number
    const oldSource = this.#sources[row] as number
    if (oldSet === set && oldSource === source) return
    this.#keeper.retain(set)
    this.#counts.add(source, 1)
    this.#counts.add(oldSource, -1)
    this.#sets[row] = set
    this.#sources[row] = source
    listener.announce(prefix, pathId, set, source, oldSource)
    this.#keeper.release(oldSet)
  }

  #add(prefix: number, pathId: number): number {
    const row = this.#free.length > 0 ? this.#free.pop() : this.#limit++
    if (row >= this.#sets.length) this.#growRows()
    this.#pathIds[row] = pathId
    this.#next[row] = this.first(prefix)
    this.#heads[prefix] = row
    return row
  }

  #growRows(): void {
    const rows = roomAfter(this.#sets.length)
    this.#sets = growUint32(this.#sets, rows)
    this.#sources = growUint16(this.#sources, rows)
    this.#pathIds = growUint32(this.#pathIds, rows)
    this.#next = growUint32(this.#next, rows)
  }
}

function holds(wanted: Wanted, pathId: number): boolean {
  for (let index = 0; index < wanted.count; index++) {
    if (wanted.pathIds[index] === pathId) return true
  }
  return false
}
