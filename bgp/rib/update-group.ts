/**
 * An update group: all peers that are told the same, byte for byte. The group keeps one
 * Adj-RIB-Out (RFC 4271 §3.2), encodes each change once and appends it to a log of blocks; every
 * member has a cursor into that log.
 *
 * A member that joins, asks for a refresh (RFC 2918) or falls too far behind leaves the log and
 * catches up alone: it keeps a set of prefixes it has yet to hear of (where the newest state wins,
 * so it never grows beyond one bit a prefix) and is fed from the table as its socket drains. Live
 * changes of the others go first; nobody waits for a slow one.
 *
 * It is long because a member moves between the log and its catch-up, and both must be seen.
 */
import type { FamilyName } from '../types.ts'
import { encodeEndOfRib } from '../wire/encode.ts'
import { type AdjOut, MultiOut, noPathId, type OutListener, SingleOut, Wanted } from './adj-out.ts'
import { BlockLog } from './block-log.ts'
import { type Block, BlockEncoder, partsFor, type Self } from './blocks.ts'
import { CatchUp } from './catch-up.ts'
import { RowList } from './columns.ts'
import { type ExportPolicy, type ExportProfile, exportedSet, groupKey } from './export.ts'
import type { FamilyRib, RibListener } from './family-rib.ts'

/** Prefixes encoded in one flush. */
export const prefixesPerFlushMax = 16_384
/** Bytes a member's socket may hold before it is given no more. */
export const memberQueueBytesMax = 1024 * 1024
/** Bytes of the log a member may lag behind before it is split off. */
export const memberLagBytesMax = 8 * 1024 * 1024

/** The sending half of a session. */
export interface MemberSink {
  readonly queuedBytes: number
  /** `updates` is how many UPDATE messages the parts hold, for the counters. */
  send(parts: readonly Uint8Array[], updates: number): boolean
  /** Begins (1) or ends (2) an enhanced refresh (RFC 7313 §4). */
  mark(family: FamilyName, subtype: 1 | 2): void
}

interface Member {
  readonly number: number
  readonly sink: MemberSink
  readonly self: Self
  /** Sequence number of the next block of the log. */
  cursor: number
  /** Prefixes it has yet to hear of; null: it follows the log. */
  catchUp: CatchUp | null
  endOfRibDue: boolean
  /** Between the marks of an enhanced refresh. */
  refreshing: boolean
}

/** A member between two groups. */
interface Moving {
  readonly sink: MemberSink
  readonly catchUp: CatchUp
  readonly endOfRibDue: boolean
}

/** A member that is told to forget what it was told of a path that is now its own. */
interface Moved {
  readonly prefix: number
  readonly pathId: number
  readonly source: number
}

export class UpdateGroup implements RibListener, OutListener {
  readonly key: string
  /** For people; a number is not used again. */
  readonly number: number
  readonly profile: ExportProfile
  readonly family: FamilyName
  readonly policy: ExportPolicy | null
  readonly out: AdjOut
  readonly #wanted = new Wanted()
  #moved: Moved[] = []
  readonly #rib: FamilyRib
  readonly #encoder: BlockEncoder
  /** Another one, so that a catch-up never mixes with a flush. */
  readonly #catchUpEncoder: BlockEncoder
  readonly #members = new Map<number, Member>()
  /** Every "next hop self" of its members so far: addresses of this host, so they are few. */
  readonly #selves: Self[]
  #touchedMark = new Uint8Array(256)
  readonly #touched = new RowList()
  readonly #log = new BlockLog()
  #catchingUp = 0
  readonly #onEndOfRib: (member: number, family: FamilyName) => void

  /** @param self "next hop self" of the first member */
  constructor(
    number: number,
    profile: ExportProfile,
    self: Uint8Array,
    policy: ExportPolicy | null,
    rib: FamilyRib,
    onEndOfRib: (member: number, family: FamilyName) => void,
  ) {
    this.number = number
    this.key = groupKey(profile, policy)
    this.profile = profile
    this.policy = policy
    this.out =
      profile.addPath === null ? new SingleOut(rib.attributes) : new MultiOut(rib.attributes)
    this.family = profile.family
    this.#rib = rib
    this.#selves = [{ number: 0, octets: self }]
    this.#encoder = new BlockEncoder(profile, self, rib)
    this.#catchUpEncoder = new BlockEncoder(profile, self, rib)
    this.#onEndOfRib = onEndOfRib
    this.#growTo(rib.prefixes.capacity)
    for (let prefix = 0; prefix < rib.prefixes.limit; prefix++) {
      if (rib.prefixes.used(prefix)) this.touch(prefix)
    }
  }

