/**
 * Prometheus metrics, read from the living parts when they are scraped. Cardinality is bounded: series
 * for each peer of a BGPPeer, never one a prefix; the mesh and dynamic neighbours are counted together.
 *
 * The table below is the whole list. A counter is counted elsewhere and only shown here: all series
 * are reset before a scrape and raised to what was counted.
 */
import { Counter, Gauge, Registry } from 'prom-client'
import type { PeerView } from '../bgp/types.ts'
import type { FibStatus } from '../fib/types.ts'
import type { Agent } from './agent.ts'
import type { RequestTally } from './cluster/api-client.ts'
import { troublesOf } from './conditions.ts'
import { meshOrigin } from './intent/session.ts'
import type { Problem } from './intent/types.ts'
import { version } from './version.ts'

export interface Metrics {
  read(): Promise<{ contentType: string; body: string }>
}

/** Of the event loop, milliseconds. */
export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Peers with series of their own; further ones appear in the totals alone. */
const peersMax = 500

/** The name after `routelet_`, the type, the help, the labels. docs/metrics.md is this table in words. */
export const table = {
  info: ['gauge', 'Version and node; always 1', ['version', 'node']],
  ready: ['gauge', '1 when the node is ready', []],
  healthy: ['gauge', '1 while the agent works', []],
  start_time_seconds: ['gauge', 'Unix time of the start of the agent', []],
  peers: ['gauge', 'Peers by session state', ['state']],
  session_ends_total: ['counter', 'Sessions that left Established, by reason', ['reason']],
  peer_up: ['gauge', '1 when the session is Established', ['peer', 'type']],
  peer_flaps_total: ['counter', 'Times it left Established, by reason', ['peer', 'reason']],
  peer_received_prefixes: ['gauge', 'Paths received', ['peer', 'family']],
  peer_accepted_prefixes: ['gauge', 'Paths that may be used', ['peer', 'family']],
  peer_advertised_prefixes: ['gauge', 'Prefixes announced', ['peer', 'family']],
  peer_queued_bytes: ['gauge', 'Bytes waiting in the session', ['peer']],
  peer_messages_total: ['counter', 'BGP messages', ['peer', 'direction', 'message']],
  group_peers: ['gauge', 'Mesh and dynamic peers by session state', ['group', 'state']],
  group_received_prefixes: [
    'gauge',
    'Paths received of mesh and dynamic peers',
    ['group', 'family'],
  ],
  group_queued_bytes: ['gauge', 'Bytes waiting in mesh and dynamic sessions', ['group']],
  rib_prefixes: ['gauge', 'Prefixes in the RIB', ['family']],
  rib_paths: ['gauge', 'Paths in the RIB', ['family']],
  rib_attribute_sets: ['gauge', 'Distinct attribute sets', []],
  convergence_seconds: ['gauge', 'How long the last large change took to settle', []],
  fib_routes: ['gauge', 'Kernel routes by status', ['status']],
  fib_operations_total: ['counter', 'Kernel operations by kind', ['operation']],
  fib_errors_total: ['counter', 'Refusals of the kernel', ['errno']],
  fib_retrying: ['gauge', 'Routes that wait to be tried again', []],
  fib_difference: ['gauge', 'Routes that are not as wanted, or not wanted', []],
  fib_nexthops: ['gauge', 'Nexthop objects in the kernel', ['kind']],
  fib_rival_routes: ['gauge', 'Routes of others for wanted prefixes', ['protocol']],
  kubernetes_requests_total: ['counter', 'Requests to the API server', ['verb', 'code']],
  kubernetes_request_seconds_total: [
    'counter',
    'Time until the API server began to answer',
    ['verb', 'code'],
  ],
  conditions: ['gauge', 'Conditions by severity', ['severity']],
  events_total: ['counter', 'Events by level', ['level']],
  event_loop_delay_seconds: ['gauge', 'Delay of the event loop', ['percentile']],
  resident_memory_bytes: ['gauge', 'Resident memory of the process', []],
} as const satisfies Record<string, readonly ['gauge' | 'counter', string, readonly string[]]>

