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
import type { Fib } from '../fib/types.ts'
import { Agent, describeProblem } from './agent.ts'
import { AgentAnswers } from './agent-views.ts'
import type { RunOptions } from './cli/commands.ts'
import { type Endpoint, formatEndpoint, listenerOf } from './cli/endpoint.ts'
import { readTokenFile } from './cli/options.ts'
import { CommandError, EXIT_OK, EXIT_USAGE } from './cli/terminal.ts'
import { createFolderStore, type FolderStore, type Snapshot } from './config/folder.ts'
import { emptyResources } from './config/resources.ts'
import { EventLog } from './event-log.ts'
import { HostAddresses } from './host-addresses.ts'
import { settleConfiguration } from './intent/settings.ts'
import { createLog, type Log } from './log.ts'
import { systemClock } from './sys/clock.ts'
import { createTransport } from './sys/tcp.ts'
import { version } from './version.ts'
import { createFibWorker } from './workers/fib-proxy.ts'

/** A stop that takes longer is cut off; routes and sessions are then as after a crash. */
const stopMsMax = 5000

export async function run(options: RunOptions): Promise<number> {
  const log = createLog(options.logLevel ?? 'info', options.node)
  const events = new EventLog(systemClock)
  events.subscribe((event) => log.event(event))
  const token = options.apiTokenFile === null ? null : readTokenFile(options.apiTokenFile)
  const agent = new Agent(options.node, {
    clock: systemClock,
    transport: createTransport(),
    store: strictAtStart(createFolderStore(options.manifests, { clock: systemClock })),
    fib: createKernelWriter(options),
    hostAddresses: new HostAddresses(),
    events,
    random: Math.random,
  })
  const answers = new AgentAnswers(agent)
  const api = buildApi(answers, {
    listener: listenerOf(options.api),
    token,
    web: fileURLToPath(new URL('../api/web', import.meta.url)),
    version,
    onFailure: (error, request) => log.error(`${request.method} ${request.url} failed`, error),
  })
  const stopped = untilSignal()
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
    await closeAll(agent, answers, api)
    throw asStartFailure(error)
  }
  await closeAll(agent, answers, api)
  return EXIT_OK
}

function createKernelWriter(options: RunOptions): Fib {
  // Until the manifests are read, the defaults hold; the agent configures before it starts.
  const { fib: settings } = settleConfiguration(emptyResources, options.node)
  return options.fib === 'none' ? createNullFib(settings) : createFibWorker(settings)
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
  if (endpoint.kind === 'tcp') {
    await api.listen({ host: endpoint.host, port: endpoint.port })
    return
  }
  await mkdir(dirname(endpoint.path), { recursive: true })
  await removeStaleSocket(endpoint.path)
  // Whoever may open the socket may give orders, so it is born closed to others.
  const mask = process.umask(0o177)
  try {
    await api.listen({ path: endpoint.path })
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

async function closeAll(
  agent: Agent,
  answers: AgentAnswers,
  api: ReturnType<typeof buildApi>,
): Promise<void> {
  const cutOff = setTimeout(() => process.exit(1), stopMsMax)
  cutOff.unref()
  answers.close()
  await agent.close()
  await api.close()
  clearTimeout(cutOff)
}

/** Every failure to start is one line with what to do, and exit code 2. */
function asStartFailure(error: unknown): Error {
  if (error instanceof CommandError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const remedies: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program holds that port: stop it, or choose another port',
    EACCES: 'run as root, or with CAP_NET_BIND_SERVICE',
    EPERM: 'run as root, or with CAP_NET_ADMIN; --fib none needs no privilege',
    EADDRNOTAVAIL: "the address is not on this host: compare the Node's address with `ip address`",
  }
  const remedy = code === undefined ? null : (remedies[code] ?? null)
  return new CommandError(message, remedy, EXIT_USAGE, error)
}
