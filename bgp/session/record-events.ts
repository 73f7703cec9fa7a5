/**
 * What a recording of a session consists of: the events of a tape (record-tape.ts) as plain data,
 * and as lines of JSON. An input is what came to the session from outside: orders, connections,
 * messages, timers that ran out, what the tables gave it to send. An output is what it did. Inputs
 * make it do the same again, which is what bgp/replay.ts is for.
 *
 * Times are Unix milliseconds to the microsecond, and grow with the monotonic clock. No password
 * gets here: of a key only its number is kept, which tells that it changed.
 */
import type { ConnectionError, PeerConfig, SessionState } from '../types.ts'
import type { Fault } from '../wire/notification.ts'

/** Grows when a line changes its meaning. */
export const recordingFormat = 1

/**
 * What a connection is called: the one we dial; the one that the peer makes; and `second`, another
 * that the peer makes while a session stands on the first.
 */
export type LaneName = 'outgoing' | 'incoming' | 'second'

export type RecordedInput =
  | { readonly event: 'start' }
  | { readonly event: 'stop'; readonly fault: Fault | null; readonly text: string | null }
  | { readonly event: 'reset'; readonly text: string | null }
  /** The path is dead, somebody else has found (BFD). */
  | { readonly event: 'fail'; readonly fault: Fault; readonly reason: string }
  | { readonly event: 'configure'; readonly config: PeerConfig; readonly fault: Fault }
  | {
      readonly event: 'accept'
      readonly localAddress: string
      readonly remotePort: number
      readonly lane: LaneName | 'refused'
    }
  | { readonly event: 'connected'; readonly lane: LaneName; readonly localAddress: string }
  /** One whole message. */
  | { readonly event: 'received'; readonly lane: LaneName; readonly hex: string }
  /** Octets that no message could be cut from; the first ones. */
  | { readonly event: 'fragment'; readonly lane: LaneName; readonly hex: string }
  /** The tables, or an order, had it sent; `hex` is null where that was too much to keep. */
  | {
      readonly event: 'handed'
      readonly lane: LaneName
      readonly bytes: number
      readonly hex: string | null
      readonly queuedBytes: number
    }
  | { readonly event: 'drained'; readonly lane: LaneName }
  | {
      readonly event: 'closed'
      readonly lane: LaneName
      readonly error: ConnectionError | null
    }
  | {
      readonly event: 'timer'
      readonly lane: LaneName | 'peer'
      readonly timer: string
      readonly queuedBytes: number
    }

export type RecordedOutput =
  | {
      readonly event: 'dial'
      readonly address: string
      readonly port: number
      readonly localAddress: string | null
    }
  | { readonly event: 'sent'; readonly lane: LaneName | 'refused'; readonly hex: string }
  /** The session gave the connection up. */
  | { readonly event: 'ended'; readonly lane: LaneName }
  | { readonly event: 'state'; readonly from: SessionState; readonly to: SessionState }
  /** Said to people; `kind` as in SpeakerEvent. */
  | { readonly event: 'told'; readonly kind: string; readonly text: string }

/**
 * Here events were overwritten. Before it stand, of those, the ones that brought about the
 * connection there was.
 */
export interface RecordedGap {
  readonly event: 'gap'
  readonly events: number
  readonly bytes: number
  readonly started: boolean
  /** Where the session stood after the last event lost. */
  readonly state: SessionState
}

export type RecordedEvent = (RecordedInput | RecordedOutput | RecordedGap) & {
  readonly at: number
}

export interface Recording {
  /** The peer as configured before the first event; the password is `null` or a number's text. */
  readonly peer: PeerConfig
  /** Oldest first. */
  readonly events: readonly RecordedEvent[]
}

const outputs: ReadonlySet<string> = new Set<RecordedOutput['event']>([
  'dial',
  'sent',
  'ended',
  'state',
  'told',
])

export function isOutput(event: RecordedEvent): event is RecordedOutput & { readonly at: number } {
  return outputs.has(event.event)
}

/**
 * As JSON lines: a header with the format, who wrote it and the peer, then one event a line.
 * @param software name and version, for whoever reads a bug report
 */
export function formatRecording({ peer, events }: Recording, software: string): string {
  const header = { recording: recordingFormat, software, peer }
  return [header, ...events].map((line) => `${JSON.stringify(line)}\n`).join('')
}
