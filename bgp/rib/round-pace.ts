/**
 * How soon an update group writes to its members again. A write to a thousand sockets costs the same
 * ten milliseconds whether it carries one change or a hundred, so while changes, or members, keep
 * coming one by one, they are gathered: after a round that carried little, the next one waits for half
 * as long as that round took, and for up to four times as long while that pays, that is, while work
 * has come at different times meanwhile. A change of a quiet time goes at once, unless the very next
 * turn brings more: a hundred sessions that end together take a while to be noticed. A group that is
 * quick to serve never waits: in spirit the MinRouteAdvertisementInterval of RFC 4271 §9.2.1.1, but
 * set by what it saves.
 */
import type { Clock, Timer } from '../types.ts'

/** Longest pause between two rounds. */
export const roundPauseMsMax = 50
/** Changed prefixes and new members that make a round worth its while: then it isn't put off. */
export const roundWorkEnough = 512

/** A pause shorter than this isn't worth a timer. */
const pauseMsMin = 1
/** Pauses, in terms of what the round before took. */
const factorMin = 0.5
const factorMax = 4

export class RoundPace {
  readonly #clock: Clock
  readonly #due: () => void
  /** No round before then, on the monotonic clock. */
  #notBefore = 0
  /** So long at most is a first change held back while every turn brings more. */
  #gatherMs = 0
  #gatherUntil = 0
  #factor = factorMin
  /** What waits, and how often that has become more since the last round. */
  #waiting = 0
  #arrivals = 0
  #timer: Timer | null = null

  /** @param due called when a round that was put off may begin */
  constructor(clock: Clock, due: () => void) {
    this.#clock = clock
    this.#due = due
  }

  /**
   * Whether a round may begin now; `due` follows where it may not.
   * @param work changed prefixes and new members
   */
  admits(work: number): boolean {
    const now = this.#clock.now()
    const pause = Math.max(this.#notBefore - now, 0)
    if (this.#waiting === 0) this.#gatherUntil = pause > 0 ? this.#notBefore : now + this.#gatherMs
    const more = work > this.#waiting
    if (more) this.#arrivals++
    this.#waiting = work
    if (work >= roundWorkEnough || (pause === 0 && !(more && now < this.#gatherUntil))) return true
    this.#timer ??= this.#clock.schedule(pause, () => {
      this.#timer = null
      this.#due()
    })
    return false
  }

  /** Does a round, and sees what it costs. */
  run(work: number, round: () => void): void {
    this.cancel()
    const begun = this.#clock.now()
    round()
    const ended = this.#clock.now()
    this.#factor = this.#arrivals > 1 ? Math.min(this.#factor * 2, factorMax) : factorMin
    this.#waiting = 0
    this.#arrivals = 0
    const pause = Math.min((ended - begun) * this.#factor, roundPauseMsMax)
    const pays = work < roundWorkEnough && pause >= pauseMsMin
    this.#notBefore = pays ? ended + pause : 0
    this.#gatherMs = pays ? ended - begun : 0
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}
