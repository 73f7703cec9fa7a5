/**
 * Host routes asked for by name, beside those that come in bulk: `10.9.9.9/32 via 10.0.0.9`. One
 * takes the place of whatever else is wanted of its prefix, which is kept and comes back with its end.
 * Its gateway has to be on link: a routed one could come to hang on the very route.
 */
import { bitsOf, parseAddress } from './address.ts'
import type { NextHops } from './next-hops.ts'
import type { State } from './state.ts'
import { type RouteTable, rowFlags } from './table.ts'
import type { HostRoute } from './types.ts'

/** Numbers of the sets made here count down from this; those told from outside count up from 1. */
const lastSet = 0xffff_ffff

interface Held {
  readonly table: RouteTable
  readonly row: number
  /** The set wanted in bulk meanwhile, counted as if the row had it; 0: none. */
  beneath: number
}

export class HostRoutes {
  readonly #state: State
  /** Gateways by the address behind them. */
  #wanted: ReadonlyMap<string, string> = new Map()
  readonly #held = new Map<string, Held>()
  readonly #sets = new Map<string, number>()

  constructor(state: State) {
    this.#state = state
  }

  /**
   * All of them, whole.
   * @throws RangeError when an address is none; nothing is changed then
   */
  want(routes: readonly HostRoute[]): void {
    for (const { address, gateway } of routes)
      for (const text of [address, gateway]) readAddress(text)
    const before = this.#wanted
    this.#wanted = new Map(routes.map(({ address, gateway }) => [address, gateway]))
    for (const address of before.keys()) if (!this.#wanted.has(address)) this.#release(address)
    for (const [address, gateway] of this.#wanted) {
      if (before.get(address) !== gateway) this.#hold(address, gateway)
    }
  }

  /** Whether a wanted change of this row waits beneath a host route; it is taken note of then. */
  takes(table: RouteTable, words: Uint32Array, at: number, length: number, set: number): boolean {
    if (this.#held.size === 0 || length !== bitsOf(table.family)) return false
    const row = table.index.find(words, at, length)
    if (row < 0 || !table.has(row, rowFlags.pinned)) return false
    for (const held of this.#held.values()) {
      if (held.table !== table || held.row !== row) continue
      this.#count(table, set, held.beneath)
      held.beneath = set
    }
    return true
  }

  #hold(text: string, gateway: string): void {
    const { nextHops, tables } = this.#state
    const { family, words } = readAddress(text)
    const table = tables[family]
    const row = table.insert(words, 0, bitsOf(family))
    const held = this.#held.get(text)
    const own = this.#describe(nextHops, gateway)
    this.#count(table, own, held === undefined ? 0 : table.sets[row]!)
    this.#held.set(text, { table, row, beneath: held?.beneath ?? table.sets[row]! })
    table.set(row, rowFlags.pinned)
    table.clear(row, rowFlags.stale)
    this.#put(table, row, own)
  }

  #release(text: string): void {
    const held = this.#held.get(text)
    if (held === undefined) return
    const { table, row, beneath } = held
    this.#held.delete(text)
    table.clear(row, rowFlags.pinned)
    this.#count(table, 0, table.sets[row]!)
    this.#put(table, row, beneath)
  }

  #count(table: RouteTable, more: number, less: number): void {
    const { nextHops } = this.#state
    if (more !== 0) nextHops.count(more, table.family, 1)
    if (less !== 0) nextHops.count(less, table.family, -1)
  }

  #put(table: RouteTable, row: number, set: number): void {
    const { nextHops } = this.#state
    table.sets[row] = set
    const { addresses, lengths, words } = table.index
    nextHops.touch(table.family, addresses, row * words, lengths[row]!)
    table.enqueue(row)
  }

  /** One set for each gateway, whatever the number of peers behind it; described while it is used. */
  #describe(nextHops: NextHops, gateway: string): number {
    const id = this.#sets.get(gateway) ?? lastSet - this.#sets.size
    this.#sets.set(gateway, id)
    nextHops.define({ id, nextHops: [gateway], peers: [], onLinkOnly: true })
    return id
  }
}

function readAddress(text: string) {
  const address = parseAddress(text)
  if (address === null) throw new RangeError(`host route: "${text}" is no address`)
  return address
}
