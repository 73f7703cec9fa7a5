/**
 * What the kernel writer shows to people: status, pages of routes, one prefix with everything the
 * kernel holds for it, and the difference between intent and kernel. Nothing here changes anything.
 */
import { comparePrefixes, type Family, formatPrefix, type Prefix, parsePrefix } from './address.ts'
import type { ForeignRoute } from './foreign.ts'
import type { Intruders } from './intruders.ts'
import type { Journal } from './journal.ts'
import type { Mirror } from './mirror.ts'
import type { NexthopMirror } from './nexthop-mirror.ts'
import { errnoNames, protocolText, routeTypeNames } from './numbers.ts'
import type { Clock } from './port.ts'
import { findRivals } from './rivals.ts'
import { families, type State } from './state.ts'
import { type RouteTable, rowFlags } from './table.ts'
import type {
  FibDifference,
  FibLookup,
  FibNexthop,
  FibObjects,
  FibRouteError,
  FibRouteView,
  FibStatus,
  KernelRouteView,
  RouteStatus,
} from './types.ts'
import { describeWay, noWay } from './way.ts'
import type { Writer } from './writer.ts'

/** Routes on one page, differences in one answer. */
const pageMax = 10_000
const differencesMax = 10_000
/** Nexthop objects in one answer. */
const nexthopsMax = 10_000

export interface ViewsParts {
  readonly state: State
  readonly writer: Writer
  readonly mirror: Mirror
  readonly nexthops: NexthopMirror
  readonly intruders: Intruders
  readonly journal: Journal
  readonly clock: Clock
}

interface Row extends Prefix {
  readonly table: RouteTable
  readonly row: number
}

export class Views {
  readonly #state: State
  readonly #writer: Writer
  readonly #mirror: Mirror
  readonly #nexthops: NexthopMirror
  readonly #intruders: Intruders
  readonly #journal: Journal
  readonly #clock: Clock

  constructor(parts: ViewsParts) {
    this.#state = parts.state
    this.#writer = parts.writer
    this.#mirror = parts.mirror
    this.#nexthops = parts.nexthops
    this.#intruders = parts.intruders
    this.#journal = parts.journal
    this.#clock = parts.clock
  }

