/**
 * What is remembered of dynamic neighbours that are gone: how often in a row their sessions failed,
 * and until when they are not let in. Nothing else of such a neighbour outlives its session, so that
 * without this it would come back as new each time. RFC 4271 §8.1.1 (DampPeerOscillations, in spirit).
 *
 * Bounded: `pausesMax` addresses, the one that failed longest ago is forgotten first; and none is kept
 * once it has been quiet for as long as a session must last to be trusted again.
 */
import { Pace } from './session/pace.ts'
import { stableSeconds } from './session/timers.ts'
import type { Clock } from './types.ts'

/** Addresses of dynamic neighbours that are remembered. */
export const pausesMax = 4096

interface Memory {
  readonly pace: Pace
  /** When it left, on the monotonic clock. */
  readonly at: number
}

export class Pauses {
  readonly #clock: Clock
  /** Those that left longest ago come first. */
  readonly #gone = new Map<string, Memory>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#gone.size
  }

  /** What is remembered of this address, or a fresh start. */
  recall(address: string): Pace {
    this.#expire()
    return this.#gone.get(address)?.pace ?? new Pace()
  }

  /** The neighbour is gone; only one whose sessions failed is worth remembering. */
  keep(address: string, pace: Pace): void {
    this.#gone.delete(address)
    if (pace.sessionFailures === 0) return
    this.#gone.set(address, { pace, at: this.#clock.now() })
    if (this.#gone.size <= pausesMax) return
    for (const [oldest] of this.#gone) {
      this.#gone.delete(oldest)
      return
    }
  }

  #expire(): void {
    const now = this.#clock.now()
    for (const [address, { pace, at }] of this.#gone) {
      if (now < Math.max(at, pace.refusedUntil) + stableSeconds * 1000) return
      this.#gone.delete(address)
    }
  }
}
