/**
 * `routelet lab`: a small data centre on one machine. Builds the network in namespaces of its own,
 * starts switches, pods and one agent a node, waits until they have converged, proves that every
 * pod reaches every other, and stays up until Ctrl-C. Whatever happens, it leaves nothing behind.
 */
import { join } from 'node:path'
import { processTerminal, type Terminal } from '../cli/terminal.ts'
import { type Agents, createAgents } from './agents.ts'
import { ProgramError } from './commands.ts'
import { converge, judgeKernels } from './convergence.ts'
import { formatGuide } from './guide.ts'
import { type Interruption, watchInterruption } from './interruption.ts'
import { createKeeper, type Keeper } from './keeper.ts'
import { type ManifestFolder, openManifests } from './manifest-folder.ts'
import { createNetwork, type Network } from './namespaces.ts'
import {
  LabError,
  type LabOptions,
  type LabSettings,
  readLabOptions,
  type SwitchSoftware,
} from './options.ts'
import { createPods, type Pods } from './pods.ts'
import { createProcesses, type Processes } from './processes.ts'
import { openProxy, type PortProxy } from './proxy.ts'
import { createProgress, formatNode, formatReachability, type Progress } from './report.ts'
import { chooseSoftware, startSwitch } from './switches.ts'
import { type Plan, planTopology } from './topology.ts'
import { runInUserNamespace } from './user-namespace.ts'
import { createWorkspace, tidyDeadLabs, type Workspace } from './workspace.ts'

/** Between the routes of a node and those of all switches lies one round of UPDATEs. */
const ECHO_MS = 15_000
/** Who has not converged gets no such time: silence is what is to be shown. */
const ECHO_MS_UNCONVERGED = 2_000
/** n1's looking glass is at this port plus 1, when it is free. */
const FIRST_PORT = 9180

const softwareNames = { bird: 'BIRD', frr: 'FRR', routelet: 'routelet' } as const

interface Lab {
  readonly settings: LabSettings
  readonly privileged: boolean
  readonly plan: Plan
  readonly software: SwitchSoftware
  readonly workspace: Workspace
  readonly manifests: ManifestFolder
  readonly network: Network
  readonly processes: Processes
  readonly agents: Agents
  readonly pods: Pods
  readonly progress: Progress
  readonly colour: boolean
  readonly interruption: Interruption
  readonly keeper: Keeper
}

/**
 * Runs a lab to its end.
 * @returns the exit code: 0 every pair of pods is reachable, 1 not, 2 it could not be built,
 *   130 interrupted before that was known
 */
export function runLab(options: LabOptions): Promise<number> {
  return sayErrors(async () => {
    const settings = readLabOptions(options)
    if (process.platform !== 'linux') throw new LabError('network namespaces need Linux')
    if (process.getuid?.() !== 0) return runInUserNamespace(options)
    return runLabAsRoot(settings, { privileged: true })
  })
}

/** Expected failures in words on stderr, and their exit code. */
export async function sayErrors(work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LabError || error instanceof ProgramError)) throw error
    for (const line of error.message.split('\n')) process.stderr.write(`routelet lab: ${line}\n`)
    return error instanceof LabError ? error.exitCode : 2
  }
}

/** @param privileged root of the host, not only of a user namespace */
export async function runLabAsRoot(
  settings: LabSettings,
  { privileged }: { privileged: boolean },
): Promise<number> {
  const software = chooseSoftware(settings.software, privileged)
  const terminal = processTerminal()
  for (const id of await tidyDeadLabs()) {
    terminal.write(`Removed what lab ${id} had left: it was killed.\n`)
  }
  const lab = openLab(settings, privileged, software, terminal)
  try {
    await bringUp(lab)
    const proven = await prove(lab)
    if (!settings.once) await stayUp(lab)
    return proven ? 0 : 1
  } catch (error) {
    const { aborted, reason } = lab.interruption.signal
    if (!aborted) throw error
    if (reason instanceof LabError) throw reason
    return 130
  } finally {
    await takeDown(lab)
  }
}

