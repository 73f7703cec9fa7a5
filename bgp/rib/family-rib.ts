/**
 * The RIB of one address family: Adj-RIB-In and Loc-RIB in one (RFC 4271 §3.2). Paths of all peers
 * hang on their prefix; a prefix that changed is dirty until `settle` decides it anew and tells the
 * update groups and the kernel writer what came of it.
 *
 * It is long because paths, dirty marks and what the kernel was told change together.
 */
import type { FamilyName, RouteChanges } from '../types.ts'
import type { AttributeStore } from './attribute-store.ts'
import { growUint8, growUint16, growUint32, RowList } from './columns.ts'
import { Decision, type DecisionTables, eligible } from './decide.ts'
import type { NextHopSets } from './next-hop-sets.ts'
import type { NextHops } from './next-hops.ts'
import { PathTable, pathFlag } from './paths.ts'
import { PeerCounts } from './peer-counts.ts'
import { localPeer, type PeerTable } from './peers.ts'
import { PrefixTable } from './prefix-table.ts'
import { RouteBatch, routesPerBatchMax } from './route-batch.ts'

/** Prefixes decided in one turn of the event loop. */
export const prefixesPerTurnMax = 8192

/** Prefixes decided or encoded between two looks at the clock. */
export const prefixesPerLook = 128

/** On the list of those to be decided; on the list of those without a path. */
const mark = { dirty: 1, zombie: 2 } as const

export interface RibSettings {
  readonly localPreference: number
  readonly maxPaths: number
  readonly asPathRelax: boolean
  /**
   * Whether the prefix of this row may go to the kernel (a default route may not, say). Asked for
   * each decision: it knows of changed settings by itself.
   */
  readonly installable: (rib: FamilyRib, prefix: number) => boolean
}

export interface RibShared {
  readonly attributes: AttributeStore
  readonly nextHops: NextHops
  readonly peers: PeerTable
  /** Shared, so that an id means the same whatever the family. */
  readonly nextHopSets: NextHopSets
}

/** An update group as the RIB sees it. */
export interface RibListener {
  /** The best path of the prefix may have changed. */
  touch(prefix: number): void
  /** Whether anything may refer to rows of prefixes, or to peers, that have gone. */
  holdsNumbers(): boolean
}

export class FamilyRib {
  readonly family: FamilyName
  readonly prefixes: PrefixTable
  readonly paths = new PathTable()
  readonly attributes: AttributeStore
  readonly nextHops: NextHops
  readonly peers: PeerTable
  /** First path row of each prefix; 0: none. */
  head = new Uint32Array(256)
  /** Best path row of each prefix as last decided; 0: none. */
  best = new Uint32Array(256)
  readonly decision: Decision
  readonly counts = new PeerCounts()
  readonly listeners = new Set<RibListener>()
  readonly #tables: DecisionTables
  readonly #settings: () => RibSettings
  readonly #installable: RibSettings['installable']
  readonly #sets: NextHopSets
  readonly #onRoutes: (changes: RouteChanges) => void
  /** Next hop set of each prefix as last told to the kernel writer. */
  #nextHopSet = new Uint32Array(256)
  /** Peer number + 1 of each prefix's best path when it was last decided; 0: none. */
  #bestPeer = new Uint16Array(256)
  /** Bits of `mark`, by prefix: on which of the two lists below it is. */
  #marks = new Uint8Array(256)
  readonly #dirty = new RowList()
  /** What this turn has decided. */
  readonly #decided = new RowList()
  /** Prefixes without a path whose number may still be referred to. */
  readonly #zombies = new RowList()
  readonly #members = new Uint32Array(2 * 1024)
  #batch: RouteBatch

  constructor(
    family: FamilyName,
    shared: RibShared,
    settings: () => RibSettings,
    onRoutes: (changes: RouteChanges) => void,
  ) {
    this.family = family
    this.prefixes = new PrefixTable(family === 'ipv4-unicast' ? 1 : 4)
    this.attributes = shared.attributes
    this.nextHops = shared.nextHops
    this.peers = shared.peers
    this.#sets = shared.nextHopSets
    this.#settings = settings
    const initial = settings()
    this.#installable = initial.installable
    this.#tables = {
      paths: this.paths,
      attributes: this.attributes,
      nextHops: this.nextHops,
      peers: this.peers,
      localPreference: initial.localPreference,
      maxPaths: initial.maxPaths,
      asPathRelax: initial.asPathRelax,
    }
    this.decision = new Decision(this.#tables)
    this.#onRoutes = onRoutes
    this.#batch = new RouteBatch(this.prefixes.words)
  }

