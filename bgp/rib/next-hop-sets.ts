/**
 * ECMP sets handed to the kernel writer, interned: the same next hops learned from the same peers
 * are one row, so "did the forwarding of this prefix change?" is one comparison of numbers. With many
 * peers nearly every prefix has a set of its own, so sets are rows in columns too.
 *
 * The kernel writer knows a set by its id. Ids only grow and are never reused, while rows are: what
 * the writer still holds under an id can't become something else. Row 0 means "not wanted".
 */
import type { NextHopSet } from '../types.ts'
import { growUint8, growUint16, growUint32, RowList, roomAfter } from './columns.ts'
import { HashSlots } from './hash-slots.ts'

const initialRows = 256
const initialHeap = 1024

export class NextHopSets {
  size = 0
  #ids = new Uint32Array(initialRows)
  #hashes = new Uint32Array(initialRows)
  #references = new Uint32Array(initialRows)
  /** Where a set's members lie in `#heap`: next hop id and peer number, alternating. */
  #offset = new Uint32Array(initialRows)
  #length = new Uint16Array(initialRows)
  /** 1: in `#fresh`. */
  #untold = new Uint8Array(initialRows)
  #heap = new Uint32Array(initialHeap)
  #heapUsed = 0
  #limit = 1
  #nextId = 1
  readonly #slots = new HashSlots()
  readonly #freeRows = new RowList()
  /** Freed places in the heap, by length. */
  readonly #freePlaces: RowList[] = []
  readonly #fresh = new RowList()

  /** Row of the set with these members (sorted by the caller's order of next hops). */
  intern(members: Uint32Array, length: number): number {
    const hash = hashOf(members, length)
    const { rows, mask } = this.#slots
    for (let slot = hash & mask; rows[slot] !== 0; slot = (slot + 1) & mask) {
      const row = rows[slot] as number
      if (this.#hashes[row] === hash && this.#equals(row, members, length)) return row
    }
    return this.#add(members, length, hash)
  }

  /** What the kernel writer knows the set by; 0 for row 0. */
  idOf(row: number): number {
    return this.#ids[row] as number
  }

  retain(row: number): void {
    if (row !== 0) this.#references[row] = (this.#references[row] as number) + 1
  }

  release(row: number): void {
    if (row === 0) return
    const left = (this.#references[row] as number) - 1
    this.#references[row] = left
    if (left > 0) return
    this.#slots.remove(row, this.#hashes)
    const length = this.#length[row] as number
    const places = this.#freePlaces[length] ?? new RowList()
    this.#freePlaces[length] = places
    places.push(this.#offset[row] as number)
    this.#freeRows.push(row)
    this.size--
  }

  /** Sets made since the last call and in use, described for the kernel writer. */
  takeFresh(
    nextHopText: (id: number) => string,
    peerText: (peer: number) => string | null,
  ): NextHopSet[] {
    const sets: NextHopSet[] = []
    for (let index = 0; index < this.#fresh.length; index++) {
      const row = this.#fresh.rows[index] as number
      this.#untold[row] = 0
      if (this.#references[row] === 0) continue
      const nextHops: string[] = []
      const peers = new Set<string>()
      const start = this.#offset[row] as number
      const end = start + (this.#length[row] as number)
      for (let at = start; at < end; at += 2) {
        nextHops.push(nextHopText(this.#heap[at] as number))
        const peer = peerText(this.#heap[at + 1] as number)
        if (peer !== null) peers.add(peer)
      }
      sets.push({ id: this.idOf(row), nextHops, peers: [...peers] })
    }
    this.#fresh.clear()
    return sets
  }

  #add(members: Uint32Array, length: number, hash: number): number {
    this.#slots.makeRoom(this.size, this.#hashes)
    const row = this.#freeRows.length > 0 ? this.#freeRows.pop() : this.#limit++
    if (row >= this.#ids.length) this.#grow()
    const offset = this.#allocate(length)
    for (let index = 0; index < length; index++) {
      this.#heap[offset + index] = members[index] as number
    }
    this.#ids[row] = this.#nextId++
    this.#hashes[row] = hash
    this.#references[row] = 0
    this.#offset[row] = offset
    this.#length[row] = length
    this.#slots.place(row, this.#hashes)
    this.size++
    // A row that was given up before it was told of is on the list already.
    if (this.#untold[row] === 0) this.#fresh.push(row)
    this.#untold[row] = 1
    return row
  }

  #allocate(length: number): number {
    const places = this.#freePlaces[length]
    if (places !== undefined && places.length > 0) return places.pop()
    const offset = this.#heapUsed
    this.#heapUsed += length
    if (this.#heapUsed > this.#heap.length) {
      this.#heap = growUint32(this.#heap, Math.max(roomAfter(this.#heap.length), this.#heapUsed))
    }
    return offset
  }

  #equals(row: number, members: Uint32Array, length: number): boolean {
    if (this.#length[row] !== length) return false
    const offset = this.#offset[row] as number
    for (let index = 0; index < length; index++) {
      if (this.#heap[offset + index] !== members[index]) return false
    }
    return true
  }

  #grow(): void {
    const rows = roomAfter(this.#ids.length)
    this.#ids = growUint32(this.#ids, rows)
    this.#hashes = growUint32(this.#hashes, rows)
    this.#references = growUint32(this.#references, rows)
    this.#offset = growUint32(this.#offset, rows)
    this.#length = growUint16(this.#length, rows)
    this.#untold = growUint8(this.#untold, rows)
  }
}

function hashOf(members: Uint32Array, length: number): number {
  let hash = length
  for (let index = 0; index < length; index++) {
    hash = Math.imul(hash ^ (members[index] as number), 0x85ebca6b)
    hash ^= hash >>> 15
  }
  return hash >>> 0
}
