/**
 * Attribute sets, interned: each distinct set is kept once, as its canonical wire bytes (without
 * NEXT_HOP and the MP attributes) plus the id of its next hop, and is known by a small number.
 * What the decision process compares is read once per set into columns, not once per path.
 *
 * Same id means same value. Two ids may still carry equal values when peers flag attributes
 * differently; the price is one superfluous UPDATE. Id 0 means "no set".
 */
import { AttributeSummary } from '../wire/summary.ts'
import { growUint8, growUint16, growUint32, RowList, roomAfter } from './columns.ts'
import { HashSlots } from './hash-slots.ts'
import type { NextHops } from './next-hops.ts'

const initialRows = 256
/** Blocks of the byte heap come in multiples of this. */
const grain = 16
const initialHeap = 64 * 1024

/** Bits of `marks`. */
export const attributeMark = {
  noExport: 1,
  noAdvertise: 2,
  noExportSubconfed: 4,
  hasLocalPref: 8,
  hasMed: 16,
  hasOriginator: 32,
  gracefulShutdown: 64,
} as const

/**
 * Bits of `meaning`: what an export policy wants of a set it made that no byte of it says. It is part
 * of what the set is, or equal bytes with and without it would be one set.
 */
export const setMeaning = {
  /** The MED was set there, so it goes to eBGP too (RFC 4271 §5.1.4). */
  keepMed: 1,
  nextHopSelf: 2,
  nextHopKept: 4,
} as const

export class AttributeStore {
  size = 0
  localPref = new Uint32Array(initialRows)
  pathLength = new Uint16Array(initialRows)
  origin = new Uint8Array(initialRows)
  med = new Uint32Array(initialRows)
  neighbourAsn = new Uint32Array(initialRows)
  originatorId = new Uint32Array(initialRows)
  clusterCount = new Uint16Array(initialRows)
  marks = new Uint8Array(initialRows)
  meaning = new Uint8Array(initialRows)
  nextHop = new Uint32Array(initialRows)
  /** Where a set's bytes lie in `heap`. */
  offset = new Uint32Array(initialRows)
  length = new Uint16Array(initialRows)
  heap = new Uint8Array(initialHeap)

  #references = new Uint32Array(initialRows)
  #hashes = new Uint32Array(initialRows)
  readonly #slots = new HashSlots()
  #limit = 1
  #heapUsed = 0
  readonly #freeIds = new RowList()
  /** Freed blocks by size class. */
  readonly #freeBlocks: RowList[] = []
  readonly #summary = new AttributeSummary()
  readonly #nextHops: NextHops

  constructor(nextHops: NextHops) {
    this.#nextHops = nextHops
  }

  /** Id of the set, or 0 when it isn't there. */
  find(bytes: Uint8Array, length: number, nextHop: number, meaning = 0): number {
    const hash = hashOf(bytes, length, nextHop)
    const { rows, mask } = this.#slots
    for (let slot = hash & mask; rows[slot] !== 0; slot = (slot + 1) & mask) {
      const id = rows[slot] as number
      if (
        this.#hashes[id] === hash &&
        this.meaning[id] === meaning &&
        this.#equals(id, bytes, length, nextHop)
      ) {
        return id
      }
    }
    return 0
  }

  /** Stores a set that `find` did not know. It holds no reference yet, but keeps its next hop. */
  add(bytes: Uint8Array, length: number, nextHop: number, meaning = 0): number {
    this.#slots.makeRoom(this.size, this.#hashes)
    const id = this.#freeIds.length > 0 ? this.#freeIds.pop() : this.#limit++
    if (id >= this.marks.length) this.#grow()
    const offset = this.#allocate(length)
    for (let index = 0; index < length; index++) {
      this.heap[offset + index] = bytes[index] as number
    }
    this.offset[id] = offset
    this.length[id] = length
    this.nextHop[id] = nextHop
    this.meaning[id] = meaning
    this.#nextHops.retain(nextHop)
    this.#references[id] = 0
    this.#hashes[id] = hashOf(bytes, length, nextHop)
    this.#summarise(id)
    this.#slots.place(id, this.#hashes)
    this.size++
    return id
  }

  retain(id: number): void {
    if (id !== 0) this.#references[id] = (this.#references[id] as number) + 1
  }

