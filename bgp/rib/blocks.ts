/**
 * Blocks: runs of whole UPDATE messages encoded once and handed, as the same bytes, to every member
 * of an update group. A route isn't sent back to the peer it came from, so a block knows which byte
 * ranges stem from which member (its holes); that member writes around them. Members may differ in
 * "next hop self" (RFC 4271 §5.1.3), so a block knows where that stands, and is patched in a copy,
 * one for all members with that address.
 *
 * `BlockEncoder` gathers the changes of one flush in buckets (attribute set × source), so that
 * prefixes with the same attributes share a message (RFC 4271 §4.3).
 */
import { Writer } from '../wire/bytes.ts'
import { UpdateWriter } from '../wire/encode.ts'
import { noPathId } from './adj-out.ts'
import { growUint16, growUint32, RowList } from './columns.ts'
import { type ExportProfile, exportAttributes, exportNextHop, sendsSelf } from './export.ts'
import type { FamilyRib } from './family-rib.ts'
import { localPeer } from './peers.ts'

/** A block is sealed when the next message might not fit any more. */
export const blockBytes = 128 * 1024

/** Any received attribute set, with what we add to it. */
const attributeBytesMax = 68 * 1024

export interface Block {
  readonly bytes: Uint8Array
  readonly updates: number
  /** Rows of the prefixes in it, for a member that has to be told otherwise. */
  readonly prefixes: Uint32Array
  /** The path id of each of them; none where the session has no path ids. */
  readonly pathIds: Uint32Array
  /** Only this member gets it; -1: all. */
  readonly only: number
  /** By source: start, end, start, end, … of the messages not meant for it. */
  readonly holes: ReadonlyMap<number, readonly number[]> | null
  /** Where "next hop self" stands in `bytes`. */
  readonly selfAt: readonly number[]
  /** By "next hop self" of members (their number in the group): the bytes with that in its place. */
  readonly patched: Map<number, Uint8Array>
  /** Bytes of the group's log up to the end of this block. */
  end: number
  /** Members that have yet to take it. */
  waiting: number
}

export class BlockEncoder {
  readonly #profile: ExportProfile
  readonly #rib: FamilyRib
  readonly #writer = new Writer(blockBytes)
  readonly #updates: UpdateWriter
  readonly #attributes = new Writer(attributeBytesMax)
  readonly #nextHop = new Uint8Array(32)
  readonly #nextHopViews: Uint8Array[] = []
  readonly #buckets = new Buckets()
  /** Prefixes of the last `finish` whose attributes fit no message; the caller withdraws them. */
  readonly oversized: { prefix: number; pathId: number }[] = []
  /** One row a change: the prefix, and the next change of its bucket + 1. */
  #prefixes = new Uint32Array(256)
  #pathIds = new Int32Array(256)
  #next = new Uint32Array(256)
  #count = 0
  #withdrawn = 0
  /** Source of all withdrawals of this flush, or -1 when they differ. */
  #withdrawnSource = -2
  readonly #self: Uint8Array
  // Of the block being filled.
  #selfAt: number[] = []
  #holes = new Map<number, number[]>()
  #blockUpdates = 0
  readonly #blockPrefixes = new RowList()
  readonly #blockPathIds = new RowList()

  /** @param self "next hop self" as encoded; other members have it patched */
  constructor(profile: ExportProfile, self: Uint8Array, rib: FamilyRib) {
    this.#profile = profile
    this.#self = self
    this.#rib = rib
    this.#updates = new UpdateWriter(this.#writer)
  }

  get size(): number {
    return this.#count
  }

  announce(prefix: number, pathId: number, set: number, source: number): void {
    const index = this.#add(prefix, pathId)
    const bucket = this.#buckets.find(set, source)
    this.#next[index] = this.#buckets.first[bucket] as number
    this.#buckets.first[bucket] = index + 1
  }

