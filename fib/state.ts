/**
 * Everything this room knows, in one place: settings and marks, our routes, the kernel as we see it,
 * and the next hops. What to do with a row follows from here without asking anybody.
 */
import { bitsOf, type Family, formatPrefix, parseAddress } from './address.ts'
import { delta, type Operation } from './delta.ts'
import { Groups } from './groups.ts'
import type { RouteMessage } from './netlink.ts'
import { NextHops } from './next-hops.ts'
import { NexthopView } from './nexthop-view.ts'
import { routeTypes } from './numbers.ts'
import type { Mark } from './request.ts'
import { Resolver, type ResolverParts } from './resolver.ts'
import { RouteTable, rowFlags } from './table.ts'
import type { FibSettings } from './types.ts'
import { KernelView } from './view.ts'
import { blackholeWay, noWay, Ways } from './way.ts'

/** Different marks within one life of the process; each change of the settings makes one. */
const marksMax = 65_535

export const families: readonly Family[] = [4, 6]

export class State {
  settings: FibSettings
  /** The kernel's nexthop objects. */
  readonly nexthops = new NexthopView()
  readonly ways: Ways = new Ways(this.nexthops)
  readonly tables: Readonly<Record<Family, RouteTable>> = {
    4: new RouteTable(4),
    6: new RouteTable(6),
  }
  readonly view: KernelView = new KernelView(this.ways)
  readonly resolver: Resolver
  /** The nexthop objects we want. */
  readonly groups: Groups
  /** The BGP next hops that wanted routes name. */
  readonly nextHops: NextHops
  /** The first synchronisation is over: nothing stale is spared any more. */
  synchronised = false
  /** Every route of ours is on its way out. */
  withdrawing = false
  /** The preferred sources in force: those wanted that are addresses of this host. */
  #sources: Record<Family, string | null> = { 4: null, 6: null }
  /** Whether rows may name the nexthop group of another set, because it leads alike. */
  lodging = false

  readonly #marks: Mark[] = []
  #mark = 0
  #alike = { held: noWay, target: noWay, version: -1, alike: false }

  /** `doubt`: see ResolverParts. */
  constructor(settings: FibSettings, doubt: ResolverParts['doubt']) {
    this.settings = settings
    this.setSettings(settings)
    const current = () => this.settings
    this.resolver = new Resolver({
      view: this.view,
      ways: this.ways,
      tables: this.tables,
      settings: current,
      setOf: (id) => this.nextHops.get(id),
      doubt,
    })
    this.groups = new Groups({
      view: this.nexthops,
      ways: this.ways,
      settings: current,
      isDead: (leg) => this.resolver.isDead(leg) || this.nextHops.isAvoided(leg),
      isOwnProtocol: (protocol) => this.#marks.some((mark) => mark.protocol === protocol),
      uses: (family, way) => this.tables[family].uses(way),
      lodged: () => this.#lodged(),
    })
    const { resolver, view, ways, groups } = this
    this.nextHops = new NextHops({ resolver, view, ways, groups, settings: current })
  }

