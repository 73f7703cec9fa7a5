/**
 * A small network as an agent would show it: the API's lowest seam, so that everything above it is
 * the real thing. Node n1 has two ToR peers, one of them down, and three prefixes.
 */
import type { AgentViews, EventView, NodeView, PlanView } from '../../api/views.ts'
import type { AdvertisementView, PathView, PeerView } from '../../bgp/types.ts'
import type { FibDifference, FibNexthop, FibRouteView, FibStatus } from '../../fib/types.ts'

export const STARTED_AT = 1_700_000_000_000

const messages = { open: 1, update: 4, notification: 0, keepalive: 30, refresh: 0 }

export function peer(name: string, changes: Partial<PeerView> = {}): PeerView {
  return {
    name,
    origin: `BGPPeer ${name}`,
    description: '',
    address: '10.0.0.254',
    port: 179,
    asn: 65001,
    localAsn: 64512,
    localAddress: '10.0.0.1',
    type: 'ebgp',
    routeReflectorClient: false,
    dynamic: false,
    state: 'Established',
    reason: null,
    since: STARTED_AT + 2000,
    remoteRouterId: '10.0.0.254',
    holdSeconds: 90,
    keepaliveSeconds: 30,
    password: true,
    capabilities: { local: ['multiprotocol ipv4-unicast'], remote: ['route refresh'] },
    families: [
      {
        family: 'ipv4-unicast',
        negotiated: true,
        received: 3,
        accepted: 2,
        best: 2,
        advertised: 1,
        endOfRibReceived: true,
        endOfRibSent: true,
        group: { number: 1, members: 2, apart: 'differs from group 2 in export' },
      },
    ],
    messages: { received: messages, sent: messages },
    flaps: 0,
    lastError: null,
    queuedBytes: 0,
    ...changes,
  }
}

export function path(prefix: string, changes: Partial<PathView> = {}): PathView {
  return {
    prefix,
    peer: 'rack-a',
    peerAddress: '10.0.0.254',
    pathId: 0,
    nextHops: ['10.0.0.254'],
    nextHopReachable: true,
    igpMetric: 0,
    best: true,
    multipath: false,
    stale: false,
    eligible: true,
    reason: null,
    filterSteps: [],
    attributes: {
      origin: 'igp',
      asPath: [{ type: 'sequence', asns: [65001, 64513] }],
      nextHop: '10.0.0.254',
      communities: ['65001:100'],
    },
    ...changes,
  }
}

export const plan: PlanView = {
  node: 'n1',
  peers: [{ name: 'rack-a', asn: 65001, password: true, filters: ['from-tor'], maxPrefixes: null }],
  filters: [{ name: 'from-tor', importV4: [{ action: 'Reject', cidr: '10.0.0.0/8' }] }],
  announcements: [{ prefix: '10.1.1.0/24', reason: 'pod CIDR of node n1', communities: [] }],
  settings: { node: { name: 'n1', asn: 64512 }, blackholes: ['10.1.1.0/24'] },
}

export const fibStatus: FibStatus = {
  mode: 'kernel',
  settings: {
    table: 254,
    protocol: 179,
    metric: 2179,
    maxPaths: 16,
    install: 'All',
    scanSeconds: 60,
  },
  wanted: 2,
  installed: 2,
  pending: 0,
  unresolved: 0,
  failed: 0,
  conflicts: 0,
  stale: 0,
  blackholes: 1,
  adopted: 0,
  adoptedFamilies: [],
  counters: {
    added: 3,
    replaced: 0,
    deleted: 0,
    errors: 0,
    repairs: 0,
    scans: 1,
    overflows: 0,
    swept: 0,
    objectsWritten: 3,
    objectsRemoved: 0,
  },
  errors: {},
  retrying: 0,
  sources: [],
  rivals: [],
  intruders: [],
  objects: { mode: 'objects', hops: 2, groups: 1 },
  nextHops: [
    {
      nextHop: '10.0.0.254',
      reachable: true,
      metric: 0,
      onLink: true,
      gateways: [{ interface: 'eth0', gateway: null }],
      reason: 'on link at eth0',
    },
  ],
}

export function node(changes: Partial<NodeView> = {}): NodeView {
  return {
    name: 'n1',
    version: '0.1.0',
    asn: 64512,
    routerId: '10.0.0.1',
    clusterId: null,
    addresses: ['10.0.0.1/24'],
    podCidrs: ['10.1.1.0/24'],
    startedAt: STARTED_AT,
    healthy: true,
    ready: true,
    readyReason: null,
    peers: { wanted: 2, established: 2 },
    routes: {
      'ipv4-unicast': { prefixes: 3, paths: 4 },
      'ipv6-unicast': { prefixes: 0, paths: 0 },
    },
    fib: fibStatus,
    announcements: [{ prefix: '10.1.1.0/24', reason: 'pod CIDR of this node', communities: [] }],
    conditions: [],
    loopDelay: { p50: 0.2, p99: 1.1, max: 4.2 },
    ...changes,
  }
}

const fibRoute: FibRouteView = {
  prefix: '10.1.2.0/24',
  kind: 'unicast',
  status: 'installed',
  nextHops: ['10.0.0.254'],
  gateways: [{ interface: 'eth0', gateway: '10.0.0.254' }],
  nexthop: 1_791_000_000,
  reason: null,
  error: null,
}

const advertisement: AdvertisementView = {
  peer: 'rack-b',
  advertised: false,
  reason: 'the session is not Established',
  filterSteps: [],
  attributes: null,
  paths: [],
}