  /** `source` is the peer that was never told, -1 when there is none. */
  withdraw(prefix: number, pathId: number, source: number): void {
    const index = this.#add(prefix, pathId)
    this.#next[index] = this.#withdrawn
    this.#withdrawn = index + 1
    if (this.#withdrawnSource === -2) this.#withdrawnSource = source
    else if (this.#withdrawnSource !== source) this.#withdrawnSource = -1
  }

  /** Encodes what was gathered and starts over. Withdrawals come first. */
  finish(only: number): Block[] {
    const blocks: Block[] = []
    this.oversized.length = 0
    this.#encodeWithdrawals(blocks, only)
    for (let bucket = 0; bucket < this.#buckets.count; bucket++) {
      this.#encodeBucket(bucket, blocks, only)
    }
    this.#seal(blocks, only)
    this.#buckets.clear()
    this.#count = 0
    this.#withdrawn = 0
    this.#withdrawnSource = -2
    return blocks
  }

  #encodeWithdrawals(blocks: Block[], only: number): void {
    const { family } = this.#rib
    const { messageLengthMax } = this.#profile
    let change = this.#withdrawn
    while (change !== 0) {
      this.#room(blocks, only)
      const start = this.#writer.position
      this.#updates.beginWithdraw(family, messageLengthMax)
      change = this.#addPrefixes(change)
      this.#endMessage(start, this.#withdrawnSource)
    }
  }

  #encodeBucket(bucket: number, blocks: Block[], only: number): void {
    const rib = this.#rib
    const profile = this.#profile
    const set = this.#buckets.sets[bucket] as number
    const source = this.#buckets.sources[bucket] as number
    const local = source === localPeer
    const octets = exportNextHop(profile, this.#self, rib, set, local, this.#nextHop)
    const nextHop = this.#nextHopOf(octets)
    const self = sendsSelf(profile, rib, set, local)
    this.#attributes.reset()
    const inAttributes = octets === 4 ? nextHop : null
    exportAttributes(profile, rib, set, source, inAttributes, this.#attributes)
    let change = this.#buckets.first[bucket] as number
    while (change !== 0) {
      this.#room(blocks, only)
      const start = this.#writer.position
      const begun = this.#updates.beginAnnounce(
        rib.family,
        this.#attributes.buffer,
        this.#attributes.position,
        nextHop,
        profile.messageLengthMax,
      )
      if (!begun) {
        this.#giveUp(change)
        return
      }
      if (self) this.#selfAt.push(this.#updates.nextHopAt)
      change = this.#addPrefixes(change)
      this.#endMessage(start, local ? -1 : source)
    }
  }

  /** The first octets of `#nextHop`, as a view of that length; there are but three lengths. */
  #nextHopOf(octets: number): Uint8Array {
    let view = this.#nextHopViews[octets]
    if (view === undefined) {
      view = this.#nextHop.subarray(0, octets)
      this.#nextHopViews[octets] = view
    }
    return view
  }

  /** Adds the changes chained from here until the message is full; returns the first left out. */
  #addPrefixes(from: number): number {
    const { addresses, lengths, words } = this.#rib.prefixes
    let change = from
    while (change !== 0) {
      const prefix = this.#prefixes[change - 1] as number
      const length = lengths[prefix] as number
      const pathId = this.#pathIds[change - 1] as number
      if (!this.#updates.addPrefix(addresses, prefix * words, length, pathId)) break
      this.#blockPrefixes.push(prefix)
      if (pathId !== noPathId) this.#blockPathIds.push(pathId)
      change = this.#next[change - 1] as number
    }
    return change
  }

  /** These attributes fit no message: their prefixes are withdrawn instead (RFC 8654 §5). */
  #giveUp(from: number): void {
    for (let change = from; change !== 0; change = this.#next[change - 1] as number) {
      this.oversized.push({
        prefix: this.#prefixes[change - 1] as number,
        pathId: this.#pathIds[change - 1] as number,
      })
    }
  }

  #endMessage(start: number, source: number): void {
    this.#updates.finish()
    this.#blockUpdates++
    if (source < 0) return
    const ranges = this.#holes.get(source)
    if (ranges === undefined) this.#holes.set(source, [start, this.#writer.position])
    else if (ranges.at(-1) === start) ranges[ranges.length - 1] = this.#writer.position
    else ranges.push(start, this.#writer.position)
  }

  /** Seals the block when a message of full length might not fit. */
  #room(blocks: Block[], only: number): void {
    if (this.#writer.position + this.#profile.messageLengthMax > blockBytes) {
      this.#seal(blocks, only)
    }
  }

  #seal(blocks: Block[], only: number): void {
    if (this.#writer.position === 0) return
    blocks.push({
      bytes: this.#writer.written(),
      updates: this.#blockUpdates,
      prefixes: this.#blockPrefixes.rows.slice(0, this.#blockPrefixes.length),
      pathIds: this.#blockPathIds.rows.slice(0, this.#blockPathIds.length),
      only,
      holes: only === -1 && this.#holes.size > 0 ? this.#holes : null,
      selfAt: this.#selfAt,
      patched: new Map(),
      end: 0,
      waiting: 0,
    })
    this.#writer.reset()
    this.#holes = new Map()
    this.#selfAt = []
    this.#blockUpdates = 0
    this.#blockPrefixes.length = 0
    this.#blockPathIds.length = 0
  }

  #add(prefix: number, pathId: number): number {
    if (this.#count === this.#prefixes.length) {
      this.#prefixes = growUint32(this.#prefixes, this.#count * 2)
      this.#next = growUint32(this.#next, this.#count * 2)
      const ids = new Int32Array(this.#count * 2)
      ids.set(this.#pathIds)
      this.#pathIds = ids
    }
    const index = this.#count++
    this.#prefixes[index] = prefix
    this.#pathIds[index] = pathId
    this.#next[index] = 0
    return index
  }
}

