/**
 * Named timers on the injected clock, and the arithmetic of trying again. Timers belong to the peer,
 * not to a connection: when a connection is swapped in a collision, nothing stale can fire.
 *
 * Jitter is applied here and nowhere else (RFC 4271 §10: 0.75 to 1.0 of the configured value), from
 * a source of randomness that is injected too. Absence is a value: `null` seconds means "no such
 * timer", which is how a hold time of zero arrives here (RFC 4271 §4.2).
 */
import type { Clock, Timer } from '../types.ts'

const jitterLowest = 0.75

/** Longest pause between two attempts, before jitter, however often they failed. */
export const backOffSecondsMax = 60

/** Only a session that lasted this long proves that the trouble is over. */
export const stableSeconds = 300

/**
 * Seconds to wait after `failures` failures in a row: doubles from `baseSeconds` up to
 * `backOffSecondsMax`, or stays at the base where that is larger.
 */
export function backOffSeconds(baseSeconds: number, failures: number): number {
  const ceiling = Math.max(baseSeconds, backOffSecondsMax)
  const doublings = Math.min(Math.max(failures - 1, 0), 16)
  return Math.min(baseSeconds * 2 ** doublings, ceiling)
}

interface Slot {
  durationMs: number
  deadline: number
  timer: Timer
}

/** A set of timers that are known by name; setting one again replaces it. */
export class Timers<Name extends string> {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #fire: (name: Name) => void
  readonly #slots = new Map<Name, Slot>()

  constructor(clock: Clock, random: () => number, fire: (name: Name) => void) {
    this.#clock = clock
    this.#random = random
    this.#fire = fire
  }

  /** Starts `name` afresh; `null` only stops it. */
  set(name: Name, seconds: number | null): void {
    this.clear(name)
    if (seconds === null) return
    const durationMs = seconds * 1000
    const deadline = this.#clock.now() + durationMs
    this.#slots.set(name, { durationMs, deadline, timer: this.#schedule(name, durationMs) })
  }

  /** As `set`, shortened by a random part, so that no two speakers stay in lock step. */
  setJittered(name: Name, seconds: number | null): void {
    if (seconds === null) this.clear(name)
    else this.set(name, seconds * (jitterLowest + (1 - jitterLowest) * this.#random()))
  }

  /**
   * Begins the same duration again if the timer runs. Cheap enough for every message: the deadline
   * moves, the scheduled call finds out when it comes.
   */
  restart(name: Name): void {
    const slot = this.#slots.get(name)
    if (slot !== undefined) slot.deadline = this.#clock.now() + slot.durationMs
  }

  /** Lets a timer run out now; false when it isn't running. */
  expire(name: Name): boolean {
    if (!this.running(name)) return false
    this.clear(name)
    this.#fire(name)
    return true
  }

  /** When it runs out, on the monotonic clock; 0 when it isn't running. */
  deadline(name: Name): number {
    return this.#slots.get(name)?.deadline ?? 0
  }

  running(name: Name): boolean {
    return this.#slots.has(name)
  }

  clear(name: Name): void {
    this.#slots.get(name)?.timer.cancel()
    this.#slots.delete(name)
  }

  clearAll(): void {
    for (const slot of this.#slots.values()) slot.timer.cancel()
    this.#slots.clear()
  }

  #schedule(name: Name, milliseconds: number): Timer {
    return this.#clock.schedule(milliseconds, () => this.#due(name))
  }

  #due(name: Name): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    const remaining = slot.deadline - this.#clock.now()
    if (remaining > 0) {
      slot.timer = this.#schedule(name, remaining)
      return
    }
    this.#slots.delete(name)
    this.#fire(name)
  }
}
