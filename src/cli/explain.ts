/**
 * `routelet explain PREFIX [--peer P]`: the answer in sentences, then what it rests on. `routelet explain
 * --peer P`: why a session is (not) up.
 */
import type { ExplainView, PeerExplanation } from '../../api/views.ts'
import type { AdvertisedPathView, AdvertisementView } from '../../bgp/types.ts'
import type { KernelRouteView } from '../../fib/types.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { peerPath } from './peers.ts'
import { formatPaths } from './routes.ts'
import { type Column, formatTable } from './table.ts'
import { EXIT_NEGATIVE, EXIT_OK, printable, type Terminal } from './terminal.ts'
import { formatGateways, formatInstant } from './words.ts'

interface SentPath extends AdvertisedPathView {
  readonly to: string
}

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

/** Why a session is (not) up; exits 1 while it isn't. */
export async function askPeerExplanation(
  client: AgentClient,
  { colour }: Terminal,
  name: string,
): Promise<Answer> {
  const explanation = await client.get<PeerExplanation>(peerPath(name, '/explain'))
  const { state, tried, words } = explanation
  return {
    data: explanation,
    text: () => {
      const sentences = words.map((sentence) => `${printable(sentence)}\n`).join('')
      return tried.length === 0 ? sentences : `${sentences}\n${formatTried(tried, colour)}`
    },
    exitCode: state === 'Established' ? EXIT_OK : EXIT_NEGATIVE,
  }
}

function formatTried(tried: PeerExplanation['tried'], colour: boolean): string {
  const columns: readonly Column<PeerExplanation['tried'][number]>[] = [
    { title: 'AT', value: ({ at }) => formatInstant(at) },
    { title: 'WHAT HAPPENED', value: ({ text }) => text },
  ]
  return formatTable(tried, columns, colour)
}

function formatExplanation({ bgp, fib, words }: ExplainView, colour: boolean): string {
  const sections = [words.map((sentence) => `${printable(sentence)}\n`).join('')]
  if (bgp.paths.length > 0) sections.push(formatPaths(bgp.paths, colour))
  if (fib !== null && fib.kernel.length > 0) sections.push(formatKernel(fib.kernel, colour))
  if (bgp.advertisements.length > 0) {
    sections.push(formatAdvertisements(bgp.advertisements, colour))
  }
  const sent = bgp.advertisements.flatMap(({ peer, paths }) =>
    paths.map((path) => ({ to: peer, ...path })),
  )
  if (sent.length > 0) sections.push(formatSentPaths(sent, colour))
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

/** To peers that take several paths (RFC 7911): which, and why not the others. */
function formatSentPaths(rows: readonly SentPath[], colour: boolean): string {
  const columns: readonly Column<SentPath>[] = [
    { title: 'TO PEER', value: ({ to }) => to },
    { title: 'PATH FROM', value: ({ peer }) => peer },
    { title: 'RANK', value: ({ rank }) => rank, align: 'right' },
    { title: 'SENT AS', value: ({ sentAs }) => sentAs, align: 'right' },
    { title: 'WHY', value: ({ reason }) => reason },
  ]
  return formatTable(rows, columns, colour)
}
