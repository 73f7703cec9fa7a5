/**
 * The kernel writer of `--fib none`, for a pure reflector or an unprivileged look: no netlink, and
 * every next hop counts as reachable at metric 0. Learned routes aren't kept a second time: the BGP
 * table is the only one, and a reflector of a million routes pays nothing for a kernel it never
 * writes. Own blackholes are few, and shown.
 */
import { comparePrefixes, type Prefix, parsePrefix } from './address.ts'
import { noCounters } from './journal.ts'
import type {
  Fib,
  FibDifference,
  FibEvent,
  FibLookup,
  FibNexthop,
  FibRouteView,
  FibSettings,
  FibStatus,
  Guard,
  HostRoute,
  Resolution,
  WantedChanges,
} from './types.ts'

export class NullFib implements Fib {
  /** In the order of their addresses. */
  #blackholes: readonly string[] = []
  readonly #tracked = new Map<string, number>()
  /** Tracked since the last answer. */
  readonly #asked: string[] = []
  readonly #listeners: ((resolutions: readonly Resolution[]) => void)[] = []
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

  change(_changes: WantedChanges): void {}

  blackholes(prefixes: readonly string[]): void {
    this.#blackholes = [...prefixes].sort((a, b) => comparePrefixes(prefixOf(a), prefixOf(b)))
  }

  hosts(_routes: readonly HostRoute[]): void {}

  guard(_guard: Guard): void {}

  synchronised(): void {}

  track(nextHop: string): void {
    const count = this.#tracked.get(nextHop) ?? 0
    this.#tracked.set(nextHop, count + 1)
    if (count > 0) return
    // Not within the call: with a kernel the answer comes later too.
    if (this.#asked.length === 0) queueMicrotask(() => this.#answer())
    this.#asked.push(nextHop)
  }

  #answer(): void {
    const resolutions = this.#asked.splice(0).map(resolutionOf)
    for (const listener of this.#listeners) listener(resolutions)
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
    return {
      mode: 'none',
      settings: this.#settings,
      wanted: this.#blackholes.length,
      installed: 0,
      pending: this.#blackholes.length,
      unresolved: 0,
      failed: 0,
      conflicts: 0,
      stale: 0,
      blackholes: this.#blackholes.length,
      adopted: 0,
      adoptedFamilies: [],
      counters: noCounters,
      nextHops: [...this.#tracked.keys()].sort().map(resolutionOf),
      errors: {},
      retrying: 0,
      sources: [],
      rivals: [],
      intruders: [],
    }
  }

  async routes(page: { after: string | null; limit: number }): Promise<readonly FibRouteView[]> {
    const after = page.after === null ? null : prefixOf(page.after)
    return this.#blackholes
      .filter((prefix) => after === null || comparePrefixes(prefixOf(prefix), after) > 0)
      .slice(0, page.limit)
      .map(blackholeView)
  }

  async lookup(text: string): Promise<FibLookup> {
    const prefix = prefixOf(text)
    const own = this.#blackholes.find((own) => comparePrefixes(prefixOf(own), prefix) === 0)
    const wanted = own === undefined ? null : blackholeView(own)
    return { prefix: text, wanted, kernel: [], resolutions: [] }
  }

  async nexthops(): Promise<readonly FibNexthop[]> {
    return []
  }

  async difference(): Promise<readonly FibDifference[]> {
    return []
  }
}

/** @throws RangeError when the text is no prefix. */
function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text)
  if (prefix === null) throw new RangeError(`${text}: not a prefix (10.0.0.0/24)`)
  return prefix
}

function blackholeView(prefix: string): FibRouteView {
  return {
    prefix,
    kind: 'blackhole',
    status: 'pending',
    nextHops: [],
    gateways: [],
    nexthop: null,
    reason: 'runs with --fib none: nothing is installed',
    error: null,
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
