/**
 * Routes of others, of one family: who holds which prefix, in the tables that matter to us. They
 * are only ever read, for resolution and to find conflicts. Most share everything but their prefix
 * with many more, so that part is interned and a prefix costs its columns and one reference.
 */
import { type Family, formatAddress } from './address.ts'
import type { RouteMessage } from './netlink.ts'
import { routeTypes } from './numbers.ts'
import { PrefixTable } from './prefix-table.ts'
import type { Leg } from './request.ts'
import { noWay, type Ways } from './way.ts'

export interface ForeignRoute {
  readonly table: number
  readonly metric: number
  readonly protocol: number
  /** rtm_type. */
  readonly type: number
  readonly way: number
  /** Preferred source address; the kernel drops the route with that address, and says nothing. */
  readonly source: string | null
}

const nothing: readonly ForeignRoute[] = []

export class ForeignRoutes {
  readonly family: Family
  readonly index: PrefixTable
  readonly #ways: Ways
  readonly #entries: (readonly ForeignRoute[])[] = []
  /** Interned routes, each with the list that holds it alone. */
  readonly #interned = new Map<string, readonly ForeignRoute[]>()

  constructor(family: Family, ways: Ways) {
    this.family = family
    this.index = new PrefixTable(family === 4 ? 1 : 4)
    this.#ways = ways
  }

  at(source: Uint32Array, at: number, length: number): readonly ForeignRoute[] {
    if (this.index.lengthCounts[length] === 0) return nothing
    const row = this.index.find(source, at, length)
    return row < 0 ? nothing : this.#entries[row]!
  }

  /** The route the kernel would use of this prefix and table. */
  best(source: Uint32Array, at: number, length: number, table: number): ForeignRoute | null {
    let best: ForeignRoute | null = null
    for (const route of this.at(source, at, length)) {
      if (route.table === table && (best === null || route.metric < best.metric)) best = route
    }
    return best
  }

  /** Who holds (table, prefix, metric), or null. */
  holder(
    source: Uint32Array,
    at: number,
    length: number,
    table: number,
    metric: number,
  ): ForeignRoute | null {
    for (const route of this.at(source, at, length)) {
      if (route.table === table && route.metric === metric) return route
    }
    return null
  }

  /** A route was made. `replaces`: the notification bore NLM_F_REPLACE. */
  learn(message: RouteMessage, replaces: boolean): void {
    const alone = this.#intern(message)
    const route = alone[0]!
    const row = this.index.insert(message.destination, 0, message.length)
    const before = this.#entries[row] ?? nothing
    const rest = before.filter((other) => other !== route && !this.#gives(other, route, replaces))
    this.#entries[row] = rest.length === 0 ? alone : [...rest, route]
  }

  /** A route was removed. False when it wasn't known. */
  forget(message: RouteMessage): boolean {
    const row = this.index.find(message.destination, 0, message.length)
    if (row < 0) return false
    const before = this.#entries[row]!
    const gone = this.#intern(message)[0]!
    if (before.includes(gone)) {
      this.#store(
        row,
        before.filter((route) => route !== gone),
      )
      return true
    }
    // An IPv6 multipath route loses single legs, each with a notification of its own.
    const whole = before.find((route) => sameKey(route, gone) && route.protocol === gone.protocol)
    if (whole === undefined || this.#namesObject(whole) || this.#namesObject(gone)) return false
    const left = this.#ways.unicast(without(this.#ways, whole.way, gone.way))
    const rest = before.filter((route) => route !== whole)
    this.#store(row, left === noWay ? rest : [...rest, this.#internRoute({ ...whole, way: left })])
    return true
  }

  /**
   * What the kernel does to IPv4 when an interface goes down or away: it drops every route whose
   * next hops are all on it, without a notification. Calls back with each row that lost one.
   */
  loseInterface(interfaceIndex: number, lost: (row: number) => void): void {
    for (let row = 0; row < this.index.rowsEnd; row++) {
      if (!this.index.isLive(row)) continue
      const before = this.#entries[row]!
      if (!before.some((route) => this.#restsOn(route, interfaceIndex))) continue
      lost(row)
      this.#store(
        row,
        before.filter((route) => !this.#restsOn(route, interfaceIndex)),
      )
    }
  }

  /** A nexthop object is gone, and with it every route that led this way. */
  loseWay(way: number): void {
    if (![...this.#interned.values()].some(([route]) => route!.way === way)) return
    for (let row = 0; row < this.index.rowsEnd; row++) {
      if (!this.index.isLive(row)) continue
      const before = this.#entries[row]!
      if (!before.some((route) => route.way === way)) continue
      this.#store(
        row,
        before.filter((route) => route.way !== way),
      )
    }
  }

  /** Whether somebody's route prefers this source address (connected routes say so themselves). */
  prefers(source: string, kernelProtocol: number): boolean {
    for (const [route] of this.#interned.values()) {
      if (route!.source === source && route!.protocol !== kernelProtocol) return true
    }
    return false
  }

  #store(row: number, routes: readonly ForeignRoute[]): void {
    if (routes.length === 0) {
      this.#entries[row] = nothing
      this.index.remove(row)
    } else {
      this.#entries[row] = routes
    }
  }

  /** Whether the new route takes the place of the other one. */
  #gives(other: ForeignRoute, route: ForeignRoute, replaces: boolean): boolean {
    if (!sameKey(other, route)) return false
    if (replaces) return true
    // IPv6 joins routes of one key to one multipath route, and notifies it whole; routes without a
    // gateway (fe80::/64 of every interface) stay apart.
    return this.family === 6 && this.#hasGateway(other) && this.#hasGateway(route)
  }

  #namesObject(route: ForeignRoute): boolean {
    return this.#ways.get(route.way).nexthop !== 0
  }

  #hasGateway(route: ForeignRoute): boolean {
    // Routes that name a nexthop object are never joined.
    if (this.#namesObject(route)) return false
    return this.#ways.get(route.way).legs.some((leg) => leg.gateway !== null)
  }

  #restsOn(route: ForeignRoute, interfaceIndex: number): boolean {
    const { legs } = this.#ways.get(route.way)
    return legs.length > 0 && legs.every((leg) => leg.interface === interfaceIndex)
  }

  #intern(message: RouteMessage): readonly ForeignRoute[] {
    const { table, metric, protocol, type } = message
    const source = message.hasSource ? formatAddress(this.family, message.source) : null
    const route = { table, metric, protocol, type, way: this.#ways.fromMessage(message), source }
    return this.#alone(route)
  }

  #internRoute(route: ForeignRoute): ForeignRoute {
    return this.#alone(route)[0]!
  }

  #alone(route: ForeignRoute): readonly ForeignRoute[] {
    const { table, metric, protocol, type, way, source } = route
    const key = `${table} ${metric} ${protocol} ${type} ${way} ${source}`
    const known = this.#interned.get(key)
    if (known !== undefined) return known
    const alone = [route]
    this.#interned.set(key, alone)
    return alone
  }
}

function sameKey(a: ForeignRoute, b: ForeignRoute): boolean {
  return a.table === b.table && a.metric === b.metric
}

/** The legs of one way that another doesn't have. */
function without(ways: Ways, whole: number, gone: number): readonly Leg[] {
  const lost = ways.get(gone).legs
  const { type, legs } = ways.get(whole)
  if (type !== routeTypes.unicast) return []
  return legs.filter(
    (leg) => !lost.some((l) => l.interface === leg.interface && l.gateway === leg.gateway),
  )
}
