/**
 * `routelet run`: builds the agent of a node from the command line, opens the API, and ends on a
 * signal. Whatever prevents a start is one clear line and exit code 2.
 */
import { createNullFib } from '../fib/index.ts'
import { Agent } from './agent.ts'
import { AgentAnswers } from './agent-views.ts'
import { type ApiServers, createServers } from './api-servers.ts'
import type { RunOptions } from './cli/commands.ts'
import { formatEndpoint } from './cli/endpoint.ts'
import { CommandError, EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE } from './cli/terminal.ts'
import { type Cluster, type ClusterPorts, joinCluster } from './cluster/cluster-access.ts'
import { CniKeeper } from './cni/keeper.ts'
import { describeProblem } from './conditions.ts'
import { createFolderStore, type FolderStore, type Snapshot } from './config/folder.ts'
import { emptyResources } from './config/resources.ts'
import { EventLog } from './event-log.ts'
import { createSysctls } from './host/sysctl.ts'
import { HostWatch } from './host/watch.ts'
import { HostAddresses } from './host-addresses.ts'
import { hostIsStopping } from './host-state.ts'
import { settleConfiguration } from './intent/settings.ts'
import { createLog, type Log } from './log.ts'
import { RestartMarker } from './restart-marker.ts'
import { systemClock } from './sys/clock.ts'
import { holdLargeBlocks } from './sys/malloc.ts'
import { createTransport } from './sys/tcp.ts'
import { version } from './version.ts'
import { WarmUp } from './warm-up.ts'
import { createBfd } from './workers/bfd-proxy.ts'
import { createFibWorker } from './workers/fib-proxy.ts'

/** A stop that takes longer is cut off; routes and sessions are then as after a crash. */
const stopMsMax = 5000

export async function run(options: RunOptions): Promise<number> {
  holdLargeBlocks()
  const log = createLog(options.logLevel ?? 'info', options.node, systemClock)
  const events = new EventLog(systemClock)
  events.subscribe((event) => log.event(event))
  // Until the manifests are read, the defaults hold; the agent configures before it starts.
  const { fib: fibSettings } = settleConfiguration(emptyResources, options.node)
  const writer = options.fib === 'none' ? null : createFibWorker(fibSettings)
  const ports = { clock: systemClock, random: Math.random, events }
  const cluster = await join(options, ports)
  const warmUp = new WarmUp(systemClock, log)
  const agent = new Agent(options.node, {
    clock: systemClock,
    transport: createTransport(),
    store: cluster?.store ?? strictAtStart(createFolderStore(options.manifests, ports)),
    fib: writer ?? createNullFib(fibSettings),
    bfd: createBfd({ line: () => writer?.line() ?? null }),
    fibSettings,
    hostAddresses: new HostAddresses(),
    events,
    random: Math.random,
    marker: markerOf(options, events),
    hostIsStopping: () => hostIsStopping(),
    warmUp: (reflects) => warmUp.run(reflects),
  })
  const host = new HostWatch({
    sysctls: createSysctls(),
    clock: systemClock,
    events,
    intent: () => agent.intent,
    status: () => agent.fib.status(),
  })
  const cni = makeCniKeeper(options, agent)
  agent.kernel.attend(() => [...host.problems, ...cni.problems])
  const answers = new AgentAnswers(agent, log, () => cluster?.requests ?? [])
  const stopped = untilSignal()
  const servers = await makeServers(answers, options, log)
  try {
    await servers.listen()
    await agent.start()
    await host.start()
    cni.start()
    cluster?.tell({ node: () => answers.node(), peers: () => answers.peers() })
    applyLogLevel(options, agent, log)
    log.info(
      `routelet ${version} runs for node ${options.node}, API at ${formatEndpoint(options.api)}`,
    )
    const signal = await stopped
    log.info(`${signal}: stopping`)
  } catch (error) {
    await closeAll(agent, answers, servers, log)
    throw asStartFailure(error)
  } finally {
    cluster?.close()
    cni.close()
    host.close()
  }
  return (await closeAll(agent, answers, servers, log)) ? EXIT_OK : EXIT_NEGATIVE
}

function makeCniKeeper({ cniConfDir }: RunOptions, agent: Agent): CniKeeper {
  return new CniKeeper({
    folder: cniConfDir,
    clock: systemClock,
    events: agent.events,
    intent: () => agent.intent,
    ready: () => agent.ready().ok,
  })
}

async function join(
  { node, kubernetes, stateDir }: RunOptions,
  ports: ClusterPorts,
): Promise<Cluster | null> {
  if (kubernetes === null) return null
  try {
    return await joinCluster({ node, stateDir, ...kubernetes }, ports)
  } catch (error) {
    throw asStartFailure(error)
  }
}

/** The mark matters only where no kernel routes tell of an earlier run. */
function markerOf({ fib, stateDir }: RunOptions, events: EventLog): RestartMarker | null {
  if (fib !== 'none' || stateDir === null) return null
  const report = (text: string) => events.add({ kind: 'condition', level: 'warn', text })
  return new RestartMarker(stateDir, { clock: systemClock, report })
}

/** Building the servers opens nothing yet, but options that would open them to all are refused. */
async function makeServers(
  answers: AgentAnswers,
  options: RunOptions,
  log: Log,
): Promise<ApiServers> {
  try {
    return await createServers(answers, options, log)
  } catch (error) {
    answers.close()
    throw asStartFailure(error)
  }
}

/** At the start, a manifest with an error stops the agent; later it only keeps its last state. */
function strictAtStart(store: FolderStore): FolderStore {
  return {
    start: async (): Promise<Snapshot> => {
      const snapshot = await store.start()
      const errors = snapshot.problems.filter(({ severity }) => severity === 'error')
      if (errors.length === 0) return snapshot
      store.close()
      const lines = errors.map((problem) => describeProblem(problem))
      throw new CommandError(lines.join('\n'), null, EXIT_USAGE)
    },
    onSnapshot: (listener) => store.onSnapshot(listener),
    close: () => store.close(),
  }
}

/** The manifests' log level holds unless the command line says otherwise. */
function applyLogLevel(options: RunOptions, agent: Agent, log: Log): void {
  const configured = agent.intent?.logLevel
  if (options.logLevel === null && configured != null) log.setLevel(configured)
}

function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => resolve(signal))
    }
  })
}

/** @returns whether everything that had to be done at the end was done */
async function closeAll(
  agent: Agent,
  answers: AgentAnswers,
  servers: ApiServers,
  log: Log,
): Promise<boolean> {
  const cutOff = setTimeout(() => process.exit(1), stopMsMax)
  cutOff.unref()
  answers.close()
  let clean = true
  try {
    await agent.close()
  } catch (error) {
    clean = false
    log.error(`the end was not clean: ${(error as Error).message}`)
  }
  await servers.close()
  log.close()
  clearTimeout(cutOff)
  return clean
}

/** Failures to start say in words what is wrong and what to do; exit code 2. */
function asStartFailure(error: unknown): Error {
  if (error instanceof CommandError) return error
  const { message } = error as Error
  return new CommandError(message, null, EXIT_USAGE, error)
}
