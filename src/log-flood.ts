/**
 * Keeps a flood out of the log: of one kind and level so many lines are written in a window; the rest
 * is counted and told as one line when the window ends. A thousand sessions that fall at once are a
 * number, and the ring of events still has each.
 */
import type { EventView } from '../api/views.ts'
import type { Clock, Timer } from '../bgp/types.ts'

/** Lines of one kind and level within a window. */
export const linesMax = 50
export const windowMs = 10_000

export interface Surplus {
  readonly kind: string
  readonly level: EventView['level']
  readonly count: number
  readonly seconds: number
}

interface Window extends Pick<EventView, 'kind' | 'level'> {
  written: number
  surplus: number
  readonly timer: Timer
}

export class LogFlood {
  readonly #clock: Clock
  readonly #tell: (surplus: Surplus) => void
  /** By kind and level; kinds are the code's own words, so there are only so many. */
  readonly #windows = new Map<string, Window>()

  constructor(clock: Clock, tell: (surplus: Surplus) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** Whether this event is to be written. */
  admits({ kind, level }: Pick<EventView, 'kind' | 'level'>): boolean {
    const key = `${level} ${kind}`
    const window = this.#windows.get(key) ?? this.#open(key, kind, level)
    if (window.written < linesMax) {
      window.written++
      return true
    }
    window.surplus++
    return false
  }

  /** Tells what is owed. */
  close(): void {
    for (const [key, { timer }] of this.#windows) {
      timer.cancel()
      this.#end(key)
    }
  }

  #open(key: string, kind: string, level: EventView['level']): Window {
    const timer = this.#clock.schedule(windowMs, () => this.#end(key))
    const window: Window = { kind, level, written: 0, surplus: 0, timer }
    this.#windows.set(key, window)
    return window
  }

  #end(key: string): void {
    const window = this.#windows.get(key)
    this.#windows.delete(key)
    if (window === undefined || window.surplus === 0) return
    const { kind, level, surplus: count } = window
    this.#tell({ kind, level, count, seconds: windowMs / 1000 })
  }
}
