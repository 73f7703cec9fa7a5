/**
 * Ways: what a kernel route does with a packet, interned to a small number. Way 0 is "no route",
 * way 1 a blackhole, every other one a set of next hops, a nexthop object by its id (or a type of
 * route we never make but may meet). Two routes lead the same way exactly when their numbers are
 * equal, so intent, kernel and dump are compared as integers, and the attribute bytes of a way are
 * made once.
 */
import { type Family, formatAddress } from './address.ts'
import type { RouteMessage } from './netlink.ts'
import { NexthopView } from './nexthop-view.ts'
import { routeTypeNames, routeTypes } from './numbers.ts'
import { encodeLegs, encodeNexthopId, encodeSource, type Leg } from './request.ts'

export const noWay = 0
export const blackholeWay = 1

export interface Way {
  readonly id: number
  /** rtm_type. */
  readonly type: number
  /** The nexthop object that a route names instead of its next hops; 0: none. */
  readonly nexthop: number
  /** With a nexthop object: where that leads now. */
  readonly legs: readonly Leg[]
  /** Source address the route recommends (RTA_PREFSRC); null: none. */
  readonly source: string | null
  /** The same way without a source. */
  readonly base: number
}

export class Ways {
  readonly #ways: Way[] = []
  readonly #ids = new Map<string, number>()
  readonly #encoded = new Map<number, Uint8Array>()
  readonly #nexthops: NexthopView
  /** Ways that name each nexthop object: one, or one for each type of route met. */
  readonly #through = new Map<number, number[]>()
  /** By source, then by base. */
  readonly #sourced = new Map<string, Map<number, number>>()
  #lastKey: readonly number[] = []
  #lastId = noWay

  constructor(nexthops: NexthopView = new NexthopView()) {
    this.#nexthops = nexthops
    this.#intern(0, [])
    this.#intern(routeTypes.blackhole, [])
  }

  get(id: number): Way {
    const way = this.#ways[id]
    if (way === undefined) throw new RangeError(`no way has the number ${id}`)
    return way
  }

  /** The number of a unicast way; legs in any order, `noWay` without one. */
  unicast(legs: readonly Leg[]): number {
    return legs.length === 0 ? noWay : this.#intern(routeTypes.unicast, legs)
  }