/** The agent's ring of events, smaller. */
export class FakeRing {
  readonly capacity: number
  readonly listeners = new Set<(event: EventView) => void>()
  #events: EventView[] = []
  #next = 1

  constructor(capacity = 1000) {
    this.capacity = capacity
  }

  add(text: string, changes: Partial<EventView> = {}): EventView {
    const event: EventView = {
      id: this.#next++,
      at: STARTED_AT,
      kind: 'peer.state',
      level: 'info',
      peer: 'rack-a',
      text,
      data: null,
      ...changes,
    }
    this.#events = [...this.#events, event].slice(-this.capacity)
    for (const listener of this.listeners) listener(event)
    return event
  }

  after(id: number, limit: number): readonly EventView[] {
    return this.#events.filter((event) => event.id > id).slice(0, limit)
  }
}

export interface FakeAgent {
  readonly views: AgentViews
  readonly ring: FakeRing
  /** What was asked of the views, in order, as `name argument…`. */
  readonly asked: string[]
}

export function fakeAgent(changes: Partial<AgentViews> = {}, ring = new FakeRing()): FakeAgent {
  const asked: string[] = []
  const peers = [
    peer('rack-a'),
    peer('rack-b', {
      address: '10.0.1.254',
      state: 'Active',
      reason: 'connection refused: is BGP running on 10.0.1.254?',
      since: null,
      families: [],
    }),
  ]
  const paths = ['10.1.1.0/24', '10.1.2.0/24', '10.1.3.0/24'].map((prefix) => path(prefix))
  const order = (name: string) => (target: string, detail?: string | null) => {
    asked.push(detail == null ? `${name} ${target}` : `${name} ${target}: ${detail}`)
    return target === 'rack-b' && name === 'reset'
      ? { accepted: false, message: 'rack-b has no session to reset' }
      : { accepted: true, message: `${target}: ${name}` }
  }
  const page = <Item extends { prefix: string }>(
    items: readonly Item[],
    limit: number,
    after: string | null,
  ) => {
    const rest = items.filter((item) => after === null || item.prefix > after)
    const shown = rest.slice(0, limit)
    const last = rest.length > limit ? shown.at(-1)! : null
    return { items: shown, continue: last?.prefix ?? null }
  }
  const views: AgentViews = {
    node: async () => node(),
    plan: () => plan,
    peers: () => peers,
    peer: (name) => peers.find((candidate) => candidate.name === name) ?? null,
    explainPeer: ({ name, state }) => ({
      name,
      state,
      words: [`The session with ${name} is ${state}.`],
      tried: [{ at: STARTED_AT, level: 'warn', text: 'connection refused' }],
      heard: null,
      check: ['its BGP daemon'],
    }),
    peerRoutes: async (name, view, limit, after) => {
      asked.push(`peerRoutes ${name} ${view} ${limit} ${after}`)
      return page(paths, limit, after)
    },
    recording: (name) => (name === 'rack-a' ? '{"recording":1}\n{"at":1,"event":"start"}\n' : null),
    allRoutes: async function* (view) {
      asked.push(`allRoutes ${view}`)
      for (const one of paths) yield [one]
    },
    setLogLevel: (level, seconds) => {
      asked.push(`log ${level} ${seconds}`)
      return { accepted: true, message: `the log is at ${level} for ${seconds} s` }
    },
    routes: async (query) => {
      asked.push(`routes ${JSON.stringify(query)}`)
      return page(paths, query.limit, query.continue)
    },
    explain: async (prefix, peerName) => {
      asked.push(`explain ${prefix} ${peerName}`)
      return {
        prefix,
        matched: 'exact',
        bgp: {
          prefix,
          paths: [
            path(prefix),
            path(prefix, { peer: 'rack-b', best: false, reason: 'longer AS path' }),
          ],
          best: path(prefix),
          decidedBy: 'shorter AS path',
          advertisements: [advertisement],
        },
        fib: {
          prefix,
          wanted: fibRoute,
          kernel: [
            {
              prefix,
              table: 254,
              protocol: 'routelet (179)',
              ours: true,
              metric: 2179,
              kind: 'unicast',
              gateways: [{ interface: 'eth0', gateway: '10.0.0.254' }],
            },
          ],
          resolutions: fibStatus.nextHops,
        },
        words: [`${prefix} is known from 2 peers.`, 'rack-a is best: its AS path is shorter.'],
      }
    },
    fib: async (limit, after) => page([fibRoute], limit, after),
    fibStatus: async () => fibStatus,
    fibNexthops: async (): Promise<readonly FibNexthop[]> => [
      {
        id: 1_791_000_000,
        kind: 'group',
        members: [1_790_000_000, 1_790_000_001],
        gateways: [
          { interface: 'eth0', gateway: '10.0.0.254' },
          { interface: 'eth1', gateway: '10.0.1.254' },
        ],
        routes: 2,
      },
    ],
    fibDifference: async (): Promise<readonly FibDifference[]> => [],
    events: (afterId, limit) => ring.after(afterId, limit),
    subscribe: (listener) => {
      ring.listeners.add(listener)
      return () => ring.listeners.delete(listener)
    },
    healthy: () => ({ ok: true, reason: null }),
    ready: () => ({ ok: true, reason: null }),
    metrics: async () => ({
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: '# HELP routelet_peers Peers.\n# TYPE routelet_peers gauge\nroutelet_peers 2\n',
    }),
    reset: order('reset'),
    refresh: order('refresh'),
    shutdown: order('shutdown'),
    enable: order('enable'),
    drain: (draining) => ({ accepted: true, message: draining ? 'drained' : 'undrained' }),
    ...changes,
  }
  return { views, ring, asked }
}
