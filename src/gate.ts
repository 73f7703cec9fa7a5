/**
 * When the first synchronisation is over, when peers may be told routes after a restart, and when the
 * node is ready (all pure, told time and sessions). Sweeping of stale kernel routes waits for the
 * End-of-RIB of every peer that is wanted; telling routes waits only for those that will send one
 * (RFC 4724 §4.1); readiness follows the configured policy at the first start, and is met by one peer
 * afterwards.
 */
import type { PeerConfig, PeerView } from '../bgp/types.ts'
import type { Intent } from './intent/types.ts'

/** Stale kernel routes are swept at the latest after this, whatever the peers did. */
export const sweepAfterSecondsMax = 120

/**
 * After so long, nobody is told later because of a peer that can't be reached, or of one that may
 * never say End-of-RIB. It covers two attempts to connect at the default pace, jitter included.
 *
 * RFC 4724 §4.1 leaves out peers that set the Restart State bit, lest two wait for each other. They
 * are waited for so long all the same: FRR sets the bit for two minutes after its start, and whoever
 * is told End-of-RIB before the routes of such a peer have come deletes them.
 */
export const doubtSecondsMax = 15

export interface GateInput {
  readonly wanted: readonly PeerConfig[]
  readonly views: readonly PeerView[]
  /** Whether End-of-RIB has come in every negotiated family of an Established session. */
  readonly synchronised: (name: string) => boolean
  /**
   * Whether an End-of-RIB will come: `due` from an Established peer that speaks graceful restart;
   * `doubtful` from others, there or not, and from one that restarts as well: it may wait for ours.
   */
  readonly endOfRib: (name: string) => 'due' | 'doubtful'
  readonly readiness: Intent['readiness']
  /** A reflector is ready only when its table is complete. */
  readonly reflector: boolean
  readonly secondsSinceStart: number
}

export interface Verdict {
  readonly ok: boolean
  readonly reason: string | null
}

const met: Verdict = { ok: true, reason: null }

/** Peers whose routes are waited for: not those that are held down or shut, and no ranges. */
export function awaited(wanted: readonly PeerConfig[]): readonly PeerConfig[] {
  return wanted.filter((peer) => peer.range === null && peer.heldDown === null && !peer.shutdown)
}

/** Whether what the peers have to say has been heard, so that stale routes may go. */
export function judgeSynchronised(input: GateInput): Verdict {
  const missing = awaited(input.wanted).filter((peer) => !input.synchronised(peer.name))
  if (missing.length === 0) return met
  if (input.secondsSinceStart >= sweepAfterSecondsMax) return met
  return { ok: false, reason: `waiting for the routes of ${names(missing)}` }
}

/** Whether peers may be told routes: everybody who will say when his table is complete has said so. */
export function judgeTelling(input: GateInput): Verdict {
  const missing = awaited(input.wanted).filter(({ name }) => {
    if (input.synchronised(name)) return false
    return input.endOfRib(name) === 'due' || input.secondsSinceStart < doubtSecondsMax
  })
  if (missing.length === 0) return met
  return { ok: false, reason: `waiting for the routes of ${names(missing)}` }
}

/** Readiness at the first start: the policy's peers, or its timeout. */
export function judgeFirstReadiness(input: GateInput): Verdict {
  const peers = awaited(input.wanted)
  if (peers.length === 0 || input.secondsSinceStart >= input.readiness.timeoutSeconds) return met
  const missing = peers.filter((peer) => !input.synchronised(peer.name))
  const heard = peers.length - missing.length
  if (input.reflector && missing.length > 0) {
    return { ok: false, reason: `a reflector waits for all its peers; missing: ${names(missing)}` }
  }
  switch (input.readiness.policy) {
    case 'Any':
      return heard > 0
        ? met
        : { ok: false, reason: `no peer has sent its routes yet: ${names(missing)}` }
    case 'Quorum':
      return heard * 2 > peers.length
        ? met
        : { ok: false, reason: `${heard} of ${peers.length} peers have sent their routes` }
    case 'AllToR': {
      const tors = missing.filter((peer) => peer.asn !== peer.localAsn)
      return tors.length === 0 ? met : { ok: false, reason: `missing ToR: ${names(tors)}` }
    }
  }
}

/** Readiness once the first gate was passed: one Established session is enough. */
export function judgeLaterReadiness(input: GateInput): Verdict {
  if (awaited(input.wanted).length === 0) return met
  if (input.views.some((view) => view.state === 'Established')) return met
  return { ok: false, reason: 'no session is Established' }
}

function names(peers: readonly PeerConfig[]): string {
  const shown = peers.slice(0, 5).map((peer) => peer.name)
  const more = peers.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
