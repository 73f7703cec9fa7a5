/**
 * Next hops and the sets that wanted routes name: who uses them, what they resolve to now, and which
 * way that makes. Only next hops in use are watched; a change is worked off when the turn ends, so a
 * burst of notifications costs one resolution each.
 */
import {
  type Address,
  addressText,
  bitsOf,
  type Family,
  mask,
  type Prefix,
  parseAddress,
} from './address.ts'
import { Avoided } from './avoided.ts'
import type { Groups } from './groups.ts'
import { type Hop, holds, reasonOf, resolutionOf, sameAnswer } from './next-hop.ts'
import type { Leg } from './request.ts'
import type { Resolver, Routed } from './resolver.ts'
import { isUsed, makeSet, type SetState, sameSet } from './set-state.ts'
import type { RouteTable } from './table.ts'
import type { FibSettings, Resolution, WantedSet } from './types.ts'
import type { KernelView } from './view.ts'
import { noWay, type Ways } from './way.ts'

const families: readonly Family[] = [4, 6]

/** Changed prefixes remembered one by one until the turn ends; beyond, everything is resolved. */
const touchedMax = 64

export interface NextHopsParts {
  readonly resolver: Resolver
  readonly view: KernelView
  readonly ways: Ways
  readonly groups: Groups
  readonly settings: () => FibSettings
}

export interface Settled {
  /** Resolutions of tracked next hops that changed. */
  readonly resolutions: readonly Resolution[]
  /** Routes changed that hold an address in use: rows that cover one are to be looked at. */
  readonly touched: boolean
}

export class NextHops {
  readonly #resolver: Resolver
  readonly #view: KernelView
  readonly #ways: Ways
  readonly #groups: Groups
  readonly #settings: () => FibSettings
  readonly #hops = new Map<string, Hop>()
  readonly #sets = new Map<number, SetState>()
  /** Peers of sets in use, counted. */
  readonly #peers = new Map<string, { readonly address: Address; count: number }>()
  /** Sets that lost their last row in this turn. */
  readonly #idle: SetState[] = []
  #dirty: Hop[] = []
  #touched: Prefix[] = []
  #touchedAll = false
  #ledAnew = false
  readonly #avoided = new Avoided()

  constructor(parts: NextHopsParts) {
    this.#resolver = parts.resolver
    this.#view = parts.view
    this.#ways = parts.ways
    this.#groups = parts.groups
    this.#settings = parts.settings
  }

  get(id: number): Routed | null {
    return this.#sets.get(id) ?? null
  }

  wantedSet(id: number): WantedSet | null {
    return this.#sets.get(id)?.wanted ?? null
  }

  /** The way that routes of this family are to take when they want the set. */
  wayOf(id: number, family: Family): number {
    return this.#sets.get(id)?.targets[family] ?? noWay
  }

  /** The same without a nexthop object. */
  plainWayOf(id: number, family: Family): number {
    return this.#sets.get(id)?.ways[family] ?? noWay
  }

  /** Why a set leads nowhere. */
  reasonOf(id: number): string {
    const set = this.#sets.get(id)
    const reason = (hop: Hop) => `${hop.text}: ${reasonOf(hop)}`
    const words = set?.hops.map(reason).join('; ') || 'no next hop'
    return set?.onLinkOnly === true ? `${words}; it has to be on link` : words
  }

  /** Takes a description; true when it changes one that is in use. */
  define(wanted: WantedSet): boolean {
    const before = this.#sets.get(wanted.id)
    if (before !== undefined && sameSet(before.wanted, wanted)) return false
    const state = makeSet(wanted)
    const rows = before === undefined ? state.rows : { ...before.rows }
    if (before !== undefined) for (const family of families) this.#change(before, family, 0)
    this.#sets.set(wanted.id, state)
    for (const family of families) this.#change(state, family, rows[family])
    return isUsed(state)
  }

  /**
   * One more row (+1) of this family wants the set, or one less (-1). A set that no row wants any
   * longer is forgotten when the turn ends. Throws when it isn't described.
   */
  count(id: number, family: Family, change: 1 | -1): void {
    const set = this.#sets.get(id)
    if (set === undefined) throw new RangeError(`next-hop set ${id} is not described`)
    this.#change(set, family, set.rows[family] + change)
  }

  track(text: string): void {
    this.#acquire(text, 'tracked')
  }

  untrack(text: string): void {
    const hop = this.#hops.get(text)
    if (hop !== undefined && hop.tracked > 0) this.#release(hop, 'tracked')
  }