const initialSlots = 1024

/** The changes of one flush by attribute set and source, in the order they were first met. */
class Buckets {
  count = 0
  sets = new Uint32Array(initialSlots / 2)
  sources = new Uint16Array(initialSlots / 2)
  /** The first change of each + 1; 0 in a bucket that was just made. */
  first = new Uint32Array(initialSlots / 2)
  /** Bucket + 1 by hash, or 0; a power of two, at most half full. */
  #slots = new Uint32Array(initialSlots)

  find(set: number, source: number): number {
    const { count } = this
    // What came with one UPDATE mostly goes out together too.
    if (count > 0 && this.sets[count - 1] === set && this.sources[count - 1] === source) {
      return count - 1
    }
    let slot = this.#seek(set, source)
    if (this.#slots[slot] !== 0) return (this.#slots[slot] as number) - 1
    if (count === this.sets.length) {
      this.#widen()
      slot = this.#seek(set, source)
    }
    this.sets[count] = set
    this.sources[count] = source
    this.first[count] = 0
    this.#slots[slot] = ++this.count
    return count
  }

  clear(): void {
    if (this.count === 0) return
    this.count = 0
    this.#slots.fill(0)
  }

  #seek(set: number, source: number): number {
    const mask = this.#slots.length - 1
    const hash = Math.imul(Math.imul(set, 0x9e3779b1) ^ source, 0x85ebca6b)
    let slot = (hash ^ (hash >>> 15)) & mask
    for (;;) {
      const bucket = this.#slots[slot] as number
      if (bucket === 0) return slot
      if (this.sets[bucket - 1] === set && this.sources[bucket - 1] === source) return slot
      slot = (slot + 1) & mask
    }
  }

  #widen(): void {
    const rows = this.count * 2
    this.sets = growUint32(this.sets, rows)
    this.sources = growUint16(this.sources, rows)
    this.first = growUint32(this.first, rows)
    this.#slots = new Uint32Array(rows * 2)
    for (let bucket = 0; bucket < this.count; bucket++) {
      const slot = this.#seek(this.sets[bucket] as number, this.sources[bucket] as number)
      this.#slots[slot] = bucket + 1
    }
  }
}

/** "Next hop self" of a member: number 0 is what the group encodes, others are patched in. */
export interface Self {
  readonly number: number
  readonly octets: Uint8Array
}

/** The parts of a block this member writes: all but its own holes, with its own next hop. */
export function partsFor(block: Block, member: number, self: Self, into: Uint8Array[]): void {
  const bytes = bytesWith(block, self)
  const holes = block.holes?.get(member)
  if (holes === undefined) {
    into.push(bytes)
    return
  }
  let from = 0
  for (let index = 0; index < holes.length; index += 2) {
    const start = holes[index] as number
    if (start > from) into.push(bytes.subarray(from, start))
    from = holes[index + 1] as number
  }
  if (from < bytes.length) into.push(bytes.subarray(from))
}

function bytesWith(block: Block, { number, octets }: Self): Uint8Array {
  if (number === 0 || block.selfAt.length === 0) return block.bytes
  let bytes = block.patched.get(number)
  if (bytes === undefined) {
    bytes = block.bytes.slice()
    for (const at of block.selfAt) bytes.set(octets, at)
    block.patched.set(number, bytes)
  }
  return bytes
}
