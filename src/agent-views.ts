/** The agent's answers to the API: every view of api/views.ts, made from the living parts. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type {
  AgentViews,
  EventView,
  ExplainView,
  LogLevel,
  NodeView,
  OrderResult,
  Page,
  PeerExplanation,
  PlanView,
  RefreshDirection,
  RouteQuery,
} from '../api/views.ts'
import { type Cursor, formatRecording, type Speaker, tablesStart } from '../bgp/index.ts'
import type { PathView, PeerView } from '../bgp/types.ts'
import type { FibDifference, FibLookup, FibNexthop, FibRouteView, FibStatus } from '../fib/types.ts'
import type { Agent } from './agent.ts'
import type { RequestTally } from './cluster/api-client.ts'
import { conditionOf, troublesOf } from './conditions.ts'
import { coversPrefix, knownPrefix } from './config/address.ts'
import { emptyResources } from './config/resources.ts'
import { markCutOff } from './cut-off.ts'
import { eventsMax } from './event-log.ts'
import { explainInWords } from './explain.ts'
import { explainPeer } from './explain-peer.ts'
import { showIntent } from './intent/difference.ts'
import { computeIntent } from './intent/intent.ts'
import type { Log } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { version } from './version.ts'

/** The loop's delay is looked at over windows of this length. */
const loopWindowMs = 60_000
const loopResolutionMs = 10
/** Prefixes shown in one turn of the event loop to all who read pages. */
const pagePrefixesPerTurnMax = 128

/** Before the own Node is known. */
const noIntent = computeIntent(emptyResources, '')

export class AgentAnswers implements AgentViews {
  readonly #agent: Agent
  readonly #log: Pick<Log, 'setLevelFor'> | null
  readonly #metrics: Metrics
  readonly #loop: IntervalHistogram
  readonly #window: NodeJS.Timeout
  readonly #whyUnreachable = (address: string) => this.#agent.nextHops.whyUnreachable(address)
  #loopDelay = { p50: 0, p99: 0, max: 0 }
  /** Whoever reads pages next comes after this. */
  #pageTurn: Promise<void> = Promise.resolve()

