/**
 * Graceful restart (RFC 4724) where it matters: in the lab, under traffic. An agent is killed and
 * comes back, then the switch of its rack, while pods of both racks ping each other in both
 * directions and families. Not one packet may be lost, and no kernel may drop a route meanwhile.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import type { EventView, NodeView } from '../../api/views.ts'
import type { PathView, PeerView } from '../../bgp/types.ts'
import { type AgentClient, createClient } from '../../src/cli/client.ts'
import { run } from '../../src/lab/commands.ts'
import { watchRoutes } from '../network/kernel.ts'
import { type Daemon, Namespace } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { start } from './running.ts'
import { type Flow, startFlow } from './traffic.ts'

/** Of a whole test. Generous: the machine may be busy. */
export const timeout = 180_000
/** From asking to the last End-of-RIB; much longer than it takes. */
const patienceSeconds = 60
/** Answers waited for when all is over: a tenth of a second of traffic over what is left. */
const aftermath = 50

export interface Switch {
  readonly option: 'bird' | 'frr'
  /** Of the program that speaks BGP, in the folder of the switch. */
  readonly pidFile: string
  /**
   * It gives up what it forwards before all of its neighbours are back, so what is lost then is its
   * own doing; that nothing is lost while it is gone is ours.
   */
  readonly sweepsEarly?: true
}

/** Two racks with a node each. */
interface Site {
  readonly agents: readonly [AgentClient, AgentClient]
  namespace(name: string): Namespace
  /** Process ids. */
  readonly agentPid: number
  switchPid(): number
}

export async function restartUnderTraffic(t: Test, kind: Switch): Promise<void> {
  const lab = start(t, ['lab', '--nodes', '2', '--tor', kind.option])
  const [, prefix = ''] = await lab.said(/ip -n (rl-[0-9a-f]{6})-n1 route/)
  const [, logs = ''] = await lab.said(/^ +logs +(\S+)$/m)
  const site = await describe(prefix, path.dirname(logs), kind)
  for (const agent of site.agents) await settled('everybody to have said all', agent)
  const flows = [
    ...['10.244.2.11', 'fd42:244:2::11'].map((to) => startFlow(`${prefix}-n1-p1`, 'n1-p1', to)),
    ...['10.244.1.12', 'fd42:244:1::12'].map((to) => startFlow(`${prefix}-n2-p2`, 'n2-p2', to)),
  ]
  const monitors = new Map<string, Daemon>()
  t.teardown(async () => {
    for (const flow of flows) await flow.stop()
    for (const monitor of monitors.values()) await monitor.stop()
  })
  for (const name of ['n1', 'n2', 'tor1', 'tor2']) {
    monitors.set(name, await watchRoutes(site.namespace(name)))
  }
  await goOn(flows)
  const judge = (t: Test, before = Number.POSITIVE_INFINITY) => {
    for (const flow of flows) {
      const { sent, received, gaps } = flow.count()
      const ours = gaps.filter(({ after }) => after < before)
      const swept = gaps.length > ours.length ? ', the others lost when the switch swept' : ''
      t.same(ours, [], `${flow.name}: ${sent} sent, ${received} answered${swept}`)
    }
    if (before < Number.POSITIVE_INFINITY) return
    for (const [name, monitor] of monitors) {
      t.same(routesGone(monitor), [], `${name}: no route to pods or switches went away`)
    }
  }
  await t.test('the agent of n1 is killed and comes back', async (t) => {
    await killAgent(t, site, flows)
    judge(t)
  })
  await t.test('the switch tor1 is killed and comes back', async (t) => {
    const again = lab.said(/tor1: \S+ was started again/).then(() => Date.now())
    await killSwitch(t, site, flows)
    judge(t, kind.sweepsEarly ? await again : undefined)
  })
  lab.child.kill('SIGTERM')
  t.same(await lab.ended, 0, 'the lab ends in good order')
}