  /** Takes settings over; true when routes must move to another mark. */
  setSettings(settings: FibSettings): boolean {
    this.settings = settings
    const { table, protocol, metric } = settings
    const before = this.#mark
    const known = this.#marks.findIndex(
      (mark) => mark.table === table && mark.protocol === protocol && mark.metric === metric,
    )
    if (known < 0 && this.#marks.length >= marksMax) {
      throw new RangeError('the kernel mark changed too often; restart the agent')
    }
    this.#mark = known < 0 ? this.#marks.push({ table, protocol, metric }) - 1 : known
    return this.#mark !== before
  }

  /** Number of the mark in force. */
  get mark(): number {
    return this.#mark
  }

  markOf(number: number): Mark {
    return this.#marks[number]!
  }

  /** The mark this kernel route bears, or -1 when it is somebody else's. */
  ownMark(route: RouteMessage): number {
    return this.#marks.findIndex(
      (mark) =>
        mark.protocol === route.protocol &&
        mark.metric === route.metric &&
        mark.table === route.table,
    )
  }

  /** The way a row needs now; `noWay` when nothing is to be installed. */
  target(table: RouteTable, row: number): number {
    if (this.withdrawing || this.settings.install === 'None') return noWay
    if (table.has(row, rowFlags.blackhole)) return blackholeWay
    const set = table.sets[row]!
    if (set === 0 || this.resolver.refusal(table.family, row) !== null) return noWay
    const target = this.ways.withSource(
      this.nextHops.wayOf(set, table.family),
      this.#sources[table.family],
    )
    const held = table.ways[row]!
    if (target === held || !this.#leadsAlike(held, target)) return target
    this.lodging = true
    return held
  }

  /** Rows that name the nexthop group of another set. */
  *lodgers(table: RouteTable): Generator<number> {
    for (const row of table.rows()) {
      const set = table.sets[row]!
      const held = table.ways[row]!
      if (set === 0 || held === noWay || this.ways.get(held).nexthop === 0) continue
      if (this.nextHops.wayOf(set, table.family) !== this.ways.get(held).base) yield row
    }
  }

  /** What the kernel is to be told of a row whose target is this. */
  operation(table: RouteTable, row: number, target: number): Operation {
    const way = table.ways[row]!
    const mark = way === noWay ? 'same' : this.#compareMark(table.marks[row]!)
    const unheld = target === noWay || (way !== noWay && mark !== 'key')
    return delta(target, {
      way,
      mark,
      held: !unheld && this.holder(table, row) !== null,
      kept: table.has(row, rowFlags.stale) && !this.synchronised && !this.withdrawing,
    })
  }

  /** The source address wanted in this family, whether it is on this host or not. */
  wantedSource(family: Family): string | null {
    return this.settings.preferredSources?.[family === 4 ? 'ipv4' : 'ipv6'] ?? null
  }

  /** Whether the kernel has this address: then there is a route to it of type local. */
  isOwnAddress(text: string): boolean {
    const address = parseAddress(text)
    if (address === null) return false
    const { family, words } = address
    const routes = this.view.foreign[family].at(words, 0, bitsOf(family))
    return routes.some((route) => route.type === routeTypes.local)
  }

  /** Looks which preferred sources can be used; true when that changed, and with it every way. */
  refreshSources(): boolean {
    const before = this.#sources
    const source = (family: Family): string | null => {
      const wanted = this.wantedSource(family)
      return wanted !== null && this.isOwnAddress(wanted) ? wanted : null
    }
    this.#sources = { 4: source(4), 6: source(6) }
    return families.some((family) => this.#sources[family] !== before[family])
  }

  /** The foreign route that holds the key this row would have, or null. */
  holder(table: RouteTable, row: number) {
    const { addresses, lengths, words } = table.index
    const { table: number, metric } = this.settings
    const foreign = this.view.foreign[table.family]
    return foreign.holder(addresses, row * words, lengths[row]!, number, metric)
  }

  prefixText(table: RouteTable, row: number): string {
    const { addresses, lengths, words } = table.index
    return formatPrefix(table.family, addresses, row * words, lengths[row]!)
  }

  /** Rows the kernel holds for us. */
  installed(): number {
    let count = 0
    for (const family of families) {
      const table = this.tables[family]
      for (const row of table.rows()) if (table.ways[row] !== noWay) count++
    }
    return count
  }

  /** The answer is the same for most rows of a turn, so the last one is remembered. */
  #leadsAlike(held: number, target: number): boolean {
    if (target === noWay || this.ways.get(held).nexthop === 0) return false
    const last = this.#alike
    const { version } = this.nexthops
    if (last.held !== held || last.target !== target || last.version !== version) {
      this.#alike = { held, target, version, alike: this.groups.leadsAlike(held, target) }
    }
    return this.#alike.alike
  }

  /** Groups that rows of other sets than their own name. */
  #lodged(): ReadonlySet<number> {
    const ids = new Set<number>()
    if (!this.lodging) return ids
    for (const family of families) {
      const table = this.tables[family]
      for (const row of this.lodgers(table)) ids.add(this.ways.get(table.ways[row]!).nexthop)
    }
    this.lodging = ids.size > 0
    return ids
  }

  #compareMark(number: number): 'same' | 'protocol' | 'key' {
    if (number === this.#mark) return 'same'
    const mark = this.markOf(number)
    const { table, metric } = this.settings
    return mark.table === table && mark.metric === metric ? 'protocol' : 'key'
  }
}
