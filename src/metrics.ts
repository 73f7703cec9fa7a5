/**
 * Prometheus metrics, read from the living parts when they are scraped. Cardinality is bounded: one
 * series a configured peer and state, never one a prefix; dynamic neighbours are counted together.
 */
import { Counter, Gauge, Registry } from 'prom-client'
import type { PeerView } from '../bgp/types.ts'
import type { FibStatus } from '../fib/types.ts'
import type { Agent } from './agent.ts'
import { version } from './version.ts'

export interface Metrics {
  read(): Promise<{ contentType: string; body: string }>
}

/** Peers with series of their own; further ones appear in the totals alone. */
const peersMax = 500

export function createMetrics(
  agent: Agent,
  loopDelay: () => { p50: number; p99: number; max: number },
): Metrics {
  const registry = new Registry()
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge => {
    const made = new Gauge({ name: `routelet_${name}`, help, labelNames, registers: [registry] })
    return made
  }
  // Counted elsewhere and only shown here: reset before each scrape, then raised to its value.
  const counter = (name: string, help: string, labelNames: string[]): Counter =>
    new Counter({ name: `routelet_${name}`, help, labelNames, registers: [registry] })
  const info = gauge('info', 'Version and node; always 1', ['version', 'node'])
  const ready = gauge('ready', '1 when the node is ready')
  const sessions = gauge('peers', 'Peers by session state', ['state'])
  const up = gauge('peer_up', '1 when the session is Established', ['peer', 'type'])
  const flaps = counter('peer_flaps_total', 'Times the session left Established', ['peer'])
  const received = gauge('peer_received_prefixes', 'Paths received', ['peer', 'family'])
  const accepted = gauge('peer_accepted_prefixes', 'Paths that may be used', ['peer', 'family'])
  const advertised = gauge('peer_advertised_prefixes', 'Prefixes announced', ['peer', 'family'])
  const queued = gauge('peer_queued_bytes', 'Bytes waiting in the session', ['peer'])
  const updates = counter('peer_updates_total', 'UPDATE messages', ['peer', 'direction'])
  const prefixes = gauge('rib_prefixes', 'Prefixes in the RIB', ['family'])
  const paths = gauge('rib_paths', 'Paths in the RIB', ['family'])
  const sets = gauge('rib_attribute_sets', 'Distinct attribute sets')
  const routes = gauge('fib_routes', 'Kernel routes by status', ['status'])
  const operations = counter('fib_operations_total', 'Kernel operations by kind', ['operation'])
  const conditions = gauge('conditions', 'Conditions by severity', ['severity'])
  const delay = gauge('event_loop_delay_seconds', 'Delay of the event loop', ['quantile'])
  const memory = gauge('resident_memory_bytes', 'Resident memory of the process')

  const readPeers = (views: readonly PeerView[]): void => {
    const states = new Map<string, number>()
    for (const view of views) states.set(view.state, (states.get(view.state) ?? 0) + 1)
    for (const [state, count] of states) sessions.set({ state }, count)
    const own = views.filter((view) => !view.dynamic).slice(0, peersMax)
    for (const view of own) {
      const peer = view.name
      up.set({ peer, type: view.type }, view.state === 'Established' ? 1 : 0)
      flaps.inc({ peer }, view.flaps)
      queued.set({ peer }, view.queuedBytes)
      updates.inc({ peer, direction: 'received' }, view.messages.received.update)
      updates.inc({ peer, direction: 'sent' }, view.messages.sent.update)
      for (const { family, ...counts } of view.families) {
        received.set({ peer, family }, counts.received)
        accepted.set({ peer, family }, counts.accepted)
        advertised.set({ peer, family }, counts.advertised)
      }
    }
  }
  const readFib = (status: FibStatus): void => {
    const { installed, pending, unresolved, failed, conflicts, stale } = status
    const byStatus = { installed, pending, unresolved, failed, conflict: conflicts, stale }
    for (const [name, count] of Object.entries(byStatus)) routes.set({ status: name }, count)
    for (const [operation, count] of Object.entries(status.counters)) {
      operations.inc({ operation }, count)
    }
  }
  const readRest = (): void => {
    const counts = agent.speaker.views.counts()
    for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
      prefixes.set({ family }, counts.prefixes[family])
      paths.set({ family }, counts.paths[family])
    }
    sets.set(counts.attributeSets)
    info.set({ version, node: agent.node }, 1)
    ready.set(agent.ready().ok ? 1 : 0)
    for (const severity of ['info', 'warning', 'error']) {
      const count = agent.problems.filter((problem) => problem.severity === severity).length
      conditions.set({ severity }, count)
    }
    const { p50, p99, max } = loopDelay()
    for (const [quantile, value] of [
      ['0.5', p50],
      ['0.99', p99],
      ['1', max],
    ] as const) {
      delay.set({ quantile }, value / 1000)
    }
    memory.set(process.memoryUsage().rss)
  }
  return {
    read: async () => {
      registry.resetMetrics()
      readPeers(agent.speaker.views.peers())
      readFib(await agent.fib.status())
      readRest()
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}
