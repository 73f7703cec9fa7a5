/**
 * The kernel writer as the speaker's eyes on next hops. Remembers why those that lead nowhere do so: a
 * session whose peer is such a next hop is Established only until its hold timer finds out.
 */
import type { NextHopState, NextHopTracker } from '../bgp/types.ts'
import type { Fib, Resolution } from '../fib/types.ts'

type TrackingFib = Pick<Fib, 'track' | 'untrack' | 'onResolution'>

export class FibNextHopTracker implements NextHopTracker {
  readonly #fib: TrackingFib
  readonly #tracked = new Set<string>()
  /** Tracked and unreachable → why. */
  readonly #unreachable = new Map<string, string>()

  constructor(fib: TrackingFib) {
    this.#fib = fib
  }

  track(nextHop: string): void {
    this.#tracked.add(nextHop)
    this.#fib.track(nextHop)
  }

  untrack(nextHop: string): void {
    this.#tracked.delete(nextHop)
    this.#unreachable.delete(nextHop)
    this.#fib.untrack(nextHop)
  }

  onChange(listener: (states: readonly NextHopState[]) => void): void {
    this.#fib.onResolution((resolutions) => {
      for (const resolution of resolutions) this.#note(resolution)
      listener(resolutions.map(stateOf))
    })
  }

  /** Why nothing reaches this address, such as "link eth0 has no carrier"; null: not known to be so. */
  whyUnreachable(address: string): string | null {
    return this.#unreachable.get(address) ?? null
  }

  get allReachable(): boolean {
    return this.#unreachable.size === 0
  }

  #note({ nextHop, reachable, reason }: Resolution): void {
    if (reachable) this.#unreachable.delete(nextHop)
    // The kernel writer has a thread of its own: its word may cross with `untrack`.
    else if (this.#tracked.has(nextHop)) this.#unreachable.set(nextHop, reason)
  }
}

function stateOf({ nextHop, reachable, metric, gateways }: Resolution): NextHopState {
  const interfaces = gateways.map((gateway) => gateway.interface)
  return { nextHop, reachable, metric, interfaces }
}
