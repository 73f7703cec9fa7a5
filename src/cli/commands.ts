/**
 * The command line: every command with its options, help and exit codes. Commands that ask a running
 * agent are carried out here; those that are programs of their own (`run`, `lab`, `check`, `plan`,
 * `decode`, `cleanup`, `replay`) are handed in, so that asking stays quick to start.
 */
import { Argument, Command, CommanderError, Option } from 'commander'
import type { LabOptions } from '../lab/options.ts'
import type { CheckOptions } from './check.ts'
import type { CleanupOptions } from './cleanup.ts'
import { formatCompletion, peerNamesCommand, type Shell, shells } from './completion.ts'
import type { DecodeOptions } from './decode.ts'
import { type Endpoint, listenerOf, parsePlainEndpoint } from './endpoint.ts'
import {
  apiOption,
  collect,
  list,
  logLevels,
  misuse,
  numeral,
  outputOption,
  wholeNumber,
} from './options.ts'
import { formatError, type Output } from './output.ts'
import { askPeerNames } from './peers.ts'
import { addOrders, addQuestions, type Context } from './questions.ts'
import { clientOf, type ReachOptions, reaching } from './reach.ts'
import type { ReplayOptions } from './replay.ts'
import { CommandError, EXIT_OK, EXIT_USAGE, type Terminal } from './terminal.ts'

export interface RunOptions {
  readonly node: string
  /** Folders; empty when `kubernetes` is set. */
  readonly manifests: readonly string[]
  /** The cluster to read the resources from, by which kubeconfig (null: the usual); null: none. */
  readonly kubernetes: { readonly kubeconfig: string | null } | null
  readonly api: Endpoint
  /** File with the bearer token for orders; null: none. */
  readonly apiTokenFile: string | null
  /** Who judges tokens: that file, or the cluster. */
  readonly apiAuth: 'token' | 'kubernetes'
  /** Certificate and key of the API; null: plain HTTP. */
  readonly apiTls: { readonly cert: string; readonly key: string } | null
  /** Where metrics and probes stand alone; null: nowhere. */
  readonly metrics: Endpoint | null
  readonly fib: 'kernel' | 'none'
  /** What must outlast the process: the last known cluster, and that `--fib none` ran. */
  readonly stateDir: string | null
  /** Where CNI configurations lie; null: none is written. */
  readonly cniConfDir: string | null
  /** null: as the manifests say. */
  readonly logLevel: string | null
}

export interface PlanOptions {
  readonly node: string
  readonly manifests: readonly string[]
  readonly output: Output
}

/** The commands that are programs of their own. Each resolves to the exit code. */
export interface Handlers {
  readonly version: string
  run(options: RunOptions): Promise<number>
  lab(options: LabOptions): Promise<number>
  check(directory: string | null, options: CheckOptions): Promise<number>
  cleanup(options: CleanupOptions): Promise<number>
  plan(options: PlanOptions): Promise<number>
  decode(options: DecodeOptions): Promise<number>
  replay(file: string, options: ReplayOptions): Promise<number>
}

const EXIT_CODES = `
Exit codes:
  0  done, or yes
  1  the answer is no (not ready, a difference, an unknown name), or no agent answers
  2  the command line or the configuration is wrong
`

/**
 * Parses and carries out one command line.
 * @param argv Arguments after the program's name.
 * @returns the exit code; every failure has been told in words.
 */
export async function runProgram(
  argv: readonly string[],
  handlers: Handlers,
  terminal: Terminal,
): Promise<number> {
  let exitCode = EXIT_OK
  const program = buildProgram(handlers, terminal, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    if (!(error instanceof CommandError)) throw error
    terminal.warn(formatError(error))
    return error.exitCode
  }
}

/** The commands as commander knows them; `finish` receives the exit code of the one carried out. */
export function buildProgram(
  handlers: Handlers,
  terminal: Terminal,
  finish: (exitCode: number) => void,
): Command {
  const program = new Command('routelet')
    .description(
      'The routing agent of a Kubernetes node: BGP in, kernel routes out, reasons shown.',
    )
    .version(handlers.version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'what a command does and takes')
    .showHelpAfterError('(routelet help, or --help after a command, says more)')
    .addHelpText('after', EXIT_CODES)
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      writeErr: (text) => terminal.warn(text.replace(/^error: /, 'routelet: ')),
    })
    .exitOverride()
  const context: Context = { version: handlers.version, terminal, finish }
  addPrograms(program, handlers, finish)
  addQuestions(program, context)
  addOrders(program, context)
  addCompletion(program, context)
  for (const command of program.commands) {
    command.copyInheritedSettings(program).addHelpText('after', EXIT_CODES)
  }
  return program
}

