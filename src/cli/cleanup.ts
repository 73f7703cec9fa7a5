/**
 * `routelet cleanup`: removes what an agent left on this host, and nothing else. What that is stands
 * in a table of removers, each with the mark that makes a thing ours; a remover looks first, so that
 * `--dry-run` and the real run speak of the same. Doing it twice does no more than doing it once.
 */
import { connect } from 'node:net'
import {
  type Belongings,
  Cleaner,
  KernelError,
  prefixOf,
  type Removal,
  RuleCleaner,
} from '../../fib/index.ts'
import { findOwnConflist, removeConflist } from '../cni/files.ts'
import { NetlinkKernel } from '../sys/netlink.ts'
import { type Endpoint, formatEndpoint } from './endpoint.ts'
import { type Output, show } from './output.ts'
import { CommandError, EXIT_NEGATIVE, EXIT_OK, type Terminal } from './terminal.ts'
import { plural } from './words.ts'

/** Things named one by one in a table. */
const NAMED_MAX = 1000
/** An API that doesn't answer by then isn't there. */
const PROBE_MS_MAX = 2000

export interface CleanupOptions extends Belongings {
  /** Where an agent would answer. */
  readonly api: Endpoint
  readonly dryRun: boolean
  readonly force: boolean
  readonly output: Output
  /** Where CNI configurations lie; null: nowhere. */
  readonly cniConfDir: string | null
}

/** What removers work with. */
interface Tools {
  readonly cleaner: Cleaner
  readonly rules: RuleCleaner
}

/** One kind of thing that an agent leaves. */
interface Remover {
  readonly name: string
  readonly going: readonly string[]
  /** What is ours and must stay, with the reason. */
  readonly kept: readonly string[]
  readonly remove: () => Removal
}

/** What became of one kind. */
interface Cleaned {
  readonly name: string
  readonly found: readonly string[]
  readonly kept: readonly string[]
  readonly removed: number
  readonly refusals: readonly string[]
}

/** Exit code 0 when nothing of ours is left, or would be; 1 when something could not be removed. */
export function runCleanup(options: CleanupOptions, terminal: Terminal): Promise<number> {
  return show(terminal, { output: options.output, watch: null }, async () => {
    if (!options.dryRun && !options.force) await refuseBesideAgent(options.api)
    const cleaned = inKernel((tools) => clean(tools, options))
    const failed = cleaned.some(({ refusals }) => refusals.length > 0)
    return {
      data: { dryRun: options.dryRun, kinds: cleaned },
      text: () => cleaned.map((kind) => describe(kind, options.dryRun)).join(''),
      exitCode: failed ? EXIT_NEGATIVE : EXIT_OK,
    }
  })
}

function clean(tools: Tools, options: CleanupOptions): Cleaned[] {
  const removers: readonly ((tools: Tools, ours: CleanupOptions) => Remover)[] = [
    routeRemover,
    nexthopRemover,
    ruleRemover,
    conflistRemover,
  ]
  return removers.map((look) => {
    const { name, going, kept, remove } = look(tools, options)
    const nothing: Removal = { removed: 0, refusals: [] }
    const { removed, refusals } = options.dryRun || going.length === 0 ? nothing : remove()
    return { name, found: going, kept, removed, refusals }
  })
}

/** Ours by table, metric and protocol number. */
function routeRemover({ cleaner }: Tools, ours: Belongings): Remover {
  const { routes } = cleaner.find(ours)
  return {
    name: 'route',
    going: routes.map((route) => `${prefixOf(route)} table ${route.mark.table}`),
    kept: [],
    remove: () => cleaner.removeRoutes(routes),
  }
}

/** Ours by protocol number and id; after the routes, since those rest on them. */
function nexthopRemover({ cleaner }: Tools, ours: Belongings): Remover {
  const { nexthops } = cleaner.find(ours)
  return {
    name: 'nexthop object',
    going: nexthops.filter(({ kept }) => kept === null).map(({ id, kind }) => `${id} (${kind})`),
    kept: nexthops.flatMap(({ id, kept }) => (kept === null ? [] : `${id}: ${kept}`)),
    remove: () => cleaner.removeNexthops(nexthops),
  }
}

/** Ours by protocol number and place. */
function ruleRemover({ rules }: Tools, { protocol }: Belongings): Remover {
  const found = rules.find(protocol)
  return {
    name: 'policy rule',
    going: [...found.keys()],
    kept: [],
    remove: () => rules.remove(found),
  }
}

/** Ours by its name and the field that says so; one without the field is somebody else's. */
function conflistRemover(_tools: Tools, { cniConfDir }: CleanupOptions): Remover {
  const { file, kept } = findOwnConflist(cniConfDir)
  return {
    name: 'CNI configuration',
    going: file === null ? [] : [file],
    kept,
    remove: () => removeConflist(file),
  }
}

/** @throws CommandError in words */
function inKernel<T>(work: (tools: Tools) => T): T {
  const kernel = new NetlinkKernel()
  const cleaner = new Cleaner(kernel)
  try {
    cleaner.open()
    return work({ cleaner, rules: new RuleCleaner(kernel) })
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    throw new CommandError(error.message, null, EXIT_NEGATIVE, error)
  } finally {
    cleaner.close()
  }
}

/** A running agent would put back what is removed. @throws CommandError when one is there */
async function refuseBesideAgent(api: Endpoint): Promise<void> {
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(
      api.kind === 'unix' ? { path: api.path } : { host: api.host, port: api.port },
    )
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.setTimeout(PROBE_MS_MAX, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
  if (!answers) return
  throw new CommandError(
    `an agent answers at ${formatEndpoint(api)}; it would put back what is removed here`,
    'stop it first (onStop: Withdraw makes it remove its routes itself), or clean up with --force',
    EXIT_NEGATIVE,
  )
}

function describe({ name, found, kept, removed, refusals }: Cleaned, dryRun: boolean): string {
  const lines = dryRun
    ? [`${plural(found.length, name)} would be removed`, ...found.slice(0, NAMED_MAX).map(indent)]
    : [`${plural(removed, name)} removed`]
  if (dryRun && found.length > NAMED_MAX) lines.push(indent(`and ${found.length - NAMED_MAX} more`))
  if (kept.length > 0) lines.push(`${plural(kept.length, name)} kept`, ...kept.map(indent))
  if (refusals.length > 0) lines.push('refused', ...refusals.map(indent))
  return `${lines.join('\n')}\n`
}

function indent(line: string): string {
  return `  ${line}`
}
