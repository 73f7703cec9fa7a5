/**
 * Which nexthop objects we want, and what is to be asked of the kernel to have them: one hop for each
 * gateway at an interface, one group for each set of BGP next hops, shared by all prefixes. A group is
 * known by its *wanted* next hops, not by what they resolve to: when one of them dies, the group is
 * changed in place and none of its routes has to be. A set of a single next hop on link needs no
 * group; its routes name the hop.
 *
 * A route whose set changes stays with the group it names as long as that leads alike: it lodges
 * there. So when BGP, after a failover, names the survivors alone, no route has to be written. A group
 * with lodgers is changed by deaths only; if it is to lead elsewhere, its owner takes a new one.
 *
 * Objects are ours by id and protocol number. Those of an earlier run are taken over by what they
 * contain. Where an object can't be had (old kernel, refused, fought over) a set leads its plain way.
 */
import type { Family } from './address.ts'
import { type Bundle, countRepair, makeBundle, postpone } from './bundle.ts'
import { findDeadHops } from './dead-hops.ts'
import { NexthopIds } from './nexthop-ids.ts'
import type { ObjectRequest } from './nexthop-message.ts'
import type { NexthopView } from './nexthop-view.ts'
import type { Leg } from './request.ts'
import type { FibSettings } from './types.ts'
import { noWay, type Ways } from './way.ts'

/** Groups at most; sets beyond lead their plain way. */
const bundlesMax = 65_536
export interface GroupsParts {
  readonly view: NexthopView
  readonly ways: Ways
  readonly settings: () => FibSettings
  /** Whether nothing is to be sent there: link down, gateway silent, declared dead or avoided. */
  readonly isDead: (leg: Leg) => boolean
  /** Whether objects with this protocol number are ours. */
  readonly isOwnProtocol: (protocol: number) => boolean
  /** Rows of a family the kernel holds with this way. */
  readonly uses: (family: Family, way: number) => number
  /** Ids of groups named by routes of other sets than their own. */
  readonly lodged: () => ReadonlySet<number>
}

export class Groups {
  readonly ids: NexthopIds
  /** Whether this kernel knows nexthop objects: found out at the start. */
  supported = false
  /** Everything of ours is on its way out. */
  withdrawing = false

  readonly #parts: GroupsParts
  readonly #bundles = new Map<string, Bundle>()
  /** The bundle of each group id in use. */
  readonly #claimed = new Map<number, Bundle>()
  /** Groups of an earlier run that no bundle has claimed, by their members. */
  #adoptable = new Map<string, number[]>()
  readonly #dirty = new Set<Bundle>()
  #deathsDue = false
  #stirred = false
  #shaken = false

  constructor(parts: GroupsParts) {
    this.#parts = parts
    this.ids = new NexthopIds(parts.view, parts.isOwnProtocol)
  }

  /** Whether routes are to name objects. */
  get active(): boolean {
    const { install, nexthops } = this.#parts.settings()
    return this.supported && !this.withdrawing && install === 'All' && nexthops !== 'Off'
  }

