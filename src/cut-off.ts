/**
 * Sessions that are Established although nothing reaches the peer any more: its link is down, say, and
 * the hold timer hasn't noticed yet. Traffic has left it by then; whoever looks must be told, or the
 * node seems well while a switch is dead. Pure.
 */
import type { PeerView } from '../bgp/types.ts'
import { fail } from './intent/problem.ts'
import type { Problem } from './intent/types.ts'

/** Peers that have a condition of their own; the others are counted: a link may carry thousands. */
export const cutOffNamedMax = 16

/** Why nothing reaches an address, or null. */
export type Reachability = (address: string) => string | null

/** The peer, with the reason why its session won't last if it is cut off. */
export function markCutOff(peer: PeerView, whyUnreachable: Reachability): PeerView {
  if (peer.state !== 'Established') return peer
  const why = whyUnreachable(peer.address)
  return why === null ? peer : { ...peer, reason: reasonOf(peer, why) }
}

export function cutOffProblems(
  peers: readonly PeerView[],
  whyUnreachable: Reachability,
): readonly Problem[] {
  const problems: Problem[] = []
  let others = 0
  for (const peer of peers) {
    const why = peer.state === 'Established' ? whyUnreachable(peer.address) : null
    if (why === null) continue
    if (problems.length === cutOffNamedMax) {
      others++
      continue
    }
    const remedy = `routelet explain --peer ${peer.name} says what to check`
    problems.push(fail('PeerUnreachable', `peer ${peer.name}`, reasonOf(peer, why), remedy))
  }
  if (others > 0) {
    const message = `${others} further ${others === 1 ? 'peer is' : 'peers are'} unreachable`
    problems.push(fail('PeerUnreachable', 'peers', message, 'routelet peers lists them'))
  }
  return problems
}

function reasonOf({ address, holdSeconds }: PeerView, why: string): string {
  const end =
    holdSeconds === null || holdSeconds === 0
      ? 'without a hold timer the session stays'
      : `the session ends within its hold time of ${holdSeconds} s unless it comes back`
  return `${address} is unreachable: ${why}; ${end}`
}