  /** The number of the way that names a nexthop object. */
  through(nexthop: number, type: number = routeTypes.unicast): number {
    const known = (this.#through.get(nexthop) ?? []).find((id) => {
      const way = this.get(id)
      return way.type === type && way.source === null
    })
    if (known !== undefined) return known
    const nexthops = this.#nexthops
    const id = this.#ways.length
    this.#ways.push({
      id,
      type,
      nexthop,
      source: null,
      base: id,
      get legs() {
        return nexthops.legsOf(nexthop)
      },
    })
    this.#through.set(nexthop, [...(this.#through.get(nexthop) ?? []), id])
    return id
  }

  /** Every way so far that names this nexthop object. */
  allThrough(nexthop: number): readonly number[] {
    return this.#through.get(nexthop) ?? []
  }

  /** The way of this base that recommends the source; only unicast has one. */
  withSource(base: number, source: string | null): number {
    if (source === null || base === noWay || base === blackholeWay) return base
    let byBase = this.#sourced.get(source)
    if (byBase === undefined) {
      byBase = new Map()
      this.#sourced.set(source, byBase)
    }
    return byBase.get(base) ?? this.#addSource(byBase, base, source)
  }

  /**
   * The same next hops without a nexthop object and a source: what two ways have in common when they
   * lead alike.
   */
  plain(id: number): number {
    const way = this.get(id)
    return way.nexthop === 0 ? way.base : this.unicast(way.legs)
  }

  /**
   * The way of a route read from the kernel. Routes of a dump mostly resemble the one before, which
   * is found without making text.
   */
  fromMessage(message: RouteMessage): number {
    const key = numbersOf(message)
    const last = this.#lastKey
    if (key.length === last.length && key.every((value, index) => value === last[index])) {
      return this.#lastId
    }
    this.#lastKey = key
    this.#lastId = this.#wayOf(message)
    return this.#lastId
  }

  /** Attribute bytes of the way for a route of this family. */
  encoded(id: number, family: Family): Uint8Array {
    const key = family === 4 ? id : -id
    const known = this.#encoded.get(key)
    if (known !== undefined) return known
    const { nexthop, legs, source } = this.get(id)
    const leads = nexthop === 0 ? encodeLegs(family, legs) : encodeNexthopId(nexthop)
    const bytes = source === null ? leads : encodeSource(leads, source)
    this.#encoded.set(key, bytes)
    return bytes
  }

  #wayOf(message: RouteMessage): number {
    const base = this.#baseOf(message)
    if (!message.hasSource || message.type !== routeTypes.unicast) return base
    return this.withSource(base, formatAddress(message.family, message.source))
  }

  #baseOf(message: RouteMessage): number {
    if (message.nexthop !== 0) return this.through(message.nexthop, message.type)
    if (message.type === routeTypes.blackhole) return blackholeWay
    return this.#intern(message.type, legsOf(message))
  }

  #addSource(byBase: Map<number, number>, base: number, source: string): number {
    const without = this.get(base)
    const id = this.#ways.length
    const { type, nexthop } = without
    this.#ways.push({
      id,
      type,
      nexthop,
      source,
      base,
      get legs() {
        return without.legs
      },
    })
    byBase.set(base, id)
    // Its routes rest on the object as those without a source do.
    if (nexthop !== 0) this.#through.get(nexthop)?.push(id)
    return id
  }

  #intern(type: number, legs: readonly Leg[]): number {
    const sorted = legs.length < 2 ? legs : [...legs].sort(compareLegs)
    const key = `${type} ${sorted.map((leg) => `${leg.interface} ${leg.gateway}`).join()}`
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#ways.length
    this.#ways.push({ id, type, nexthop: 0, legs: sorted, source: null, base: id })
    this.#ids.set(key, id)
    return id
  }
}

/** In words: `via 10.0.0.1 dev eth0`, `blackhole`; the interface named by `nameOf`. */
export function describeWay(way: Way, nameOf: (interfaceIndex: number) => string): string {
  if (way.type !== routeTypes.unicast) return routeTypeNames[way.type] ?? `type ${way.type}`
  if (way.nexthop !== 0 && way.legs.length === 0) return `nexthop object ${way.nexthop}`
  const legs = way.legs.map((leg) =>
    leg.gateway === null
      ? `dev ${nameOf(leg.interface)}`
      : `via ${leg.gateway} dev ${nameOf(leg.interface)}`,
  )
  return legs.join(', ') + (way.source === null ? '' : ` src ${way.source}`)
}

/** Next hops of a route that was read; types other than unicast name interfaces without meaning. */
function legsOf(message: RouteMessage): Leg[] {
  if (message.type !== routeTypes.unicast) return []
  const legs: Leg[] = []
  for (let leg = 0; leg < message.legs; leg++) {
    const family = message.gatewayFamilies[leg]!
    legs.push({
      interface: message.interfaces[leg]!,
      gateway: family === 0 ? null : formatAddress(family as Family, message.gateways, leg * 4),
    })
  }
  return legs
}

function numbersOf(message: RouteMessage): number[] {
  // No interface has the number -1, and none has -2.
  const numbers = [message.type]
  if (message.hasSource) numbers.push(-2, ...message.source)
  if (message.nexthop !== 0) {
    numbers.push(-1, message.nexthop)
    return numbers
  }
  for (let leg = 0; leg < message.legs; leg++) {
    const family = message.gatewayFamilies[leg]!
    numbers.push(message.interfaces[leg]!, family)
    const words = family === 0 ? 0 : family === 4 ? 1 : 4
    for (let word = 0; word < words; word++) numbers.push(message.gateways[leg * 4 + word]!)
  }
  return numbers
}

function compareLegs(a: Leg, b: Leg): number {
  if (a.interface !== b.interface) return a.interface - b.interface
  const left = a.gateway ?? ''
  const right = b.gateway ?? ''
  return left < right ? -1 : left > right ? 1 : 0
}
