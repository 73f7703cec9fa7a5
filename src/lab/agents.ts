/**
 * The agents of a lab's nodes: started, asked over their sockets, and judged against the kernel's own
 * table.
 */
import { join } from 'node:path'
import type { NodeView, Page } from '../../api/views.ts'
import type { PathView, PeerView } from '../../bgp/types.ts'
import { type AgentClient, createClient, type Query } from '../cli/client.ts'
import { run } from './commands.ts'
import type { WhenEnded } from './keeper.ts'
import type { Network } from './namespaces.ts'
import type { Processes } from './processes.ts'
import type { NodePlan } from './topology.ts'
import { agentCommand } from './tor-routelet.ts'

/** A route with our mark, as `ip -j route` tells it. */
export interface KernelRoute {
  readonly prefix: string
  readonly kind: 'unicast' | 'blackhole'
  /** `10.240.1.1 eth0`, one for each path. */
  readonly nextHops: readonly string[]
}

/** What one agent and its kernel say. */
export interface NodeSurvey {
  readonly node: NodePlan
  readonly view: NodeView
  readonly peers: readonly PeerView[]
  /** Best paths, own announcements included. */
  readonly best: readonly PathView[]
  readonly kernel: readonly KernelRoute[]
}

export interface Agents {
  start(): void
  socket(node: NodePlan): string
  /** @throws {CommandError} when the agent doesn't answer (yet) */
  peers(node: NodePlan): Promise<readonly PeerView[]>
  kernelRoutes(node: NodePlan): Promise<readonly KernelRoute[]>
  survey(node: NodePlan): Promise<NodeSurvey>
}

const ROUTE_PROTOCOL = '179'
const PAGE_LIMIT = 1_000

export function createAgents(
  nodes: readonly NodePlan[],
  surroundings: {
    readonly network: Network
    readonly processes: Processes
    readonly folder: string
    readonly manifests: string
    readonly onExit: WhenEnded
  },
): Agents {
  const { network, processes } = surroundings
  const socket = (node: NodePlan) => join(surroundings.folder, `${node.name}.sock`)
  const startOne = (node: NodePlan) =>
    processes.start({
      name: node.name,
      command: network.inside(
        node.name,
        agentCommand({
          node: node.name,
          manifests: surroundings.manifests,
          socket: socket(node),
        }),
      ),
      onExit: (ending) =>
        surroundings.onExit(`${node.name}: the agent`, ending, () => startOne(node)),
    })
  const ask = (node: NodePlan) => createClient({ kind: 'unix', path: socket(node) }, null)
  return {
    start: () => nodes.forEach(startOne),
    socket,
    peers: (node) => askPeers(ask(node)),
    kernelRoutes: (node) => readKernel(network.name(node.name)),
    survey: (node) => surveyNode(node, ask(node), network.name(node.name)),
  }
}

async function surveyNode(
  node: NodePlan,
  client: AgentClient,
  namespace: string,
): Promise<NodeSurvey> {
  const [view, peers, best, kernel] = await Promise.all([
    client.get<NodeView>('/v1/node'),
    askPeers(client),
    askPages<PathView>(client, '/v1/routes', { view: 'best' }),
    readKernel(namespace),
  ])
  return { node, view, peers, best, kernel }
}

async function askPeers(client: AgentClient): Promise<readonly PeerView[]> {
  const { items } = await client.get<{ items: readonly PeerView[] }>('/v1/peers')
  return items
}

/**
 * Compares what an agent learned with what its kernel holds: exactly the learned prefixes and a
 * blackhole for each own pod CIDR.
 * @returns differences in words; empty when there are none
 */
export function judgeKernel(survey: NodeSurvey): string[] {
  const learned = new Set(
    survey.best.filter(({ peer }) => peer !== 'local').map(({ prefix }) => prefix),
  )
  const own = new Set(survey.view.podCidrs.filter((prefix) => !/\/(32|128)$/.test(prefix)))
  const held = new Map(survey.kernel.map((route) => [route.prefix, route.kind]))
  const problems: string[] = []
  for (const prefix of learned) {
    if (held.get(prefix) !== 'unicast') problems.push(`${prefix} was learned and is not installed`)
  }
  for (const prefix of own) {
    if (held.get(prefix) !== 'blackhole') problems.push(`${prefix} lacks its blackhole`)
  }
  for (const prefix of held.keys()) {
    if (!learned.has(prefix) && !own.has(prefix)) {
      problems.push(`${prefix} is installed and was not learned`)
    }
  }
  return problems
}

async function readKernel(namespace: string): Promise<readonly KernelRoute[]> {
  const listings = await Promise.all(
    ['-4', '-6'].map((family) =>
      run(['ip', '-n', namespace, family, '-j', 'route', 'show', 'proto', ROUTE_PROTOCOL]),
    ),
  )
  return listings.flatMap((text, index) => parseKernelRoutes(text, index === 0 ? 4 : 6))
}

interface IpRoute {
  readonly type?: string
  readonly dst: string
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly dev?: string
  readonly nexthops?: readonly Omit<IpRoute, 'nexthops'>[]
}

/** @param text what `ip -j route` printed; nothing at all means no routes */
export function parseKernelRoutes(text: string, family: 4 | 6): KernelRoute[] {
  const everything = family === 4 ? '0.0.0.0/0' : '::/0'
  const routes = text.trim() === '' ? [] : (JSON.parse(text) as IpRoute[])
  const describe = ({ gateway, via, dev }: Omit<IpRoute, 'dst'>) =>
    [gateway ?? via?.host ?? 'on link', dev].join(' ')
  return routes.map((route) => ({
    prefix:
      route.dst === 'default'
        ? everything
        : route.dst.includes('/')
          ? route.dst
          : `${route.dst}/${family === 4 ? 32 : 128}`,
    kind: route.type === 'blackhole' ? 'blackhole' : 'unicast',
    nextHops: route.type === 'blackhole' ? [] : (route.nexthops ?? [route]).map(describe),
  }))
}

async function askPages<T>(client: AgentClient, path: string, query: Query): Promise<readonly T[]> {
  const items: T[] = []
  let next: string | null = null
  do {
    const page: Page<T> = await client.get(path, { ...query, limit: PAGE_LIMIT, continue: next })
    items.push(...page.items)
    next = page.continue
  } while (next !== null)
  return items
}
