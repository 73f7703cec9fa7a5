/**
 * Programs that write routes with our very mark: another routelet on this host, or somebody who took
 * our protocol number. They are known by the netlink port id that their changes bear, which mostly is
 * the number of a process (netlink(7)). Who has been quiet for a while is forgotten.
 */
import type { FibIntruder } from './types.ts'

/** Programs remembered at one time. */
const intrudersMax = 16
const quietMs = 300_000

interface Seen extends FibIntruder {
  readonly atMs: number
}

export class Intruders {
  readonly #seen = new Map<number, Seen>()

  /** It made, changed or removed a route that bears our mark. */
  note(port: number, prefix: string, nowMs: number): void {
    const before = this.#seen.get(port)
    if (before === undefined && this.#seen.size >= intrudersMax) this.#forget(nowMs)
    if (before === undefined && this.#seen.size >= intrudersMax) return
    this.#seen.set(port, { port, prefix, changes: (before?.changes ?? 0) + 1, atMs: nowMs })
  }

  /** Those of the last minutes, the busiest first. */
  list(nowMs: number): FibIntruder[] {
    this.#forget(nowMs)
    return [...this.#seen.values()]
      .map(({ port, changes, prefix }) => ({ port, changes, prefix }))
      .sort((a, b) => b.changes - a.changes)
  }

  #forget(nowMs: number): void {
    for (const [port, { atMs }] of this.#seen) {
      if (nowMs - atMs > quietMs) this.#seen.delete(port)
    }
  }
}
