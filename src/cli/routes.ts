/**
 * `routelet routes [PREFIX]`: the BGP table, or what one peer sent or was sent.
 */
import type { Page } from '../../api/views.ts'
import type { PathView } from '../../bgp/types.ts'
import type { AgentClient, Query } from './client.ts'
import type { Answer } from './output.ts'
import { peerPath } from './peers.ts'
import { type Column, formatTable } from './table.ts'
import type { Terminal } from './terminal.ts'
import { formatAsPath, formatRank } from './words.ts'

/** Items of one request; the API gives no more. */
const PAGE_MAX = 1000

export interface RoutesQuestion {
  readonly prefix: string | null
  readonly match: string | null
  readonly all: boolean
  readonly peer: string | null
  readonly view: string | null
  /** Paths shown at most. */
  readonly limit: number
}

export async function askRoutes(
  client: AgentClient,
  terminal: Terminal,
  question: RoutesQuestion,
): Promise<Answer> {
  const { all, limit, match, peer, prefix, view } = question
  const page =
    peer === null
      ? await readPages<PathView>(client, '/v1/routes', limit, {
          prefix,
          match,
          view: all ? 'all' : 'best',
        })
      : await readPages<PathView>(client, peerPath(peer, '/routes'), limit, { view })
  const text = (further: readonly Column<PathView>[]) => {
    if (page.items.length === 0) {
      return prefix === null ? 'no routes\n' : `no route for ${prefix}\n`
    }
    const more = page.continue === null ? '' : `there are more: --limit ${limit * 10}\n`
    return formatPaths(page.items, terminal.colour, further) + more
  }
  return { data: page, text: () => text([]), wide: () => text(wideColumns) }
}

/** What policies look at, beside what the table always has. */
const wideColumns: readonly Column<PathView>[] = [
  { title: 'FROM', value: (path) => path.peerAddress },
  { title: 'PATH ID', value: ({ pathId }) => (pathId === 0 ? null : pathId), align: 'right' },
  { title: 'ORIGIN', value: ({ attributes }) => attributes.origin ?? null },
  {
    title: 'COMMUNITIES',
    value: ({ attributes: { communities = [], largeCommunities = [] } }) =>
      [...communities, ...largeCommunities].join(' '),
  },
]

/** Follows the pages until the limit or the end; `continue` is where it stopped. */
export async function readPages<Item>(
  client: AgentClient,
  path: string,
  limit: number,
  query: Query,
): Promise<Page<Item>> {
  const items: Item[] = []
  let token: string | null = null
  do {
    const asked = Math.min(PAGE_MAX, limit - items.length)
    const page: Page<Item> = await client.get(path, { ...query, limit: asked, continue: token })
    items.push(...page.items)
    token = page.continue
  } while (token !== null && items.length < limit)
  return { items, continue: token }
}

export function formatPaths(
  paths: readonly PathView[],
  colour: boolean,
  further: readonly Column<PathView>[] = [],
): string {
  const columns: readonly Column<PathView>[] = [
    { title: 'PREFIX', value: (path) => path.prefix },
    {
      title: 'RANK',
      value: (path) => ({
        text: formatRank(path),
        tone: path.best || path.multipath ? 'good' : path.eligible ? 'dim' : 'bad',
      }),
    },
    { title: 'PEER', value: (path) => path.peer },
    { title: 'NEXT HOP', value: (path) => path.nextHops.join(' ') },
    { title: 'AS PATH', value: ({ attributes }) => formatAsPath(attributes) },
    { title: 'PREF', value: ({ attributes }) => attributes.localPref ?? null, align: 'right' },
    { title: 'MED', value: ({ attributes }) => attributes.med ?? null, align: 'right' },
    { title: 'REASON', value: (path) => path.reason },
    ...further,
  ]
  return formatTable(paths, columns, colour)
}
