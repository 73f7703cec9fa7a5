/**
 * An update group: all peers that are told the same, byte for byte. The group keeps one
 * Adj-RIB-Out (RFC 4271 §3.2), encodes each change once and appends it to a log of blocks; every
 * member has a cursor into that log.
 *
 * A member that joins, asks for a refresh (RFC 2918) or falls too far behind leaves the log and
 * catches up from the table, in a cohort of those that joined with it or alone: what it has yet to
 * hear of is a set of prefixes, where the newest state wins. Live changes of the others go first;
 * nobody waits for a slow one.
 *
 * The group works in rounds: changes that have gathered are encoded and given to all, and members
 * that have joined meanwhile set out together. How soon rounds follow each other is round-pace.ts.
 *
 * It is long because a member moves between the log and a cohort, and both must be seen.
 */
import type { Clock, FamilyName } from '../types.ts'
import { encodeEndOfRib } from '../wire/encode.ts'
import { type AdjOut, MultiOut, noPathId, type OutListener, SingleOut, Wanted } from './adj-out.ts'
import { BlockLog } from './block-log.ts'
import { type Block, BlockEncoder, type Self } from './blocks.ts'
import { CatchUp } from './catch-up.ts'
import { Cohort, shared } from './cohort.ts'
import { RowList } from './columns.ts'
import { type ExportPolicy, type ExportProfile, exportedSet, groupKey } from './export.ts'
import { type FamilyRib, prefixesPerLook, type RibListener } from './family-rib.ts'
import { follow, type Member, type MemberSink } from './member.ts'
import { RoundPace } from './round-pace.ts'

/** Prefixes encoded in one round. */
export const prefixesPerFlushMax = 16_384
/** Milliseconds of deciding what to tell in a turn, in all groups; what is left goes on in the next. */
export const encodingMsMax = 5

/** What a group asks of its surroundings. */
export interface GroupPorts {
  readonly clock: Clock
  /** A round that was put off may begin: `flush` is to be called soon. */
  readonly onDue: () => void
  readonly onEndOfRibSent: (member: number, family: FamilyName) => void
}

/** A member between two groups. */
interface Moving {
  readonly sink: MemberSink
  readonly catchUp: CatchUp
  readonly endOfRibDue: boolean
  readonly refreshing: boolean
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
  /** Another one, so that a catch-up never mixes with a round. */
  readonly #catchUpEncoder: BlockEncoder
  readonly #members = new Map<number, Member>()
  /** Every "next hop self" of its members so far: addresses of this host, so they are few. */
  readonly #selves: Self[]
  #touchedMark = new Uint8Array(256)
  readonly #touched = new RowList()
  readonly #log = new BlockLog()
  /** Those that catch up, under way. */
  readonly #cohorts = new Set<Cohort>()
  /** Members that have joined since the last round. */
  #gathering = new Cohort(shared)
  #catchingUp = 0
  /** Members that are owed a mark behind what they are being told. */
  readonly #owed = new Set<Member>()
  readonly #pace: RoundPace
  readonly #onEndOfRibSent: GroupPorts['onEndOfRibSent']

