/**
 * Keeps announcements that follow the endpoints of services from flapping: one goes at once, since
 * traffic must not be drawn to where nobody answers, and comes back when the hold-down since then is
 * over. So a pod that fails its probe again and again moves the traffic of a service at most once in
 * that time, and no switch damps the prefix.
 */
import type { Announcement, Clock, Timer } from '../bgp/types.ts'
import { inform } from './intent/problem.ts'
import type { Problem } from './intent/types.ts'

/** What the resources ask for: the part of an intent that concerns announcements. */
export interface AnnouncedIntent {
  readonly announcements: readonly Announcement[]
  readonly unsteady: readonly string[]
  readonly holdDownSeconds: number
}

/** Prefixes remembered as gone; beyond, the one that went first may come back at once. */
export const goneMax = 16_384

export class HoldDown {
  readonly #clock: Clock
  readonly #announce: (announcements: readonly Announcement[]) => void
  /** When each prefix went, milliseconds of the clock, in that order. */
  readonly #gone = new Map<string, number>()
  /** Announced now, and following endpoints. */
  #unsteady: ReadonlySet<string> = new Set()
  #announced: readonly Announcement[] = []
  #held: readonly Announcement[] = []
  #wake: Timer | null = null

  /** @param announce is told everything that is to be announced, whole, whenever that changes. */
  constructor(clock: Clock, announce: (announcements: readonly Announcement[]) => void) {
    this.#clock = clock
    this.#announce = announce
  }

  /** What is announced at present: all that is wanted but what is held back. */
  get announced(): readonly Announcement[] {
    return this.#announced
  }

  get problems(): readonly Problem[] {
    return this.#held.map(({ prefix, reason }) => {
      const message = `${reason}: it went a moment ago and is held back against flapping`
      return inform('AnnouncementHeldDown', prefix, message, 'wait, or lower serviceHoldDown')
    })
  }

  settle(intent: AnnouncedIntent): void {
    const now = this.#clock.now()
    const hold = intent.holdDownSeconds * 1000
    const wanted = new Set(intent.announcements.map(({ prefix }) => prefix))
    this.#forget(now - hold)
    for (const prefix of this.#unsteady) {
      if (!wanted.has(prefix) && hold > 0) this.#remember(prefix, now)
    }
    const unsteady = new Set(intent.unsteady)
    const isHeld = ({ prefix }: Announcement) => unsteady.has(prefix) && this.#gone.has(prefix)
    this.#held = intent.announcements.filter(isHeld)
    this.#announced = intent.announcements.filter((one) => !isHeld(one))
    for (const { prefix } of this.#held) unsteady.delete(prefix)
    this.#unsteady = unsteady
    this.#announce(this.#announced)
    this.#schedule(intent, now, hold)
  }

  close(): void {
    this.#wake?.cancel()
    this.#wake = null
  }

  #remember(prefix: string, now: number): void {
    this.#gone.delete(prefix)
    this.#gone.set(prefix, now)
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size <= goneMax) break
      this.#gone.delete(oldest)
    }
  }

  /** Insertion order is the order in time, so what is over stands in front. */
  #forget(until: number): void {
    for (const [prefix, at] of this.#gone) {
      if (at > until) break
      this.#gone.delete(prefix)
    }
  }

  /** Wakes when the first of those held back may come. */
  #schedule(intent: AnnouncedIntent, now: number, hold: number): void {
    this.close()
    if (this.#held.length === 0) return
    const first = Math.min(...this.#held.map(({ prefix }) => this.#gone.get(prefix) ?? now))
    this.#wake = this.#clock.schedule(first + hold - now, () => this.settle(intent))
  }
}
