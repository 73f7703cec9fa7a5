/**
 * `routelet fib [--diff]`: what this node wants in the kernel, and where the kernel differs.
 */
import type { List } from '../../api/schema.ts'
import type {
  FibDifference,
  FibNexthop,
  FibRouteError,
  FibRouteView,
  FibStatus,
} from '../../fib/types.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { readPages } from './routes.ts'
import { type Column, formatTable } from './table.ts'
import { EXIT_NEGATIVE, EXIT_OK, type Terminal } from './terminal.ts'
import { formatDuration, formatGateways, formatTroubles, plural } from './words.ts'

/** Nexthop objects in a table; there is one for each gateway, and one for each set of them. */
const NEXTHOPS_SHOWN = 50

export async function askFib(
  client: AgentClient,
  terminal: Terminal,
  limit: number,
): Promise<Answer> {
  const status = await client.get<FibStatus>('/v1/fib/status')
  const page = await readPages<FibRouteView>(client, '/v1/fib', limit, {})
  const { items: nexthops } = await client.get<List<FibNexthop>>('/v1/fib/nexthops')
  return {
    data: { status, nexthops, ...page },
    text: () => {
      const more = page.continue === null ? '' : `there are more: --limit ${limit * 10}\n`
      const table = page.items.length === 0 ? '' : `\n${formatRoutes(page.items, terminal.colour)}`
      return summarise(status) + table + more + formatNexthops(nexthops, terminal.colour)
    },
  }
}

/** Exits 1 when there is a difference, as diff(1) does. */
export async function askDifference(client: AgentClient, terminal: Terminal): Promise<Answer> {
  const list = await client.get<List<FibDifference>>('/v1/fib/diff')
  const { items } = list
  return {
    data: list,
    text: () =>
      items.length === 0
        ? 'the kernel holds what is wanted\n'
        : formatDifferences(items, terminal.colour),
    exitCode: items.length === 0 ? EXIT_OK : EXIT_NEGATIVE,
  }
}

function summarise(status: FibStatus): string {
  if (status.mode === 'none') return 'the kernel is not written: the agent runs with --fib none\n'
  const { settings } = status
  const place = `table ${settings.table}, protocol ${settings.protocol}, metric ${settings.metric}`
  const blackholes = plural(status.blackholes, 'blackhole')
  const installed = `${status.installed} of ${plural(status.wanted, 'route')} installed`
  const { hops, groups } = status.objects ?? { hops: 0, groups: 0 }
  const objects = hops === 0 ? [] : [plural(hops, 'nexthop'), plural(groups, 'group')]
  const parts = [installed, ...formatTroubles(status), blackholes, ...objects]
  return `${parts.join(', ')} (${place})\n${status.rivals.map(describeRival).join('')}`
}

function describeRival({ name, holding, winning, resting }: FibStatus['rivals'][number]): string {
  const what = [
    ...(holding > 0 ? [`${holding} hold the place of ours`] : []),
    ...(winning > 0 ? [`${winning} are used before ours`] : []),
    ...(resting > 0 ? [`${resting} rest behind ours`] : []),
  ]
  return `routes of ${name} for the same prefixes: ${what.join(', ')}\n`
}

function formatRoutes(routes: readonly FibRouteView[], colour: boolean): string {
  const columns: readonly Column<FibRouteView>[] = [
    { title: 'PREFIX', value: (route) => route.prefix },
    { title: 'KIND', value: (route) => route.kind },
    {
      title: 'STATUS',
      value: ({ status }) => ({
        text: status,
        tone: status === 'installed' ? 'good' : status === 'pending' ? 'warn' : 'bad',
      }),
    },
    { title: 'NEXT HOPS', value: (route) => route.nextHops.join(' ') },
    { title: 'KERNEL VIA', value: (route) => formatGateways(route.gateways) },
    { title: 'NEXTHOP', value: (route) => route.nexthop },
    { title: 'REASON', value: ({ reason, error }) => withError(reason, error) },
  ]
  return formatTable(routes, columns, colour)
}

/** `EINVAL (…); 3 refusals in 2s, tried again in 1s` */
function withError(reason: string | null, error: FibRouteError | null): string | null {
  if (reason === null || error === null) return reason
  const { attempts, forSeconds, retryInSeconds } = error
  const since = formatDuration(forSeconds * 1000)
  const refused = attempts === 0 ? [] : [`${plural(attempts, 'refusal')} in ${since}`]
  const again = `tried again in ${formatDuration(retryInSeconds * 1000)}`
  return `${reason}; ${[...refused, again].join(', ')}`
}

function formatNexthops(nexthops: readonly FibNexthop[], colour: boolean): string {
  if (nexthops.length === 0) return ''
  const shown = nexthops.slice(0, NEXTHOPS_SHOWN)
  const columns: readonly Column<FibNexthop>[] = [
    { title: 'NEXTHOP', value: ({ id }) => id },
    { title: 'KIND', value: ({ kind }) => kind },
    { title: 'ROUTES', value: ({ routes }) => routes, align: 'right' },
    { title: 'VIA', value: ({ gateways }) => formatGateways(gateways) },
    { title: 'MEMBERS', value: ({ members }) => members.join(' ') },
  ]
  const more = nexthops.length - shown.length
  const rest = more > 0 ? `and ${more} more: routelet fib -o json\n` : ''
  return `\n${formatTable(shown, columns, colour)}${rest}`
}

function formatDifferences(rows: readonly FibDifference[], colour: boolean): string {
  const columns: readonly Column<FibDifference>[] = [
    { title: 'PREFIX', value: (row) => row.prefix },
    { title: 'PROBLEM', value: ({ problem }) => ({ text: problem, tone: 'bad' }) },
    { title: 'WANTED', value: (row) => row.wanted },
    { title: 'INSTALLED', value: (row) => row.installed },
    { title: 'REASON', value: ({ reason, error }) => withError(reason, error) },
  ]
  return formatTable(rows, columns, colour)
}