  /** `adopted`: routes taken over at the start. */
  status(adopted: Readonly<Record<Family, number>>): FibStatus {
    const counts: Record<RouteStatus, number> = {
      installed: 0,
      pending: 0,
      unresolved: 0,
      failed: 0,
      conflict: 0,
      stale: 0,
    }
    let wanted = 0
    let blackholes = 0
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.rows()) {
        if (!table.isWanted(row) && table.ways[row] === noWay) continue
        counts[this.#statusOf(table, row)]++
        if (table.isWanted(row)) wanted++
        if (table.has(row, rowFlags.blackhole)) blackholes++
      }
    }
    const { installed, pending, unresolved, failed, conflict: conflicts, stale } = counts
    return {
      mode: 'kernel',
      settings: this.#state.settings,
      wanted,
      installed,
      pending,
      unresolved,
      failed,
      conflicts,
      stale,
      blackholes,
      adopted: adopted[4] + adopted[6],
      adoptedFamilies: families
        .filter((family) => adopted[family] > 0)
        .map((family) => (family === 4 ? 'ipv4-unicast' : 'ipv6-unicast')),
      counters: { ...this.#journal.counters },
      objects: this.#objects(),
      nextHops: this.#state.nextHops.resolutions(),
      errors: { ...this.#journal.errors },
      retrying: this.#writer.retrying,
      sources: this.#sources(),
      rivals: findRivals(this.#state),
      intruders: this.#intruders.list(this.#clock.now()),
    }
  }

  /** Nexthop objects of ours, groups first. */
  objects(): FibNexthop[] {
    const { groups, nexthops, tables, view, ways } = this.#state
    const uses = (id: number): number =>
      ways.allThrough(id).reduce((sum, way) => sum + tables[4].uses(way) + tables[6].uses(way), 0)
    return groups.ids
      .own()
      .slice(0, nexthopsMax)
      .map(({ id, members }) => ({
        id,
        kind: members.length > 0 ? 'group' : 'hop',
        members,
        gateways: view.gatewaysOf({ legs: nexthops.legsOf(id) }),
        routes: uses(id),
      }))
  }

  /** One page by a single pass: the smallest `limit` prefixes after `after`. */
  routes(page: { after: string | null; limit: number }): FibRouteView[] {
    const after = page.after === null ? null : parsePrefix(page.after)
    if (page.after !== null && after === null) {
      throw new RangeError(`after ${page.after}: not a prefix (10.0.0.0/24)`)
    }
    const limit = Math.max(1, Math.min(page.limit, pageMax))
    return this.#smallest(after, limit).map(({ table, row }) => this.#routeView(table, row))
  }

  lookup(text: string): FibLookup {
    const prefix = parsePrefix(text)
    if (prefix === null) throw new RangeError(`${text}: not a prefix (10.0.0.0/24)`)
    const { nextHops, tables, view } = this.#state
    const table = tables[prefix.family]
    const row = table.index.find(prefix.words, 0, prefix.length)
    const canonical = formatPrefix(prefix.family, prefix.words, 0, prefix.length)
    const kernel = view.foreign[prefix.family]
      .at(prefix.words, 0, prefix.length)
      .map((route) => this.#foreignView(canonical, route))
    if (row >= 0 && table.ways[row] !== noWay) kernel.push(this.#ownView(canonical, table, row))
    kernel.sort((a, b) => a.table - b.table || a.metric - b.metric)
    const set = row < 0 ? null : nextHops.wantedSet(table.sets[row]!)
    return {
      prefix: canonical,
      wanted: row < 0 ? null : this.#routeView(table, row),
      kernel,
      resolutions: (set?.nextHops ?? []).map((hop) => nextHops.resolution(hop)),
    }
  }

  /** Reads the kernel's tables anew and compares them with intent. Throws KernelError. */
  difference(): FibDifference[] {
    if (this.#state.groups.supported) this.#nexthops.read()
    const differences: FibDifference[] = []
    for (const family of families) this.#differenceOf(family, differences)
    return differences.slice(0, differencesMax)
  }

  #sources(): { address: string; own: boolean }[] {
    return families.flatMap((family) => {
      const address = this.#state.wantedSource(family)
      return address === null ? [] : { address, own: this.#state.isOwnAddress(address) }
    })
  }

  #objects(): FibObjects {
    const { groups } = this.#state
    const own = groups.ids.own()
    const count = own.filter(({ members }) => members.length > 0).length
    return { mode: groups.active ? 'objects' : 'plain', groups: count, hops: own.length - count }
  }

  #differenceOf(family: Family, differences: FibDifference[]): void {
    const table = this.#state.tables[family]
    const held = new Map<number, number>()
    this.#mirror.readRoutes(family, (route) => {
      if (this.#state.ownMark(route) !== this.#state.mark) return
      const row = table.index.find(route.destination, 0, route.length)
      const way = this.#state.ways.fromMessage(route)
      if (row >= 0) {
        held.set(row, way)
        return
      }
      const prefix = formatPrefix(family, route.destination, 0, route.length)
      differences.push(this.#unexpected(prefix, way))
    })
    for (const row of table.rows()) {
      if (differences.length >= differencesMax) return
      const difference = this.#compare(table, row, held.get(row) ?? noWay)
      if (difference !== null) differences.push(difference)
    }
  }

  #unexpected(prefix: string, way: number): FibDifference {
    return {
      prefix,
      problem: 'unexpected',
      wanted: null,
      installed: this.#wayText(way),
      reason: 'bears our mark, but was never wanted here',
      error: null,
    }
  }

  #compare(table: RouteTable, row: number, held: number): FibDifference | null {
    const target = this.#state.target(table, row)
    const wanted = table.isWanted(row)
    const leads = this.#leadsRight(table, row, held, target)
    if (leads && (target !== noWay || !wanted)) return null
    const status = this.#statusOf(table, row)
    if (!wanted && held === noWay) return null
    return {
      prefix: this.#state.prefixText(table, row),
      problem:
        status === 'conflict'
          ? 'conflict'
          : !wanted
            ? 'unexpected'
            : held === noWay
              ? 'missing'
              : 'different',
      wanted: wanted ? this.#wantedText(table, row, target) : null,
      installed: held === noWay ? null : this.#wayText(held),
      reason: this.#reasonOf(table, row, status),
      error: this.#errorOf(table, row, status),
    }
  }

  /** Whether the kernel's route is the one wanted, and its nexthop object leads where it should. */
  #leadsRight(table: RouteTable, row: number, held: number, target: number): boolean {
    const { nextHops, ways } = this.#state
    if (held !== target || ways.get(target).nexthop === 0) return held === target
    return ways.plain(held) === nextHops.plainWayOf(table.sets[row]!, table.family)
  }

