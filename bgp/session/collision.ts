/**
 * Which of two connections with one peer survives (RFC 4271 §6.8, RFC 6286 §2.3, RFC 4724 §5). Pure:
 * the driver asks when a valid OPEN has been received on a connection, and acts on the verdict.
 *
 * Rules, in this order. An Established session wins, unless graceful restart was agreed on it: then
 * an OPEN on a new connection of the peer says that it has restarted, and that the old connection is
 * dead. Otherwise the connection that was started by
 * the speaker with the higher BGP identifier wins, or with the higher AS where identifiers are
 * equal. The loser is only closed once the winner's OPEN has been seen: until then the verdict is to
 * wait, and no KEEPALIVE leaves on the connection that waits. So the peer cannot establish a session
 * on the one connection while we give it up for the other, which is how both ends come to close
 * each other's session for ever.
 */
import { NotificationError } from '../wire/notification.ts'

/** What the loser is told. Made once: most lanes that are stopped with it have no connection. */
export const preferred = new NotificationError(
  'cease/connectionCollision',
  'another connection was preferred',
)

export interface Contender {
  readonly state: 'none' | 'OpenSent' | 'OpenConfirm' | 'Established'
  /** A valid OPEN was received on it. */
  readonly openSeen: boolean
  /** Established, and graceful restart was agreed on it: the peer may come back before it is missed. */
  readonly restartable: boolean
}

export interface Identity {
  readonly routerId: number
  readonly asn: number
}

/**
 * - `proceed`: this connection goes on and the other is closed, if there is one.
 * - `yield`: this connection is closed.
 * - `wait`: this connection pauses until the other's OPEN arrives or the other is gone.
 * - `succeed`: this connection goes on; the other is closed without a word, and its routes stay.
 */
export type Verdict = 'proceed' | 'yield' | 'wait' | 'succeed'

/** Judges the connection on which an OPEN was just received against the peer's other one. */
export function resolveCollision(
  direction: 'outgoing' | 'incoming',
  other: Contender,
  local: Identity,
  remote: Identity,
): Verdict {
  if (other.state === 'none') return 'proceed'
  if (other.state === 'Established') {
    return other.restartable && direction === 'incoming' ? 'succeed' : 'yield'
  }
  const preferred = dominates(local, remote) ? 'outgoing' : 'incoming'
  if (preferred === direction) return 'proceed'
  return other.openSeen ? 'yield' : 'wait'
}

function dominates(local: Identity, remote: Identity): boolean {
  if (local.routerId !== remote.routerId) return local.routerId > remote.routerId
  return local.asn > remote.asn
}
