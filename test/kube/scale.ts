/**
 * What an agent costs in a large cluster: `npm run scale:kube [-- --nodes 100,500,2000 --seconds 15]`.
 * Real agents against a real API server that holds so many Nodes, whose status moves as kubelets
 * move it; what the agents are sent, take of a CPU and hold in memory is printed as a table. With
 * reflectors and a selector that the API server understands it must not grow with the cluster; in a
 * mesh it does. The other Nodes have no agents: in a mesh, sessions with them are tried in vain.
 */
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ended, measureUsage } from '../bench/load/usage.ts'
import type { Agent } from '../network/agent.ts'
import { inScope, missing, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { findBinaries } from './binaries.ts'
import { ControlPlane } from './control-plane.ts'
import type { Tally } from './gateway.ts'
import type { Kubelet } from './kubelet.ts'
import { makePlaneSpace, planeAddress } from './plane-space.ts'
import { buildSite, type NodePlan } from './site.ts'

/** A kubelet writes its status every 5 minutes when nothing happens; here more often. */
const beatPeriodSeconds = 60
const settleSeconds = 8

const reflector: NodePlan = {
  name: 'n1',
  rack: 'a',
  labels: '"routelet.io/reflector": ""',
  annotations: '"routelet.io/RouteReflectorClusterID": 244.0.0.1',
}
const nodes: readonly NodePlan[] = [reflector, { name: 'n2', rack: 'a' }, { name: 'n3', rack: 'a' }]

interface Way {
  readonly overlay: string
  /** Numbers of the nodes that run an agent, and what each is called in the table. */
  readonly agents: readonly (readonly [index: number, role: string])[]
  /** When all of its agents know what they should. */
  readonly sessions: (count: number, role: string) => number
}

/** The last agent of a role stands for all of them. */
const ways: readonly Way[] = [
  {
    overlay: 'reflector',
    agents: [
      [0, 'reflector'],
      [1, 'client of a reflector'],
      [2, 'client of a reflector'],
    ],
    sessions: (count, role) => (role === 'reflector' ? count + 4 : 2),
  },
  {
    overlay: 'mesh',
    agents: [
      [1, 'mesh'],
      [2, 'mesh'],
    ],
    sessions: (count) => count + 2,
  },
]

interface Row {
  readonly role: string
  readonly nodes: number
  readonly startBytes: number
  readonly bytesPerMinute: number
  readonly effort: Effort
}

interface Effort {
  /** Share of a CPU. */
  readonly cpu: number
  /** Resident, as it goes up and down between collections of garbage. */
  readonly leastBytes: number
  readonly mostBytes: number
}

interface Scale {
  readonly plane: ControlPlane
  readonly kubelets: readonly Kubelet[]
  readonly count: number
  readonly seconds: number
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = { nodes: { type: 'string' }, seconds: { type: 'string' } } as const
  const { values } = parseArgs({ options })
  const counts = (values.nodes ?? '100,500,2000').split(',').map(Number)
  const seconds = Number(values.seconds ?? 15)
  const tools = findBinaries()
  const lack = typeof tools === 'string' ? tools : await missing('bird', 'setpriv')
  if (typeof tools === 'string' || lack !== false) {
    console.error(String(lack))
    return 1
  }
  return inScope(async (scope) => {
    const network = new Network(scope)
    const space = await makePlaneSpace(network)
    const plane = await ControlPlane.start(space, tools, planeAddress)
    await plane.installKinds()
    const { kubelets } = await buildSite(
      network,
      { space, plane },
      { switches: { a: 'bird' }, nodes },
    )
    printHead(seconds)
    let made = 0
    for (const count of counts) {
      await plane.crowd('make', made, count)
      console.error(`${count} Nodes are there`)
      made = count
      for (const way of ways) await measure({ plane, kubelets, count, seconds }, way)
    }
    return 0
  })
}

async function measure(scale: Scale, way: Way): Promise<void> {
  const { plane, kubelets, count, seconds } = scale
  await plane.kubectl('delete', 'bgppeers.routelet.io', '--all')
  await plane.kubectl('apply', '--server-side', '-k', `deploy/overlays/${way.overlay}`)
  const before = await plane.tally()
  const agents = new Map<string, { readonly agent: Agent; readonly address: string }>()
  const started: Agent[] = []
  for (const [index, role] of way.agents) {
    const kubelet = kubelets[index]
    if (kubelet === undefined) throw new Error(`there is no node ${index}`)
    // What was known of another overlay would be kept.
    rmSync(kubelet.hostPath('/var/lib/routelet'), { recursive: true, force: true })
    const agent = await kubelet.run({ bare: true })
    started.push(agent)
    agents.set(role, { agent, address: `10.99.0.1${kubelet.name.slice(1)}` })
    await waitUntil(
      `the sessions of ${kubelet.name}`,
      async () => (await agent.peers()).length,
      (sessions) => sessions === way.sessions(count, role),
      120,
    )
  }
  // What comes after the start, such as the first status and the state file.
  await pause(settleSeconds * 1000)
  const rested = await plane.tally()
  const efforts = await watchEfforts(agents, seconds, () =>
    plane.crowd('beat', count, seconds, beatPeriodSeconds),
  )
  const after = await plane.tally()
  for (const [role, { address }] of agents) {
    const effort = efforts.get(role)
    if (effort === undefined) continue
    const at = ({ bytes }: Tally) => bytes[address] ?? 0
    const startBytes = at(rested) - at(before)
    const bytesPerMinute = ((at(after) - at(rested)) * 60) / seconds
    printRow({ role, nodes: count, startBytes, bytesPerMinute, effort })
  }
  for (const agent of started) await agent.stop()
}

/** What each takes while something else happens. */
async function watchEfforts(
  agents: ReadonlyMap<string, { readonly agent: Agent }>,
  seconds: number,
  meanwhile: () => Promise<unknown>,
): Promise<ReadonlyMap<string, Effort>> {
  const watched = [...agents].map(([role, { agent }]) => {
    const { pid } = agent.daemon
    const { cpuSeconds, residentBytes } = measureUsage([pid])
    return { role, pid, cpuBefore: cpuSeconds, bytes: [residentBytes] }
  })
  const look = () => {
    for (const { pid, bytes } of watched) bytes.push(measureUsage([pid]).residentBytes)
  }
  const timer = setInterval(look, 500)
  try {
    await meanwhile()
  } finally {
    clearInterval(timer)
  }
  return new Map(
    watched.map(({ role, pid, cpuBefore, bytes }) => {
      if (ended([pid]).length > 0) throw new Error(`the agent that is the ${role} has ended`)
      const cpu = (measureUsage([pid]).cpuSeconds - cpuBefore) / seconds
      return [role, { cpu, leastBytes: Math.min(...bytes), mostBytes: Math.max(...bytes) }]
    }),
  )
}

function printHead(seconds: number): void {
  console.log(
    `Node ${process.version}, ${new Date().toISOString().slice(0, 10)}, ${seconds} s a row\n`,
  )
  console.log('| node is | Nodes | sent at the start | sent in a minute | of one CPU | resident |')
  console.log('|---|---|---|---|---|---|')
}

function printRow(row: Row): void {
  const bytes = (value: number) =>
    value < 1e6 ? `${Math.round(value / 1e3)} kB` : `${(value / 1e6).toFixed(1)} MB`
  const { cpu, leastBytes, mostBytes } = row.effort
  const cells = [
    ...[row.role, row.nodes.toLocaleString('en'), bytes(row.startBytes)],
    ...[bytes(row.bytesPerMinute), `${(cpu * 100).toFixed(1)} %`],
    `${bytes(leastBytes)} to ${bytes(mostBytes)}`,
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
