/**
 * `routelet fib [--diff]`: what this node wants in the kernel, and where the kernel differs.
 */
import type { List } from '../../api/schema.ts'
import type { FibDifference, FibRouteView, FibStatus } from '../../fib/types.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { readPages } from './routes.ts'
import { type Column, formatTable } from './table.ts'
import { EXIT_NEGATIVE, EXIT_OK, type Terminal } from './terminal.ts'
import { formatGateways, formatTroubles, plural } from './words.ts'

export async function askFib(
  client: AgentClient,
  terminal: Terminal,
  limit: number,
): Promise<Answer> {
  const status = await client.get<FibStatus>('/v1/fib/status')
  const page = await readPages<FibRouteView>(client, '/v1/fib', limit, {})
  return {
    data: { status, ...page },
    text: () => {
      const more = page.continue === null ? '' : `there are more: --limit ${limit * 10}\n`
      const table = page.items.length === 0 ? '' : `\n${formatRoutes(page.items, terminal.colour)}`
      return summarise(status) + table + more
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
  return `${[installed, ...formatTroubles(status), blackholes].join(', ')} (${place})\n`
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
    { title: 'REASON', value: (route) => route.reason },
  ]
  return formatTable(routes, columns, colour)
}

function formatDifferences(rows: readonly FibDifference[], colour: boolean): string {
  const columns: readonly Column<FibDifference>[] = [
    { title: 'PREFIX', value: (row) => row.prefix },
    { title: 'PROBLEM', value: ({ problem }) => ({ text: problem, tone: 'bad' }) },
    { title: 'WANTED', value: (row) => row.wanted },
    { title: 'INSTALLED', value: (row) => row.installed },
    { title: 'REASON', value: (row) => row.reason },
  ]
  return formatTable(rows, columns, colour)
}