  /**
   * A set that was in no use before leads through the bundle of its next hops (`identity`), which it
   * leaves later. Null beyond the ceiling.
   */
  join(identity: string, family: Family): Bundle | null {
    const key = `${family} ${identity}`
    let bundle = this.#bundles.get(key)
    if (bundle === undefined) {
      if (this.#bundles.size >= bundlesMax) return null
      bundle = makeBundle(key, family)
      this.#bundles.set(key, bundle)
    }
    bundle.wanters++
    return bundle
  }

  leave(bundle: Bundle): void {
    if (--bundle.wanters > 0) return
    // With a group it is kept until that is collected: the same set may come back.
    bundle.wanted = noWay
    if (bundle.id === 0) this.#bundles.delete(bundle.key)
  }

  /** Where the next hops of a bundle lead now, as a plain way. */
  lead(bundle: Bundle, plain: number, direct: boolean): void {
    if (bundle.wanted === plain && bundle.direct === direct) return
    bundle.wanted = plain
    bundle.direct = direct
    bundle.refusals = 0
    bundle.dueMs = 0
    this.#dirty.add(bundle)
    this.#deathsDue = true
    this.#stirred = true
  }

  /** The way routes are to take now: through the object where the kernel has it, else plain. */
  wayOf(bundle: Bundle): number {
    const plain = bundle.wanted
    if (plain === noWay || !this.active) return plain
    const { ways, view } = this.#parts
    const { legs } = ways.get(plain)
    const members = legs.map((leg) => this.ids.hop(leg))
    if (!legs.every((leg, index) => this.ids.leads(members[index]!, leg))) return plain
    if (bundle.direct) return ways.through(members[0]!)
    const group = view.get(bundle.id)
    return group !== undefined && same(group.members, ascending(members))
      ? ways.through(bundle.id)
      : plain
  }

  /** Next hops may have died: hops that nobody wants any more are to go. */
  lookForDead(): void {
    this.#deathsDue = true
  }

  /** Everything is to be compared with the kernel's objects again. */
  touchAll(): void {
    for (const bundle of this.#bundles.values()) if (bundle.wanters > 0) this.#dirty.add(bundle)
    this.#deathsDue = true
    this.#stirred = true
    this.#shaken = true
  }

  /** Forgets which objects are ours: new ones are made, and the old ones are litter. */
  renounce(): void {
    for (const bundle of this.#bundles.values()) bundle.id = 0
    this.#claimed.clear()
    this.#adoptable.clear()
    this.ids.forgetHops()
    this.touchAll()
  }

  /** The kernel's objects were read anew: ours that nobody knows are taken over. */
  adopt(): void {
    const { view, settings } = this.#parts
    this.#adoptable = new Map()
    for (const object of this.ids.own()) {
      if (object.protocol !== settings().protocol) continue
      if (object.members.length === 0) {
        if (!view.has(this.ids.hop(object))) this.ids.adoptHop(object, object.id)
      } else if (!this.#claimed.has(object.id)) {
        const key = object.members.join()
        this.#adoptable.set(key, [...(this.#adoptable.get(key) ?? []), object.id])
      }
    }
    this.touchAll()
  }

  /** Another program changed or removed this object: it is set right, ever more slowly. */
  interfered(id: number, nowMs: number): void {
    for (const bundle of this.#bundlesOn(id)) {
      countRepair(bundle, nowMs)
      this.#dirty.add(bundle)
    }
  }

  /** When the next waiting bundle is due; infinite without one. */
  nextDueMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const { dueMs } of this.#dirty) if (dueMs > nowMs && dueMs < next) next = dueMs
    return next
  }

  /** Whether the ways of bundles may have changed since this was last asked. */
  takeStirred(): boolean {
    const stirred = this.#stirred
    this.#stirred = false
    return stirred
  }

  /** Whether groups may have come to lead elsewhere, other than by deaths, since last asked. */
  takeShaken(): boolean {
    const shaken = this.#shaken
    this.#shaken = false
    return shaken
  }

  /** Whether a route that names an object may stay there though it is to take another way. */
  leadsAlike(held: number, target: number): boolean {
    const { ways, view, settings } = this.#parts
    const object = view.get(ways.get(held).nexthop)
    if (!this.active || !this.ids.isOwn(object) || object.protocol !== settings().protocol) {
      return false
    }
    const [from, to] = [ways.get(held), ways.get(target)]
    if (from.type !== to.type || from.source !== to.source) return false
    return ways.plain(held) === ways.plain(target)
  }

  /** What was refused may work now. */
  wake(): void {
    for (const bundle of this.#dirty) if (bundle.refusals > 0) bundle.dueMs = 0
  }

  /**
   * The requests that bring the kernel to what is wanted, in the order they are to be sent: first
   * whatever takes traffic off dead next hops.
   */
  plan(nowMs: number): readonly ObjectRequest[] {
    if (!this.active || (this.#dirty.size === 0 && !this.#deathsDue)) return []
    this.#stirred = true
    const dead = this.#deathsDue ? this.#deadHops() : new Set<number>()
    this.#deathsDue = false
    const hops = new Map<number, ObjectRequest>()
    const rescues: ObjectRequest[] = []
    const shrinks: ObjectRequest[] = []
    const others: ObjectRequest[] = []
    let lodged: ReadonlySet<number> | null = null
    for (const bundle of this.#takeDue(nowMs)) {
      const members = this.#wantHops(bundle, hops)
      if (members === null || bundle.direct) continue
      const before = this.#present(bundle, ascending(members))
      const left = before.filter((id) => !dead.has(id))
      if (left.length > 0 && same(left, ascending(members))) continue
      let replaces = before.length > 0
      if (replaces) {
        lodged ??= this.#parts.lodged()
        replaces = !lodged.has(bundle.id)
        if (!replaces) this.#own(bundle, this.#freshGroup())
      }
      const request = { operation: 'group', id: bundle.id, members, replaces } as const
      if (replaces && left.length === 0) rescues.push(request)
      else if (members.every((id) => left.includes(id))) shrinks.push(request)
      else others.push(request)
    }
    const removals = [...dead].map((id) => ({ operation: 'remove', id }) as const)
    // A removal that empties a group would take its routes along: it is refilled before.
    return rescues.length > 0
      ? [...hops.values(), ...rescues, ...removals, ...shrinks, ...others]
      : [...removals, ...shrinks, ...hops.values(), ...others]
  }

  /** The kernel did it. Gives the ids of objects that went. */
  done(request: ObjectRequest): readonly number[] {
    const { view, settings } = this.#parts
    if (request.operation === 'remove') {
      this.ids.forgetHop(request.id)
      return view.forget(request.id)
    }
    const { protocol } = settings()
    const object = { id: request.id, protocol, blackhole: false }
    if (request.operation === 'hop') {
      view.learn({ ...object, interface: request.interface, gateway: request.gateway, members: [] })
    } else {
      this.#shaken ||= request.replaces
      view.learn({ ...object, interface: 0, gateway: null, members: ascending(request.members) })
    }
    for (const bundle of this.#bundlesOn(request.id)) bundle.refusals = 0
    return []
  }

  /** The kernel refused it: what rests on it waits. True when that is the first time in a row. */
  refused(request: ObjectRequest, nowMs: number): boolean {
    let first = request.operation === 'remove'
    for (const bundle of this.#bundlesOn(request.id)) {
      if (bundle.refusals === 0) first = true
      postpone(bundle, nowMs)
      this.#dirty.add(bundle)
    }
    return first
  }

  /** The id of a request turned out to be taken: another one is used. */
  giveUp(id: number): void {
    for (const bundle of this.#bundlesOn(id)) this.#dirty.add(bundle)
    this.ids.forgetHop(id)
    const bundle = this.#claimed.get(id)
    if (bundle !== undefined) bundle.id = 0
    this.#claimed.delete(id)
  }

  /** An object that nothing needed was removed. */
  collected(id: number): void {
    this.ids.forgetHop(id)
    const bundle = this.#claimed.get(id)
    this.#claimed.delete(id)
    if (bundle === undefined) return
    bundle.id = 0
    if (bundle.wanters === 0) this.#bundles.delete(bundle.key)
  }

  /** Objects that wanted bundles rest on. */
  neededIds(): Set<number> {
    const needed = new Set<number>()
    if (!this.active) return needed
    for (const { wanted, direct, id } of this.#bundles.values()) {
      if (wanted === noWay) continue
      if (!direct) needed.add(id)
      for (const leg of this.#parts.ways.get(wanted).legs) needed.add(this.ids.hop(leg))
    }
    return needed
  }

  /** Bundles to be looked at now. Those that lead nowhere need nothing. */
  #takeDue(nowMs: number): Bundle[] {
    const due: Bundle[] = []
    for (const bundle of this.#dirty) {
      if (bundle.wanted !== noWay && bundle.dueMs > nowMs) continue
      this.#dirty.delete(bundle)
      if (bundle.wanted !== noWay) due.push(bundle)
    }
    return due
  }

  #deadHops(): Set<number> {
    const { view, isDead } = this.#parts
    return findDeadHops(this.ids, view, isDead, () => this.neededIds())
  }

  /** Hop ids of a bundle in order of its legs, a request for each one missing; null: it can't be. */
  #wantHops(bundle: Bundle, requests: Map<number, ObjectRequest>): number[] | null {
    const members: number[] = []
    for (const leg of this.#parts.ways.get(bundle.wanted).legs) {
      const { interface: index, gateway } = leg
      const id = gateway === null ? 0 : this.ids.takeHop(leg)
      if (gateway === null || id === 0) return null
      members.push(id)
      if (this.ids.leads(id, leg)) continue
      const replaces = this.#parts.view.has(id)
      requests.set(id, { operation: 'hop', id, interface: index, gateway, replaces })
    }
    return members
  }

  /** Members of the bundle's group in the kernel; an id is found for it when it has none. */
  #present(bundle: Bundle, members: readonly number[]): readonly number[] {
    const { view } = this.#parts
    const present = view.get(bundle.id)
    if (this.ids.isOwn(present)) return present.members
    if (bundle.id === 0 || present !== undefined) {
      this.#own(bundle, this.#claim(bundle, members))
    }
    return view.get(bundle.id)?.members ?? []
  }

  /** A group of an earlier run with these very members, one in use if there is, or a new id. */
  #claim(bundle: Bundle, members: readonly number[]): number {
    const { view, ways, uses } = this.#parts
    const found = (this.#adoptable.get(members.join()) ?? []).filter(
      (id) => !this.#claimed.has(id) && same(view.get(id)?.members ?? [], members),
    )
    const isUsed = (id: number) => ways.allThrough(id).some((way) => uses(bundle.family, way) > 0)
    return found.find(isUsed) ?? found[0] ?? this.#freshGroup()
  }

  #own(bundle: Bundle, id: number): void {
    this.#claimed.delete(bundle.id)
    bundle.id = id
    this.#claimed.set(id, bundle)
  }

  #freshGroup(): number {
    return this.ids.freshGroup((id) => this.#claimed.has(id))
  }

  /** Bundles in use that rest on this object. */
  *#bundlesOn(id: number): Generator<Bundle> {
    const claimer = this.#claimed.get(id)
    if (claimer !== undefined) {
      yield claimer
      return
    }
    for (const bundle of this.#bundles.values()) {
      const { legs } = this.#parts.ways.get(bundle.wanted)
      if (legs.some((leg) => this.ids.hop(leg) === id)) yield bundle
    }
  }
}

function ascending(ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => a - b)
}

/** Both are in ascending order. */
function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}
