/**
 * `routelet top`: sessions and what goes through them, drawn again and again in the same place; the
 * terminal is as it was before when it ends. Keys: q or Ctrl-C ends it. Where nobody looks (a pipe), it
 * prints one look after the other.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { List } from '../../api/schema.ts'
import type { NodeView } from '../../api/views.ts'
import type { PeerView } from '../../bgp/types.ts'
import type { AgentClient } from './client.ts'
import { formatError } from './output.ts'
import { ageOf, sumOf, toneOf } from './peers.ts'
import { healthTones, judge } from './status.ts'
import { type Column, formatTable, paint } from './table.ts'
import { CommandError, EXIT_OK, printable, type Terminal } from './terminal.ts'
import { formatDuration } from './words.ts'

/** A screen beside the running one, without a cursor; then home and erase below (xterm, ECMA-48). */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const REDRAW = '\u001b[H\u001b[J'
/** What begins a tone; `m` ends it. */
const TONE = '\u001b['

/** What a screen of this command needs of its terminal beside writing. */
export interface Screen {
  /** Characters; read anew for every look. */
  size(): { readonly rows: number; readonly columns: number }
  /** Calls back on every key and every change of size; the function returned ends that. */
  listen(handlers: { key(key: string): void; resized(): void }): () => void
}

interface Sample {
  readonly at: number
  readonly node: NodeView
  readonly peers: readonly PeerView[]
}

interface Row {
  readonly peer: PeerView
  /** Messages and UPDATEs a second since the look before; null at the first. */
  readonly received: number | null
  readonly sent: number | null
}

/** @param seconds between two looks */
export async function runTop(
  client: AgentClient,
  terminal: Terminal,
  screen: Screen | null,
  seconds: number,
): Promise<number> {
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, terminal.signal])
  let shown: (() => string) | null = null
  const draw = () => {
    if (shown === null) return
    terminal.write(screen === null ? `${shown()}\n` : REDRAW + fit(shown(), screen))
  }
  const stop = screen?.listen({
    key: (key) => {
      // In raw mode Ctrl-C is a key like any other.
      if (key === 'q' || key === '\u0003') ended.abort()
    },
    resized: draw,
  })
  if (screen !== null) terminal.write(ENTER)
  let before: Sample | null = null
  try {
    while (!signal.aborted) {
      try {
        const now = await look(client)
        const last = before
        shown = () => format(now, last, terminal)
        before = now
      } catch (error) {
        // The agent may be restarted while somebody looks.
        if (!(error instanceof CommandError)) throw error
        shown = () => formatError(error)
      }
      if (!signal.aborted) draw()
      await wait(seconds * 1000, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    stop?.()
    if (screen !== null) terminal.write(LEAVE)
  }
  return EXIT_OK
}

async function look(client: AgentClient): Promise<Sample> {
  const [node, { items }] = await Promise.all([
    client.get<NodeView>('/v1/node'),
    client.get<List<PeerView>>('/v1/peers'),
  ])
  return { at: performance.now(), node, peers: items }
}

function format(now: Sample, before: Sample | null, terminal: Terminal): string {
  const { node } = now
  const health = judge(node)
  const paths = Object.values(node.routes).reduce((sum, family) => sum + family.paths, 0)
  const head = [
    `${printable(node.name)}  up ${formatDuration(terminal.now() - node.startedAt)}`,
    `peers ${node.peers.established}/${node.peers.wanted}`,
    `paths ${paths}`,
    node.fib.mode === 'none' ? 'kernel off' : `kernel ${node.fib.installed}/${node.fib.wanted}`,
    `loop p99 ${node.loopDelay.p99.toFixed(1)} ms`,
  ].join('   ')
  const rows = rowsOf(now, before)
  const table =
    rows.length === 0 ? 'no peers\n' : formatTable(rows, columnsFor(terminal), terminal.colour)
  return `${paint(health, healthTones[health], terminal.colour)}  ${head}\n\n${table}`
}

const urgency = { bad: 2, warn: 1, good: 0 } as const

/** Those that are down first, then those that won't last, then the busiest. */
function rowsOf(now: Sample, before: Sample | null): readonly Row[] {
  const known = new Map(before?.peers.map((peer) => [peer.name, peer]))
  const seconds = before === null ? 0 : (now.at - before.at) / 1000
  const rate = (count: number, last: number | undefined) =>
    last === undefined || seconds <= 0 ? null : Math.max(0, count - last) / seconds
  const rows = now.peers.map((peer) => {
    const last = known.get(peer.name)
    return {
      peer,
      received: rate(peer.messages.received.update, last?.messages.received.update),
      sent: rate(peer.messages.sent.update, last?.messages.sent.update),
    }
  })
  const urgent = ({ peer }: Row) => urgency[toneOf(peer)]
  const busy = ({ received, sent }: Row) => (received ?? 0) + (sent ?? 0)
  return rows.sort((a, b) => urgent(b) - urgent(a) || busy(b) - busy(a))
}

function columnsFor({ now }: Terminal): readonly Column<Row>[] {
  const rate = (value: number | null) => (value === null ? '' : value.toFixed(1))
  return [
    { title: 'PEER', value: ({ peer }) => peer.name },
    { title: 'STATE', value: ({ peer }) => ({ text: peer.state, tone: toneOf(peer) }) },
    { title: 'FOR', value: ({ peer }) => ageOf(peer, now()), align: 'right' },
    { title: 'UPDATES IN/S', value: ({ received }) => rate(received), align: 'right' },
    { title: 'OUT/S', value: ({ sent }) => rate(sent), align: 'right' },
    { title: 'RECEIVED', value: ({ peer }) => sumOf(peer, 'received'), align: 'right' },
    { title: 'SENT', value: ({ peer }) => sumOf(peer, 'advertised'), align: 'right' },
    { title: 'QUEUED', value: ({ peer }) => peer.queuedBytes || '', align: 'right' },
    { title: 'FLAPS', value: ({ peer }) => peer.flaps, align: 'right' },
    { title: 'REASON', value: ({ peer }) => peer.reason },
  ]
}

/** As many lines as the screen has, each cut to its width; the tones cost no column. */
function fit(text: string, screen: Screen): string {
  const { rows, columns } = screen.size()
  const lines = text.trimEnd().split('\n')
  const shown = lines.length < rows ? lines : lines.slice(0, rows - 1)
  return shown.map((line) => cut(line, columns)).join('\r\n')
}

function cut(line: string, columns: number): string {
  const [plain = '', ...toned] = line.split(TONE)
  let kept = plain.slice(0, columns)
  let room = columns - kept.length
  for (const part of toned) {
    const end = part.indexOf('m') + 1
    const text = part.slice(end, end + room)
    room -= text.length
    kept += TONE + part.slice(0, end) + text
  }
  return kept
}

/** The screen of this process, or null where output or input is no terminal. */
export function processScreen(): Screen | null {
  const { stdin, stdout } = process
  if (!stdout.isTTY || !stdin.isTTY) return null
  return {
    size: () => ({ rows: stdout.rows, columns: stdout.columns }),
    listen({ key, resized }) {
      const onData = (data: Buffer) => key(data.toString())
      stdin.setRawMode(true)
      stdin.resume()
      stdin.on('data', onData)
      stdout.on('resize', resized)
      return () => {
        stdin.off('data', onData)
        stdout.off('resize', resized)
        stdin.setRawMode(false)
        stdin.pause()
      }
    },
  }
}
