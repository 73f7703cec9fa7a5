/**
 * `routelet events [--follow]`: what happened, and what happens. A followed stream survives the
 * agent's restart and continues where it was.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { List } from '../../api/schema.ts'
import type { EventView } from '../../api/views.ts'
import type { AgentClient, Frame } from './client.ts'
import { type Answer, formatError, type Output } from './output.ts'
import { formatTable, paint, type Tone } from './table.ts'
import { CommandError, EXIT_OK, printable, type Terminal } from './terminal.ts'
import { formatInstant } from './words.ts'

const RECONNECT_MS = 1000

const TONES: Readonly<Record<EventView['level'], Tone | null>> = {
  debug: 'dim',
  info: null,
  warn: 'warn',
  error: 'bad',
}

export interface EventsQuestion {
  readonly limit: number
  readonly after: number | null
  /** Only events of this kind, or about this peer; null: all. */
  readonly kind: string | null
  readonly peer: string | null
}

/** Of the data of `routes.moved`. */
interface Moved {
  readonly prefix: string
  /** null: the route is gone. */
  readonly nextHops: readonly string[] | null
  readonly peers?: readonly string[]
}

export async function askEvents(
  client: AgentClient,
  terminal: Terminal,
  question: EventsQuestion,
): Promise<Answer> {
  const list = await client.get<List<EventView>>('/v1/events', { ...question })
  const { colour } = terminal
  const join = (format: (event: EventView) => string) =>
    list.items.length === 0 ? 'nothing has happened\n' : list.items.map(format).join('')
  return {
    data: list,
    text: () => join((event) => formatEvent(event, colour)),
    wide: () => join((event) => formatWide(event, colour)),
  }
}

/** Prints recent events, then every new one until the terminal's signal. */
export async function followEvents(
  client: AgentClient,
  terminal: Terminal,
  output: Output,
  question: EventsQuestion,
): Promise<number> {
  const recent = await client.get<List<EventView>>('/v1/events', { ...question })
  let last = String(question.after ?? 0)
  const print = await printerOf(output, terminal)
  for (const event of recent.items) {
    print(event)
    last = String(event.id)
  }
  while (!terminal.signal.aborted) {
    try {
      await client.stream(
        '/v1/events',
        {
          query: { kind: question.kind, peer: question.peer },
          lastEventId: last,
          signal: terminal.signal,
        },
        (frame) => {
          if (frame.event === 'restarted') last = '0'
          last = frame.id ?? last
          receive(frame, print, terminal)
        },
      )
      if (!terminal.signal.aborted) terminal.warn('the agent closed the stream; waiting for it\n')
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      if (!terminal.signal.aborted) terminal.warn(formatError(error))
    }
    await wait(RECONNECT_MS, undefined, { signal: terminal.signal }).catch(() => undefined)
  }
  return EXIT_OK
}

/** Frames without an id are the stream's own remarks. */
function receive(frame: Frame, print: (event: EventView) => void, terminal: Terminal): void {
  if (frame.id !== null) {
    print(JSON.parse(frame.data) as EventView)
  } else if (frame.event === 'restarted') {
    terminal.warn('the agent has started anew\n')
  } else if (frame.event === 'dropped') {
    const { events } = JSON.parse(frame.data) as { events: number }
    terminal.warn(`${events} events were missed: they came faster than they were read\n`)
  }
}

/** A followed JSON output is one object a line; YAML is a stream of documents. */
async function printerOf(output: Output, terminal: Terminal): Promise<(event: EventView) => void> {
  const { colour } = terminal
  if (output === 'table') return (event) => terminal.write(formatEvent(event, colour))
  if (output === 'wide') {
    return (event) => terminal.write(formatWide(event, colour))
  }
  if (output === 'json') return (event) => terminal.write(`${JSON.stringify(event)}\n`)
  const { stringify } = await import('yaml')
  return (event) => terminal.write(`---\n${stringify(event)}`)
}

function formatEvent(event: EventView, colour: boolean): string {
  const tone = TONES[event.level]
  const text = printable([event.kind, event.peer ?? '', event.text].filter(Boolean).join('  '))
  const line = tone === null ? text : paint(text, tone, colour)
  return `${paint(formatInstant(event.at), 'dim', colour)}  ${event.level.padEnd(5)}  ${line}\n`
}

/** Every prefix that the event names on a line of its own, and not in the sentence. */
function formatWide(event: EventView, colour: boolean): string {
  const routes = (event.data?.['routes'] ?? []) as readonly Moved[]
  const [first] = routes
  if (first === undefined) return formatEvent(event, colour)
  const [text = ''] = event.text.split(`: ${first.prefix}`, 1)
  const table = formatTable(
    routes,
    [
      { title: 'PREFIX', value: ({ prefix }) => prefix },
      {
        title: 'NOW VIA',
        value: ({ nextHops }) =>
          nextHops === null ? { text: 'gone', tone: 'bad' } : nextHops.join(', '),
      },
      { title: 'LEARNED FROM', value: ({ peers = [] }) => peers.join(', ') },
    ],
    colour,
  )
  const { changed = 0, gone = 0 } = event.data as { changed?: number; gone?: number }
  const more = changed + gone - routes.length
  const rest = more > 0 ? `and ${more} more that are not named\n` : ''
  return formatEvent({ ...event, text }, colour) + (table + rest).replace(/^(?=.)/gm, '  ')
}
