/**
 * The command line: every command with its options, help and exit codes. Commands that ask a running
 * agent are carried out here; those that are programs of their own (`run`, `lab`, `check`, `plan`,
 * `decode`, `replay`) are handed in, so that asking stays quick to start.
 */
import { Command, CommanderError, Option } from 'commander'
import type { LabOptions } from '../lab/options.ts'
import type { DecodeOptions } from './decode.ts'
import type { Endpoint } from './endpoint.ts'
import { apiOption, collect, list, misuse, numeral, outputOption, wholeNumber } from './options.ts'
import { formatError, type Output } from './output.ts'
import { addOrders, addQuestions, type Context } from './questions.ts'
import type { ReplayOptions } from './replay.ts'
import { CommandError, EXIT_OK, EXIT_USAGE, type Terminal } from './terminal.ts'

export interface RunOptions {
  readonly node: string
  readonly manifests: readonly string[]
  readonly api: Endpoint
  /** File with the bearer token for orders; null: none. */
  readonly apiTokenFile: string | null
  readonly fib: 'kernel' | 'none'
  /** Where `--fib none` remembers that it ran; null: nowhere. */
  readonly stateDir: string | null
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
  check(directory: string, options: { readonly output: Output }): Promise<number>
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
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace']

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
  for (const command of program.commands) command.copyInheritedSettings(program)
  return program
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
    .argument('<dir>')
    .addOption(outputOption())
    .action(async (directory: string, options: { output: Output }) =>
      finish(await handlers.check(directory, options)),
    )
  program
    .command('plan')
    .description('show the peers, announcements and kernel settings a node would have')
    .requiredOption('--node <name>', "the node's name")
    .requiredOption('--manifests <dir>', 'folder of manifests; may be given again', collect)
    .addOption(outputOption())
    .action(async (options: PlanOptions) => finish(await handlers.plan(options)))
  addDecode(program, handlers, finish)
  program
    .command('replay')
    .description('play the recording of a session, and show what it does otherwise now')
    .argument('<file>', 'what GET /v1/peers/NAME/recording answered; - for standard input')
    .option('--differences', 'only the steps that differ', false)
    .action(async (file: string, options: ReplayOptions) =>
      finish(await handlers.replay(file, options)),
    )
}

function addRun(program: Command, handlers: Handlers, finish: (exitCode: number) => void): void {
  program
    .command('run')
    .description('run the agent of a node')
    .requiredOption('--node <name>', "this node's name, as in its Node manifest")
    .option('--manifests <dir>', 'folder of manifests; may be given again', collect, [])
    .addOption(new Option('--kubernetes', 'read the resources from the cluster'))
    .addOption(apiOption('where to serve the API: HOST:PORT or unix:PATH'))
    .option('--api-token-file <file>', 'file with the bearer token that orders must carry')
    .addOption(
      new Option('--fib <mode>', 'write routes to the kernel, or nowhere')
        .choices(['kernel', 'none'])
        .default('kernel'),
    )
    .option(
      '--state-dir <dir>',
      'with --fib none: folder that remembers a restart, for graceful restart',
    )
    .addOption(new Option('--log-level <level>', 'overrides the manifests').choices(LOG_LEVELS))
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
  kubernetes?: true
  api: Endpoint
  apiTokenFile?: string
  fib: 'kernel' | 'none'
  stateDir?: string
  logLevel?: string
}): RunOptions {
  if (options.kubernetes === true) {
    throw misuse(
      'this version reads files only: --kubernetes is not available',
      'give the same resources as files: --manifests DIR',
    )
  }
  if (options.manifests.length === 0) {
    throw misuse('there is nothing to configure this node with', 'give --manifests DIR')
  }
  return {
    node: options.node,
    manifests: options.manifests,
    api: options.api,
    apiTokenFile: options.apiTokenFile ?? null,
    fib: options.fib,
    stateDir: options.stateDir ?? null,
    logLevel: options.logLevel ?? null,
  }
}
