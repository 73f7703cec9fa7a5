/**
 * What this room tells: counters, and events that name single routes up to a ceiling a turn, so
 * that a hundred thousand conflicts are a few lines and a sum.
 */
import { errnoNames } from './numbers.ts'
import type { FibCounters, FibEvent } from './types.ts'

/** Events of one kind that are told one by one in a turn. */
const eventsMax = 20

export type Counters = { -readonly [K in keyof FibCounters]: FibCounters[K] }

/** Of a kernel writer that has done nothing yet. */
export const noCounters: FibCounters = {
  added: 0,
  replaced: 0,
  deleted: 0,
  errors: 0,
  repairs: 0,
  scans: 0,
  overflows: 0,
  swept: 0,
  objectsWritten: 0,
  objectsRemoved: 0,
}

export class Journal {
  readonly counters: Counters = { ...noCounters }
  /** Refusals by the name of the errno. */
  readonly errors: Record<string, number> = {}
  readonly #listeners: ((event: FibEvent) => void)[] = []
  readonly #told = new Map<FibEvent['kind'], number>()

  /** Counts a refusal of the kernel. */
  countError(errno: number): void {
    const name = errnoNames[errno] ?? `errno ${errno}`
    this.counters.errors++
    this.errors[name] = (this.errors[name] ?? 0) + 1
  }

  listen(listener: (event: FibEvent) => void): void {
    this.#listeners.push(listener)
  }

  tell(
    kind: FibEvent['kind'],
    level: FibEvent['level'],
    text: string,
    data?: Readonly<Record<string, unknown>>,
  ): void {
    const told = (this.#told.get(kind) ?? 0) + 1
    this.#told.set(kind, told)
    if (told <= eventsMax) this.#emit({ kind, level, text, ...(data && { data }) })
  }

  /** A turn is over: says how many events it left out. */
  turn(): void {
    if (this.#told.size === 0) return
    for (const [kind, told] of this.#told) {
      const more = told - eventsMax
      if (more > 0) this.#emit({ kind, level: 'warn', text: `and ${more} more`, data: { more } })
    }
    this.#told.clear()
  }

  #emit(event: FibEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