function addCompletion(program: Command, { terminal }: Context): void {
  program.commandsGroup('Others:')
  program
    .command('completion')
    .description('a script that completes commands and options, for a shell to read')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: Shell) => terminal.write(formatCompletion(program, shell)))
  // For these scripts; whoever presses Tab wants no words about an agent that doesn't answer.
  reaching(program.command(peerNamesCommand, { hidden: true })).action(
    async (options: ReachOptions) =>
      terminal.write(await askPeerNames(clientOf(options, terminal))),
  )
}

function addPrograms(
  program: Command,
  handlers: Handlers,
  finish: (exitCode: number) => void,
): void {
  program.commandsGroup('Programs:')
  addRun(program, handlers, finish)
  program
    .command('lab')
    .description('build a data centre in network namespaces and prove that its pods meet')
    .option('--once', 'prove, clean up and exit', false)
    .addOption(new Option('--tor <software>', 'the switches').choices(['bird', 'frr', 'routelet']))
    .addOption(
      new Option('--topology <name>', 'how the nodes are joined')
        .choices(['tor', 'mesh', 'reflector'])
        .default('tor'),
    )
    .option('--nodes <count>', 'how many nodes', wholeNumber)
    .option('--dual', 'link every node to both switches', false)
    .option('--same-as', 'give all nodes one AS number', false)
    .action(async (options: LabOptions) => finish(await handlers.lab(options)))
  program
    .command('check')
    .description('validate a folder of manifests')
    .argument('[dir]')
    .option('--host', "judge this host's network settings too, or alone", false)
    .addOption(outputOption())
    .action(async (directory: string | undefined, options: CheckOptions) => {
      if (directory === undefined && !options.host) {
        throw misuse('nothing to check', 'name a folder of manifests, or --host, or both')
      }
      finish(await handlers.check(directory ?? null, options))
    })
  program
    .command('plan')
    .description('show the peers, announcements and kernel settings a node would have')
    .requiredOption('--node <name>', "the node's name")
    .requiredOption('--manifests <dir>', 'folder of manifests; may be given again', collect)
    .addOption(outputOption())
    .action(async (options: PlanOptions) => finish(await handlers.plan(options)))
  addDecode(program, handlers, finish)
  addCleanup(program, handlers, finish)
  program
    .command('replay')
    .description('play the recording of a session, and show what it does otherwise now')
    .argument('<file>', 'what GET /v1/peers/NAME/recording answered; - for standard input')
    .option('--differences', 'only the steps that differ', false)
    .action(async (file: string, options: ReplayOptions) =>
      finish(await handlers.replay(file, options)),
    )
}

function addCleanup(
  program: Command,
  handlers: Handlers,
  finish: (exitCode: number) => void,
): void {
  type Options = Omit<CleanupOptions, 'tables' | 'cniConfDir'> & {
    readonly table?: readonly number[]
    readonly cniConfDir?: string
  }
  const tables = (value: string, before: readonly number[] = []) => [...before, wholeNumber(value)]
  program
    .command('cleanup')
    .description('remove what an agent left on this host, and nothing else')
    .option('--dry-run', 'only say what would be removed', false)
    .option('--force', 'even beside a running agent', false)
    .option('--table <number>', 'kernel table; may be given again (default: 254, main)', tables)
    .option('--metric <number>', "fib.metric of the agent's routes", wholeNumber, 2179)
    .option('--protocol <number>', "fib.protocol of the agent's routes", wholeNumber, 179)
    .option('--cni-conf-dir <dir>', 'folder that --cni-conf-dir of the agent named')
    .addOption(apiOption('where an agent would be: HOST:PORT or unix:PATH').env('ROUTELET_API'))
    .addOption(outputOption())
    .action(async ({ table, cniConfDir, ...options }: Options) =>
      finish(
        await handlers.cleanup({
          ...options,
          cniConfDir: cniConfDir ?? null,
          tables: table ?? [254],
        }),
      ),
    )
}