  get memberCount(): number {
    return this.#members.size
  }

  /** Bytes that are kept for members that follow the log and haven't taken them yet. */
  get logBytes(): number {
    return this.#log.bytes
  }

  get pending(): boolean {
    return this.#touched.length > 0
  }

  /** A member joins: it hears of everything announced so far, then End-of-RIB (RFC 4724 §2). */
  join(number: number, sink: MemberSink, self: Uint8Array): void {
    const member: Member = {
      number,
      sink,
      self: this.#selfOf(self),
      cursor: this.#log.end,
      catchUp: null,
      endOfRibDue: true,
      refreshing: false,
    }
    this.#members.set(number, member)
    this.#startCatchUp(member)
  }

  /** A member leaves for another group: what it was told goes with it; null: it isn't here. */
  part(number: number): Moving | null {
    const member = this.#members.get(number)
    if (member === undefined) return null
    if (member.catchUp === null) this.#detach(member)
    const catchUp = member.catchUp as CatchUp
    const { out } = this
    for (let prefix = catchUp.told.next(0); prefix !== -1; prefix = catchUp.told.next(prefix + 1)) {
      for (let entry = out.first(prefix); entry !== 0; entry = out.next(entry)) {
        catchUp.noteGone(prefix, out.pathIdOf(entry))
      }
    }
    this.leave(number)
    return { sink: member.sink, catchUp, endOfRibDue: member.endOfRibDue }
  }

  /** A member of another group: it hears of all that differs from what it was told there. */
  adopt(number: number, { sink, catchUp, endOfRibDue }: Moving, self: Uint8Array): void {
    this.join(number, sink, self)
    const member = this.#members.get(number) as Member
    member.endOfRibDue = endOfRibDue
    this.#eachAnnounced(number, (prefix) => catchUp.note(prefix))
    catchUp.noteTold()
    member.catchUp = catchUp
  }

  /** The session is gone; what it was told no longer matters. */
  leave(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    this.#members.delete(number)
    if (member.catchUp !== null) this.#catchingUp--
    else this.#log.skip(member.cursor)
    this.#log.trim()
  }

