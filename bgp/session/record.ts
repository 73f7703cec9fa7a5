/**
 * What a session remembers about itself for people: counters, the last error, and a bounded list of
 * what happened lately. Tells the same to the speaker as events; an error that repeats itself at
 * every attempt is told once as news and afterwards as detail.
 */

import type { Clock, MessageCounts, PeerView, SpeakerEvent } from '../types.ts'
import { messageType } from '../wire/message.ts'
import type { Failure } from './fsm.ts'
import type { Tape } from './record-tape.ts'

/** Happenings remembered for each peer. */
export const historyMax = 32

/** Different reasons that are told as news once, before a session or an order clears the list. */
const toldMax = 16

export interface Happening {
  /** Unix milliseconds. */
  readonly at: number
  readonly text: string
}

const kinds: { readonly [type: number]: keyof MessageCounts } = Object.fromEntries(
  Object.entries(messageType).map(([kind, type]) => [type, kind as keyof MessageCounts]),
)

type Counts = { -readonly [K in keyof MessageCounts]: MessageCounts[K] }
type LastError = NonNullable<PeerView['lastError']>

export class SessionRecord {
  readonly received: Counts = noMessages()
  readonly sent: Counts = noMessages()
  /** Why it isn't Established, or null. */
  reason: string | null = null
  /** Unix milliseconds of the last change into or out of Established. */
  since: number | null = null
  flaps = 0
  lastError: LastError | null = null
  /** Everything that happens to the session, for `routelet replay`. */
  readonly tape: Tape
  readonly #peer: string
  readonly #clock: Clock
  readonly #tell: (event: SpeakerEvent) => void
  readonly #history: Happening[] = []
  /** The last error of the protocol, until a session comes about. */
  #cause: string | null = null
  /** Reasons that are no news any more. */
  readonly #told = new Set<string>()

  constructor(peer: string, clock: Clock, tape: Tape, tell: (event: SpeakerEvent) => void) {
    this.#peer = peer
    this.#clock = clock
    this.tape = tape
    this.#tell = tell
  }

  /** The error that no session has come about since, or null. */
  get cause(): string | null {
    return this.#cause
  }

  countReceived(type: number): void {
    const kind = kinds[type]
    if (kind !== undefined) this.received[kind] += 1
  }

  /** Oldest first. */
  get history(): readonly Happening[] {
    return this.#history
  }

  event(
    kind: SpeakerEvent['kind'],
    level: SpeakerEvent['level'],
    text: string,
    data?: Readonly<Record<string, unknown>>,
  ): void {
    this.#history.push({ at: this.#clock.wall(), text })
    if (this.#history.length > historyMax) this.#history.shift()
    // A change of state is on the tape in a form of its own.
    if (kind !== 'peer.state') this.tape.note({ event: 'told', kind, text })
    const event = { kind, peer: this.#peer, level, text }
    this.#tell(data === undefined ? event : { ...event, data })
  }

  /** Begins anew by order: what went wrong before is no longer of interest. */
  begin(reason: string): void {
    this.reason = reason
    this.#cause = null
    this.#told.clear()
  }

  up(text: string, data: Readonly<Record<string, unknown>>): void {
    this.reason = null
    this.#cause = null
    this.#told.clear()
    this.since = this.#clock.wall()
    this.event('peer.established', 'info', text, data)
  }

  down(reason: string): void {
    this.reason = reason
    this.since = this.#clock.wall()
    this.flaps += 1
    this.#told.add(reason)
    this.event('peer.down', 'warn', reason)
  }

  /** Nothing came of a connection beside the session, which stands. */
  strayed({ reason }: Failure): void {
    const told = this.#told.has(reason)
    if (this.#told.size < toldMax) this.#told.add(reason)
    const text = `another connection of the peer came to nothing, the session stands: ${reason}`
    this.event('peer.error', told ? 'debug' : 'warn', text)
  }

  /**
   * An error stays the reason until there is a session again: what follows it (the other side
   * pauses, closes, refuses) is told beside it and must not hide it.
   */
  failed({ kind, direction, reason }: Failure): void {
    if (kind === 'error') this.#cause = reason
    const aftermath = this.#cause !== null && this.#cause !== reason
    this.reason = aftermath ? `${this.#cause}; since then: ${reason}` : reason
    if (!aftermath) this.lastError = { at: this.#clock.wall(), direction, text: reason }
    this.event('peer.error', this.#told.has(reason) ? 'debug' : 'warn', reason)
    if (this.#told.size < toldMax) this.#told.add(reason)
  }
}

function noMessages(): Counts {
  return { open: 0, update: 0, notification: 0, keepalive: 0, refresh: 0 }
}
