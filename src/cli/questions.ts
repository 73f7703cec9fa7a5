/**
 * The commands that ask or order a running agent: their options, and which question each one is.
 */
import { Argument, type Command, Option } from 'commander'
import type { AgentClient } from './client.ts'
import { askEvents, followEvents } from './events.ts'
import { askExplanation, askPeerExplanation } from './explain.ts'
import { askDifference, askFib } from './fib.ts'
import { atLeastOne, logLevels, misuse, outputOption, seconds, wholeNumber } from './options.ts'
import { giveOrder, type OrderDetail, orderDrain, orderLog, orders } from './orders.ts'
import { type Answer, type Output, show } from './output.ts'
import { askPeer, askPeers } from './peers.ts'
import { clientOf, type ReachOptions, reaching } from './reach.ts'
import { askRoutes } from './routes.ts'
import { askStatus } from './status.ts'
import type { Terminal } from './terminal.ts'
import { askVersion } from './version.ts'

const WATCH_SECONDS = 2
const ROUTES_SHOWN = 1000
const EVENTS_SHOWN = 50
const EVENTS_MAX = 1000

/** What carrying out a command needs beside its options. */
export interface Context {
  /** This command's own version. */
  readonly version: string
  readonly terminal: Terminal
  finish(exitCode: number): void
}

/** What a command that asks was told beside its own options. */
interface AskOptions extends ReachOptions {
  readonly output: Output
  readonly watch?: number | true
}

export function addQuestions(program: Command, context: Context): void {
  const { terminal, version, finish } = context
  program.commandsGroup('Questions to a running agent:')
  asking(program.command('status'))
    .description('is this node well?')
    .action((options: AskOptions) =>
      answer(context, options, (client) => askStatus(client, terminal)),
    )
  asking(program.command('peers'), { wide: true })
    .description('the BGP sessions, or one in full')
    .argument('[name]')
    .action((name: string | undefined, options: AskOptions) =>
      answer(context, options, (client) =>
        name === undefined ? askPeers(client, terminal) : askPeer(client, terminal, name),
      ),
    )
  addRoutes(program, context)
  addExplain(program, context)
  asking(program.command('fib'))
    .description('the routes wanted in the kernel')
    .option('--diff', 'only where the kernel differs; exits 1 if it does', false)
    .option('--limit <count>', 'routes shown at most', atLeastOne, ROUTES_SHOWN)
    .action((options: AskOptions & { diff: boolean; limit: number }) =>
      answer(context, options, (client) =>
        options.diff ? askDifference(client, terminal) : askFib(client, terminal, options.limit),
      ),
    )
  asking(program.command('diff'), { watch: false })
    .description('what would change in the agent if it had these manifests; exits 1 if anything')
    .argument('<dir...>', 'folders of manifests, all that the agent would have')
    .action((directories: readonly string[], options: AskOptions) =>
      answer(context, options, async (client) =>
        (await import('./diff.ts')).askChanges(client, directories),
      ),
    )
  addEvents(program, context)
  addTop(program, context)
  asking(program.command('version'), { watch: false })
    .description('the version of this command and of the agent')
    .action(async (options: AskOptions) =>
      finish(
        await show(terminal, { output: options.output, watch: null }, () =>
          askVersion(clientOf(options, terminal), version),
        ),
      ),
    )
}

function addExplain(program: Command, context: Context): void {
  asking(program.command('explain'))
    .description('why a prefix is (not) known, chosen, announced and installed; why a peer is down')
    .argument('[prefix]', 'prefix or address')
    .option('--peer <name>', 'look at this peer; without a prefix: why its session is (not) up')
    .action((prefix: string | undefined, options: AskOptions & { peer?: string }) => {
      const { peer = null } = options
      if (prefix === undefined && peer === null) {
        throw misuse('nothing to explain', 'name a prefix or an address, or --peer NAME, or both')
      }
      return answer(context, options, (client) =>
        prefix === undefined
          ? askPeerExplanation(client, context.terminal, peer as string)
          : askExplanation(client, context.terminal, { prefix, peer }),
      )
    })
}

function addTop(program: Command, context: Context): void {
  type TopOptions = ReachOptions & { readonly interval: number }
  reaching(program.command('top'))
    .description('sessions and what goes through them, live; q ends it')
    .option('--interval <seconds>', 'between two looks', seconds, WATCH_SECONDS)
    .action(async (options: TopOptions) => {
      const { processScreen, runTop } = await import('./top.ts')
      const { finish, terminal } = context
      const screen = terminal.interactive ? processScreen() : null
      finish(await runTop(clientOf(options, terminal), terminal, screen, options.interval))
    })
}

