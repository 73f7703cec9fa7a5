/**
 * What the peer's messages mean to the state machine. OPEN is not here: two OPENs have to be agreed
 * upon first (negotiate.ts). RFC 4271 §8.1.5.
 */

import type { PeerConfig } from '../types.ts'
import { messageType } from '../wire/message.ts'
import { decodeNotification, NotificationError } from '../wire/notification.ts'
import type { Event } from './fsm.ts'
import { notificationReason } from './reason.ts'

// One object each: these come by the million.
const update: Event = { type: 'update' }
const keepalive: Event = { type: 'keepalive' }
const refresh: Event = { type: 'refresh' }

/** The event that a whole message at [start, end) is; the framer has checked its type. */
export function eventOf(
  type: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  config: PeerConfig,
): Event {
  if (type === messageType.update) return update
  if (type === messageType.keepalive) return keepalive
  if (type === messageType.refresh) return refresh
  const said = decodeNotification(bytes, start, end)
  const reason = notificationReason(config, said)
  return { type: 'notification', reason, code: said.code, subcode: said.subcode }
}

/** Anything but a NotificationError is a bug of ours: the session ends, the process goes on. */
export function faultOf(cause: unknown): Event {
  if (cause instanceof NotificationError) return { type: 'fault', error: cause }
  const words = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  const text = `internal error while handling a message: ${words}`
  return { type: 'fault', error: new NotificationError('cease/unspecific', text) }
}
