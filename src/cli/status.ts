/**
 * `routelet status`: is this node well, and if not, what is wrong and what helps. A well node's
 * answer begins with "healthy", and every answer fits a screen.
 */

import { stripVTControlCharacters } from 'node:util'
import type { List } from '../../api/schema.ts'
import type { ConditionView, NodeView } from '../../api/views.ts'
import type { PeerView } from '../../bgp/types.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { formatFields, formatTable, paint, type Tone } from './table.ts'
import { EXIT_NEGATIVE, EXIT_OK, printable, type Terminal } from './terminal.ts'
import { formatDuration, formatFamily, formatTroubles, plural } from './words.ts'

/** What doesn't fit is counted; `routelet peers` and `-o json` show all. */
const TROUBLED_PEERS_SHOWN = 8
const ANNOUNCEMENTS_SHOWN = 4
/** The terminal that everybody has, and the line for its prompt. */
const SCREEN = { columns: 80, lines: 24 - 1 }
/** At least so many conditions are shown, however long they are. */
const CONDITIONS_MIN = 3

export type Health = 'healthy' | 'degraded' | 'not ready' | 'unhealthy'

export const healthTones: Readonly<Record<Health, Tone>> = {
  healthy: 'good',
  degraded: 'warn',
  'not ready': 'warn',
  unhealthy: 'bad',
}

export async function askStatus(client: AgentClient, terminal: Terminal): Promise<Answer> {
  const node = await client.get<NodeView>('/v1/node')
  const troubled = node.peers.established < node.peers.wanted ? await askTroubled(client) : []
  return {
    data: node,
    text: () => formatStatus(node, troubled, terminal),
    exitCode: node.healthy && node.ready ? EXIT_OK : EXIT_NEGATIVE,
  }
}

/** `degraded` forwards traffic, but something that was asked for is missing. */
export function judge(node: NodeView): Health {
  if (!node.healthy) return 'unhealthy'
  if (!node.ready) return 'not ready'
  const { fib, peers } = node
  const missing = peers.established < peers.wanted || fib.failed > 0 || fib.conflicts > 0
  const faulty = node.conditions.some(({ severity }) => severity === 'error')
  return missing || faulty ? 'degraded' : 'healthy'
}

async function askTroubled(client: AgentClient): Promise<readonly PeerView[]> {
  const { items } = await client.get<List<PeerView>>('/v1/peers')
  return items.filter(({ state }) => state !== 'Established')
}

function formatStatus(
  node: NodeView,
  troubled: readonly PeerView[],
  { colour, now }: Terminal,
): string {
  const health = judge(node)
  const head = [
    node.name,
    // Before the own Node is known, there is neither.
    ...(node.asn === 0 ? [] : [`AS ${node.asn}`, `router id ${node.routerId}`]),
    `up ${formatDuration(now() - node.startedAt)}`,
    `routelet ${node.version}`,
  ].join('  ')
  const why = node.readyReason === null ? '' : `${printable(node.readyReason)}\n`
  const parts = [
    `${paint(health, healthTones[health], colour)}  ${printable(head)}\n${why}`,
    formatFields(fieldsOf(node)),
    formatTroubled(troubled, colour),
  ].filter((part) => part !== '')
  // A blank line before each part, and the one that says how many more there are.
  const left = SCREEN.lines - linesOf(parts.join('\n')) - 2
  parts.push(formatConditions(node.conditions, left, colour))
  return parts.filter((part) => part !== '').join('\n')
}

/** Lines on the screen; a long one takes several. Only plain text is counted rightly. */
function linesOf(text: string): number {
  const lines = stripVTControlCharacters(text).replace(/\n$/, '').split('\n')
  return lines.reduce((sum, { length }) => sum + Math.max(1, Math.ceil(length / SCREEN.columns)), 0)
}

function fieldsOf(node: NodeView): readonly (readonly [string, string | null])[] {
  const { announcements, fib, loopDelay, peers } = node
  const shown = announcements.slice(0, ANNOUNCEMENTS_SHOWN).map(({ prefix }) => prefix)
  const more = announcements.length - shown.length
  if (more > 0) shown.push(`and ${more} more`)
  return [
    ['peers', `${peers.established} of ${peers.wanted} established`],
    ['routes', formatRoutes(node)],
    ['kernel', formatKernel(fib)],
    ['announces', shown.length === 0 ? 'nothing' : shown.join(', ')],
    ['cluster id', node.clusterId],
    ['loop delay', formatDelay(loopDelay)],
  ]
}

function formatDelay({ p50, p99, max }: NodeView['loopDelay']): string {
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`
}

function formatRoutes(node: NodeView): string {
  const families = Object.entries(node.routes).map(
    ([family, { prefixes, paths }]) =>
      `${formatFamily(family)} ${plural(prefixes, 'prefix', 'prefixes')}, ${plural(paths, 'path')}`,
  )
  return families.length === 0 ? 'none' : families.join('; ')
}

function formatKernel(fib: NodeView['fib']): string {
  if (fib.mode === 'none') return 'not written (--fib none)'
  const installed = `${fib.installed} of ${plural(fib.wanted, 'route')} installed`
  return [installed, ...formatTroubles(fib)].join(', ')
}

function formatTroubled(peers: readonly PeerView[], colour: boolean): string {
  if (peers.length === 0) return ''
  const table = formatTable(
    peers.slice(0, TROUBLED_PEERS_SHOWN),
    [
      { title: 'PEER', value: (peer) => peer.name },
      { title: 'ADDRESS', value: (peer) => peer.address },
      { title: 'STATE', value: (peer) => ({ text: peer.state, tone: 'bad' }) },
      { title: 'REASON', value: (peer) => peer.reason },
    ],
    colour,
  )
  const more = peers.length - TROUBLED_PEERS_SHOWN
  return more > 0 ? `${table}and ${more} more: routelet peers\n` : table
}

/** The worst first, as many as there are lines left for. */
function formatConditions(
  conditions: readonly ConditionView[],
  linesLeft: number,
  colour: boolean,
): string {
  const tones: Readonly<Record<ConditionView['severity'], Tone>> = {
    info: 'dim',
    warning: 'warn',
    error: 'bad',
  }
  const rank = ({ severity }: ConditionView) => ['error', 'warning', 'info'].indexOf(severity)
  const sorted = [...conditions].sort((a, b) => rank(a) - rank(b))
  const all = sorted.map((condition) => {
    const { severity, reason, subject, message, remedy } = condition
    const advice = remedy === null ? '' : `\n  ${printable(remedy)}`
    const text = printable(`${reason}  ${subject}: ${message}`)
    return `${paint(severity, tones[severity], colour)}  ${text}${advice}\n`
  })
  let left = linesLeft
  const lines = all.filter((text, index) => {
    left -= linesOf(text)
    return left >= 0 || index < CONDITIONS_MIN
  })
  const more = conditions.length - lines.length
  if (more > 0) lines.push(`and ${more} more: routelet status -o json\n`)
  return lines.join('')
}
