/**
 * One client of the event stream (server-sent events, WHATWG HTML §9.2). The agent's ring of events is
 * the queue: a client is a cursor into it and one buffer with a ceiling. A client that reads slowly
 * falls behind and, when the ring has moved on, is told how many events it missed; it can neither
 * hold the agent up nor make it remember more.
 */
import { Readable } from 'node:stream'
import type { AgentViews, EventView } from './views.ts'

/** Bytes waiting for one client, beyond what the kernel holds. */
const BUFFER_BYTES_MAX = 64 * 1024
/** Events taken from the ring at a time. */
const BATCH_MAX = 64
/** A comment this often keeps proxies from cutting an idle stream. */
const KEEPALIVE_MS = 15_000
/** What a browser waits before it comes back. */
const RETRY_MS = 2000

/** Which events a client wants; the others pass it by. */
export type EventFilter = (event: EventView) => boolean

type EventSource = Pick<AgentViews, 'events' | 'subscribe'>

export class EventStream extends Readable {
  readonly #source: EventSource
  readonly #isWanted: EventFilter
  readonly #unsubscribe: () => void
  readonly #keepalive: NodeJS.Timeout
  /** Id of the last event sent or skipped; null until the first when only new ones are wanted. */
  #cursor: number | null
  #wanted = false

  /** @param after Events with a greater id are sent; null sends only what happens from now on. */
  constructor(source: EventSource, after: number | null, isWanted: EventFilter = () => true) {
    super({ highWaterMark: BUFFER_BYTES_MAX })
    this.#source = source
    this.#isWanted = isWanted
    this.#cursor = after
    this.push(`retry: ${RETRY_MS}\n\n`)
    if (after !== null && after > 0 && isFromAnotherRun(source, after)) {
      this.#cursor = 0
      this.push(frame('restarted', null, { after }))
    }
    this.#unsubscribe = source.subscribe((event) => this.#wake(event))
    this.#keepalive = setInterval(() => this.#beat(), KEEPALIVE_MS)
    this.#keepalive.unref()
  }

  override _read(): void {
    this.#wanted = true
    this.#fill()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#keepalive)
    this.#unsubscribe()
    done(error)
  }

  #wake(event: EventView): void {
    this.#cursor ??= event.id - 1
    if (this.#wanted) this.#fill()
  }

  #beat(): void {
    if (this.#wanted) this.#send(': still here\n\n')
  }

  /** Moves events from the ring to the client until either side has enough. */
  #fill(): void {
    while (this.#wanted && this.#cursor !== null) {
      const batch = this.#source.events(this.#cursor, BATCH_MAX)
      if (batch.length === 0) return
      for (const event of batch) {
        const missed = event.id - this.#cursor - 1
        if (missed > 0) this.#send(frame('dropped', null, { events: missed, before: event.id }))
        if (this.#isWanted(event)) this.#send(frame(event.kind, event.id, event))
        this.#cursor = event.id
        if (!this.#wanted) break
      }
    }
  }

  #send(text: string): void {
    if (!this.push(text)) this.#wanted = false
  }
}

/** The newest events that are wanted, oldest first. */
export function newestEvents(
  source: EventSource,
  limit: number,
  isWanted: EventFilter,
): readonly EventView[] {
  let newest: readonly EventView[] = []
  for (const batch of batches(source, 0, limit)) {
    newest = [...newest, ...batch.filter(isWanted)].slice(-limit)
  }
  return newest
}

/** The first ones that are wanted with a greater id, oldest first. */
export function eventsAfter(
  source: EventSource,
  after: number,
  limit: number,
  isWanted: EventFilter,
): readonly EventView[] {
  const found: EventView[] = []
  for (const batch of batches(source, after, limit)) {
    found.push(...batch.filter(isWanted))
    if (found.length >= limit) break
  }
  return found.slice(0, limit)
}

function* batches(source: EventSource, after: number, limit: number) {
  for (let cursor = after; ; ) {
    const batch = source.events(cursor, Math.max(limit, BATCH_MAX))
    const last = batch.at(-1)
    if (last === undefined) return
    yield batch
    cursor = last.id
  }
}

/** Ids begin anew with every run: one greater than the newest was given by an earlier run. */
function isFromAnotherRun(source: EventSource, after: number): boolean {
  return source.events(after - 1, 1).length === 0
}

/** JSON has no raw line breaks, so one `data` line is enough; a kind is cleared of them. */
function frame(kind: string, id: number | null, data: unknown): string {
  const idLine = id === null ? '' : `id: ${id}\n`
  return `event: ${kind.replace(/[\r\n]/g, ' ')}\n${idLine}data: ${JSON.stringify(data)}\n\n`
}
