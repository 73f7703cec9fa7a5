/**
 * Graceful restart, decided in one place: which families of a peer are kept when its session ends,
 * and which survive its return. Pure. RFC 4724 §4.2, RFC 8538 §4 (NOTIFICATION, Hard Reset),
 * RFC 9687 §6.
 */
import type { FamilyName } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import {
  codeOf,
  encodeNotification,
  type Fault,
  type NotificationError,
} from '../wire/notification.ts'

/** How a session ended. */
export interface SessionEnd {
  /**
   * `closed`: the connection went without a NOTIFICATION; `sent`, `received`: with one; `stopped`:
   * our own decision (shutdown, reset, changed settings).
   */
  readonly cause: 'closed' | 'sent' | 'received' | 'stopped'
  /** Of the NOTIFICATION; 0 without. */
  readonly code: number
  readonly subcode: number
}

/** What this speaker says of itself in the graceful restart capability. */
export interface OwnRestart {
  /** It has just restarted, so nobody needs to wait for its End-of-RIB (R bit). */
  readonly restarting: boolean
  /** Families whose forwarding state was preserved over the restart (F bit). */
  readonly forwarding: readonly FamilyName[]
}

export const noRestart: OwnRestart = { restarting: false, forwarding: [] }

const hardReset = codeOf('cease/hardReset')

/** Ends that mean what they say, so that nothing may be kept over them (RFC 8538 §5). */
const final: readonly Fault[] = ['cease/administrativeShutdown', 'cease/peerDeconfigured']

/**
 * The whole NOTIFICATION message.
 * @param hardResets whether the peer would keep our routes over anything but a Hard Reset
 */
export function encodeFarewell(error: NotificationError, hardResets: boolean): Uint8Array {
  const { code, subcode, data, fault } = error
  if (!hardResets || !final.includes(fault)) return encodeNotification(code, subcode, data)
  const inner = Uint8Array.of(code, subcode, ...data)
  return encodeNotification(hardReset.code, hardReset.subcode, inner)
}

const holdTimerExpired = codeOf('holdTimerExpired').code

/** Whether the peer just stopped talking, so that nothing should be sent its way. */
export function fellSilent({ cause, code }: SessionEnd): boolean {
  return cause === 'sent' && code === holdTimerExpired
}

/** Families whose routes stay, as stale, after this end of a session. */
export function retainedFamilies(end: SessionEnd, negotiated: Negotiated): readonly FamilyName[] {
  const { peerRestart, families } = negotiated
  if (peerRestart === null || end.cause === 'stopped') return []
  if (end.cause !== 'closed') {
    // Without the N bit, every NOTIFICATION ends it for good.
    if (!peerRestart.notification) return []
    if (end.code === hardReset.code && end.subcode === hardReset.subcode) return []
  }
  const restartable = new Set(peerRestart.families.map(({ family }) => family))
  return families.filter((family) => restartable.has(family))
}

/** Of the families kept, those whose stale routes may stay until End-of-RIB now that it is back. */
export function survivingFamilies(
  kept: readonly FamilyName[],
  negotiated: Negotiated,
): readonly FamilyName[] {
  const preserved = new Set(
    negotiated.peerRestart?.families.filter((each) => each.forwarding).map((each) => each.family),
  )
  return kept.filter((family) => preserved.has(family) && negotiated.families.includes(family))
}