  get dirtyCount(): number {
    return this.#dirty.length
  }

  /** LOCAL_PREF of sets that carry none. */
  get defaultLocalPreference(): number {
    return this.#tables.localPreference
  }

  /** Takes changed settings and decides everything anew. */
  reconfigure(): void {
    const settings = this.#settings()
    this.#tables.localPreference = settings.localPreference
    this.#tables.maxPaths = settings.maxPaths
    this.#tables.asPathRelax = settings.asPathRelax
    this.touchAll()
  }

  /** Whether the path takes part in the decision. */
  usable(path: number): boolean {
    return eligible(this.#tables, path)
  }

  /** Row of the path of this peer under this path id, or 0. */
  findPath(prefix: number, peer: number, pathId: number): number {
    const { paths } = this
    let row = this.head[prefix] as number
    while (row !== 0 && (paths.peer[row] !== peer || paths.pathId[row] !== pathId)) {
      row = paths.next[row] as number
    }
    return row
  }

  /**
   * Stores or replaces a path. `key` holds the prefix from `offset` on, with host bits zero;
   * `attributes` is the set that counts, `received` the one it was made from.
   * @returns whether this peer had no such path before
   */
  announce(
    key: Uint32Array,
    offset: number,
    length: number,
    peer: number,
    pathId: number,
    received: number,
    attributes: number,
    reason: number,
  ): boolean {
    const prefix = this.prefixes.insert(key, offset, length)
    if (prefix >= this.head.length) this.#grow()
    this.counts.makeRoom(peer)
    const { paths } = this
    let row = this.findPath(prefix, peer, pathId)
    const fresh = row === 0
    if (fresh) {
      if (pathId !== 0) paths.admit(this.head[prefix] as number, peer)
      row = paths.add(prefix, peer, pathId)
      const head = this.head[prefix] as number
      if (head !== 0) paths.next[row] = head
      this.head[prefix] = row
      ;(this.counts.received[peer] as number)++
    }
    // The peer still means it, changed or not.
    if (paths.flags[row] !== 0) paths.flags[row] = 0
    this.#put(row, fresh, received, attributes, reason)
    return fresh
  }

  /** Changes what the import policy makes of a path. */
  reconsider(row: number, attributes: number, reason: number): void {
    this.#put(row, false, this.paths.receivedOf(row), attributes, reason)
  }

  #put(row: number, fresh: boolean, received: number, attributes: number, reason: number): void {
    const { paths } = this
    const peer = paths.peer[row] as number
    const oldReceived = paths.receivedOf(row)
    const oldAttributes = paths.attributes[row] as number
    const oldReason = paths.reason[row] as number
    if (!fresh && oldReceived === received) {
      if (oldAttributes === attributes && oldReason === reason) return
    }
    this.attributes.retain(received)
    this.attributes.retain(attributes)
    if (!fresh) {
      this.attributes.release(oldReceived)
      this.attributes.release(oldAttributes)
      if (oldReason === 0) (this.counts.accepted[peer] as number)--
    }
    if (reason === 0) (this.counts.accepted[peer] as number)++
    paths.put(row, received, attributes, reason)
    this.touch(paths.prefix[row] as number)
  }

  /** Removes a path; returns whether there was one. */
  withdraw(
    key: Uint32Array,
    offset: number,
    length: number,
    peer: number,
    pathId: number,
  ): boolean {
    const prefix = this.prefixes.find(key, offset, length)
    if (prefix === -1) return false
    const row = this.findPath(prefix, peer, pathId)
    if (row === 0) return false
    this.#unlink(row)
    return true
  }

  /** Removes every path of a peer for which `which` holds (all without it). */
  withdrawPeer(peer: number, which?: (path: number) => boolean): number {
    const { paths } = this
    let removed = 0
    for (let row = 1; row < paths.limit; row++) {
      if (paths.peer[row] !== peer || paths.attributes[row] === 0) continue
      if (which !== undefined && !which(row)) continue
      this.#unlink(row)
      removed++
    }
    return removed
  }