function addRun(program: Command, handlers: Handlers, finish: (exitCode: number) => void): void {
  program
    .command('run')
    .description('run the agent of a node')
    .requiredOption('--node <name>', "this node's name, as in its Node manifest")
    .option('--manifests <dir>', 'folder of manifests; may be given again', collect, [])
    .option('--kubernetes', 'read the resources from the cluster, and tell it the status', false)
    .option('--kubeconfig <file>', 'with --kubernetes: how to reach it (default: as kubectl does)')
    .addOption(apiOption('where to serve the API: HOST:PORT or unix:PATH'))
    .option('--api-token-file <file>', 'file with the bearer token that orders must carry')
    .addOption(
      new Option('--api-auth <judge>', 'who judges bearer tokens: the file, or the cluster')
        .choices(['token', 'kubernetes'])
        .default('token'),
    )
    .option('--api-tls-cert <file>', 'certificate chain of the API, PEM; followed when renewed')
    .option('--api-tls-key <file>', 'its private key, PEM')
    .addOption(
      new Option(
        '--metrics <address>',
        'serve /metrics, /healthz and /readyz, and nothing else, at HOST:PORT',
      ).argParser(parsePlainEndpoint),
    )
    .addOption(
      new Option('--fib <mode>', 'write routes to the kernel, or nowhere')
        .choices(['kernel', 'none'])
        .default('kernel'),
    )
    .option(
      '--state-dir <dir>',
      'folder for what outlasts the process: the last known cluster; with --fib none, a restart',
    )
    .option('--cni-conf-dir <dir>', 'write the CNI configuration of BGPConfiguration.spec.cni here')
    .addOption(new Option('--log-level <level>', 'overrides the manifests').choices(logLevels))
    .action(async (options) => finish(await handlers.run(readRunOptions(options))))
}

/** Options are the fields of a line's context, and what lines without one mean. */
function addDecode(program: Command, handlers: Handlers, finish: (exitCode: number) => void): void {
  program
    .command('decode')
    .description(
      'put BGP messages in words: one a line, in hexadecimal or JSON, from standard input',
    )
    .option('--mrt <file>', 'read an MRT archive, also gzip, - for standard input', collect)
    .option('--no-as4', 'AS numbers of two octets')
    .option('--peer-type <type>', 'ebgp or ibgp (default: as the AS numbers say, else ebgp)')
    .option('--add-path <families>', 'prefixes of these carry a path id', list)
    .option('--extended-message', 'messages of up to 65535 octets')
    .option('--extended-next-hop', 'IPv4 prefixes may have an IPv6 next hop')
    .option('--families <families>', 'negotiated (default: ipv4-unicast,ipv6-unicast)', list)
    .option('--local-as <number>', 'our AS number', numeral)
    .option('--peer-as <number>', 'the AS number an OPEN must say', numeral)
    .option('--local-id <address>', 'our BGP identifier')
    .option('--state <state>', 'of the session: what has no place in it is an error')
    .action(async ({ mrt = [], as4, ...others }: { mrt?: readonly string[]; as4: boolean }) => {
      const context = { ...others, ...(as4 ? {} : { as4 }) }
      finish(await handlers.decode({ mrt, context }))
    })
}

function readRunOptions(options: {
  node: string
  manifests: string[]
  kubernetes: boolean
  kubeconfig?: string
  api: Endpoint
  apiTokenFile?: string
  apiAuth: 'token' | 'kubernetes'
  apiTlsCert?: string
  apiTlsKey?: string
  metrics?: Endpoint
  fib: 'kernel' | 'none'
  stateDir?: string
  cniConfDir?: string
  logLevel?: string
}): RunOptions {
  const { kubernetes, kubeconfig = null, manifests } = options
  if (manifests.length === 0 && !kubernetes) {
    const remedy = 'give --manifests DIR or --kubernetes'
    throw misuse('there is nothing to configure this node with', remedy)
  }
  if (manifests.length > 0 && kubernetes) {
    throw misuse('--manifests and --kubernetes exclude each other', 'leave one of them out')
  }
  if (kubeconfig !== null && !kubernetes) {
    throw misuse('--kubeconfig is of use only with --kubernetes', 'add --kubernetes')
  }
  const apiTls = readTls(options.apiTlsCert, options.apiTlsKey)
  return {
    node: options.node,
    manifests,
    kubernetes: kubernetes ? { kubeconfig } : null,
    api: servedAt(options.api, apiTls !== null),
    apiTokenFile: options.apiTokenFile ?? null,
    apiAuth: options.apiAuth,
    apiTls,
    metrics: options.metrics ?? null,
    fib: options.fib,
    stateDir: options.stateDir ?? null,
    cniConfDir: options.cniConfDir ?? null,
    logLevel: options.logLevel ?? null,
  }
}

/** @throws CommandError (exit 2) when TLS is asked for and there is nothing to speak it with */
function servedAt(api: Endpoint, tls: boolean): Endpoint {
  if (api.kind === 'unix') return api
  if (tls) return { ...api, scheme: 'https' }
  if (api.scheme === 'http' || listenerOf(api) === 'network') return api
  const remedy = 'give --api-tls-cert FILE and --api-tls-key FILE, or write http://'
  throw misuse('an API at https:// needs a certificate', remedy)
}

function readTls(cert: string | undefined, key: string | undefined): RunOptions['apiTls'] {
  if (cert === undefined && key === undefined) return null
  if (cert !== undefined && key !== undefined) return { cert, key }
  const missing = cert === undefined ? '--api-tls-cert' : '--api-tls-key'
  throw misuse('a certificate needs its key, and a key its certificate', `give ${missing} too`)
}