  /**
   * Sends everything again (RFC 2918), End-of-RIB not included.
   * @param marked whether the peer wants it between two marks (RFC 7313 §4)
   */
  refresh(number: number, marked: boolean): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    if (member.catchUp === null) this.#detach(member)
    if (marked && !member.refreshing) {
      member.refreshing = true
      member.sink.mark(this.family, 1)
    }
    const catchUp = member.catchUp as CatchUp
    this.#eachAnnounced(member.number, (prefix) => catchUp.note(prefix))
  }

  touch(prefix: number): void {
    if (prefix >= this.#touchedMark.length) this.#growTo(this.#rib.prefixes.capacity)
    if (this.#touchedMark[prefix] === 1) return
    this.#touchedMark[prefix] = 1
    this.#touched.push(prefix)
  }

  holdsPrefixes(): boolean {
    return this.#touched.length > 0 || !this.#log.empty || this.#catchingUp > 0
  }

  /** How many paths this member has been or is being told. */
  advertisedTo(number: number): number {
    return this.out.announced - this.out.announcedFrom(number)
  }

  /** Drops all state; the group must not be used afterwards. */
  dissolve(): void {
    this.out.clear()
    this.#touched.clear()
    this.#log.clear()
  }

  /** Encodes pending changes and feeds the members. Returns whether more is to be done now. */
  flush(): boolean {
    if (this.#touched.length > 0) this.#encodeTouched()
    for (const member of this.#members.values()) this.pump(member.number)
    this.#log.trim()
    return this.#touched.length > 0
  }

  /** Feeds one member until its socket is full or nothing is left. */
  pump(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    if (member.catchUp === null) this.#followLog(member)
    if (member.catchUp !== null) this.#feedCatchUp(member)
    if (member.catchUp === null && member.refreshing) {
      member.refreshing = false
      member.sink.mark(this.family, 2)
    }
    // End-of-RIB stands behind the last route, so it waits for changes not yet encoded.
    if (member.catchUp === null && member.endOfRibDue && this.#touched.length === 0) {
      member.endOfRibDue = false
      member.sink.send([encodeEndOfRib(this.family)], 1)
      this.#onEndOfRib(number, this.family)
    }
  }

  /** Part of `out.change`: a path is announced anew. */
  announce(prefix: number, pathId: number, set: number, source: number, oldSource: number): void {
    this.#encoder.announce(prefix, pathId, set, source)
    // The new source had been told the old path; it must forget it.
    if (oldSource !== -1 && oldSource !== source && this.#members.has(source)) {
      this.#moved.push({ prefix, pathId, source })
    }
    this.#noteForCatchUp(prefix, noPathId)
  }

  /** Part of `out.change`: a path is announced no more. */
  withdraw(prefix: number, pathId: number, oldSource: number): void {
    this.#encoder.withdraw(prefix, pathId, oldSource)
    this.#noteForCatchUp(prefix, pathId)
  }

  #encodeTouched(): void {
    this.#moved = []
    let left = prefixesPerFlushMax
    while (left-- > 0 && this.#touched.length > 0) {
      const prefix = this.#touched.pop()
      this.#touchedMark[prefix] = 0
      // A dirty prefix is touched again as soon as it is decided.
      if (!this.#rib.isDirty(prefix)) this.#encodeOne(prefix)
    }
    if (this.#touched.length === 0) this.#touched.clear()
    this.#append(this.#encoder.finish(-1))
    this.#forgetOversized()
    this.#withdrawFromNewSources()
  }

  #encodeOne(prefix: number): void {
    const wanted = this.#wanted
    wanted.count = 0
    const { addPath } = this.profile
    if (addPath === null) this.#want(prefix, this.#rib.best[prefix] as number, noPathId)
    else this.#wantSeveral(prefix, addPath)
    this.out.change(prefix, wanted, this)
    for (let index = 0; index < wanted.count; index++) {
      this.#rib.attributes.release(wanted.sets[index] as number)
    }
  }

  #want(prefix: number, path: number, pathId: number): void {
    const set = exportedSet(this.profile, this.policy, this.#rib, prefix, path)
    if (set === 0) return
    // Held until all is told: a set made by the policy may so far be kept by a path id that goes.
    this.#rib.attributes.retain(set)
    this.#wanted.add(set, this.#rib.paths.peer[path] as number, pathId)
  }

  /** The path's row is its path id: it stays while the path does, replaced or not. */
  #wantSeveral(prefix: number, addPath: NonNullable<ExportProfile['addPath']>): void {
    const rib = this.#rib
    const { decision } = rib
    const head = rib.head[prefix] as number
    const limit = addPath.limit ?? Number.POSITIVE_INFINITY
    if (addPath.mode === 'All' && addPath.limit === null) {
      for (let path = head; path !== 0; path = rib.paths.next[path] as number) {
        if (rib.usable(path)) this.#want(prefix, path, path)
      }
      return
    }
    if (addPath.mode !== 'Multipath') {
      decision.rank(head, limit)
      for (let index = 0; index < decision.rankedCount; index++) {
        const path = decision.ranked[index] as number
        this.#want(prefix, path, path)
      }
      return
    }
    decision.run(head, true)
    const count = Math.min(decision.multipathCount, limit)
    for (let index = 0; index < count; index++) {
      const path = decision.multipath[index] as number
      this.#want(prefix, path, path)
    }
  }

  #selfOf(octets: Uint8Array): Self {
    const known = this.#selves.find((self) =>
      self.octets.every((octet, at) => octet === octets[at]),
    )
    if (known !== undefined) return known
    const self = { number: this.#selves.length, octets }
    this.#selves.push(self)
    return self
  }

  /** What fits no message is not announced: whoever knew an older form is told to forget it. */
  #forgetOversized(): void {
    const oversized = this.#encoder.oversized.slice()
    if (oversized.length === 0) return
    for (const { prefix, pathId } of oversized) {
      this.out.drop(prefix, pathId)
      this.#encoder.withdraw(prefix, pathId, -1)
    }
    this.#append(this.#encoder.finish(-1))
  }

  /** @param gone path id that was withdrawn, or noPathId */
  #noteForCatchUp(prefix: number, gone: number): void {
    if (this.#catchingUp === 0) return
    for (const { catchUp } of this.#members.values()) {
      if (catchUp === null) continue
      catchUp.note(prefix)
      catchUp.noteGone(prefix, gone)
    }
  }

  #withdrawFromNewSources(): void {
    if (this.#moved.length === 0) return
    const bySource = new Map<number, Moved[]>()
    for (const moved of this.#moved) {
      const known = bySource.get(moved.source)
      if (known === undefined) bySource.set(moved.source, [moved])
      else known.push(moved)
    }
    for (const [source, all] of bySource) {
      const catchUp = this.#members.get(source)?.catchUp
      // A member that catches up is told from its own set instead.
      if (catchUp != null) {
        for (const { prefix, pathId } of all) catchUp.noteGone(prefix, pathId)
      } else if (catchUp === null) {
        for (const { prefix, pathId } of all) this.#encoder.withdraw(prefix, pathId, -1)
        this.#append(this.#encoder.finish(source))
      }
    }
  }

  #append(blocks: readonly Block[]): void {
    this.#log.append(blocks, this.#members.size - this.#catchingUp)
  }

  #followLog(member: Member): void {
    const log = this.#log
    while (member.cursor < log.end && member.sink.queuedBytes < memberQueueBytesMax) {
      const parts: Uint8Array[] = []
      let updates = 0
      let bytes = 0
      while (member.cursor < log.end && bytes < memberQueueBytesMax) {
        const block = log.take(member.cursor++)
        if (block.only !== -1 && block.only !== member.number) continue
        partsFor(block, member.number, member.self, parts)
        updates += block.updates
        bytes += block.bytes.length
      }
      if (parts.length > 0) member.sink.send(parts, updates)
    }
    if (log.bytesFrom(member.cursor) > memberLagBytesMax) this.#detach(member)
  }

  /** Splits a follower off: what it has not been sent becomes its own catch-up. */
  #detach(member: Member): void {
    const catchUp = new CatchUp()
    this.#eachAnnounced(-1, (prefix) => catchUp.told.add(prefix))
    for (let at = member.cursor; at < this.#log.end; at++) {
      const { prefixes, pathIds } = this.#log.at(at)
      for (let index = 0; index < prefixes.length; index++) {
        const prefix = prefixes[index] as number
        catchUp.note(prefix)
        catchUp.told.add(prefix)
        catchUp.noteGone(prefix, pathIds[index] as number)
      }
    }
    member.cursor = this.#log.skip(member.cursor)
    member.catchUp = catchUp
    this.#catchingUp++
  }

  #startCatchUp(member: Member): void {
    const catchUp = new CatchUp()
    this.#eachAnnounced(member.number, (prefix) => catchUp.note(prefix))
    member.catchUp = catchUp
    this.#catchingUp++
  }

  #feedCatchUp(member: Member): void {
    const catchUp = member.catchUp as CatchUp
    while (catchUp.pending && member.sink.queuedBytes < memberQueueBytesMax) {
      catchUp.encode(member.number, this.out, this.#catchUpEncoder)
      const blocks = this.#catchUpEncoder.finish(member.number)
      const parts: Uint8Array[] = []
      let updates = 0
      for (const block of blocks) {
        partsFor(block, member.number, member.self, parts)
        updates += block.updates
      }
      if (parts.length > 0) member.sink.send(parts, updates)
    }
    if (catchUp.pending) return
    member.catchUp = null
    this.#catchingUp--
    member.cursor = this.#log.end
  }

  #eachAnnounced(except: number, visit: (prefix: number) => void): void {
    const { out } = this
    const { limit } = this.#rib.prefixes
    for (let prefix = 0; prefix < limit; prefix++) {
      for (let entry = out.first(prefix); entry !== 0; entry = out.next(entry)) {
        if (out.sourceOf(entry) === except) continue
        visit(prefix)
        break
      }
    }
  }

  #growTo(rows: number): void {
    this.out.growTo(rows)
    const marks = new Uint8Array(rows)
    marks.set(this.#touchedMark)
    this.#touchedMark = marks
  }
}