  #smallest(after: Prefix | null, limit: number): Row[] {
    let page: Row[] = []
    /** Nothing beyond can be on the page any more. */
    let bound: Prefix | null = null
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.rows()) {
        if (!table.isWanted(row) && table.ways[row] === noWay) continue
        if (after !== null && compareRow(table, row, after) <= 0) continue
        if (bound !== null && compareRow(table, row, bound) >= 0) continue
        page.push(rowOf(table, row))
        if (page.length < 2 * limit) continue
        page = page.sort(comparePrefixes).slice(0, limit)
        bound = page.at(-1) ?? null
      }
    }
    return page.sort(comparePrefixes).slice(0, limit)
  }

  #statusOf(table: RouteTable, row: number): RouteStatus {
    if (!table.isWanted(row)) return table.has(row, rowFlags.stale) ? 'stale' : 'pending'
    if (table.has(row, rowFlags.conflict)) return 'conflict'
    if (this.#writer.retryOf(table, row) !== null) return 'failed'
    const target = table.targets[row]!
    if (table.has(row, rowFlags.queued) || this.#state.settings.install === 'None') return 'pending'
    if (target === noWay) return 'unresolved'
    const acknowledged = table.ways[row] === target && table.marks[row] === this.#state.mark
    return acknowledged ? 'installed' : 'pending'
  }

  #reasonOf(table: RouteTable, row: number, status: RouteStatus): string | null {
    switch (status) {
      case 'installed':
        return null
      case 'stale':
        return 'from an earlier run, not wanted so far'
      case 'failed':
        return this.#writer.retryOf(table, row)?.reason ?? null
      case 'conflict': {
        const holder = this.#state.holder(table, row)
        const protocol = holder === null ? 'another program' : protocolText(holder.protocol)
        return `held by a route of ${protocol} with the same metric; left alone`
      }
      case 'unresolved': {
        const refusal = this.#state.resolver.refusal(table.family, row)
        return refusal ?? this.#state.nextHops.reasonOf(table.sets[row]!)
      }
      case 'pending':
        if (!table.isWanted(row)) return 'being removed'
        if (this.#state.settings.install === 'None') return 'fib.install is None: only tracked'
        return 'waiting for the kernel'
    }
  }

  #routeView(table: RouteTable, row: number): FibRouteView {
    const { nextHops, view, ways } = this.#state
    const status = this.#statusOf(table, row)
    return {
      prefix: this.#state.prefixText(table, row),
      kind: table.has(row, rowFlags.blackhole) ? 'blackhole' : 'unicast',
      status,
      nextHops: nextHops.wantedSet(table.sets[row]!)?.nextHops ?? [],
      gateways: view.gatewaysOf(ways.get(table.ways[row]!)),
      nexthop: ways.get(table.ways[row]!).nexthop || null,
      reason: this.#reasonOf(table, row, status),
      error: this.#errorOf(table, row, status),
    }
  }

  #errorOf(table: RouteTable, row: number, status: RouteStatus): FibRouteError | null {
    const retry = status === 'failed' ? this.#writer.retryOf(table, row) : null
    if (retry === null) return null
    const nowMs = this.#clock.now()
    const { attempts, errno, sinceMs, dueMs } = retry
    return {
      errno: errno === 0 ? null : (errnoNames[errno] ?? `errno ${errno}`),
      attempts,
      forSeconds: Math.max(0, Math.round((nowMs - sinceMs) / 1000)),
      retryInSeconds: Math.max(0, Math.ceil((dueMs - nowMs) / 1000)),
    }
  }

  #foreignView(prefix: string, route: ForeignRoute): KernelRouteView {
    const { view, ways } = this.#state
    return {
      prefix,
      table: route.table,
      protocol: protocolText(route.protocol),
      ours: false,
      metric: route.metric,
      kind: routeTypeNames[route.type] ?? `type ${route.type}`,
      gateways: view.gatewaysOf(ways.get(route.way)),
    }
  }

  #ownView(prefix: string, table: RouteTable, row: number): KernelRouteView {
    const { view, ways } = this.#state
    const mark = this.#state.markOf(table.marks[row]!)
    const way = ways.get(table.ways[row]!)
    return {
      prefix,
      table: mark.table,
      protocol: protocolText(mark.protocol),
      ours: true,
      metric: mark.metric,
      kind: routeTypeNames[way.type] ?? `type ${way.type}`,
      gateways: view.gatewaysOf(way),
    }
  }

  #wantedText(table: RouteTable, row: number, target: number): string {
    if (target !== noWay) return this.#wayText(target)
    const hops = this.#state.nextHops.wantedSet(table.sets[row]!)?.nextHops ?? []
    return hops.length === 0 ? 'blackhole' : `next hop ${hops.join(', ')}`
  }

  #wayText(way: number): string {
    return describeWay(this.#state.ways.get(way), (index) => this.#state.view.nameOf(index))
  }
}

function rowOf(table: RouteTable, row: number): Row {
  const { addresses, lengths, words } = table.index
  const at = row * words
  const { family } = table
  return { family, words: addresses.slice(at, at + words), length: lengths[row]!, table, row }
}

/** comparePrefixes without making the row an object. */
function compareRow(table: RouteTable, row: number, prefix: Prefix): number {
  if (table.family !== prefix.family) return table.family - prefix.family
  const { addresses, lengths, words } = table.index
  for (let word = 0; word < words; word++) {
    const difference = addresses[row * words + word]! - prefix.words[word]!
    if (difference !== 0) return difference
  }
  return lengths[row]! - prefix.length
}