  /** Marks every path of a peer as stale (RFC 4724 §4.2); returns how many there are. */
  markStale(peer: number): number {
    const { paths } = this
    let marked = 0
    for (let row = 1; row < paths.limit; row++) {
      if (paths.peer[row] !== peer || paths.attributes[row] === 0) continue
      paths.flags[row] = (paths.flags[row] as number) | pathFlag.stale
      marked++
    }
    return marked
  }

  /** Removes what is still stale of a peer. */
  sweepStale(peer: number): number {
    const { flags } = this.paths
    return this.withdrawPeer(peer, (path) => ((flags[path] as number) & pathFlag.stale) !== 0)
  }

  /** Marks a prefix as changed; `settle` decides it. */
  touch(prefix: number): void {
    if (this.isDirty(prefix)) return
    this.#marks[prefix] = (this.#marks[prefix] as number) | mark.dirty
    this.#dirty.push(prefix)
  }

  /** Whether the prefix awaits its decision; its best path isn't to be relied on until then. */
  isDirty(prefix: number): boolean {
    return ((this.#marks[prefix] as number) & mark.dirty) !== 0
  }

  touchAll(): void {
    for (let prefix = 0; prefix < this.prefixes.limit; prefix++) {
      if (this.prefixes.used(prefix)) this.touch(prefix)
    }
  }

  /** Marks every prefix that has a path from this peer. */
  touchPeer(peer: number): void {
    const { paths } = this
    for (let row = 1; row < paths.limit; row++) {
      if (paths.peer[row] === peer && paths.attributes[row] !== 0) {
        this.touch(paths.prefix[row] as number)
      }
    }
  }

  /** Marks every prefix that has a path over one of these next hops. */
  touchNextHops(ids: ReadonlySet<number>): void {
    const { paths, attributes } = this
    for (let row = 1; row < paths.limit; row++) {
      const set = paths.attributes[row] as number
      if (set !== 0 && ids.has(attributes.nextHop[set] as number)) {
        this.touch(paths.prefix[row] as number)
      }
    }
  }

  /**
   * Decides up to `limit` dirty prefixes; returns whether some are left.
   * @param late asked after every `prefixesPerLook` of them: whether to leave the rest
   */
  settle(limit: number, late: () => boolean): boolean {
    let left = limit
    while (left-- > 0 && this.#dirty.length > 0) {
      if (left % prefixesPerLook === 0 && late()) break
      const prefix = this.#dirty.pop()
      this.#marks[prefix] = (this.#marks[prefix] as number) & ~mark.dirty
      this.#decide(prefix)
      this.#decided.push(prefix)
    }
    this.#tellListeners()
    this.flushRoutes()
    if (this.#dirty.length > 0) return true
    this.#dirty.clear()
    return false
  }

  /**
   * Gives back the numbers of prefixes that nobody has a path to any more, once no group refers to
   * them, `limit` at most. 'held': a group may still refer to prefixes, or to peers that have gone.
   */
  reap(limit: number): 'done' | 'more' | 'held' {
    const zombies = this.#zombies
    // Asked without zombies too: a peer's number is held even where others have all its prefixes.
    for (const listener of this.listeners) if (listener.holdsNumbers()) return 'held'
    for (let left = limit; left > 0 && zombies.length > 0; left--) {
      const prefix = zombies.pop()
      this.#marks[prefix] = (this.#marks[prefix] as number) & ~mark.zombie
      // It may have come back to life, or be about to be buried anew.
      if (this.head[prefix] !== 0 || this.isDirty(prefix)) continue
      this.best[prefix] = 0
      this.prefixes.remove(prefix)
    }
    if (zombies.length > 0) return 'more'
    zombies.clear()
    return 'done'
  }

  /** Hands the kernel writer what has gathered. */
  flushRoutes(): void {
    if (this.#batch.count === 0) return
    const sets = this.#sets.takeFresh(
      (id) => this.nextHops.text(id)[0] as string,
      (peer) => this.peers.addressTexts[peer] ?? null,
    )
    const changes = this.#batch.take(this.family, sets)
    this.#onRoutes(changes)
  }

  /** Every installed prefix again, for a kernel writer that starts from nothing. */
  replayRoutes(): void {
    for (let prefix = 0; prefix < this.prefixes.limit; prefix++) {
      // A set that nobody uses is forgotten, and so told of when it comes again.
      this.#sets.release(this.#nextHopSet[prefix] as number)
      this.#nextHopSet[prefix] = 0
    }
    this.touchAll()
  }

  #decide(prefix: number): void {
    const { decision } = this
    decision.run(this.head[prefix] as number)
    this.best[prefix] = decision.best
    const before = this.#bestPeer[prefix] as number
    if (before !== 0) (this.counts.bests[before - 1] as number)--
    const peer = decision.best === 0 ? 0 : (this.paths.peer[decision.best] as number) + 1
    if (peer !== 0) (this.counts.bests[peer - 1] as number)++
    this.#bestPeer[prefix] = peer
    this.#route(prefix)
    if (this.head[prefix] === 0) this.#bury(prefix)
  }

  /** Nobody has a path to it; one that flaps while a group holds its number is listed once. */
  #bury(prefix: number): void {
    const marks = this.#marks[prefix] as number
    if ((marks & mark.zombie) !== 0) return
    this.#marks[prefix] = marks | mark.zombie
    this.#zombies.push(prefix)
  }

  #tellListeners(): void {
    const { rows, length } = this.#decided
    for (const listener of this.listeners) {
      for (let index = 0; index < length; index++) listener.touch(rows[index] as number)
    }
    this.#decided.length = 0
  }

