/**
 * Resolution of next hops: what `ip route get` would say of an address, from our picture of the
 * kernel, except that routes of ours are followed by intent (their own wanted next hops) and never
 * through one that covers its own next hop or peer (RFC 4271 §5.1.3, §9.1.2.1).
 *
 * Every prefix that holds a watched address is counted in an interest table, so whether a changed
 * route can matter is one probe, whatever the number of routes and of next hops.
 */
import {
  type Address,
  addressText,
  bitsOf,
  covers,
  type Family,
  formatPrefix,
  mask,
} from './address.ts'
import type { ForeignRoute } from './foreign.ts'
import { protocolNames, routeTypeNames, routeTypes, tables } from './numbers.ts'
import { PrefixTable, widen } from './prefix-table.ts'
import type { Leg } from './request.ts'
import { type RouteTable, rowFlags } from './table.ts'
import type { FibSettings } from './types.ts'
import type { KernelView } from './view.ts'
import type { Ways } from './way.ts'

/** Routes of ours followed one through another at most. */
const recursionMax = 8

/** Reason of a next hop that is the node itself: no fault, every announcement of our own has it. */
export const ownAddressReason = 'an address of this node'

const ownPrefixReason = 'it is an address of this node'

export interface Answer {
  /** Where to send packets; empty: nowhere. Gateways are named even when on link. */
  readonly legs: readonly Leg[]
  readonly metric: number
  readonly onLink: boolean
  readonly reason: string
}

/** What a wanted set leads to; the resolver sees sets only so. */
export interface Routed {
  readonly nextHops: readonly Address[]
  /** Addresses that must not come to depend on the route, besides the next hops. */
  readonly peers: readonly Address[]
  /** Next hops that aren't on link lead nowhere. */
  readonly onLinkOnly: boolean
}

export interface ResolverParts {
  readonly view: KernelView
  readonly ways: Ways
  readonly tables: Readonly<Record<Family, RouteTable>>
  readonly settings: () => FibSettings
  readonly setOf: (id: number) => Routed | null
  /** A gateway in use is thought dead, or was before we listened: the kernel should ask it again. */
  readonly doubt: (interfaceIndex: number, gateway: string) => void
}

