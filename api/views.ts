/**
 * What the HTTP side needs of the agent: questions and a few orders. The agent implements this; the
 * API never sees more. Only types of the engines are imported.
 */
import type { PathView, PeerView, PrefixExplanation } from '../bgp/types.ts'
import type { FibDifference, FibLookup, FibNexthop, FibRouteView, FibStatus } from '../fib/types.ts'

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
  /** The last key of the page; null: that was all. */
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

/** Why a session is (not) up: what was tried, what the other side said, what to check. */
export interface PeerExplanation {
  readonly name: string
  readonly state: PeerView['state']
  /** The whole answer in sentences, one an item, in reading order. */
  readonly words: readonly string[]
  /** What happened to it lately, oldest first. */
  readonly tried: readonly Pick<EventView, 'at' | 'level' | 'text'>[]
  /** The last thing the other side said of an error; null: it said nothing. */
  readonly heard: string | null
  /** What to look at, one an item; empty for a session that is up. */
  readonly check: readonly string[]
}

/**
 * What the agent carries out at present: all that its resources came down to, without keys. Plain
 * data whose inside is the agent's own; `routelet diff` compares it.
 */
export interface PlanView {
  readonly node: string
  readonly peers: readonly Readonly<Record<string, unknown>>[]
  readonly filters: readonly Readonly<Record<string, unknown>>[]
  readonly announcements: NodeView['announcements']
  readonly settings: Readonly<Record<string, unknown>>
}

/** Of a refresh: what the peer announces, what it is told, or both. */
export type RefreshDirection = 'in' | 'out' | 'both'

/** What the log tells, from everything to the worst alone. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface OrderResult {
  readonly accepted: boolean
  readonly message: string
}

export interface AgentViews {
  node(): Promise<NodeView>
  plan(): PlanView
  peers(): readonly PeerView[]
  peer(name: string): PeerView | null
  explainPeer(peer: PeerView): PeerExplanation
  peerRoutes(
    name: string,
    view: 'received' | 'accepted' | 'advertised',
    limit: number,
    after: string | null,
  ): Promise<Page<PathView>>
  /** The recent events of a peer's session as JSON lines (docs/replay.md); null: not recorded. */
  recording(name: string): string | null
  routes(query: RouteQuery): Promise<Page<PathView>>
  /** All of the table in no particular order, a stretch at a time; others run in between. */
  allRoutes(view: RouteQuery['view']): AsyncIterable<readonly PathView[]>
  /** `prefix` is canonical CIDR, or a host address as /32 or /128. */
  explain(prefix: string, peer: string | null): Promise<ExplainView>
  fib(limit: number, after: string | null): Promise<Page<FibRouteView>>
  fibStatus(): Promise<FibStatus>
  fibDifference(): Promise<readonly FibDifference[]>
  /** Nexthop objects of ours, groups first. */
  fibNexthops(): Promise<readonly FibNexthop[]>
  /** Events after `id`, oldest first, from a bounded ring. */
  events(afterId: number, limit: number): readonly EventView[]
  /** Calls back on every new event; the returned function unsubscribes. */
  subscribe(listener: (event: EventView) => void): () => void
  healthy(): { readonly ok: boolean; readonly reason: string | null }
  ready(): { readonly ok: boolean; readonly reason: string | null }
  /** Prometheus text exposition. */
  metrics(): Promise<{ contentType: string; body: string }>
  /** `message` is for the peer's operator (RFC 9003), 255 octets of UTF-8 at most. */
  reset(peer: string, message: string | null): OrderResult
  refresh(peer: string, direction: RefreshDirection): OrderResult
  shutdown(peer: string, message: string | null): OrderResult
  enable(peer: string): OrderResult
  /** For so many seconds; then the level of before holds again. */
  setLogLevel(level: LogLevel, seconds: number): OrderResult
  /** Graceful shutdown of the node's routes (RFC 8326), or the end of it. */
  drain(draining: boolean): OrderResult
}
