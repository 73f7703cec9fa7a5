/**
 * What happened, newest last, in a bounded ring: the source of the log, of the event stream and of
 * `routelet events`.
 */
import type { EventView } from '../api/views.ts'
import type { Clock } from '../bgp/types.ts'

export const eventsMax = 4096

export interface Happening {
  readonly kind: string
  readonly level: EventView['level']
  readonly peer?: string | null
  readonly text: string
  readonly data?: Readonly<Record<string, unknown>>
}

export class EventLog {
  /** Event `id` stands at `(id - 1) % eventsMax`. */
  readonly #ring: EventView[] = []
  readonly #listeners = new Set<(event: EventView) => void>()
  readonly #clock: Clock
  #nextId = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(happening: Happening): void {
    const event: EventView = {
      id: this.#nextId++,
      at: this.#clock.wall(),
      kind: happening.kind,
      level: happening.level,
      peer: happening.peer ?? null,
      text: happening.text,
      data: happening.data ?? null,
    }
    this.#ring[(event.id - 1) % eventsMax] = event
    for (const listener of this.#listeners) listener(event)
  }

  /** Events after `id`, oldest first. */
  after(id: number, limit: number): readonly EventView[] {
    const oldest = Math.max(1, this.#nextId - eventsMax)
    const from = Math.max(oldest, id + 1)
    const events: EventView[] = []
    for (let next = from; next < this.#nextId && events.length < limit; next++) {
      events.push(this.#ring[(next - 1) % eventsMax] as EventView)
    }
    return events
  }

  subscribe(listener: (event: EventView) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
