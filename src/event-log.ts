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
    this.#ring.push(event)
    if (this.#ring.length > eventsMax) this.#ring.shift()
    for (const listener of this.#listeners) listener(event)
  }

  /** Events after `id`, oldest first. */
  after(id: number, limit: number): readonly EventView[] {
    const first = this.#ring[0]
    if (first === undefined) return []
    const from = Math.max(0, id + 1 - first.id)
    return this.#ring.slice(from, from + limit)
  }

  subscribe(listener: (event: EventView) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
