/**
 * Named timers on the injected clock, and the arithmetic of trying again. Timers belong to the peer,
 * not to a connection: when a connection is swapped in a collision, nothing stale can fire.
 *
 * A set of them has one call on the clock at most, at or before its first deadline: timers are set
 * and moved with most messages, thousands of sessions have them, and almost none ever runs out.
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

/** The deadline of a timer that doesn't run. */
const never = Number.POSITIVE_INFINITY

/**
 * Seconds to wait after `failures` failures in a row: doubles from `baseSeconds` up to
 * `backOffSecondsMax`, or stays at the base where that is larger.
 */
export function backOffSeconds(baseSeconds: number, failures: number): number {
  const ceiling = Math.max(baseSeconds, backOffSecondsMax)
  const doublings = Math.min(Math.max(failures - 1, 0), 16)
  return Math.min(baseSeconds * 2 ** doublings, ceiling)
}

/** A set of timers that are known by name; setting one again replaces it. */
export class Timers<Name extends string> {
  readonly #names: readonly Name[]
  readonly #clock: Clock
  readonly #random: () => number
  readonly #fire: (name: Name) => void
  /** On the monotonic clock, in the order of the names. */
  readonly #deadlines: number[]
  readonly #durations: number[]
  #call: Timer | null = null
  /** When the clock calls. */
  #callAt = never

  constructor(
    names: readonly Name[],
    clock: Clock,
    random: () => number,
    fire: (name: Name) => void,
  ) {
    this.#names = names
    this.#clock = clock
    this.#random = random
    this.#fire = fire
    this.#deadlines = new Array<number>(names.length).fill(never)
    this.#durations = new Array<number>(names.length).fill(never)
  }

  /** Starts `name` afresh; `null` only stops it. */
  set(name: Name, seconds: number | null): void {
    if (seconds === null) {
      this.clear(name)
      return
    }
    const place = this.#names.indexOf(name)
    const now = this.#clock.now()
    this.#durations[place] = seconds * 1000
    this.#deadlines[place] = now + seconds * 1000
    this.#arrange(now)
  }

  /** As `set`, shortened by a random part, so that no two speakers stay in lock step. */
  setJittered(name: Name, seconds: number | null): void {
    if (seconds === null) this.clear(name)
    else this.set(name, seconds * (jitterLowest + (1 - jitterLowest) * this.#random()))
  }

  /** Begins the same duration again if the timer runs. Cheap enough for every message. */
  restart(name: Name): void {
    const place = this.#names.indexOf(name)
    if (this.#deadlines[place] === never) return
    this.#deadlines[place] = this.#clock.now() + (this.#durations[place] as number)
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
    const deadline = this.#deadlines[this.#names.indexOf(name)] as number
    return deadline === never ? 0 : deadline
  }

  running(name: Name): boolean {
    return this.#deadlines[this.#names.indexOf(name)] !== never
  }

  clear(name: Name): void {
    this.#deadlines[this.#names.indexOf(name)] = never
    if (this.#first() === never) this.#cancel()
  }

  clearAll(): void {
    this.#deadlines.fill(never)
    this.#cancel()
  }

  #first(): number {
    return Math.min(...this.#deadlines)
  }

  #cancel(): void {
    this.#call?.cancel()
    this.#call = null
    this.#callAt = never
  }

  /** A call that comes too early only looks again; one that would come too late is moved. */
  #arrange(now: number): void {
    const first = this.#first()
    if (first >= this.#callAt) return
    this.#call?.cancel()
    this.#callAt = first
    this.#call = this.#clock.schedule(first - now, () => this.#called())
  }

  #called(): void {
    this.#call = null
    this.#callAt = never
    const now = this.#clock.now()
    // No more than all of them, even if one is set anew for this very moment.
    for (let left = this.#names.length; left > 0; left--) {
      const first = this.#first()
      if (first > now) break
      const place = this.#deadlines.indexOf(first)
      this.#deadlines[place] = never
      this.#fire(this.#names[place] as Name)
    }
    this.#arrange(now)
  }
}
