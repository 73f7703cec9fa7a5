/**
 * `routelet explain PREFIX [--peer P]`: the answer in sentences, then what it rests on.
 */
import type { ExplainView } from '../../api/views.ts'
import type { AdvertisementView } from '../../bgp/types.ts'
import type { KernelRouteView } from '../../fib/types.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { formatPaths } from './routes.ts'
import { type Column, formatTable } from './table.ts'
import { EXIT_NEGATIVE, EXIT_OK, printable, type Terminal } from './terminal.ts'
import { formatGateways } from './words.ts'

export async function askExplanation(
  client: AgentClient,
  terminal: Terminal,
  question: { readonly prefix: string; readonly peer: string | null },
): Promise<Answer> {
  const explanation = await client.get<ExplainView>('/v1/explain', { ...question })
  return {
    data: explanation,
    text: () => formatExplanation(explanation, terminal.colour),
    exitCode: explanation.matched === 'none' ? EXIT_NEGATIVE : EXIT_OK,
  }
}

function formatExplanation({ bgp, fib, words }: ExplainView, colour: boolean): string {
  const sections = [words.map((sentence) => `${printable(sentence)}\n`).join('')]
  if (bgp.paths.length > 0) sections.push(formatPaths(bgp.paths, colour))
  if (fib !== null && fib.kernel.length > 0) sections.push(formatKernel(fib.kernel, colour))
  if (bgp.advertisements.length > 0) {
    sections.push(formatAdvertisements(bgp.advertisements, colour))
  }
  return sections.join('\n')
}

function formatKernel(routes: readonly KernelRouteView[], colour: boolean): string {
  const columns: readonly Column<KernelRouteView>[] = [
    { title: 'KERNEL', value: (route) => route.prefix },
    { title: 'TABLE', value: (route) => route.table, align: 'right' },
    { title: 'PROTOCOL', value: (route) => route.protocol },
    { title: 'METRIC', value: (route) => route.metric, align: 'right' },
    { title: 'KIND', value: (route) => route.kind },
    { title: 'VIA', value: (route) => formatGateways(route.gateways) },
    { title: 'OWNER', value: (route) => (route.ours ? 'routelet' : 'another') },
  ]
  return formatTable(routes, columns, colour)
}

function formatAdvertisements(rows: readonly AdvertisementView[], colour: boolean): string {
  const columns: readonly Column<AdvertisementView>[] = [
    { title: 'TO PEER', value: (row) => row.peer },
    {
      title: 'ANNOUNCED',
      value: ({ advertised }) => ({
        text: advertised ? 'yes' : 'no',
        tone: advertised ? 'good' : 'dim',
      }),
    },
    { title: 'NEXT HOP', value: (row) => row.attributes?.nextHop ?? null },
    { title: 'WHY', value: (row) => row.reason },
  ]
  return formatTable(rows, columns, colour)
}
