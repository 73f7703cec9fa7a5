/**
 * An update group: all peers that are told the same, byte for byte. The group keeps one
 * Adj-RIB-Out (RFC 4271 §3.2), encodes each change once and appends it to a log of blocks; every
 * member has a cursor into that log.
 *
 * A member that joins, asks for a refresh (RFC 2918) or falls too far behind leaves the log and
 * catches up alone: it keeps a set of prefixes it has yet to hear of (where the newest state wins,
 * so it never grows beyond one bit a prefix) and is fed from the table as its socket drains. Live
 * changes of the others go first; nobody waits for a slow one.
 */
import type { FamilyName } from '../types.ts'
import { encodeEndOfRib } from '../wire/encode.ts'
import { Bitmap } from './bitmap.ts'
import { type Block, BlockEncoder, partsFor } from './blocks.ts'
import { growUint16, growUint32, RowList } from './columns.ts'
import { type ExportProfile, judge, profileKey, verdict } from './export.ts'
import type { FamilyRib, RibListener } from './family-rib.ts'

/** Prefixes encoded in one flush. */
export const prefixesPerFlushMax = 16_384
/** Bytes a member's socket may hold before it is given no more. */
export const memberQueueBytesMax = 1024 * 1024
/** Bytes of the log a member may lag behind before it is split off. */
export const memberLagBytesMax = 8 * 1024 * 1024
/** Prefixes of one catch-up step. */
const catchUpPrefixesMax = 4096

/** The sending half of a session. */
export interface MemberSink {
  readonly queuedBytes: number
  /** `updates` is how many UPDATE messages the parts hold, for the counters. */
  send(parts: readonly Uint8Array[], updates: number): boolean
}

interface Member {
  readonly number: number
  readonly sink: MemberSink
  /** Sequence number of the next block of the log. */
  cursor: number
  /** Prefixes it has yet to hear of; null: it follows the log. */
  catchUp: CatchUp | null
  endOfRibDue: boolean
}

interface CatchUp {
  readonly wanted: Bitmap
  /** What it may have been told already: only that needs withdrawing. */
  readonly told: Bitmap
  scan: number
}

export class UpdateGroup implements RibListener {
  readonly key: string
  readonly profile: ExportProfile
  readonly family: FamilyName
  /** Adj-RIB-Out: set announced per prefix (0: none) and the peer it came from. */
  outSet = new Uint32Array(256)
  outSource = new Uint16Array(256)
  announced = 0
  /** How many of the announced prefixes came from each member (it isn't told those). */
  readonly #announcedFrom = new Map<number, number>()
  readonly #rib: FamilyRib
  readonly #encoder: BlockEncoder
  /** Another one, so that a catch-up never mixes with a flush. */
  readonly #catchUpEncoder: BlockEncoder
  readonly #members = new Map<number, Member>()
  #touchedMark = new Uint8Array(256)
  readonly #touched = new RowList()
  #log: Block[] = []
  #logStart = 0
  #logBytes = 0
  #catchingUp = 0
  readonly #onEndOfRib: (member: number, family: FamilyName) => void

  constructor(
    profile: ExportProfile,
    rib: FamilyRib,
    onEndOfRib: (member: number, family: FamilyName) => void,
  ) {
    this.key = profileKey(profile)
    this.profile = profile
    this.family = profile.family
    this.#rib = rib
    this.#encoder = new BlockEncoder(profile, rib)
    this.#catchUpEncoder = new BlockEncoder(profile, rib)
    this.#onEndOfRib = onEndOfRib
    this.#growTo(rib.prefixes.capacity)
    for (let prefix = 0; prefix < rib.prefixes.limit; prefix++) {
      if (rib.prefixes.used(prefix)) this.touch(prefix)
    }
  }

  get memberCount(): number {
    return this.#members.size
  }

  get pending(): boolean {
    return this.#touched.length > 0
  }

  /** A member joins: it hears of everything announced so far, then End-of-RIB (RFC 4724 §2). */
  join(number: number, sink: MemberSink): void {
    const member: Member = {
      number,
      sink,
      cursor: this.#logStart + this.#log.length,
      catchUp: null,
      endOfRibDue: true,
    }
    this.#members.set(number, member)
    this.#startCatchUp(member, new Bitmap())
  }

  /** The session is gone; what it was told no longer matters. */
  leave(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    this.#members.delete(number)
    if (member.catchUp !== null) this.#catchingUp--
    else this.#skipLog(member)
    this.#trim()
  }

  /** Sends everything again (RFC 2918), End-of-RIB not included. */
  refresh(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    if (member.catchUp === null) this.#detach(member)
    const { wanted } = member.catchUp as CatchUp
    this.#eachAnnounced(member.number, (prefix) => wanted.add(prefix))
    ;(member.catchUp as CatchUp).scan = 0
  }

