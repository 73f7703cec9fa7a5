/**
 * Next hops that sets do without where they can: what was learned there is about to be withdrawn, and
 * packets shouldn't wait until it has been, route by route. A set that leads nowhere else keeps them,
 * so being avoided can't make a route unreachable.
 */
import { type Hop, isUsable } from './next-hop.ts'
import type { Leg } from './request.ts'
import { addLegs } from './resolver.ts'

/** By then BGP has long withdrawn what it learned there. */
const avoidedMs = 120_000
/** Next hops avoided at one time; what is learned through others is withdrawn, and no more. */
const avoidedMax = 4_096

export class Avoided {
  /** Until when, in milliseconds of the clock, by text. */
  readonly #untilMs = new Map<string, number>()

  /** False when that is no news, or beyond the ceiling. */
  set(text: string, avoided: boolean, nowMs: number): boolean {
    if (!avoided) return this.#untilMs.delete(text)
    if (this.#untilMs.has(text) || this.#untilMs.size >= avoidedMax) return false
    this.#untilMs.set(text, nowMs + avoidedMs)
    return true
  }

  has(text: string): boolean {
    return this.#untilMs.has(text)
  }

  /** When the next one is avoided no longer; infinite without one. */
  get dueMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#untilMs.values())
  }

  /** Those that have been avoided long enough. */
  due(nowMs: number): string[] {
    return [...this.#untilMs].filter(([, untilMs]) => untilMs <= nowMs).map(([text]) => text)
  }

  /** The ways out of a set of next hops. */
  legsOf(hops: readonly Hop[], onLinkOnly: boolean): Leg[] {
    const legs: Leg[] = []
    const rest: Leg[] = []
    for (const hop of hops) {
      if (!isUsable(hop, onLinkOnly)) continue
      addLegs(this.#untilMs.has(hop.text) ? rest : legs, hop.answer.legs)
    }
    return legs.length > 0 ? legs : rest
  }
}
