/**
 * Ceilings on what a peer may send (RFC 4486 §4, Cease / Maximum Number of Prefixes Reached): a
 * warning first, then the session is put down, for a time or until somebody enables it again.
 */
import type { Engine } from './engine.ts'
import type { PeerEntry } from './peer-entry.ts'
import type { Clock, FamilyName, MaxPrefixes, SpeakerEvent } from './types.ts'

export interface LimitPorts {
  readonly clock: Clock
  readonly onEvent: (event: SpeakerEvent) => void
}

export class Limits {
  readonly #engine: Engine
  readonly #ports: LimitPorts
  readonly #enable: (name: string) => void

  /** @param enable lets the peer of this name try again */
  constructor(engine: Engine, ports: LimitPorts, enable: (name: string) => void) {
    this.#engine = engine
    this.#ports = ports
    this.#enable = enable
  }

  /** Called after each UPDATE of a peer that has a ceiling. */
  check(entry: PeerEntry, limits: MaxPrefixes): void {
    const { member } = entry
    if (member === null) return
    for (const family of member.groups.keys()) {
      const received = this.#engine.rib(family).counts.received[member.number] ?? 0
      this.#warn(entry, family, received, limits)
      if (received <= limits.limit) continue
      this.#putDown(entry, family, limits)
      return
    }
  }

  #warn(entry: PeerEntry, family: FamilyName, received: number, limits: MaxPrefixes): void {
    const { limit, warningPercent } = limits
    if (warningPercent === null || received * 100 <= limit * warningPercent) return
    if (entry.warnedOf.has(family)) return
    entry.warnedOf.add(family)
    this.#tell(entry, `sends ${received} ${family} prefixes, of ${limit} at most`)
  }

  #putDown(entry: PeerEntry, family: FamilyName, limits: MaxPrefixes): void {
    const { limit, restartSeconds } = limits
    const { config } = entry
    const again = restartSeconds === null ? '' : `; it is tried again in ${restartSeconds} s`
    const reason = `it sent more than ${limit} ${family} prefixes (maxPrefixes)${again}`
    this.#tell(entry, `is put down: ${reason}`)
    if (restartSeconds !== null) {
      this.#ports.clock.schedule(restartSeconds * 1000, () => this.#enable(config.name))
    }
    entry.overLimit = reason
    entry.config = { ...config, heldDown: reason }
    entry.session.reconfigure(entry.config, 'cease/maxPrefixes')
  }

  #tell(entry: PeerEntry, what: string): void {
    const { name } = entry.config
    this.#ports.onEvent({ kind: 'peer.limit', peer: name, level: 'warn', text: `${name} ${what}` })
  }
}
