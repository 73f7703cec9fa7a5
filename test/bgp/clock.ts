/**
 * A clock that stands still until it is told to go on. Everything due at one instant runs in the
 * order it was scheduled; a day passes in a moment.
 */
import type { Clock, Timer } from '../../bgp/types.ts'

interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** A callback that schedules itself at the same instant for ever would never end. */
const runsPerInstantMax = 100_000

export class FakeClock implements Clock {
  /** Unix milliseconds at `now() === 0`. */
  readonly epoch = 1_700_000_000_000
  #now = 0
  #order = 0
  #queue: Due[] = []

  now(): number {
    return this.#now
  }

  wall(): number {
    return this.epoch + this.#now
  }

  schedule(milliseconds: number, run: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, milliseconds), order: this.#order++, run }
    const later = this.#queue.findIndex((other) => other.at > due.at)
    this.#queue.splice(later === -1 ? this.#queue.length : later, 0, due)
    return {
      cancel: () => {
        this.#queue = this.#queue.filter((other) => other !== due)
      },
    }
  }

  /** What is scheduled and was not cancelled. */
  get pending(): number {
    return this.#queue.length
  }

  /** Lets this much time pass. */
  advance(milliseconds: number): void {
    this.#runUntil(this.#now + milliseconds, () => false)
  }

  /** Runs what is due now, and what that schedules for now. */
  flush(): void {
    this.advance(0)
  }

  /** Lets this much time pass at once, as for a process that was held up: calls come late. */
  pass(milliseconds: number): void {
    this.#now += milliseconds
    const [due] = this.#queue
    if (due !== undefined && due.at <= this.#now) {
      this.#queue.shift()
      due.run()
    }
  }

  /** Lets time pass until `reached` holds; false when it didn't within `milliseconds`. */
  until(reached: () => boolean, milliseconds: number): boolean {
    if (reached()) return true
    this.#runUntil(this.#now + milliseconds, reached)
    return reached()
  }

  #runUntil(end: number, reached: () => boolean): void {
    let instant = 0
    for (let due = this.#queue[0]; due !== undefined && due.at <= end; due = this.#queue[0]) {
      instant = due.at > this.#now ? 0 : instant + 1
      if (instant > runsPerInstantMax) throw new Error(`time stands still at ${this.#now} ms`)
      this.#queue.shift()
      this.#now = due.at
      due.run()
      if (reached()) return
    }
    this.#now = end
  }
}
