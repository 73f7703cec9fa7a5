/**
 * What a lane asks of whoever owns it (driver.ts), and tells it: everything that concerns the peer
 * as a whole, and not this one connection.
 */
import type { Clock, Connection, FamilyName, PeerConfig } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import type { RefreshSubtype } from '../wire/message.ts'
import type { Channel } from './channel.ts'
import type { Failure, StepContext } from './fsm.ts'
import type { Greeting } from './greeting.ts'
import type { Lane } from './lane.ts'
import type { SessionRecord } from './record.ts'
import type { SessionEnd } from './restart.ts'

export interface LaneOwner extends StepContext {
  readonly clock: Clock
  readonly random: () => number
  readonly config: PeerConfig
  readonly record: SessionRecord
  dial(channel: Channel): Connection
  greeting(): Greeting
  /** A valid OPEN was received: answer with `confirm`, `wait` or `stop`. */
  opened(lane: Lane, negotiated: Negotiated): void
  up(negotiated: Negotiated): void
  down(reason: string, end: SessionEnd): void
  failed(lane: Lane, failure: Failure): void
  update(bytes: Uint8Array, view: DataView, start: number, end: number): void
  refresh(family: FamilyName, subtype: RefreshSubtype): void
  drained(): void
  /** The channel is ended, its farewell under way; `gone` follows. */
  retired(channel: Channel): void
  gone(channel: Channel): void
  /**
   * Around every transition. At the outermost `leave` the loose ends between the lanes are tied, if
   * a lane has `changed`; an UPDATE changes none.
   */
  enter(): void
  leave(changed: boolean): void
}