function addRoutes(program: Command, context: Context): void {
  interface RoutesOptions extends AskOptions {
    readonly match?: string
    readonly all: boolean
    readonly peer?: string
    readonly view?: string
    readonly limit: number
  }
  asking(program.command('routes'), { wide: true })
    .description('the BGP table')
    .argument('[prefix]', 'prefix or address')
    .addOption(
      new Option('--match <how>', 'default: longest for an address, exact for a prefix').choices([
        'exact',
        'longest',
        'covered',
      ]),
    )
    .option('--all', 'every path, not only the best', false)
    .addOption(new Option('--peer <name>', 'the routes of this peer').conflicts(['match', 'all']))
    .addOption(
      new Option('--view <which>', 'with --peer').choices(['received', 'accepted', 'advertised']),
    )
    .option('--limit <count>', 'paths shown at most', atLeastOne, ROUTES_SHOWN)
    .action((prefix: string | undefined, options: RoutesOptions) => {
      const { all, limit, match = null, peer = null, view = null } = options
      if (peer !== null && prefix !== undefined) {
        throw misuse(
          '--peer shows all of its routes',
          'for one prefix: routelet explain PREFIX --peer NAME',
        )
      }
      if (peer === null && view !== null) throw misuse('--view needs --peer NAME', null)
      const question = { prefix: prefix ?? null, match, all, peer, view, limit }
      return answer(context, options, (client) => askRoutes(client, context.terminal, question))
    })
}

function addEvents(program: Command, context: Context): void {
  interface EventsOptions extends AskOptions {
    readonly follow: boolean
    readonly after?: number
    readonly kind?: string
    readonly peer?: string
    readonly limit: number
  }
  asking(program.command('events'), { watch: false, wide: true })
    .description('what happened, and what happens; -o wide names every prefix that moved')
    .option('-f, --follow', 'go on until Ctrl-C', false)
    .option('--kind <kind>', 'only events of this kind, such as peer.down or routes.moved')
    .option('--peer <name>', 'only events about this peer')
    .option('--after <id>', 'only events with a greater id', wholeNumber)
    .option(
      '--limit <count>',
      `events shown at first, at most ${EVENTS_MAX}`,
      atLeastOne,
      EVENTS_SHOWN,
    )
    .action(async (options: EventsOptions) => {
      const { after = null, kind = null, limit, peer = null } = options
      const question = { limit, after, kind, peer }
      if (!options.follow) {
        return answer(context, options, (client) => askEvents(client, context.terminal, question))
      }
      const client = clientOf(options, context.terminal)
      context.finish(await followEvents(client, context.terminal, options.output, question))
    })
}

export function addOrders(program: Command, context: Context): void {
  program.commandsGroup('Orders to a running agent:')
  for (const [order, { description, options }] of Object.entries(orders)) {
    const command = asking(program.command(order), { watch: false })
      .description(description)
      .argument('<peer>', "the peer's name")
      .action((peer: string, options: AskOptions & OrderDetail) =>
        answer(context, options, (client) => giveOrder(client, order, peer, options)),
      )
    for (const option of options) command.addOption(option)
  }
  asking(program.command('drain'), { watch: false })
    .description('announce every route as the last choice (RFC 8326), e.g. before maintenance')
    .option('--off', 'announce routes as usual again', false)
    .action((options: AskOptions & { off: boolean }) =>
      answer(context, options, (client) => orderDrain(client, options.off)),
    )
  asking(program.command('log'), { watch: false })
    .description('change for a while what the log of the agent tells')
    .addArgument(new Argument('<level>', 'what it tells').choices(logLevels))
    .option('--for <seconds>', 'how long; then the level of before holds again', atLeastOne, 600)
    .action((level: string, options: AskOptions & { for: number }) =>
      answer(context, options, (client) => orderLog(client, level, options.for)),
    )
}

/** The options of every command that talks to an agent. */
function asking(command: Command, { watch = true, wide = false } = {}): Command {
  reaching(command.addOption(outputOption({ wide })))
  if (watch) command.option('-w, --watch [seconds]', 'look again and again', seconds)
  return command
}

async function answer(
  { terminal, finish }: Context,
  options: AskOptions,
  ask: (client: AgentClient) => Promise<Answer>,
): Promise<void> {
  const client = clientOf(options, terminal)
  const watch = options.watch === true ? WATCH_SECONDS : (options.watch ?? null)
  finish(await show(terminal, { output: options.output, watch }, () => ask(client)))
}
