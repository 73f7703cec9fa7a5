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

type EventSource = Pick<AgentViews, 'events' | 'subscribe'>

export class EventStream extends Readable {
  readonly #source: EventSource
  readonly #unsubscribe: () => void
  readonly #keepalive: NodeJS.Timeout
  /** Id of the last event sent or skipped; null until the first when only new ones are wanted. */
  #cursor: number | null
  #wanted = false

  /** @param after Events with a greater id are sent; null sends only what happens from now on. */
  constructor(source: EventSource, after: number | null) {
    super({ highWaterMark: BUFFER_BYTES_MAX })
    this.#source = source
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
        this.#send(frame(event.kind, event.id, event))
        this.#cursor = event.id
        if (!this.#wanted) break
      }
    }
  }

  #send(text: string): void {
    if (!this.push(text)) this.#wanted = false
  }
}

/** The newest events, oldest first. */
export function newestEvents(source: EventSource, limit: number): readonly EventView[] {
  let newest: readonly EventView[] = []
  let cursor = 0
  for (;;) {
    const batch = source.events(cursor, Math.max(limit, BATCH_MAX))
    const last = batch.at(-1)
    if (last === undefined) return newest
    newest = [...newest, ...batch].slice(-limit)
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