export class Resolver {
  readonly #parts: ResolverParts
  readonly #interest: Readonly<Record<Family, Interest>> = {
    4: new Interest(4),
    6: new Interest(6),
  }
  readonly #scratch: Uint32Array = new Uint32Array(4)

  constructor(parts: ResolverParts) {
    this.#parts = parts
  }

  /** Counts every prefix that holds the address as interesting, or no longer. */
  watch(address: Address, change: 1 | -1): void {
    if (address.zone === null) this.#interest[address.family].change(address.words, change)
  }

  /** Whether a route for this prefix could change what an address resolves to. */
  matters(family: Family, words: Uint32Array, at: number, length: number): boolean {
    return this.#interest[family].has(words, at, length)
  }

  /** Whether nothing can be sent there, as far as we know. Asks nobody. */
  isDead(leg: Leg): boolean {
    const { view } = this.#parts
    const link = view.links.get(leg.interface)
    if (link === undefined || !link.up || !link.running) return true
    if (leg.gateway === null) return false
    const { interface: index, gateway } = leg
    return view.isDead(index, gateway) || view.isCondemnedAt(index, gateway)
  }

  /** What the address resolves to now. */
  resolve(address: Address): Answer {
    return this.#resolve(address, [])
  }

  /**
   * Why the route of this row must not be installed, or null. It depends on the routes of others
   * alone, so no order of arrival and no other route of ours can make it flap.
   */
  refusal(family: Family, row: number): string | null {
    const table = this.#parts.tables[family]
    const { addresses, lengths } = table.index
    const at = row * table.index.words
    const length = lengths[row]!
    if (this.#isOwnAddress(family, addresses, at, length)) return ownPrefixReason
    if (!this.#interest[family].has(addresses, at, length)) return null
    const set = this.#parts.setOf(table.sets[row]!)
    if (set === null) return null
    const captures = (address: Address): boolean =>
      address.family === family &&
      address.zone === null &&
      covers(addresses, at, length, address.words) &&
      this.#wouldCapture(length, address)
    const hop = set.nextHops.find(captures)
    if (hop !== undefined) return 'its own next hop would resolve through it'
    const peer = set.peers.find(captures)
    return peer === undefined ? null : 'the peer it came from would be reached through it'
  }

  #isOwnAddress(family: Family, words: Uint32Array, at: number, length: number): boolean {
    if (length !== bitsOf(family)) return false
    const routes = this.#parts.view.foreign[family].at(words, at, length)
    return routes.some((route) => route.type === routeTypes.local)
  }

  /** Whether a route of ours of this length would win over the routes of others for the address. */
  #wouldCapture(length: number, address: Address): boolean {
    const { settings } = this.#parts
    for (let other = bitsOf(address.family); other >= length; other--) {
      if (this.#foreign(address, other, tables.local) !== null) return false
      const route = this.#foreign(address, other, settings().table)
      if (route !== null) return other === length && settings().metric < route.metric
    }
    return true
  }

  #resolve(address: Address, visited: readonly number[]): Answer {
    if (this.#parts.view.isCondemned(address)) return unreachable('declared dead by its session')
    if (address.zone !== null) return this.#throughZone(address, address.zone)
    if (address.family === 6 && address.words[0]! >>> 22 === 0xfe80 >>> 6) {
      return unreachable('a link-local address without an interface')
    }
    const { settings } = this.#parts
    const places = [tables.local, settings().table, tables.main]
    for (const [index, table] of places.entries()) {
      if (places.indexOf(table) !== index) continue
      const answer = this.#inTable(address, table, visited)
      if (answer !== null) return answer
    }
    return unreachable('no route')
  }

  /** Longest match within one kernel table; null when it has none (or says `throw`). */
  #inTable(address: Address, table: number, visited: readonly number[]): Answer | null {
    const { family } = address
    const { settings, tables: own, view } = this.#parts
    const ours = table === settings().table && settings().install === 'All' ? own[family] : null
    const foreign = view.foreign[family]
    for (let length = bitsOf(family); length >= 0; length--) {
      const theirs =
        foreign.index.lengthCounts[length] === 0 ? null : this.#foreign(address, length, table)
      if (ours !== null && ours.index.lengthCounts[length] !== 0) {
        const better = theirs === null || settings().metric < theirs.metric
        const answer = better ? this.#throughOwn(address, ours, length, visited) : null
        if (answer !== null) return answer
      }
      if (theirs === null) continue
      if (routeTypeNames[theirs.type] === 'throw') return null
      return this.#throughForeign(address, length, theirs)
    }
    return null
  }

  #foreign(address: Address, length: number, table: number): ForeignRoute | null {
    const routes = this.#parts.view.foreign[address.family]
    if (routes.index.lengthCounts[length] === 0) return null
    mask(address.words, 0, this.#scratch, 0, address.words.length, length)
    return routes.best(this.#scratch, 0, length, table)
  }

  /** Through a route of ours: by what it is meant to be, not by what is installed so far. */
  #throughOwn(
    address: Address,
    table: RouteTable,
    length: number,
    visited: readonly number[],
  ): Answer | null {
    mask(address.words, 0, this.#scratch, 0, address.words.length, length)
    const row = table.index.find(this.#scratch, 0, length)
    if (row < 0) return null
    if (!table.isWanted(row)) return this.#throughStale(address, table, row, length)
    const prefix = this.#prefixText(address, length)
    if (table.has(row, rowFlags.blackhole)) return unreachable(`blackhole ${prefix} of our own`)
    // IPv4 and IPv6 rows share one list: the sign tells them apart.
    const mark = address.family === 4 ? row + 1 : -row - 1
    if (visited.includes(mark) || visited.length >= recursionMax) return null
    const set = this.#parts.setOf(table.sets[row]!)
    if (set === null || this.refusal(address.family, row) !== null) return null
    const legs: Leg[] = []
    for (const hop of set.nextHops) {
      const answer = this.#resolve(hop, [...visited, mark])
      if (answer.onLink || !set.onLinkOnly) addLegs(legs, answer.legs)
    }
    if (legs.length === 0) return null
    const { metric } = this.#parts.settings()
    return { legs, metric, onLink: false, reason: this.#via(legs, `${prefix} of our own`) }
  }

  /**
   * Through a route of ours that an earlier run left: packets do go there until it is swept, and the
   * routes of that run that hang on it must not be lost while the table is learned again.
   */
  #throughStale(address: Address, table: RouteTable, row: number, length: number): Answer | null {
    if (!table.has(row, rowFlags.stale)) return null
    const way = this.#parts.ways.get(table.ways[row]!)
    const legs = way.legs.filter((leg) => {
      return leg.gateway !== null && this.#fault(leg.interface, leg.gateway) === null
    })
    if (legs.length === 0) return null
    const { metric } = this.#parts.settings()
    const prefix = this.#prefixText(address, length)
    return { legs, metric, onLink: false, reason: this.#via(legs, `${prefix} of an earlier run`) }
  }

  #throughForeign(address: Address, length: number, route: ForeignRoute): Answer {
    const prefix = this.#prefixText(address, length)
    const origin = `${prefix} proto ${protocolNames[route.protocol] ?? route.protocol}`
    if (route.type === routeTypes.local) return unreachable(ownAddressReason)
    if (route.type !== routeTypes.unicast) {
      return unreachable(`${routeTypeNames[route.type] ?? 'unusable'} ${origin}`)
    }
    const found = this.#parts.ways.get(route.way).legs
    const legs: Leg[] = []
    const faults: string[] = []
    for (const leg of found) {
      const gateway = leg.gateway ?? addressText(address)
      const fault = this.#fault(leg.interface, gateway)
      if (fault === null) addLegs(legs, [{ interface: leg.interface, gateway }])
      else if (!faults.includes(fault)) faults.push(fault)
    }
    if (legs.length === 0) return unreachable(faults.join(', ') || `no next hop in ${origin}`)
    if (found.every((leg) => leg.gateway === null)) {
      const names = legs.map((leg) => this.#parts.view.nameOf(leg.interface)).join(', ')
      return { legs, metric: 0, onLink: true, reason: `on link at ${names}` }
    }
    return { legs, metric: route.metric, onLink: false, reason: this.#via(legs, origin) }
  }

  #throughZone(address: Address, zone: string): Answer {
    const link = this.#parts.view.linkNamed(zone)
    if (link === null) return unreachable(`there is no interface ${zone}`)
    const gateway = addressText(address)
    const fault = this.#fault(link.index, gateway)
    if (fault !== null) return unreachable(fault)
    const legs = [{ interface: link.index, gateway }]
    return { legs, metric: 0, onLink: true, reason: `on link at ${zone}` }
  }

  /** Why nothing can be sent to this gateway, or null. */
  #fault(interfaceIndex: number, gateway: string): string | null {
    const { view, doubt } = this.#parts
    const link = view.links.get(interfaceIndex)
    if (link === undefined) return `interface ${interfaceIndex} is gone`
    if (!link.up) return `link ${link.name} is down`
    if (!link.running) return `link ${link.name} has no carrier`
    const dead = view.isDead(interfaceIndex, gateway)
    if (dead || view.takeSuspect(interfaceIndex, gateway)) doubt(interfaceIndex, gateway)
    return dead ? `${gateway} at ${link.name} doesn't answer` : null
  }

  #prefixText(address: Address, length: number): string {
    const words = new Uint32Array(4)
    mask(address.words, 0, words, 0, address.words.length, length)
    return formatPrefix(address.family, words, 0, length)
  }

  #via(legs: readonly Leg[], origin: string): string {
    const { view } = this.#parts
    const ways = legs.map((leg) => `${leg.gateway} at ${view.nameOf(leg.interface)}`)
    return `via ${ways.join(', ')} (${origin})`
  }
}

