/**
 * Everything this room knows, in one place: settings and marks, our routes, the kernel as we see it,
 * and the next hops. What to do with a row follows from here without asking anybody.
 */
import { type Family, formatPrefix } from './address.ts'
import { delta, type Operation } from './delta.ts'
import type { RouteMessage } from './netlink.ts'
import { NextHops } from './next-hops.ts'
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
  readonly ways = new Ways()
  readonly tables: Readonly<Record<Family, RouteTable>> = {
    4: new RouteTable(4),
    6: new RouteTable(6),
  }
  readonly view: KernelView = new KernelView(this.ways)
  readonly resolver: Resolver
  readonly nextHops: NextHops
  /** The first synchronisation is over: nothing stale is spared any more. */
  synchronised = false
  /** Every route of ours is on its way out. */
  withdrawing = false

  readonly #marks: Mark[] = []
  #mark = 0

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
    this.nextHops = new NextHops(this.resolver, this.view, this.ways, current)
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
    return this.nextHops.wayOf(set, table.family)
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

  #compareMark(number: number): 'same' | 'protocol' | 'key' {
    if (number === this.#mark) return 'same'
    const mark = this.markOf(number)
    const { table, metric } = this.settings
    return mark.table === table && mark.metric === metric ? 'protocol' : 'key'
  }
}
