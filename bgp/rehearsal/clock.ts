/**
 * The clock of a rehearsal: real time, but for pauses, which are skipped. What is put off for a
 * moment happens as soon as nothing else does, and what is put off for long never does.
 */
import type { Clock, Timer } from '../types.ts'

/** Longer than the pauses between rounds (rib/round-pace.ts), shorter than any timer of a session. */
const pauseMsMax = 200

interface Due {
  readonly at: number
  readonly run: () => void
  cancelled: boolean
}

export class RehearsalClock implements Clock {
  readonly #real: Clock
  #skippedMs = 0
  /** For the next turn. */
  #prompt: Due[] = []
  readonly #later = new Set<Due>()

  constructor(real: Clock) {
    this.#real = real
  }

  now(): number {
    return this.#real.now() + this.#skippedMs
  }

  wall(): number {
    return this.#real.wall()
  }

  schedule(milliseconds: number, run: () => void): Timer {
    const due = { at: this.now() + milliseconds, run, cancelled: false }
    if (milliseconds <= 0) this.#prompt.push(due)
    else this.#later.add(due)
    return {
      cancel: () => {
        due.cancelled = true
        this.#later.delete(due)
      },
    }
  }

  /** Runs what was put off until this turn, or else the next timer; false: only long ones are left. */
  turn(): boolean {
    const prompt = this.#prompt
    if (prompt.length === 0) return this.#skipPause()
    this.#prompt = []
    for (const due of prompt) if (!due.cancelled) due.run()
    return true
  }

  #skipPause(): boolean {
    let next: Due | null = null
    for (const due of this.#later) if (next === null || due.at < next.at) next = due
    if (next === null) return false
    const pauseMs = next.at - this.now()
    if (pauseMs > pauseMsMax) return false
    this.#skippedMs += Math.max(pauseMs, 0)
    this.#later.delete(next)
    next.run()
    return true
  }
}