/** Counted prefixes of one family. */
class Interest {
  readonly #family: Family
  readonly #index: PrefixTable
  #counts!: Uint32Array
  readonly #masked: Uint32Array = new Uint32Array(4)

  constructor(family: Family) {
    this.#family = family
    this.#index = new PrefixTable(family === 4 ? 1 : 4, (capacity) => {
      this.#counts =
        this.#counts === undefined ? new Uint32Array(capacity) : widen(this.#counts, capacity)
    })
  }

  has(words: Uint32Array, at: number, length: number): boolean {
    return this.#index.find(words, at, length) >= 0
  }

  change(words: Uint32Array, change: 1 | -1): void {
    for (let length = bitsOf(this.#family); length >= 0; length--) {
      mask(words, 0, this.#masked, 0, this.#index.words, length)
      const before = this.#index.size
      const row = this.#index.insert(this.#masked, 0, length)
      if (this.#index.size !== before) this.#counts[row] = 0
      this.#counts[row]! += change
      if (this.#counts[row] === 0) this.#index.remove(row)
    }
  }
}

/** Adds those legs that aren't there yet. */
export function addLegs(legs: Leg[], more: readonly Leg[]): void {
  for (const leg of more) {
    const known = legs.some((l) => l.interface === leg.interface && l.gateway === leg.gateway)
    if (!known) legs.push(leg)
  }
}

function unreachable(reason: string): Answer {
  return { legs: [], metric: 0, onLink: false, reason }
}
