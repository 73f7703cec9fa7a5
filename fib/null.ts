/**
 * The kernel writer of `--fib none`, for a pure reflector or an unprivileged look: no netlink, every
 * next hop counts as reachable at metric 0, and wanted routes are only remembered for the views.
 */
import { comparePrefixes, formatPrefix, type Prefix, parsePrefix } from './address.ts'
import { Journal } from './journal.ts'
import { families } from './state.ts'
import { RouteTable, rowFlags } from './table.ts'
import type {
  Fib,
  FibDifference,
  FibEvent,
  FibLookup,
  FibRouteView,
  FibSettings,
  FibStatus,
  Resolution,
  WantedChanges,
  WantedSet,
} from './types.ts'

const untouched = 'runs with --fib none: nothing is installed'

export class NullFib implements Fib {
  readonly #tables = { 4: new RouteTable(4), 6: new RouteTable(6) } as const
  readonly #sets = new Map<number, WantedSet>()
  readonly #tracked = new Map<string, number>()
  readonly #listeners: ((resolutions: readonly Resolution[]) => void)[] = []
  readonly #counters = new Journal().counters
  #settings: FibSettings

  constructor(settings: FibSettings) {
    this.#settings = settings
  }

  async start(): Promise<void> {}

  async close(): Promise<void> {}

  async withdrawAll(): Promise<void> {}

  configure(settings: FibSettings): void {
    this.#settings = settings
  }

  change(changes: WantedChanges): void {
    const table = this.#tables[changes.family === 'ipv4-unicast' ? 4 : 6]
    for (const set of changes.sets) this.#sets.set(set.id, set)
    for (let index = 0; index < changes.count; index++) {
      const at = index * table.index.words
      const row = table.insert(changes.addresses, at, changes.lengths[index]!)
      table.sets[row] = changes.nextHopSets[index]!
      table.release(row)
    }
  }

  blackholes(prefixes: readonly string[]): void {
    for (const family of families) {
      const table = this.#tables[family]
      for (const row of [...table.rows()]) {
        table.clear(row, rowFlags.blackhole)
        table.release(row)
      }
    }
    for (const text of prefixes) {
      const prefix = parsePrefix(text)
      if (prefix === null) throw new RangeError(`blackhole ${text}: not a prefix (10.0.0.0/24)`)
      const table = this.#tables[prefix.family]
      table.set(table.insert(prefix.words, 0, prefix.length), rowFlags.blackhole)
    }
  }

  synchronised(): void {}

  track(nextHop: string): void {
    const count = this.#tracked.get(nextHop) ?? 0
    this.#tracked.set(nextHop, count + 1)
    if (count > 0) return
    // Not within the call: with a kernel the answer comes later too.
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener([resolutionOf(nextHop)])
    })
  }

  untrack(nextHop: string): void {
    const count = this.#tracked.get(nextHop) ?? 0
    if (count > 1) this.#tracked.set(nextHop, count - 1)
    else this.#tracked.delete(nextHop)
  }

  /** Nothing is ever unreachable here. */
  dead(_nextHop: string): void {}

  alive(_nextHop: string): void {}

  onResolution(listener: (resolutions: readonly Resolution[]) => void): void {
    this.#listeners.push(listener)
  }

  /** Nothing ever happens here. */
  onEvent(_listener: (event: FibEvent) => void): void {}

  async status(): Promise<FibStatus> {
    let wanted = 0
    let blackholes = 0
    for (const family of families) {
      const table = this.#tables[family]
      for (const row of table.rows()) {
        wanted++
        if (table.has(row, rowFlags.blackhole)) blackholes++
      }
    }
    return {
      mode: 'none',
      settings: this.#settings,
      wanted,
      installed: 0,
      pending: wanted,
      unresolved: 0,
      failed: 0,
      conflicts: 0,
      stale: 0,
      blackholes,
      adopted: 0,
      adoptedFamilies: [],
      counters: { ...this.#counters },
      nextHops: [...this.#tracked.keys()].sort().map(resolutionOf),
    }
  }

  async routes(page: { after: string | null; limit: number }): Promise<readonly FibRouteView[]> {
    const after = page.after === null ? null : parsePrefix(page.after)
    if (page.after !== null && after === null) {
      throw new RangeError(`after ${page.after}: not a prefix (10.0.0.0/24)`)
    }
    const rows: (Prefix & { readonly table: RouteTable; readonly row: number })[] = []
    for (const family of families) {
      const table = this.#tables[family]
      const { addresses, lengths, words } = table.index
      for (const row of table.rows()) {
        const at = row * words
        const prefix = { family, words: addresses.subarray(at, at + words), length: lengths[row]! }
        if (after === null || comparePrefixes(prefix, after) > 0)
          rows.push({ ...prefix, table, row })
      }
    }
    rows.sort(comparePrefixes)
    return rows.slice(0, page.limit).map(({ table, row }) => this.#view(table, row))
  }

  async lookup(text: string): Promise<FibLookup> {
    const prefix = parsePrefix(text)
    if (prefix === null) throw new RangeError(`${text}: not a prefix (10.0.0.0/24)`)
    const table = this.#tables[prefix.family]
    const row = table.index.find(prefix.words, 0, prefix.length)
    const wanted = row < 0 ? null : this.#view(table, row)
    return {
      prefix: text,
      wanted,
      kernel: [],
      resolutions: (wanted?.nextHops ?? []).map(resolutionOf),
    }
  }

  async difference(): Promise<readonly FibDifference[]> {
    return []
  }

  #view(table: RouteTable, row: number): FibRouteView {
    const { addresses, lengths, words } = table.index
    return {
      prefix: formatPrefix(table.family, addresses, row * words, lengths[row]!),
      kind: table.has(row, rowFlags.blackhole) ? 'blackhole' : 'unicast',
      status: 'pending',
      nextHops: this.#sets.get(table.sets[row]!)?.nextHops ?? [],
      gateways: [],
      reason: untouched,
    }
  }
}

function resolutionOf(nextHop: string): Resolution {
  return {
    nextHop,
    reachable: true,
    metric: 0,
    onLink: false,
    gateways: [],
    reason: 'runs with --fib none: every next hop counts as reachable',
  }
}
