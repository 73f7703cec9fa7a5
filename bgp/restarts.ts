/**
 * The helper's part of graceful restart (RFC 4724 §4.2): a peer that is taken to restart keeps its
 * routes, as stale, until it returns and has sent End-of-RIB, or time runs out. Which families are
 * kept is decided in session/restart.ts; this only carries it out.
 */
import type { Engine, EnginePeer } from './engine.ts'
import type { Ghost, PeerEntry } from './peer-entry.ts'
import { survivingFamilies } from './session/restart.ts'
import type { Clock, FamilyName, SpeakerEvent } from './types.ts'
import type { Negotiated } from './wire/context.ts'

export interface RestartPorts {
  readonly clock: Clock
  readonly onEvent: (event: SpeakerEvent) => void
}

export class Restarts {
  readonly #engine: Engine
  readonly #ports: RestartPorts
  readonly #onGone: (entry: PeerEntry) => void

  /** @param onGone called when a peer that was waited for did not return */
  constructor(engine: Engine, ports: RestartPorts, onGone: (entry: PeerEntry) => void) {
    this.#engine = engine
    this.#ports = ports
    this.#onGone = onGone
  }

  /** The session is gone; the routes of these families stay for the time the peer asked for. */
  keep(entry: PeerEntry, member: EnginePeer, families: readonly FamilyName[]): void {
    const { name } = entry.config
    const seconds = member.negotiated.peerRestart?.seconds ?? 0
    const timer = this.#ports.clock.schedule(seconds * 1000, () => {
      this.#tell(name, 'warn', `${name} did not return within ${seconds} s: its routes go`)
      this.drop(entry)
      this.#onGone(entry)
    })
    entry.ghost = { number: member.number, families, timer }
    const kept = families.join(' and ')
    this.#tell(name, 'info', `${name} may be restarting: its ${kept} routes stay for ${seconds} s`)
  }

  /** The peer is back: stale routes stay until End-of-RIB where it preserved forwarding. */
  returned(entry: PeerEntry, ghost: Ghost, negotiated: Negotiated): void {
    ghost.timer.cancel()
    entry.ghost = null
    const surviving = survivingFamilies(ghost.families, negotiated)
    for (const family of ghost.families) {
      if (!surviving.includes(family)) this.#engine.sweep(ghost.number, family)
    }
    if (surviving.length === 0) return
    const timer = this.#ports.clock.schedule(entry.config.staleSeconds * 1000, () => {
      for (const family of surviving) this.#engine.sweep(ghost.number, family)
      entry.ghost = null
    })
    entry.ghost = { number: ghost.number, families: surviving, timer }
  }

  /** Whatever is kept is no longer counted down; the paths are the caller's. */
  cancel(entry: PeerEntry): void {
    entry.ghost?.timer.cancel()
    entry.ghost = null
  }

  /** Nothing is kept any longer of a peer that isn't there. */
  drop(entry: PeerEntry): void {
    const { ghost, member } = entry
    this.cancel(entry)
    if (ghost !== null && member === null) this.#engine.forget(ghost.number)
  }

  #tell(peer: string, level: SpeakerEvent['level'], text: string): void {
    this.#ports.onEvent({ kind: 'peer.restart', peer, level, text })
  }
}
