/**
 * The receiving sockets, at most four: one a family and kind of hop, open as long as a session needs
 * it. One that can't be opened (another daemon has the port) is tried again, and not more often than
 * `listenRetryMs` however many sessions ask.
 */
import type { Clock } from '../types.ts'
import type { Arrival, BfdNetwork, Ear, HearingKind } from './types.ts'

const listenRetryMs = 1000

interface Hearing {
  users: number
  ear: Ear | null
  retryAt: number
  problem: string | null
}

export class Hearings {
  readonly #network: BfdNetwork
  readonly #clock: Clock
  readonly #hear: (kind: HearingKind, arrival: Arrival) => void
  readonly #hearings = new Map<string, Hearing>()

  constructor(
    network: BfdNetwork,
    clock: Clock,
    hear: (kind: HearingKind, arrival: Arrival) => void,
  ) {
    this.#network = network
    this.#clock = clock
    this.#hear = hear
  }

  /** One more session wants this kind of packet. */
  use(kind: HearingKind): void {
    const hearing = this.#hearings.get(keyOf(kind))
    if (hearing !== undefined) hearing.users++
    else this.#hearings.set(keyOf(kind), { users: 1, ear: null, retryAt: 0, problem: null })
  }

  /** One less. */
  leave(kind: HearingKind): void {
    const hearing = this.#hearings.get(keyOf(kind))
    if (hearing === undefined || --hearing.users > 0) return
    hearing.ear?.close()
    this.#hearings.delete(keyOf(kind))
  }

  /** Sees to it that a kind in use is heard; gives the reason when it can't be. */
  open(kind: HearingKind): string | null {
    const hearing = this.#hearings.get(keyOf(kind))
    if (hearing === undefined || hearing.ear !== null) return null
    const now = this.#clock.now()
    if (hearing.problem !== null && now < hearing.retryAt) return hearing.problem
    try {
      hearing.ear = this.#network.listen(kind, (arrival) => this.#hear(kind, arrival))
      hearing.problem = null
    } catch (error) {
      hearing.retryAt = now + listenRetryMs
      hearing.problem = error instanceof Error ? error.message : String(error)
    }
    return hearing.problem
  }

  /** Hands over what waits unread. */
  receive(kind: HearingKind): void {
    this.#hearings.get(keyOf(kind))?.ear?.receive()
  }
}

function keyOf({ family, multihop }: HearingKind): string {
  return `${family} ${multihop}`
}
