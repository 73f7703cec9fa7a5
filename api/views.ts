/**
 * What the HTTP side needs of the agent: questions and a few orders. The agent implements this; the
 * API never sees more. Only types of the engines are imported.
 */
import type { PathView, PeerView, PrefixExplanation } from '../bgp/types.ts'
import type { FibDifference, FibLookup, FibRouteView, FibStatus } from '../fib/types.ts'

export interface NodeView {
  readonly name: string
  readonly version: string
  readonly asn: number
  readonly routerId: string
  readonly clusterId: string | null
  readonly addresses: readonly string[]
  readonly podCidrs: readonly string[]
  /** Unix milliseconds. */
  readonly startedAt: number
  readonly healthy: boolean
  readonly ready: boolean
  /** Why it isn't ready, or null. */
  readonly readyReason: string | null
  readonly peers: { readonly wanted: number; readonly established: number }
  readonly routes: Readonly<Record<string, { prefixes: number; paths: number }>>
  readonly fib: FibStatus
  readonly announcements: readonly {
    prefix: string
    reason: string
    communities: readonly string[]
  }[]
  readonly conditions: readonly ConditionView[]
  /** Delay of the event loop over the last minute, milliseconds. */
  readonly loopDelay: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** A problem or remark of the configuration or the running state, with a reason code. */
export interface ConditionView {
  /** CamelCase reason code, e.g. `MissingSecret`, `FilterNotEnforced`, `FibConflict`. */
  readonly reason: string
  readonly severity: 'info' | 'warning' | 'error'
  /** `BGPPeer/rack-a`, `file.yaml:12`, … */
  readonly subject: string
  readonly message: string
  readonly remedy: string | null
}

export interface EventView {
  /** Grows by one; resume with Last-Event-ID. */
  readonly id: number
  /** Unix milliseconds. */
  readonly at: number
  readonly kind: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly peer: string | null
  readonly text: string
  readonly data: Readonly<Record<string, unknown>> | null
}

export interface RouteQuery {
  readonly prefix: string | null
  readonly match: 'exact' | 'longest' | 'covered'
  readonly view: 'best' | 'all'
  readonly limit: number
  readonly continue: string | null
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly continue: string | null
}

export interface ExplainView {
  readonly prefix: string
  /** The prefix asked for isn't in the table; this is the longest match used instead. */
  readonly matched: 'exact' | 'longest' | 'none'
  readonly bgp: PrefixExplanation
  readonly fib: FibLookup | null
  /** The whole answer in sentences, one an item, in reading order. */
  readonly words: readonly string[]
}

export interface OrderResult {
  readonly accepted: boolean
  readonly message: string
}

export interface AgentViews {
  node(): Promise<NodeView>
  peers(): readonly PeerView[]
  peer(name: string): PeerView | null
  peerRoutes(
    name: string,
    view: 'received' | 'accepted' | 'advertised',
    limit: number,
    after: string | null,
  ): Page<PathView>
  /** The recent events of a peer's session as JSON lines (docs/replay.md); null: not recorded. */
  recording(name: string): string | null
  routes(query: RouteQuery): Page<PathView>
  /** `prefix` is canonical CIDR, or a host address as /32 or /128. */
  explain(prefix: string, peer: string | null): Promise<ExplainView>
  fib(limit: number, after: string | null): Promise<Page<FibRouteView>>
  fibStatus(): Promise<FibStatus>
  fibDifference(): Promise<readonly FibDifference[]>
  /** Events after `id`, oldest first, from a bounded ring. */
  events(afterId: number, limit: number): readonly EventView[]
  /** Calls back on every new event; the returned function unsubscribes. */
  subscribe(listener: (event: EventView) => void): () => void
  healthy(): { readonly ok: boolean; readonly reason: string | null }
  ready(): { readonly ok: boolean; readonly reason: string | null }
  /** Prometheus text exposition. */
  metrics(): Promise<{ contentType: string; body: string }>
  reset(peer: string): OrderResult
  refresh(peer: string): OrderResult
  shutdown(peer: string): OrderResult
  enable(peer: string): OrderResult
  /** Graceful shutdown of the node's routes (RFC 8326), or the end of it. */
  drain(draining: boolean): OrderResult
}
