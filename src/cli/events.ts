/**
 * `routelet events [--follow]`: what happened, and what happens. A followed stream survives the
 * agent's restart and continues where it was.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { List } from '../../api/schema.ts'
import type { EventView } from '../../api/views.ts'
import type { AgentClient, Frame } from './client.ts'
import { type Answer, formatError, type Output } from './output.ts'
import { paint, type Tone } from './table.ts'
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
}

export async function askEvents(
  client: AgentClient,
  terminal: Terminal,
  question: EventsQuestion,
): Promise<Answer> {
  const list = await client.get<List<EventView>>('/v1/events', { ...question })
  return {
    data: list,
    text: () =>
      list.items.length === 0
        ? 'nothing has happened\n'
        : list.items.map((event) => formatEvent(event, terminal.colour)).join(''),
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
        { query: {}, lastEventId: last, signal: terminal.signal },
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
  if (output === 'table') return (event) => terminal.write(formatEvent(event, terminal.colour))
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
