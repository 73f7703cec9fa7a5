/**
 * What is done once, when everything has been read and nothing runs yet, so that no session suffers
 * from it: a reflector rehearses (bgp/rehearsal), since it will be asked everything at once; then the
 * garbage of the start is collected and its memory given back. A node with a few peers would only
 * pay for a rehearsal.
 */
import { type Rehearsal, rehearse } from '../bgp/index.ts'
import type { Clock } from '../bgp/types.ts'
import { compactHeap } from './heap.ts'
import type { Log } from './log.ts'
import { trimHeap } from './sys/malloc.ts'

export class WarmUp {
  readonly #clock: Clock
  readonly #log: Log
  /** Held on to for what it keeps alive. */
  #rehearsal: Rehearsal | null = null

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Never fails: without it, the first minute is slower, and nothing else. */
  async run(reflects: boolean): Promise<void> {
    if (reflects) await this.#rehearse()
    compactHeap()
    trimHeap()
  }

  async #rehearse(): Promise<void> {
    try {
      this.#rehearsal = await rehearse(this.#clock)
      const { milliseconds, turns } = this.#rehearsal
      this.#log.debug(`rehearsed for ${Math.round(milliseconds)} ms, in ${turns} turns`)
    } catch (error) {
      this.#log.debug(`starting without a rehearsal: ${(error as Error).message}`)
    }
  }
}
