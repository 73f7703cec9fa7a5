/**
 * Prometheus metrics, read from the living parts when they are scraped. Cardinality is bounded: one
 * series a configured peer and state, never one a prefix; dynamic neighbours are counted together.
 *
 * The table below is the whole list. A counter is counted elsewhere and only shown here: all series
 * are reset before a scrape and raised to what was counted.
 */
import { Counter, Gauge, Registry } from 'prom-client'
import type { PeerView } from '../bgp/types.ts'
import type { FibStatus } from '../fib/types.ts'
import type { Agent } from './agent.ts'
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

const table = {
  info: ['gauge', 'Version and node; always 1', ['version', 'node']],
  ready: ['gauge', '1 when the node is ready', []],
  peers: ['gauge', 'Peers by session state', ['state']],
  peer_up: ['gauge', '1 when the session is Established', ['peer', 'type']],
  peer_flaps_total: ['counter', 'Times the session left Established', ['peer']],
  peer_received_prefixes: ['gauge', 'Paths received', ['peer', 'family']],
  peer_accepted_prefixes: ['gauge', 'Paths that may be used', ['peer', 'family']],
  peer_advertised_prefixes: ['gauge', 'Prefixes announced', ['peer', 'family']],
  peer_queued_bytes: ['gauge', 'Bytes waiting in the session', ['peer']],
  peer_updates_total: ['counter', 'UPDATE messages', ['peer', 'direction']],
  rib_prefixes: ['gauge', 'Prefixes in the RIB', ['family']],
  rib_paths: ['gauge', 'Paths in the RIB', ['family']],
  rib_attribute_sets: ['gauge', 'Distinct attribute sets', []],
  fib_routes: ['gauge', 'Kernel routes by status', ['status']],
  fib_operations_total: ['counter', 'Kernel operations by kind', ['operation']],
  conditions: ['gauge', 'Conditions by severity', ['severity']],
  event_loop_delay_seconds: ['gauge', 'Delay of the event loop', ['quantile']],
  resident_memory_bytes: ['gauge', 'Resident memory of the process', []],
} as const satisfies Record<string, readonly ['gauge' | 'counter', string, readonly string[]]>

type Table = typeof table
type Name = keyof Table
/** Puts a value into one series; the labels are those of the metric's row. */
type Show = <N extends Name>(
  name: N,
  value: number,
  ...labels: Table[N][2] extends readonly [] ? [] : [Readonly<Record<Table[N][2][number], string>>]
) => void

export function createMetrics(agent: Agent, loopDelay: () => LoopDelay): Metrics {
  const registry = new Registry()
  const show = register(registry)
  return {
    read: async () => {
      const { status, problems } = await agent.kernel.look()
      registry.resetMetrics()
      showPeers(show, agent.speaker.views.peers())
      showTables(show, agent)
      showKernel(show, status)
      showConditions(show, [...agent.problems, ...problems])
      show('info', 1, { version, node: agent.node })
      show('ready', agent.ready().ok ? 1 : 0)
      showProcess(show, loopDelay())
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
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

function showPeers(show: Show, views: readonly PeerView[]): void {
  for (const { state } of views) show('peers', 1, { state })
  for (const view of views.filter(({ dynamic }) => !dynamic).slice(0, peersMax)) {
    const { name: peer, type, messages } = view
    show('peer_up', view.state === 'Established' ? 1 : 0, { peer, type })
    show('peer_flaps_total', view.flaps, { peer })
    show('peer_queued_bytes', view.queuedBytes, { peer })
    show('peer_updates_total', messages.received.update, { peer, direction: 'received' })
    show('peer_updates_total', messages.sent.update, { peer, direction: 'sent' })
    for (const { family, received, accepted, advertised } of view.families) {
      show('peer_received_prefixes', received, { peer, family })
      show('peer_accepted_prefixes', accepted, { peer, family })
      show('peer_advertised_prefixes', advertised, { peer, family })
    }
  }
}

function showTables(show: Show, { speaker }: Agent): void {
  const { prefixes, paths, attributeSets } = speaker.views.counts()
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    show('rib_prefixes', prefixes[family], { family })
    show('rib_paths', paths[family], { family })
  }
  show('rib_attribute_sets', attributeSets)
}

function showKernel(show: Show, status: FibStatus): void {
  const { installed, pending, unresolved, failed, conflicts, stale } = status
  const byStatus = { installed, pending, unresolved, failed, conflict: conflicts, stale }
  for (const [name, count] of Object.entries(byStatus)) show('fib_routes', count, { status: name })
  for (const [operation, count] of Object.entries(status.counters)) {
    show('fib_operations_total', count, { operation })
  }
}

function showConditions(show: Show, problems: readonly Problem[]): void {
  for (const severity of ['info', 'warning', 'error']) show('conditions', 0, { severity })
  for (const { severity } of problems) show('conditions', 1, { severity })
}

function showProcess(show: Show, { p50, p99, max }: LoopDelay): void {
  show('event_loop_delay_seconds', p50 / 1000, { quantile: '0.5' })
  show('event_loop_delay_seconds', p99 / 1000, { quantile: '0.99' })
  show('event_loop_delay_seconds', max / 1000, { quantile: '1' })
  show('resident_memory_bytes', process.memoryUsage().rss)
}