  /** Compares the forwarding of a prefix with what the kernel writer was told. */
  #route(prefix: number): void {
    const { decision } = this
    let set = 0
    const learned = decision.best !== 0 && this.paths.peer[decision.best] !== localPeer
    if (learned && this.#installable(this, prefix)) set = this.#internSet()
    const before = this.#nextHopSet[prefix] as number
    if (set === before) return
    this.#sets.retain(set)
    if (before !== 0) this.#sets.release(before)
    this.#nextHopSet[prefix] = set
    if (this.#batch.count === routesPerBatchMax) this.flushRoutes()
    this.#batch.add(this.prefixes, prefix, this.#sets.idOf(set))
  }

  #internSet(): number {
    const { decision, paths, attributes } = this
    const members = this.#members
    let count = 0
    for (let index = 0; index < decision.multipathCount; index++) {
      const path = decision.multipath[index] as number
      const nextHop = attributes.nextHop[paths.attributes[path] as number] as number
      // Insertion sort by next hop: sets that differ only in order are one set.
      let at = count
      while (at > 0 && (members[at * 2 - 2] as number) > nextHop) {
        members[at * 2] = members[at * 2 - 2] as number
        members[at * 2 + 1] = members[at * 2 - 1] as number
        at--
      }
      members[at * 2] = nextHop
      members[at * 2 + 1] = paths.peer[path] as number
      count++
    }
    return this.#sets.intern(members, count * 2)
  }

  #unlink(row: number): void {
    const { paths } = this
    const prefix = paths.prefix[row] as number
    let before = this.head[prefix] as number
    if (before === row) {
      this.head[prefix] = paths.next[row] as number
    } else {
      while (paths.next[before] !== row) before = paths.next[before] as number
      paths.next[before] = paths.next[row] as number
    }
    const set = paths.attributes[row] as number
    const received = paths.receivedOf(row)
    const peer = paths.peer[row] as number
    ;(this.counts.received[peer] as number)--
    if (paths.reason[row] === 0) (this.counts.accepted[peer] as number)--
    paths.remove(row)
    this.attributes.release(set)
    this.attributes.release(received)
    // Until it is decided anew, nobody may read the freed row as the best path.
    if (this.best[prefix] === row) this.best[prefix] = 0
    this.touch(prefix)
  }

  #grow(): void {
    const rows = this.prefixes.capacity
    this.head = growUint32(this.head, rows)
    this.best = growUint32(this.best, rows)
    this.#nextHopSet = growUint32(this.#nextHopSet, rows)
    this.#marks = growUint8(this.#marks, rows)
    this.#bestPeer = growUint16(this.#bestPeer, rows)
  }
}