  touch(prefix: number): void {
    if (prefix >= this.#touchedMark.length) this.#growTo(this.#rib.prefixes.capacity)
    if (this.#touchedMark[prefix] === 1) return
    this.#touchedMark[prefix] = 1
    this.#touched.push(prefix)
  }

  holdsPrefixes(): boolean {
    return this.#touched.length > 0 || this.#log.length > 0 || this.#catchingUp > 0
  }

  /** How many prefixes this member has been or is being told. */
  advertisedTo(number: number): number {
    return this.announced - (this.#announcedFrom.get(number) ?? 0)
  }

  /** Drops all state; the group must not be used afterwards. */
  dissolve(): void {
    for (let prefix = 0; prefix < this.outSet.length; prefix++) {
      const set = this.outSet[prefix] as number
      if (set !== 0) this.#rib.attributes.release(set)
    }
    this.outSet.fill(0)
    this.#touched.clear()
    this.#log = []
  }

  /** Encodes pending changes and feeds the members. Returns whether more is to be done now. */
  flush(): boolean {
    if (this.#touched.length > 0) this.#encodeTouched()
    for (const member of this.#members.values()) this.pump(member.number)
    this.#trim()
    return this.#touched.length > 0
  }

  /** Feeds one member until its socket is full or nothing is left. */
  pump(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    if (member.catchUp === null) this.#followLog(member)
    if (member.catchUp !== null) this.#feedCatchUp(member)
    // End-of-RIB stands behind the last route, so it waits for changes not yet encoded.
    if (member.catchUp === null && member.endOfRibDue && this.#touched.length === 0) {
      member.endOfRibDue = false
      member.sink.send([encodeEndOfRib(this.family)], 1)
      this.#onEndOfRib(number, this.family)
    }
  }

  #encodeTouched(): void {
    const moved: { prefix: number; source: number }[] = []
    let left = prefixesPerFlushMax
    while (left-- > 0 && this.#touched.length > 0) {
      const prefix = this.#touched.pop()
      this.#touchedMark[prefix] = 0
      // A dirty prefix is touched again as soon as it is decided.
      if (!this.#rib.isDirty(prefix)) this.#encodeOne(prefix, moved)
    }
    if (this.#touched.length === 0) this.#touched.clear()
    this.#append(this.#encoder.finish(-1))
    this.#forgetOversized()
    this.#withdrawFromNewSources(moved)
  }

  /** What fits no message is not announced: whoever knew an older form is told to forget it. */
  #forgetOversized(): void {
    const prefixes = this.#encoder.oversized.slice()
    if (prefixes.length === 0) return
    for (const prefix of prefixes) {
      const set = this.outSet[prefix] as number
      this.#count(set, this.outSource[prefix] as number, -1)
      this.#rib.attributes.release(set)
      this.outSet[prefix] = 0
      this.#encoder.withdraw(prefix, -1)
    }
    this.#append(this.#encoder.finish(-1))
  }

  #encodeOne(prefix: number, moved: { prefix: number; source: number }[]): void {
    const rib = this.#rib
    const best = rib.best[prefix] as number
    const sends = judge(this.profile, rib, best) === verdict.send
    const set = sends ? (rib.paths.attributes[best] as number) : 0
    const source = sends ? (rib.paths.peer[best] as number) : 0
    const oldSet = this.outSet[prefix] as number
    const oldSource = this.outSource[prefix] as number
    if (set === oldSet && source === oldSource) return
    rib.attributes.retain(set)
    if (set !== 0) {
      this.#encoder.announce(prefix, set, source)
      // The new source had been told the old path; it must forget it.
      if (oldSet !== 0 && oldSource !== source && this.#members.has(source)) {
        moved.push({ prefix, source })
      }
    } else {
      this.#encoder.withdraw(prefix, oldSource)
    }
    this.#count(oldSet, oldSource, -1)
    this.#count(set, source, 1)
    if (oldSet !== 0) rib.attributes.release(oldSet)
    this.outSet[prefix] = set
    this.outSource[prefix] = source
    this.#noteForCatchUp(prefix)
  }

  #count(set: number, source: number, by: number): void {
    if (set === 0) return
    this.announced += by
    const left = (this.#announcedFrom.get(source) ?? 0) + by
    if (left === 0) this.#announcedFrom.delete(source)
    else this.#announcedFrom.set(source, left)
  }

  #noteForCatchUp(prefix: number): void {
    if (this.#catchingUp === 0) return
    for (const member of this.#members.values()) {
      if (member.catchUp === null) continue
      member.catchUp.wanted.add(prefix)
      if (prefix < member.catchUp.scan) member.catchUp.scan = prefix
    }
  }

  #withdrawFromNewSources(moved: readonly { prefix: number; source: number }[]): void {
    if (moved.length === 0) return
    const bySource = new Map<number, number[]>()
    for (const { prefix, source } of moved) {
      const prefixes = bySource.get(source)
      if (prefixes === undefined) bySource.set(source, [prefix])
      else prefixes.push(prefix)
    }
    for (const [source, prefixes] of bySource) {
      // A member that catches up is told from its own set instead.
      if (this.#members.get(source)?.catchUp !== null) continue
      for (const prefix of prefixes) this.#encoder.withdraw(prefix, -1)
      this.#append(this.#encoder.finish(source))
    }
  }

  #append(blocks: readonly Block[]): void {
    const followers = this.#members.size - this.#catchingUp
    for (const block of blocks) {
      this.#logBytes += block.bytes.length
      block.end = this.#logBytes
      block.waiting = followers
      if (followers > 0) this.#log.push(block)
      else this.#logStart++
    }
    if (followers === 0) {
      // Nobody follows: cursors of later joiners start at the new end.
      this.#log = []
    }
  }

  #followLog(member: Member): void {
    const head = this.#logStart + this.#log.length
    while (member.cursor < head && member.sink.queuedBytes < memberQueueBytesMax) {
      const parts: Uint8Array[] = []
      let updates = 0
      let bytes = 0
      while (member.cursor < head && bytes < memberQueueBytesMax) {
        const block = this.#log[member.cursor - this.#logStart] as Block
        member.cursor++
        block.waiting--
        if (block.only !== -1 && block.only !== member.number) continue
        partsFor(block, member.number, parts)
        updates += block.updates
        bytes += block.bytes.length
      }
      if (parts.length > 0) member.sink.send(parts, updates)
    }
    if (member.cursor < head) {
      const next = this.#log[member.cursor - this.#logStart] as Block
      if (this.#logBytes - next.end + next.bytes.length > memberLagBytesMax) this.#detach(member)
    }
  }

  /** Splits a follower off: what it has not been sent becomes its own catch-up. */
  #detach(member: Member): void {
    const told = new Bitmap()
    this.#eachAnnounced(-1, (prefix) => told.add(prefix))
    const unsent: number[] = []
    for (let at = member.cursor - this.#logStart; at < this.#log.length; at++) {
      for (const prefix of (this.#log[at] as Block).prefixes) {
        unsent.push(prefix)
        told.add(prefix)
      }
    }
    this.#skipLog(member)
    const wanted = new Bitmap()
    for (const prefix of unsent) wanted.add(prefix)
    member.catchUp = { wanted, told, scan: 0 }
    this.#catchingUp++
  }

  #startCatchUp(member: Member, told: Bitmap): void {
    const wanted = new Bitmap()
    this.#eachAnnounced(member.number, (prefix) => wanted.add(prefix))
    member.catchUp = { wanted, told, scan: 0 }
    this.#catchingUp++
  }

  #feedCatchUp(member: Member): void {
    const { wanted, told } = member.catchUp as CatchUp
    while (wanted.count > 0 && member.sink.queuedBytes < memberQueueBytesMax) {
      this.#encodeCatchUp(member, wanted, told)
      const blocks = this.#catchUpEncoder.finish(member.number)
      let updates = 0
      for (const block of blocks) updates += block.updates
      if (blocks.length > 0)
        member.sink.send(
          blocks.map((block) => block.bytes),
          updates,
        )
    }
    if (wanted.count > 0) return
    member.catchUp = null
    this.#catchingUp--
    member.cursor = this.#logStart + this.#log.length
  }

  #encodeCatchUp(member: Member, wanted: Bitmap, told: Bitmap): void {
    const catchUp = member.catchUp as CatchUp
    let left = catchUpPrefixesMax
    while (left-- > 0 && wanted.count > 0) {
      let prefix = wanted.next(catchUp.scan)
      if (prefix === -1) prefix = wanted.next(0)
      wanted.delete(prefix)
      catchUp.scan = prefix + 1
      const set = this.outSet[prefix] as number
      const source = this.outSource[prefix] as number
      if (set !== 0 && source !== member.number) {
        this.#catchUpEncoder.announce(prefix, set, source)
        told.add(prefix)
      } else if (told.has(prefix)) {
        this.#catchUpEncoder.withdraw(prefix, -1)
        told.delete(prefix)
      }
    }
  }

  #eachAnnounced(except: number, visit: (prefix: number) => void): void {
    const { limit } = this.#rib.prefixes
    for (let prefix = 0; prefix < limit; prefix++) {
      if (this.outSet[prefix] !== 0 && this.outSource[prefix] !== except) visit(prefix)
    }
  }

  #skipLog(member: Member): void {
    for (let at = member.cursor - this.#logStart; at < this.#log.length; at++) {
      ;(this.#log[at] as Block).waiting--
    }
    member.cursor = this.#logStart + this.#log.length
  }

  /** Forgets blocks that every follower has taken. */
  #trim(): void {
    let taken = 0
    while (taken < this.#log.length && (this.#log[taken] as Block).waiting === 0) taken++
    if (taken === 0) return
    this.#log.splice(0, taken)
    this.#logStart += taken
  }

  #growTo(rows: number): void {
    this.outSet = growUint32(this.outSet, rows)
    this.outSource = growUint16(this.outSource, rows)
    const marks = new Uint8Array(rows)
    marks.set(this.#touchedMark)
    this.#touchedMark = marks
  }
}