async function killAgent(t: Test, site: Site, flows: readonly Flow[]): Promise<void> {
  const [agent, other] = site.agents
  const before = await agent.get<NodeView>('/v1/node')
  process.kill(site.agentPid, 'SIGKILL')
  await waitUntil(
    'another agent to answer',
    () => agent.get<NodeView>('/v1/node'),
    ({ startedAt }) => startedAt !== before.startedAt,
    patienceSeconds,
  )
  t.pass(`${await settled('it to be back', agent)} sessions, End-of-RIB both ways`)
  const events = await agent.get<{ items: readonly EventView[] }>('/v1/events', { limit: 1000 })
  const adopted = events.items.find(({ kind }) => kind === 'fib.adopted')
  t.ok(adopted, `it took up the kernel's routes: ${adopted?.text}`)
  await settled('the other node to have all', other)
  await goOn(flows)
}

async function killSwitch(t: Test, site: Site, flows: readonly Flow[]): Promise<void> {
  const [agent, other] = site.agents
  const before = await peersOf(agent)
  const pid = site.switchPid()
  process.kill(pid, 'SIGKILL')
  const stale = await waitUntil(
    'its routes to be stale',
    () => staleOf(agent),
    (paths) => paths.length > 0,
    patienceSeconds,
  )
  t.pass(`${stale.length} routes of it are stale, and stay`)
  await waitUntil(
    'its sessions to be new',
    () => peersOf(agent),
    (peers) =>
      peers.every(
        ({ name, state, flaps }) =>
          state === 'Established' && flaps > (before.find((one) => one.name === name)?.flaps ?? 0),
      ),
    patienceSeconds,
  )
  t.not(site.switchPid(), pid, 'another process runs the switch')
  t.pass(`${await settled('the switch to be back', agent)} sessions, End-of-RIB both ways`)
  await settled('the other node to have all', other)
  await goOn(flows)
}

async function describe(prefix: string, folder: string, { pidFile }: Switch): Promise<Site> {
  const client = (name: string) =>
    createClient({ kind: 'unix', path: path.join(folder, `${name}.sock`) }, null)
  const namespace = (name: string) => new Namespace(`${prefix}-${name}`, name, '')
  // Nothing else runs there yet.
  const pids = await run(['ip', 'netns', 'pids', `${prefix}-n1`])
  return {
    agents: [client('n1'), client('n2')],
    namespace,
    agentPid: Number(pids.trim()),
    switchPid: () => Number(readFileSync(path.join(folder, 'tor1', pidFile), 'utf8')),
  }
}

/**
 * Waits until every session of an agent is Established with End-of-RIB in both directions, and
 * neither the tables nor the kernel hold anything stale; gives the number of sessions.
 */
async function settled(what: string, agent: AgentClient): Promise<number> {
  const look = async () => {
    const [peers, node, stale] = await Promise.all([
      peersOf(agent),
      agent.get<NodeView>('/v1/node'),
      staleOf(agent),
    ])
    const waiting = peers.filter(
      ({ state, families }) =>
        state !== 'Established' ||
        !families.every((one) => one.endOfRibReceived && one.endOfRibSent),
    )
    return {
      peers: peers.length,
      waiting: waiting.map(({ name }) => name),
      stale: stale.map((one) => one.prefix),
      staleInKernel: node.fib.stale,
      pending: node.fib.pending,
    }
  }
  const { peers } = await waitUntil(
    what,
    look,
    ({ peers, waiting, stale, staleInKernel, pending }) =>
      peers > 0 && waiting.length + stale.length + staleInKernel + pending === 0,
    patienceSeconds,
  )
  return peers
}

async function peersOf(agent: AgentClient): Promise<readonly PeerView[]> {
  return (await agent.get<{ items: readonly PeerView[] }>('/v1/peers')).items
}

async function staleOf(agent: AgentClient): Promise<readonly PathView[]> {
  const query = { view: 'all', limit: 1000 }
  const { items } = await agent.get<{ items: readonly PathView[] }>('/v1/routes', query)
  return items.filter(({ stale }) => stale)
}

async function goOn(flows: readonly Flow[]): Promise<void> {
  await Promise.all(flows.map((flow) => flow.goOn(aftermath)))
}

/** Lines of `ip monitor` that say a route to a pod CIDR or the loopback of a switch went. */
function routesGone({ stdout }: Daemon): string[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('Deleted'))
    .filter((line) => /\b10\.(244|250)\.|\bfd42:(244|250):/.test(line))
}