  /** @param self "next hop self" of the first member */
  constructor(
    number: number,
    profile: ExportProfile,
    self: Uint8Array,
    policy: ExportPolicy | null,
    rib: FamilyRib,
    { clock, onDue, onEndOfRibSent }: GroupPorts,
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
    this.#pace = new RoundPace(clock, onDue)
    this.#onEndOfRibSent = onEndOfRibSent
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

  /** A member joins: it hears of everything announced so far, then End-of-RIB (RFC 4724 §2). */
  join(number: number, sink: MemberSink, self: Uint8Array): void {
    this.#gathering.add(this.#admit(number, sink, self, true, false))
  }

  /** A member leaves for another group: what it was told goes with it; null: it isn't here. */
  part(number: number): Moving | null {
    const member = this.#members.get(number)
    if (member === undefined) return null
    const { catchUp } = this.#single(member)
    const { out } = this
    for (let prefix = catchUp.told.next(0); prefix !== -1; prefix = catchUp.told.next(prefix + 1)) {
      for (let entry = out.first(prefix); entry !== 0; entry = out.next(entry)) {
        catchUp.noteGone(prefix, out.pathIdOf(entry))
      }
    }
    this.leave(number)
    const { sink, endOfRibDue, refreshing } = member
    return { sink, catchUp, endOfRibDue, refreshing }
  }

  /** A member of another group: it hears of all that differs from what it was told there. */
  adopt(number: number, moving: Moving, self: Uint8Array): void {
    const { sink, catchUp, endOfRibDue, refreshing } = moving
    const member = this.#admit(number, sink, self, endOfRibDue, refreshing)
    this.#eachAnnounced(number, (prefix) => catchUp.note(prefix))
    catchUp.noteTold()
    this.#setOut(member, catchUp)
  }

  /** The session is gone; what it was told no longer matters. */
  leave(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    if (member.cohort !== null) this.#leaveCohort(member)
    else this.#log.skip(member.cursor)
    this.#members.delete(number)
    this.#owed.delete(member)
    this.#log.trim()
  }

  /**
   * Sends everything again (RFC 2918), End-of-RIB not included.
   * @param marked whether the peer wants it between two marks (RFC 7313 §4)
   */
  refresh(number: number, marked: boolean): void {
    const member = this.#members.get(number)
    if (member === undefined) return
    if (marked && !member.refreshing) {
      member.refreshing = true
      this.#owed.add(member)
      member.sink.mark(this.family, 1)
    }
    // One that is about to set out is told everything anyway.
    if (member.cohort === this.#gathering) return
    const { catchUp } = this.#single(member)
    this.#eachAnnounced(member.number, (prefix) => catchUp.note(prefix))
  }

  touch(prefix: number): void {
    if (prefix >= this.#touchedMark.length) this.#growTo(this.#rib.prefixes.capacity)
    if (this.#touchedMark[prefix] === 1) return
    this.#touchedMark[prefix] = 1
    this.#touched.push(prefix)
  }

  holdsNumbers(): boolean {
    return this.#touched.length > 0 || !this.#log.empty || this.#catchingUp > 0
  }

  /** How many paths this member has been or is being told. */
  advertisedTo(number: number): number {
    return this.out.announced - this.out.announcedFrom(number)
  }

  /** Drops all state; the group must not be used afterwards. */
  dissolve(): void {
    this.#pace.cancel()
    this.out.clear()
    this.#touched.clear()
    this.#log.clear()
  }

  /**
   * Begins a round if one is due, and feeds the members. Returns whether more is to be done now.
   * @param late asked after every `prefixesPerLook` prefixes: whether to leave the rest
   */
  flush(late: () => boolean): boolean {
    const work = this.#touched.length + this.#gathering.members.size
    const due = work > 0 && this.#pace.admits(work)
    if (due) this.#pace.run(work, () => this.#round(late))
    let more = due && this.#touched.length > 0
    for (const cohort of this.#cohorts) if (this.#feed(cohort)) more = true
    for (const member of this.#owed) this.#settleUp(member)
    this.#log.trim()
    return more
  }

  /** Feeds one member until its socket is full or nothing is left. */
  pump(number: number): void {
    const member = this.#members.get(number)
    if (member === undefined || member.cohort === this.#gathering) return
    if (member.cohort === null && follow(member, this.#log)) this.#fallBehind(member)
    if (member.cohort !== null) this.#feed(member.cohort)
    this.#settleUp(member)
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

  /** Tells all members what has changed, and lets those that joined meanwhile set out. */
  #round(late: () => boolean): void {
    if (this.#touched.length > 0) {
      this.#encodeTouched(late)
      for (const member of this.#members.values()) {
        if (member.cohort === null && follow(member, this.#log)) this.#fallBehind(member)
      }
    }
    const cohort = this.#gathering
    if (cohort.members.size === 0) return
    this.#gathering = new Cohort(shared)
    this.#eachAnnounced(-1, (prefix) => cohort.catchUp.note(prefix))
    this.#cohorts.add(cohort)
    this.#feed(cohort)
  }

  #encodeTouched(late: () => boolean): void {
    this.#moved = []
    let left = prefixesPerFlushMax
    while (left-- > 0 && this.#touched.length > 0) {
      if (left % prefixesPerLook === 0 && late()) break
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
    const equal = addPath.mode === 'Multipath'
    if (equal) decision.run(head, true)
    else decision.rank(head, limit)
    const paths = equal ? decision.multipath : decision.ranked
    const count = Math.min(equal ? decision.multipathCount : decision.rankedCount, limit)
    for (let index = 0; index < count; index++) {
      const path = paths[index] as number
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
      this.#noteForCatchUp(prefix, pathId)
    }
    this.#append(this.#encoder.finish(-1))
  }

  /** @param gone path id that was withdrawn, or noPathId */
  #noteForCatchUp(prefix: number, gone: number): void {
    for (const { catchUp } of this.#cohorts) {
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
    for (const [source, all] of bySource) this.#forgetAt(source, all)
  }

  /** A member must forget what it was told of paths that are now its own. */
  #forgetAt(number: number, all: readonly Moved[]): void {
    const cohort = this.#members.get(number)?.cohort
    if (cohort === undefined || cohort === this.#gathering) return
    if (cohort !== null && cohort.alone !== shared) {
      // It is told from its own set instead.
      for (const { prefix, pathId } of all) cohort.catchUp.noteGone(prefix, pathId)
      return
    }
    for (const { prefix, pathId } of all) {
      if (cohort === null || cohort.catchUp.told.has(prefix)) {
        this.#encoder.withdraw(prefix, pathId, -1)
      }
    }
    const blocks = this.#encoder.finish(number)
    if (cohort === null) this.#append(blocks)
    else cohort.append(blocks)
  }

  #append(blocks: readonly Block[]): void {
    this.#log.append(blocks, this.#members.size - this.#catchingUp)
  }

  #admit(
    number: number,
    sink: MemberSink,
    self: Uint8Array,
    endOfRibDue: boolean,
    refreshing: boolean,
  ): Member {
    const of = this.#selfOf(self)
    const member = { number, sink, self: of, cursor: 0, cohort: null, endOfRibDue, refreshing }
    this.#members.set(number, member)
    this.#catchingUp++
    if (endOfRibDue || refreshing) this.#owed.add(member)
    return member
  }

  /** What a member has yet to hear, in a cohort of its own. */
  #single(member: Member): Cohort {
    const { cohort, number } = member
    if (cohort === null) return this.#fallBehind(member)
    if (cohort.alone === number) return cohort
    const rest = cohort.restOf(member)
    cohort.remove(member)
    if (cohort.members.size === 0) this.#cohorts.delete(cohort)
    return this.#setOut(member, rest)
  }

  #setOut(member: Member, catchUp: CatchUp): Cohort {
    const cohort = new Cohort(member.number, catchUp)
    cohort.add(member)
    this.#cohorts.add(cohort)
    return cohort
  }

  /** Splits a follower off: what it has not been sent is what it catches up with. */
  #fallBehind(member: Member): Cohort {
    const catchUp = new CatchUp()
    this.#eachAnnounced(-1, (prefix) => catchUp.told.add(prefix))
    this.#log.noteInto(catchUp, member.cursor)
    this.#log.skip(member.cursor)
    this.#catchingUp++
    return this.#setOut(member, catchUp)
  }

  #leaveCohort(member: Member): void {
    const { cohort } = member
    if (cohort === null) return
    cohort.remove(member)
    this.#catchingUp--
    if (cohort.members.size === 0) this.#cohorts.delete(cohort)
  }

  /** One step for a cohort; who has heard everything follows the log from here. */
  #feed(cohort: Cohort): boolean {
    const lagging = (member: Member): void => {
      this.#single(member)
    }
    const more = cohort.feed(this.out, this.#catchUpEncoder, lagging)
    for (const member of cohort.members) {
      if (!cohort.caughtUp(member)) continue
      this.#leaveCohort(member)
      member.cursor = this.#log.end
      this.#settleUp(member)
    }
    return more
  }

  /** The marks behind what a member was told: they are due once it has heard everything. */
  #settleUp(member: Member): void {
    if (member.cohort !== null || member.cursor < this.#log.end) return
    if (member.refreshing) {
      member.refreshing = false
      member.sink.mark(this.family, 2)
    }
    // End-of-RIB stands behind the last route, so it waits for changes not yet decided or encoded.
    if (this.#touched.length > 0 || this.#rib.dirtyCount > 0) return
    this.#owed.delete(member)
    if (!member.endOfRibDue) return
    member.endOfRibDue = false
    member.sink.send([encodeEndOfRib(this.family)], 1)
    this.#onEndOfRibSent(member.number, this.family)
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
