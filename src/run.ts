/**
 * `routelet run`: builds the agent of a node from the command line, opens the API, and ends on a
 * signal. Whatever prevents a start is one clear line and exit code 2.
 */
import { mkdir, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildApi } from '../api/index.ts'
import { createNullFib } from '../fib/index.ts'
import { Agent } from './agent.ts'
import { AgentAnswers } from './agent-views.ts'
import type { RunOptions } from './cli/commands.ts'
import { type Endpoint, formatEndpoint, listenerOf } from './cli/endpoint.ts'
import { readTokenFile } from './cli/options.ts'
import { CommandError, EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE } from './cli/terminal.ts'
import { describeProblem } from './conditions.ts'
import { createFolderStore, type FolderStore, type Snapshot } from './config/folder.ts'
import { emptyResources } from './config/resources.ts'
import { EventLog } from './event-log.ts'
import { HostAddresses } from './host-addresses.ts'
import { hostIsStopping } from './host-state.ts'
import { settleConfiguration } from './intent/settings.ts'
import { createLog, type Log } from './log.ts'
import { RestartMarker } from './restart-marker.ts'
import { systemClock } from './sys/clock.ts'
import { createTransport } from './sys/tcp.ts'
import { version } from './version.ts'
import { createBfd } from './workers/bfd-proxy.ts'
import { createFibWorker } from './workers/fib-proxy.ts'

/** A stop that takes longer is cut off; routes and sessions are then as after a crash. */
const stopMsMax = 5000

export async function run(options: RunOptions): Promise<number> {
  const log = createLog(options.logLevel ?? 'info', options.node)
  const events = new EventLog(systemClock)
  events.subscribe((event) => log.event(event))
  const token = options.apiTokenFile === null ? null : readTokenFile(options.apiTokenFile)
  // Until the manifests are read, the defaults hold; the agent configures before it starts.
  const { fib: fibSettings } = settleConfiguration(emptyResources, options.node)
  const agent = new Agent(options.node, {
    clock: systemClock,
    transport: createTransport(),
    store: strictAtStart(createFolderStore(options.manifests, { clock: systemClock })),
    fib: options.fib === 'none' ? createNullFib(fibSettings) : createFibWorker(fibSettings),
    bfd: createBfd(),
    fibSettings,
    hostAddresses: new HostAddresses(),
    events,
    random: Math.random,
    marker: markerOf(options, events),
    hostIsStopping: () => hostIsStopping(),
  })
  const answers = new AgentAnswers(agent)
  const stopped = untilSignal()
  const api = makeApi(answers, options, token, log)
  try {
    await listen(api, options.api)
    await agent.start()
    applyLogLevel(options, agent, log)
    log.info(
      `routelet ${version} runs for node ${options.node}, API at ${formatEndpoint(options.api)}`,
    )
    const signal = await stopped
    log.info(`${signal}: stopping`)
  } catch (error) {
    await closeAll(agent, answers, api, log)
    throw asStartFailure(error)
  }
  return (await closeAll(agent, answers, api, log)) ? EXIT_OK : EXIT_NEGATIVE
}

/** The mark matters only where no kernel routes tell of an earlier run. */
function markerOf({ fib, stateDir }: RunOptions, events: EventLog): RestartMarker | null {
  if (fib !== 'none' || stateDir === null) return null
  const report = (text: string) => events.add({ kind: 'condition', level: 'warn', text })
  return new RestartMarker(stateDir, { clock: systemClock, report })
}

/** Building the API opens nothing yet, but options that would open it to everybody are refused. */
function makeApi(
  answers: AgentAnswers,
  options: RunOptions,
  token: string | null,
  log: Log,
): ReturnType<typeof buildApi> {
  try {
    return buildApi(answers, {
      listener: listenerOf(options.api),
      token,
      web: fileURLToPath(new URL('../api/web', import.meta.url)),
      version,
      onFailure: (error, request) => log.error(`${request.method} ${request.url} failed`, error),
    })
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

async function listen(api: ReturnType<typeof buildApi>, endpoint: Endpoint): Promise<void> {
  try {
    if (endpoint.kind === 'tcp') await api.listen({ host: endpoint.host, port: endpoint.port })
    else await listenUnix(api, endpoint.path)
  } catch (error) {
    throw inWords(error, endpoint)
  }
}

async function listenUnix(api: ReturnType<typeof buildApi>, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await removeStaleSocket(path)
  // Whoever may open the socket may give orders, so it is born closed to others.
  const mask = process.umask(0o177)
  try {
    await api.listen({ path })
  } finally {
    process.umask(mask)
  }
}

/** A socket nobody listens on is left from a crash; one that answers belongs to a running agent. */
async function removeStaleSocket(path: string): Promise<void> {
  const state = await new Promise<string>((resolve) => {
    const probe = connect({ path })
    probe.once('connect', () => {
      probe.destroy()
      resolve('alive')
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
  })
  if (state === 'alive') {
    const remedy = 'stop that one, or give this one another --api'
    throw new CommandError(`another agent already answers at unix:${path}`, remedy, EXIT_USAGE)
  }
  if (state === 'ECONNREFUSED') await unlink(path)
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
  api: ReturnType<typeof buildApi>,
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
  await api.close()
  clearTimeout(cutOff)
  return clean
}

function inWords(error: unknown, endpoint: Endpoint): Error {
  if (error instanceof CommandError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const remedies: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program holds it: stop that one, or choose another --api',
    EACCES: 'choose a port above 1023, or run as root',
    EADDRNOTAVAIL: 'that address is not on this host',
  }
  const problem = `the API can't listen at ${formatEndpoint(endpoint)}: ${message}`
  return new CommandError(problem, remedies[code] ?? null, EXIT_USAGE, error)
}

/** Failures to start say in words what is wrong and what to do; exit code 2. */
function asStartFailure(error: unknown): Error {
  if (error instanceof CommandError) return error
  const { message } = error as Error
  return new CommandError(message, null, EXIT_USAGE, error)
}
