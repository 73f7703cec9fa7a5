/**
 * How soon a peer is tried, or let in, again. Pauses grow with every failure in a row (timers.ts) and
 * only become short again when a session has lasted for minutes. An object of its own because that
 * of a dynamic neighbour outlives its session (../pauses.ts). RFC 4271 §8.1.1 (IdleHoldTime,
 * DampPeerOscillations), read freely.
 */
import type { Failure } from './fsm.ts'
import { backOffSeconds, stableSeconds } from './timers.ts'

/** Sessions in a row, none of them lasting, that may end in good order before the peer has to wait. */
export const quickReturnsMax = 10

export class Pace {
  /** Until then nothing of the peer is let in, on the monotonic clock; 0: it is welcome. */
  refusedUntil = 0
  #connectFailures = 0
  #sessionFailures = 0
  #establishedAt = 0

  /** Sessions in a row that failed, or failed to come about after TCP had. */
  get sessionFailures(): number {
    return this.#sessionFailures
  }

  /** Seconds before the next attempt to connect. */
  retrySeconds(baseSeconds: number): number {
    return backOffSeconds(baseSeconds, this.#connectFailures + 1)
  }

  /** An order, or another configuration: whatever was wrong may be right now. */
  forgive(): void {
    this.refusedUntil = 0
    this.#connectFailures = 0
    this.#sessionFailures = 0
  }

  connectFailed(): void {
    this.#connectFailures += 1
  }

  /** The peer is who it should be: dialling it works. */
  opened(): void {
    this.#connectFailures = 0
  }

  established(now: number): void {
    this.#establishedAt = now
  }

  /** How long the session stands, or stood. */
  lastedMs(now: number): number {
    return now - this.#establishedAt
  }

  ended(now: number): void {
    if (this.lastedMs(now) >= stableSeconds * 1000) this.#sessionFailures = 0
  }

  /** @returns seconds of pause, before jitter */
  sessionFailed(baseSeconds: number): number {
    this.#sessionFailures += 1
    return backOffSeconds(baseSeconds, this.#sessionFailures)
  }

  /** Whether the peer may come back at once after this failure, the last that was counted. */
  welcomes({ kind }: Failure): boolean {
    return kind === 'closed' && !this.exhausted
  }

  /** It has come back too often in a row. */
  get exhausted(): boolean {
    return this.#sessionFailures > quickReturnsMax
  }
}