  /** A route for this prefix changed; true when that can matter to an address in use. */
  touch(family: Family, words: Uint32Array, at: number, length: number): boolean {
    if (!this.#resolver.matters(family, words, at, length)) return false
    if (this.#touched.length >= touchedMax) this.#touchedAll = true
    else this.#touched.push({ family, words: words.slice(at, at + (family === 4 ? 1 : 4)), length })
    return true
  }

  /** Something was touched since the last `settle`. */
  get pending(): boolean {
    return this.#touchedAll || this.#touched.length > 0 || this.#dirty.length > 0
  }

  touchAll(): void {
    this.#touchedAll = true
  }

  /** Rows of ours that hold an address in use: their refusal may have changed. */
  *coveringRows(table: RouteTable): Generator<number> {
    const masked = new Uint32Array(4)
    for (const address of this.#watched()) {
      if (address.family !== table.family || address.zone !== null) continue
      for (let length = bitsOf(address.family); length >= 0; length--) {
        if (table.index.lengthCounts[length] === 0) continue
        mask(address.words, 0, masked, 0, address.words.length, length)
        const row = table.index.find(masked, 0, length)
        if (row >= 0) yield row
      }
    }
  }

  /** Makes the ways of every set anew, after a change of settings. */
  relead(): void {
    this.#leadAnew(new Set(this.#hops.values()))
  }

  /**
   * After nexthop objects were written: gives the sets whose routes must
   * take another way, and whose rows are to be looked at. Those in use for the first time since are not among them: their rows
   * are in the queue.
   */
  retarget(): ReadonlySet<number> {
    const moved = new Set<number>()
    const stirred = this.#groups.takeStirred()
    if (!stirred && !this.#ledAnew) return moved
    this.#ledAnew = false
    for (const set of this.#sets.values()) {
      for (const family of families) {
        if (set.rows[family] === 0) continue
        const bundle = set.bundles[family]
        const target = bundle === null ? set.ways[family] : this.#groups.wayOf(bundle)
        if (target === set.targets[family]) continue
        set.targets[family] = target
        if (!set.fresh) moved.add(set.wanted.id)
      }
      set.fresh = !isUsed(set)
    }
    return moved
  }

  /** Resolves what may have changed. */
  settle(): Settled {
    this.#forgetIdle()
    const touched = this.#collectTouched()
    const changed = new Set<Hop>()
    const resolutions: Resolution[] = []
    for (const hop of this.#dirty) {
      hop.dirty = false
      if (hop.tracked + hop.used === 0) continue
      const answer =
        hop.address === null
          ? { legs: [], metric: 0, onLink: false, reason: 'not an IP address' }
          : this.#resolver.resolve(hop.address)
      if (hop.answer !== null && sameAnswer(hop.answer, answer)) continue
      hop.answer = answer
      changed.add(hop)
      if (hop.tracked > 0) resolutions.push(resolutionOf(hop, this.#view))
    }
    this.#dirty = []
    this.#leadAnew(changed)
    if (touched || changed.size > 0) this.#groups.lookForDead()
    return { resolutions, touched }
  }

  /** Somebody knows that a next hop is dead. False when that is no news, or nobody uses it. */
  condemn(text: string, nowMs: number): boolean {
    const address = this.#hops.get(text)?.address ?? null
    if (address === null) return false
    const interfaces = this.#resolver.resolve(address).legs.map((leg) => leg.interface)
    if (!this.#view.condemn(address, interfaces, nowMs)) return false
    this.touchAll()
    return true
  }

  /** It lives again. False when that is no news. */
  acquit(text: string): boolean {
    const address = parseAddress(text)
    if (address === null || !this.#view.acquit(address)) return false
    this.touchAll()
    return true
  }

  /** See Fib.avoid. False when that is no news. */
  avoid(text: string, avoided: boolean, nowMs: number): boolean {
    if (!this.#avoided.set(text, avoided, nowMs)) return false
    const hop = this.#hops.get(text)
    if (hop !== undefined) this.#leadAnew(new Set([hop]))
    return hop !== undefined
  }

  /** Whether this way out is an avoided next hop itself. */
  isAvoided({ interface: index, gateway }: Leg): boolean {
    if (gateway === null) return false
    return this.#avoided.has(gateway) || this.#avoided.has(`${gateway}%${this.#view.nameOf(index)}`)
  }

  /** When the next one is avoided no longer; infinite without one. */
  get avoidedDueMs(): number {
    return this.#avoided.dueMs
  }

  expireAvoided(nowMs: number): void {
    for (const text of this.#avoided.due(nowMs)) this.avoid(text, false, nowMs)
  }

  /** Every next hop in use, ordered by text. */
  resolutions(): Resolution[] {
    return [...this.#hops.values()]
      .map((hop) => resolutionOf(hop, this.#view))
      .sort((a, b) => (a.nextHop < b.nextHop ? -1 : 1))
  }

  /** Resolution of one next hop, in use or not. */
  resolution(text: string): Resolution {
    const address = parseAddress(text)
    const answer = address === null ? null : this.#resolver.resolve(address)
    const unused = { text, address, tracked: 0, used: 0, dirty: false }
    return resolutionOf(this.#hops.get(text) ?? { ...unused, answer }, this.#view)
  }

  /** Gateways that next hops in use depend on, alive or not: those worth a question. */
  *addresses(): Generator<Address> {
    for (const hop of this.#hops.values()) if (hop.address !== null) yield hop.address
  }

  #leadAnew(changed: ReadonlySet<Hop>): void {
    if (changed.size === 0) return
    for (const set of this.#sets.values()) {
      if (set.hops.some((hop) => changed.has(hop))) this.#lead(set)
    }
  }

  #lead(set: SetState): void {
    const legs = this.#avoided.legsOf(set.hops, set.onLinkOnly)
    // Linux sends IPv4 to an IPv6 gateway (RFC 8950), but not the other way round.
    const legs6 = legs.filter((leg) => leg.gateway?.includes(':'))
    const { maxPaths } = this.#settings()
    set.ways[4] = this.#ways.unicast(legs.slice(0, maxPaths))
    set.ways[6] = this.#ways.unicast(legs6.slice(0, maxPaths))
    const direct = set.hops.length === 1 && legs.length === 1 && set.hops[0]!.answer!.onLink
    for (const family of families) {
      const bundle = set.bundles[family]
      if (bundle !== null) this.#groups.lead(bundle, set.ways[family], direct)
    }
    this.#ledAnew = true
  }

  /** Sets the number of rows of a family that want the set, and what follows from none or some. */
  #change(set: SetState, family: Family, rows: number): void {
    const before = set.rows[family]
    const wasUsed = isUsed(set)
    set.rows[family] = rows
    if (!wasUsed && rows > 0) this.#employ(set)
    if (before === 0 && rows > 0) {
      set.bundles[family] = this.#groups.join(set.identity, family)
      this.#lead(set)
    } else if (before > 0 && rows === 0) {
      const bundle = set.bundles[family]
      if (bundle !== null) this.#groups.leave(bundle)
      set.bundles[family] = null
      set.targets[family] = noWay
    }
    if (!wasUsed || isUsed(set)) return
    this.#retire(set)
    this.#idle.push(set)
  }

  /** Whoever wants these next hops again, in a later turn, describes them again. */
  #forgetIdle(): void {
    for (const set of this.#idle.splice(0)) {
      const { id } = set.wanted
      if (!isUsed(set) && this.#sets.get(id) === set) this.#sets.delete(id)
    }
  }

  #collectTouched(): boolean {
    const touched = this.#touched
    const all = this.#touchedAll
    this.#touched = []
    this.#touchedAll = false
    if (!all && touched.length === 0) return false
    for (const hop of this.#hops.values()) {
      // A next hop that isn't on link may hang on a route of ours whose own next hop was touched.
      if (all || hop.answer?.onLink !== true || touched.some((prefix) => holds(prefix, hop))) {
        this.#soil(hop)
      }
    }
    return true
  }

  *#watched(): Generator<Address> {
    yield* this.addresses()
    for (const peer of this.#peers.values()) yield peer.address
  }

  #employ(set: SetState): void {
    set.hops = set.wanted.nextHops.map((text) => this.#acquire(text, 'used'))
    for (const address of set.peers) {
      const key = addressText(address)
      const peer = this.#peers.get(key)
      if (peer === undefined) this.#peers.set(key, { address, count: 1 })
      else peer.count++
      this.#resolver.watch(address, 1)
    }
  }

  #retire(set: SetState): void {
    for (const hop of set.hops) this.#release(hop, 'used')
    set.hops = []
    set.ways[4] = noWay
    set.ways[6] = noWay
    set.fresh = true
    for (const address of set.peers) {
      const key = addressText(address)
      const peer = this.#peers.get(key)
      if (peer !== undefined && --peer.count === 0) this.#peers.delete(key)
      this.#resolver.watch(address, -1)
    }
  }

  #acquire(text: string, by: 'tracked' | 'used'): Hop {
    let hop = this.#hops.get(text)
    if (hop === undefined) {
      hop = { text, address: parseAddress(text), tracked: 0, used: 0, answer: null, dirty: false }
      this.#hops.set(text, hop)
      if (hop.address !== null) this.#resolver.watch(hop.address, 1)
    }
    // Whoever starts to track it is told, even when nothing changed.
    if (by === 'tracked' && hop.tracked === 0) hop.answer = null
    hop[by]++
    if (hop.answer === null) this.#soil(hop)
    return hop
  }

  #release(hop: Hop, by: 'tracked' | 'used'): void {
    hop[by]--
    if (hop.tracked + hop.used > 0) return
    this.#hops.delete(hop.text)
    if (hop.address === null) return
    this.#resolver.watch(hop.address, -1)
    this.#view.acquit(hop.address)
  }

  #soil(hop: Hop): void {
    if (hop.dirty) return
    hop.dirty = true
    this.#dirty.push(hop)
  }
}