/** Everything a lab consists of; nothing of it runs yet. */
function openLab(
  settings: LabSettings,
  privileged: boolean,
  software: SwitchSoftware,
  terminal: Terminal,
): Lab {
  const plan = planTopology(settings.topology)
  const workspace = createWorkspace()
  const network = createNetwork(plan, workspace.prefix, { privileged })
  const processes = createProcesses(workspace.logs, workspace.ledger)
  const interruption = watchInterruption(() => {
    processes.killNow()
    network.removeNow()
    workspace.remove()
  })
  const keeper = createKeeper(interruption)
  const manifests = openManifests(plan, join(workspace.folder, 'manifests'))
  const pods = createPods(
    plan.nodes.flatMap((node) => node.pods),
    network,
    processes,
    interruption.processEnded,
  )
  const agents = createAgents(plan.nodes, {
    network,
    processes,
    folder: workspace.folder,
    manifests: join(manifests.path, 'cluster'),
    onExit: keeper.ended,
  })
  return {
    ...{ settings, privileged, plan, software, workspace, manifests },
    ...{ network, processes, agents, pods, interruption, keeper },
    progress: createProgress(terminal.write, terminal.interactive),
    colour: terminal.colour,
  }
}

async function bringUp(lab: Lab): Promise<void> {
  const { plan, software, progress, network, processes, interruption } = lab
  const { topology, dual, sameAs } = plan.options
  const variant = [topology, ...(dual ? ['dual'] : []), ...(sameAs ? ['same AS'] : [])].join(', ')
  progress.line(`routelet lab ${lab.workspace.id}: ${variant}, ${plan.nodes.length} nodes`)
  await interruption.orEnd(network.build())
  progress.done('network', `${plan.namespaces.length} namespaces, ${plan.links.length} links`)
  for (const device of plan.switches) {
    startSwitch(software, device, {
      network,
      processes,
      folder: lab.workspace.folder,
      manifests: ({ name }) => join(lab.manifests.path, name),
      onExit: lab.keeper.ended,
    })
  }
  const switches = plan.switches.map(({ name, asn }) => `${name} AS ${asn}`).join(', ')
  progress.done('switches', `${switches} (${softwareNames[software]})`)
  lab.agents.start()
  progress.done('agents', plan.nodes.map(({ name }) => name).join(' '))
  await interruption.orEnd(lab.pods.start())
  progress.done('pods', `${plan.nodes.flatMap(({ pods }) => pods).length}, two on each node`)
}

/** Waits for convergence, shows what came of it, and answers whether all is as it should be. */
async function prove(lab: Lab): Promise<boolean> {
  const { pods, progress, interruption } = lab
  const converged = await converge(lab)
  const { surveys, verdict } = await judgeKernels(lab)
  progress.line()
  for (const survey of surveys) progress.line(formatNode(survey, lab.colour))
  progress.done('kernel', verdict.text)
  const asked = pods.askAll(converged ? ECHO_MS : ECHO_MS_UNCONVERGED)
  const echo = formatReachability('UDP echo', await interruption.orEnd(asked))
  progress.done('echo', echo.text)
  const pinged = await interruption.orEnd(pods.pingAll())
  const ping = pinged === null ? null : formatReachability('ping', pinged)
  progress.done('ping', ping?.text ?? 'not installed; the echo is proof enough')
  const proven = converged && verdict.ok && echo.ok && (ping?.ok ?? true)
  progress.done(
    proven ? 'proven' : 'NOT PROVEN',
    proven ? 'every pod reaches every other, IPv4 and IPv6' : 'see what is missing above',
  )
  return proven
}

async function stayUp(lab: Lab): Promise<void> {
  const { agents, plan, progress, interruption, network, software, workspace, manifests } = lab
  const proxies: PortProxy[] = []
  try {
    for (const node of plan.nodes) {
      proxies.push(await openProxy(agents.socket(node), FIRST_PORT + node.number))
    }
    interruption.tolerate((name, { words }) => progress.line(`${name} ${words}`))
    lab.keeper.keepAlive((line) => progress.line(line))
    const guide = formatGuide({
      ...{ plan, network, software, folder: workspace.folder, logs: workspace.logs },
      manifests: join(manifests.path, 'cluster'),
      ports: proxies.map(({ port }) => port),
      enter: lab.privileged
        ? []
        : ['nsenter', '--target', `${process.pid}`, '--user', '--mount', '--preserve-credentials'],
    })
    for (const line of guide) progress.line(line)
    await interruption.interrupted
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()))
  }
}

async function takeDown({ processes, network, workspace, interruption, progress }: Lab) {
  interruption.tolerate(() => undefined)
  await processes.stop()
  await network.remove()
  workspace.remove()
  interruption.release()
  progress.done('removed', 'namespaces, processes and files')
}