/** Words of the reason for which a session ended, each with its label; the first that fits. */
const endings: readonly (readonly [label: string, words: RegExp])[] = [
  ['notification', /^received NOTIFICATION/],
  ['bfd', /\bBFD\b/],
  ['hold_timer', /hold timer/i],
  ['limit', /prefix limit|maxPrefixes|more than \d+ prefixes/i],
  ['order', /\b(reset|shut ?down|removed|settings|by order)\b/i],
  ['connection', /connection|unreachable|refused|no answer/i],
]

type Table = typeof table
type Name = keyof Table
/** Puts a value into one series; the labels are those of the metric's row. */
type Show = <N extends Name>(
  name: N,
  value: number,
  ...labels: Table[N][2] extends readonly [] ? [] : [Readonly<Record<Table[N][2][number], string>>]
) => void

export function createMetrics(
  agent: Agent,
  loopDelay: () => LoopDelay,
  requests: () => Iterable<RequestTally> = () => [],
): Metrics {
  const registry = new Registry()
  const show = register(registry)
  const happened = countEvents(agent)
  return {
    read: async () => {
      const { status, problems } = await agent.kernel.look()
      registry.resetMetrics()
      const peers = agent.speaker.views.peers()
      showPeers(show, peers)
      showFlaps(show, peers.filter(isSingle).slice(0, peersMax), happened.flaps)
      showTables(show, agent)
      showKernel(show, status)
      showRequests(show, requests())
      showConditions(show, troublesOf(agent, problems))
      for (const [level, count] of happened.levels) show('events_total', count, { level })
      for (const [reason, count] of happened.ends) show('session_ends_total', count, { reason })
      show('info', 1, { version, node: agent.node })
      show('ready', agent.ready().ok ? 1 : 0)
      show('healthy', agent.healthy().ok ? 1 : 0)
      show('start_time_seconds', agent.startedAt / 1000)
      showProcess(show, loopDelay())
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}

interface Happened {
  readonly levels: ReadonlyMap<string, number>
  readonly ends: ReadonlyMap<string, number>
  /** Of each peer that has lost a session. */
  readonly flaps: Map<string, Map<string, number>>
}

const endingLabels: readonly string[] = [...endings.map(([label]) => label), 'other']

/** Counted as they happen: the ring of events forgets, and so do dynamic peers. */
function countEvents({ events, speaker }: Agent): Happened {
  const levels = new Map(['debug', 'info', 'warn', 'error'].map((level) => [level, 0]))
  const ends = new Map(endingLabels.map((label) => [label, 0]))
  const flaps: Happened['flaps'] = new Map()
  events.subscribe(({ kind, level, peer, text }) => {
    levels.set(level, (levels.get(level) ?? 0) + 1)
    if (kind !== 'peer.down') return
    const reason = endingOf(text)
    add(ends, reason)
    const view = peer === null ? null : speaker.views.peer(peer)
    if (view === null || !isSingle(view)) return
    const known = flaps.get(view.name)
    if (known !== undefined) add(known, reason)
    else if (flaps.size < peersMax) flaps.set(view.name, add(new Map(), reason))
  })
  return { levels, ends, flaps }
}

function add(counts: Map<string, number>, label: string): Map<string, number> {
  return counts.set(label, (counts.get(label) ?? 0) + 1)
}

export function endingOf(text: string): string {
  return endings.find(([, words]) => words.test(text))?.[0] ?? 'other'
}

function register(registry: Registry): Show {
  const metrics = new Map(
    Object.entries(table).map(([name, [type, help, labelNames]]) => {
      const options = { name: `routelet_${name}`, help, labelNames, registers: [registry] }
      return [name, type === 'gauge' ? new Gauge(options) : new Counter(options)]
    }),
  )
  return (name, value, ...[labels]) => {
    const metric = metrics.get(name)
    if (labels === undefined) metric?.inc(value)
    else metric?.inc(labels, value)
  }
}

/** Has series of its own. */
function isSingle(view: PeerView): boolean {
  return groupOf(view) === null
}

/** Peers that come and go with nodes are counted together; those of a BGPPeer are shown one by one. */
function groupOf({ dynamic, origin }: PeerView): 'mesh' | 'dynamic' | null {
  if (dynamic) return 'dynamic'
  return origin === meshOrigin ? 'mesh' : null
}

function showPeers(show: Show, views: readonly PeerView[]): void {
  let shown = 0
  for (const view of views) {
    const { state } = view
    show('peers', 1, { state })
    const group = groupOf(view)
    if (group === null && shown++ < peersMax) showPeer(show, view)
    if (group === null) continue
    show('group_peers', 1, { group, state })
    show('group_queued_bytes', view.queuedBytes, { group })
    for (const { family, received } of view.families) {
      show('group_received_prefixes', received, { group, family })
    }
  }
}

function showPeer(show: Show, view: PeerView): void {
  const { name: peer, type, messages } = view
  show('peer_up', view.state === 'Established' ? 1 : 0, { peer, type })
  show('peer_queued_bytes', view.queuedBytes, { peer })
  for (const direction of ['received', 'sent'] as const) {
    for (const [message, count] of Object.entries(messages[direction])) {
      show('peer_messages_total', count, { peer, direction, message })
    }
  }
  for (const { family, received, accepted, advertised } of view.families) {
    show('peer_received_prefixes', received, { peer, family })
    show('peer_accepted_prefixes', accepted, { peer, family })
    show('peer_advertised_prefixes', advertised, { peer, family })
  }
}

/** Every reason from the start, or the first flap of a kind would be no increase. */
function showFlaps(show: Show, views: readonly PeerView[], flaps: Happened['flaps']): void {
  const names = new Set(views.map(({ name }) => name))
  for (const peer of flaps.keys()) if (!names.has(peer)) flaps.delete(peer)
  for (const peer of names) {
    const counts = flaps.get(peer)
    for (const reason of endingLabels) {
      show('peer_flaps_total', counts?.get(reason) ?? 0, { peer, reason })
    }
  }
}

function showRequests(show: Show, tallies: Iterable<RequestTally>): void {
  for (const { verb, status, count, seconds } of tallies) {
    const labels = { verb, code: status === 0 ? 'none' : String(status) }
    show('kubernetes_requests_total', count, labels)
    show('kubernetes_request_seconds_total', seconds, labels)
  }
}

function showTables(show: Show, { speaker }: Agent): void {
  const { prefixes, paths, attributeSets } = speaker.views.counts()
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    show('rib_prefixes', prefixes[family], { family })
    show('rib_paths', paths[family], { family })
  }
  show('rib_attribute_sets', attributeSets)
  show('convergence_seconds', (speaker.engine.busy.lastMs ?? 0) / 1000)
}

function showKernel(show: Show, status: FibStatus): void {
  const { installed, pending, unresolved, failed, conflicts, stale } = status
  const byStatus = { installed, pending, unresolved, failed, conflict: conflicts, stale }
  for (const [name, count] of Object.entries(byStatus)) show('fib_routes', count, { status: name })
  for (const [operation, count] of Object.entries(status.counters)) {
    show('fib_operations_total', count, { operation })
  }
  for (const [errno, count] of Object.entries(status.errors)) {
    show('fib_errors_total', count, { errno })
  }
  show('fib_retrying', status.retrying)
  show('fib_difference', status.wanted - installed + stale)
  show('fib_nexthops', status.objects?.hops ?? 0, { kind: 'hop' })
  show('fib_nexthops', status.objects?.groups ?? 0, { kind: 'group' })
  for (const { name, holding, winning, resting } of status.rivals) {
    show('fib_rival_routes', holding + winning + resting, { protocol: name })
  }
}

function showConditions(show: Show, problems: readonly Problem[]): void {
  for (const severity of ['info', 'warning', 'error']) show('conditions', 0, { severity })
  for (const { severity } of problems) show('conditions', 1, { severity })
}

function showProcess(show: Show, { p50, p99, max }: LoopDelay): void {
  show('event_loop_delay_seconds', p50 / 1000, { percentile: '50' })
  show('event_loop_delay_seconds', p99 / 1000, { percentile: '99' })
  show('event_loop_delay_seconds', max / 1000, { percentile: '100' })
  show('resident_memory_bytes', process.memoryUsage().rss)
}
