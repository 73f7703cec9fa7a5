/**
 * Enhanced route refresh from the receiver's side (RFC 7313 §4): what a peer doesn't announce again
 * between its two marks is gone. The time between them is bounded, as §4 allows: routes that were not
 * repeated by then are taken for gone, since nobody stands behind them any more.
 */
import type { Engine } from './engine.ts'
import type { PeerEntry } from './peer-entry.ts'
import type { Clock, FamilyName, SpeakerEvent, Timer } from './types.ts'

/** From the mark of the beginning to that of the end. */
export const refreshSecondsMax = 360

export interface RefreshPorts {
  readonly clock: Clock
  readonly onEvent: (event: SpeakerEvent) => void
}

export class Refreshes {
  readonly #engine: Engine
  readonly #ports: RefreshPorts
  /** Families between the two marks, with what ends the wait; few peers at a time, if any. */
  readonly #begun = new Map<PeerEntry, Map<FamilyName, Timer>>()

  constructor(engine: Engine, ports: RefreshPorts) {
    this.#engine = engine
    this.#ports = ports
  }

  /** The peer begins to send everything again (BoRR); one that began before begins anew. */
  begin(entry: PeerEntry, family: FamilyName): void {
    const { member } = entry
    if (member === null) return
    const begun = this.#begun.get(entry) ?? new Map<FamilyName, Timer>()
    this.#begun.set(entry, begun)
    begun.get(family)?.cancel()
    this.#engine.rib(family).markStale(member.number)
    const timer = this.#ports.clock.schedule(refreshSecondsMax * 1000, () => {
      this.#forget(entry, family)
      const swept = this.#engine.sweep(member.number, family)
      const { name } = entry.config
      const text =
        `${name} began to send its ${family} routes again and did not end within ` +
        `${refreshSecondsMax} s: ${swept} it has not repeated are gone`
      this.#ports.onEvent({ kind: 'peer.refresh', peer: name, level: 'warn', text })
    })
    begun.set(family, timer)
  }

  /** It has sent everything (EoRR); an end without a beginning says nothing. */
  end(entry: PeerEntry, family: FamilyName): void {
    const timer = this.#begun.get(entry)?.get(family)
    if (timer === undefined) return
    timer.cancel()
    this.#forget(entry, family)
    if (entry.member !== null) this.#engine.sweep(entry.member.number, family)
  }

  /** The session is over, and with it what was under way. */
  cancel(entry: PeerEntry): void {
    for (const timer of this.#begun.get(entry)?.values() ?? []) timer.cancel()
    this.#begun.delete(entry)
  }

  #forget(entry: PeerEntry, family: FamilyName): void {
    const begun = this.#begun.get(entry)
    begun?.delete(family)
    if (begun?.size === 0) this.#begun.delete(entry)
  }
}