  release(id: number): void {
    if (id === 0) return
    const left = (this.#references[id] as number) - 1
    this.#references[id] = left
    if (left === 0) this.#remove(id)
  }

  /** Drops a set that was added and never retained. */
  discard(id: number): void {
    if (id !== 0 && this.#references[id] === 0) this.#remove(id)
  }

  #summarise(id: number): void {
    const summary = this.#summary
    const start = this.offset[id] as number
    summary.read(this.heap, start, start + (this.length[id] as number))
    this.origin[id] = summary.origin
    this.pathLength[id] = summary.asPathLength
    this.neighbourAsn[id] = summary.neighbourAsn
    this.med[id] = Math.max(0, summary.med)
    this.localPref[id] = Math.max(0, summary.localPref)
    this.originatorId[id] = Math.max(0, summary.originatorId)
    this.clusterCount[id] = summary.clusterCount
    this.marks[id] =
      (summary.noExport ? attributeMark.noExport : 0) |
      (summary.noAdvertise ? attributeMark.noAdvertise : 0) |
      (summary.noExportSubconfed ? attributeMark.noExportSubconfed : 0) |
      (summary.localPref >= 0 ? attributeMark.hasLocalPref : 0) |
      (summary.med >= 0 ? attributeMark.hasMed : 0) |
      (summary.originatorId >= 0 ? attributeMark.hasOriginator : 0) |
      (summary.gracefulShutdown ? attributeMark.gracefulShutdown : 0)
  }

  #remove(id: number): void {
    this.#slots.remove(id, this.#hashes)
    this.#nextHops.release(this.nextHop[id] as number)
    const sizeClass = classOf(this.length[id] as number)
    const blocks = this.#freeBlocks[sizeClass] ?? new RowList()
    this.#freeBlocks[sizeClass] = blocks
    blocks.push(this.offset[id] as number)
    this.#freeIds.push(id)
    this.size--
  }

  #allocate(length: number): number {
    const sizeClass = classOf(length)
    const blocks = this.#freeBlocks[sizeClass]
    if (blocks !== undefined && blocks.length > 0) return blocks.pop()
    const offset = this.#heapUsed
    this.#heapUsed += sizeClass * grain
    if (this.#heapUsed > this.heap.length) {
      const room = roomAfter(this.heap.length / grain) * grain
      this.heap = growUint8(this.heap, Math.max(room, this.#heapUsed))
    }
    return offset
  }

  #equals(id: number, bytes: Uint8Array, length: number, nextHop: number): boolean {
    if (this.length[id] !== length || this.nextHop[id] !== nextHop) return false
    const { heap } = this
    const offset = this.offset[id] as number
    for (let index = 0; index < length; index++) {
      if (heap[offset + index] !== bytes[index]) return false
    }
    return true
  }

  #grow(): void {
    const rows = roomAfter(this.marks.length)
    this.localPref = growUint32(this.localPref, rows)
    this.pathLength = growUint16(this.pathLength, rows)
    this.origin = growUint8(this.origin, rows)
    this.med = growUint32(this.med, rows)
    this.neighbourAsn = growUint32(this.neighbourAsn, rows)
    this.originatorId = growUint32(this.originatorId, rows)
    this.clusterCount = growUint16(this.clusterCount, rows)
    this.marks = growUint8(this.marks, rows)
    this.meaning = growUint8(this.meaning, rows)
    this.nextHop = growUint32(this.nextHop, rows)
    this.offset = growUint32(this.offset, rows)
    this.length = growUint16(this.length, rows)
    this.#references = growUint32(this.#references, rows)
    this.#hashes = growUint32(this.#hashes, rows)
  }
}

function classOf(length: number): number {
  return Math.max(1, Math.ceil(length / grain))
}

/** Four octets at a time; the tail octet by octet. */
function hashOf(bytes: Uint8Array, length: number, nextHop: number): number {
  let hash = Math.imul(nextHop ^ length, 0x9e3779b1)
  let index = 0
  for (; index + 4 <= length; index += 4) {
    const word =
      (bytes[index] as number) |
      ((bytes[index + 1] as number) << 8) |
      ((bytes[index + 2] as number) << 16) |
      ((bytes[index + 3] as number) << 24)
    hash = Math.imul(hash ^ word, 0x85ebca6b)
    hash ^= hash >>> 13
  }
  for (; index < length; index++) {
    hash = Math.imul(hash ^ (bytes[index] as number), 0xc2b2ae35)
  }
  return (hash ^ (hash >>> 16)) >>> 0
}
