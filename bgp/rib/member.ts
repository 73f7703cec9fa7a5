/**
 * A member of an update group: the sending half of a session, and where it stands in the log that it
 * takes its blocks from, which is the group's own or that of a cohort that catches up (cohort.ts).
 */
import type { FamilyName } from '../types.ts'
import type { BlockLog } from './block-log.ts'
import { partsFor, type Self } from './blocks.ts'
import type { Cohort } from './cohort.ts'

/** Bytes a member's socket may hold before it is given no more. */
export const memberQueueBytesMax = 1024 * 1024
/** Bytes of a log a member may lag behind before it is split off. */
export const memberLagBytesMax = 8 * 1024 * 1024

/** The sending half of a session. */
export interface MemberSink {
  readonly queuedBytes: number
  /** `updates` is how many UPDATE messages the parts hold, for the counters. */
  send(parts: readonly Uint8Array[], updates: number): boolean
  /** Begins (1) or ends (2) an enhanced refresh (RFC 7313 §4). */
  mark(family: FamilyName, subtype: 1 | 2): void
}

export interface Member {
  readonly number: number
  readonly sink: MemberSink
  readonly self: Self
  /** Position of the next block in its log. */
  cursor: number
  /** Those it catches up with; null: it follows the group's log. */
  cohort: Cohort | null
  endOfRibDue: boolean
  /** Between the marks of an enhanced refresh. */
  refreshing: boolean
}

export function hasRoom({ sink }: Member): boolean {
  return sink.queuedBytes < memberQueueBytesMax
}

/**
 * Gives a member the blocks of its log that it hasn't taken, until its socket is full.
 * @returns whether it lags so far behind that the log must not be kept for it any longer
 */
export function follow(member: Member, log: BlockLog): boolean {
  while (member.cursor < log.end && hasRoom(member)) {
    const parts: Uint8Array[] = []
    let updates = 0
    let bytes = 0
    while (member.cursor < log.end && bytes < memberQueueBytesMax) {
      const block = log.take(member.cursor++)
      if (block.only !== -1 && block.only !== member.number) continue
      partsFor(block, member.number, member.self, parts)
      updates += block.updates
      bytes += block.bytes.length
    }
    if (parts.length > 0) member.sink.send(parts, updates)
  }
  return log.bytesFrom(member.cursor) > memberLagBytesMax
}