  /**
   * @param log Whose level may be changed; null: nobody's.
   * @param requests What an API server was asked so far.
   */
  constructor(
    agent: Agent,
    log: Pick<Log, 'setLevelFor'> | null = null,
    requests: () => Iterable<RequestTally> = () => [],
  ) {
    this.#agent = agent
    this.#log = log
    this.#metrics = createMetrics(agent, () => this.#delay(), requests)
    this.#loop = monitorEventLoopDelay({ resolution: loopResolutionMs })
    this.#loop.enable()
    this.#window = setInterval(() => {
      this.#loopDelay = readDelay(this.#loop)
      this.#loop.reset()
    }, loopWindowMs)
    this.#window.unref()
  }

  close(): void {
    clearInterval(this.#window)
    this.#loop.disable()
  }

  async node(): Promise<NodeView> {
    const agent = this.#agent
    const { intent, speaker } = agent
    const counts = speaker.views.counts()
    const ready = agent.ready()
    const kernel = await agent.kernel.look()
    const wanted = intent?.peers.filter((peer) => peer.range === null).length ?? 0
    return {
      name: agent.node,
      version,
      asn: intent?.node?.asn ?? 0,
      routerId: intent?.node?.routerId ?? '0.0.0.0',
      clusterId: intent?.node?.clusterId ?? null,
      addresses: intent?.node?.addresses ?? [],
      podCidrs: intent?.node?.podCidrs ?? [],
      startedAt: agent.startedAt,
      healthy: agent.healthy().ok,
      ready: ready.ok,
      readyReason: ready.reason,
      peers: { wanted: Math.max(wanted, counts.peers), established: counts.established },
      routes: {
        'ipv4-unicast': routeCounts(counts, 'ipv4-unicast'),
        'ipv6-unicast': routeCounts(counts, 'ipv6-unicast'),
      },
      fib: kernel.status,
      announcements: agent.holdDown.announced,
      conditions: troublesOf(agent, kernel.problems).map(conditionOf),
      loopDelay: this.#delay(),
    }
  }

  plan(): PlanView {
    const { intent, node } = this.#agent
    const { peers, filters, announcements, settings } = showIntent(intent ?? noIntent)
    // Plain data all of it; the API needs no word for what is inside.
    const list = (rows: readonly object[]) => rows as PlanView['peers']
    return { node, peers: list(peers), filters: list(filters), announcements, settings }
  }

  peers(): readonly PeerView[] {
    return this.#agent.speaker.views
      .peers()
      .map((peer) => markCutOff(peer, this.#whyUnreachable))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  peer(name: string): PeerView | null {
    const peer = this.#agent.speaker.views.peer(name)
    return peer && markCutOff(peer, this.#whyUnreachable)
  }

  explainPeer(peer: PeerView): PeerExplanation {
    return explainPeer(peer, this.#agent.events.after(0, eventsMax))
  }

  peerRoutes(
    name: string,
    view: 'received' | 'accepted' | 'advertised',
    limit: number,
    after: string | null,
  ): Promise<Page<PathView>> {
    const { views } = this.#agent.speaker
    return this.#page(limit, after, (left, from) => views.peerPaths(name, view, left, from))
  }

  recording(name: string): string | null {
    const recording = this.#agent.speaker.views.recording(name)
    return recording === null ? null : formatRecording(recording, `routelet ${version}`)
  }

  routes(query: RouteQuery): Promise<Page<PathView>> {
    const { views } = this.#agent.speaker
    return this.#page(query.limit, query.continue, (limit, after) =>
      views.paths({ ...query, limit, after }),
    )
  }

  /**
   * A part of one page a turn, in the order they were asked for: however many ask at once, sessions have
   * their turns in between. A page that is long, or whose rows are far between, takes several.
   */
  async #page(
    limit: number,
    after: string | null,
    read: (left: number, from: string | null) => ReturnType<Speaker['views']['paths']>,
  ): Promise<Page<PathView>> {
    await this.#agent.speaker.views.prepare()
    const items: PathView[] = []
    let left = limit
    let from = after
    do {
      this.#pageTurn = this.#pageTurn.then(() => nextTurn())
      await this.#pageTurn
      const asked = Math.min(left, pagePrefixesPerTurnMax)
      const part = read(asked, from)
      items.push(...part.items)
      left -= asked - part.left
      from = part.continue
    } while (left > 0 && from !== null)
    return { items, continue: from }
  }

  async *allRoutes(view: RouteQuery['view']): AsyncGenerator<readonly PathView[]> {
    let from: Cursor | null = tablesStart
    while (from !== null) {
      const { items, next } = this.#agent.speaker.views.stretch(view, from)
      yield items
      await nextTurn()
      from = next
    }
  }

  async explain(prefix: string, peer: string | null): Promise<ExplainView> {
    const { speaker } = this.#agent
    let bgp = speaker.views.explain(prefix)
    let matched: ExplainView['matched'] = bgp.paths.length > 0 ? 'exact' : 'none'
    if (matched === 'none') {
      const query = { prefix, match: 'longest', view: 'best', limit: 1, after: null } as const
      const [longest] = speaker.views.paths(query).items
      if (longest !== undefined) {
        bgp = speaker.views.explain(longest.prefix)
        matched = 'longest'
      }
    }
    if (peer !== null) {
      bgp = { ...bgp, advertisements: bgp.advertisements.filter((each) => each.peer === peer) }
    }
    const fib = await this.#lookup(bgp.prefix)
    const defaultRoute = this.#agent.intent?.defaultRoute ?? 'Ignore'
    const passedOn = this.#passedOn(bgp.prefix)
    const words = explainInWords({ asked: prefix, bgp, fib, peer, defaultRoute, passedOn })
    return { prefix, matched, bgp, fib, words }
  }

  #passedOn(prefix: string): string | null {
    const known = knownPrefix(prefix)
    const range = this.#agent.intent?.refuse.find(
      (one) => one.passOn === true && coversPrefix(knownPrefix(one.prefix), known),
    )
    return range?.reason ?? null
  }

  /** null while there is no kernel writer to ask: BGP's part of the answer stands by itself. */
  async #lookup(prefix: string): Promise<FibLookup | null> {
    const { fib, kernel } = this.#agent
    return kernel.answers ? await fib.lookup(prefix) : null
  }

  async fib(limit: number, after: string | null): Promise<Page<FibRouteView>> {
    if (this.#agent.kernel.asleep) return { items: [], continue: null }
    const items = await this.#agent.fib.routes({ after, limit: limit + 1 })
    const page = items.slice(0, limit)
    return { items: page, continue: items.length > limit ? (page.at(-1)?.prefix ?? null) : null }
  }

  async fibStatus(): Promise<FibStatus> {
    return (await this.#agent.kernel.look()).status
  }

  async fibNexthops(): Promise<readonly FibNexthop[]> {
    return this.#agent.kernel.asleep ? [] : await this.#agent.fib.nexthops()
  }

  async fibDifference(): Promise<readonly FibDifference[]> {
    return this.#agent.kernel.asleep ? [] : await this.#agent.fib.difference()
  }

  events(afterId: number, limit: number): readonly EventView[] {
    return this.#agent.events.after(afterId, limit)
  }

  subscribe(listener: (event: EventView) => void): () => void {
    return this.#agent.events.subscribe(listener)
  }

  healthy(): { ok: boolean; reason: string | null } {
    return this.#agent.healthy()
  }

  ready(): { ok: boolean; reason: string | null } {
    return this.#agent.ready()
  }

  metrics(): Promise<{ contentType: string; body: string }> {
    return this.#metrics.read()
  }

  reset(peer: string, message: string | null): OrderResult {
    const done = this.#agent.speaker.reset(peer, message ?? undefined)
    return { accepted: done, message: done ? `session ${peer} is being reset` : `no peer ${peer}` }
  }

  refresh(peer: string, direction: RefreshDirection): OrderResult {
    const { speaker } = this.#agent
    const done: string[] = []
    if (direction !== 'out') {
      if (!speaker.requestRefresh(peer)) {
        const why = 'the session is down or the peer does not support route refresh'
        return { accepted: false, message: `${peer} can't be asked: ${why}` }
      }
      done.push(`asked ${peer} for all its routes again`)
    }
    if (direction !== 'in') {
      if (!speaker.resend(peer)) {
        return { accepted: false, message: `${peer} can't be told: the session is down` }
      }
      done.push(`sending ${peer} all our routes again`)
    }
    return { accepted: true, message: done.join('; ') }
  }

  shutdown(peer: string, message: string | null): OrderResult {
    const done = this.#agent.speaker.shutdown(peer, message ?? undefined)
    return { accepted: done, message: done ? `session ${peer} is shut down` : `no peer ${peer}` }
  }

  drain(draining: boolean): OrderResult {
    this.#agent.speaker.drain(draining)
    const message = draining
      ? 'every route is announced as the last choice (GRACEFUL_SHUTDOWN, RFC 8326)'
      : 'routes are announced as usual again'
    return { accepted: true, message }
  }

  setLogLevel(level: LogLevel, seconds: number): OrderResult {
    if (this.#log === null) return { accepted: false, message: 'this agent writes no log' }
    this.#log.setLevelFor(level, seconds)
    const message = `the log is at ${level} for ${seconds} s, and then as before`
    return { accepted: true, message }
  }

  enable(peer: string): OrderResult {
    const done = this.#agent.speaker.enable(peer)
    return { accepted: done, message: done ? `session ${peer} is enabled` : `no peer ${peer}` }
  }

  /** The last whole window, or what there is of the first one. */
  #delay(): { p50: number; p99: number; max: number } {
    return this.#loopDelay.max === 0 ? readDelay(this.#loop) : this.#loopDelay
  }
}

function readDelay(loop: IntervalHistogram): { p50: number; p99: number; max: number } {
  // The histogram counts the resolution itself as delay.
  const ms = (nanoseconds: number): number =>
    Math.round(Math.max(0, nanoseconds / 1e6 - loopResolutionMs) * 100) / 100
  if (loop.count === 0) return { p50: 0, p99: 0, max: 0 }
  return { p50: ms(loop.percentile(50)), p99: ms(loop.percentile(99)), max: ms(loop.max) }
}

function routeCounts(
  counts: ReturnType<Agent['speaker']['views']['counts']>,
  family: 'ipv4-unicast' | 'ipv6-unicast',
): { prefixes: number; paths: number } {
  return { prefixes: counts.prefixes[family], paths: counts.paths[family] }
}
