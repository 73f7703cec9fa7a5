/**
 * What a session remembers about itself for people: counters, the last error, and a bounded list of
 * what happened lately. Tells the same to the speaker as events; an error that repeats itself at
 * every attempt is told once as news and afterwards as detail.
 */

import type { Clock, MessageCounts, PeerView, SessionState, SpeakerEvent } from '../types.ts'
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

/** What a change of state is told as, made once: a thousand sessions come up at once. */
const moves = tabulate((from) =>
  tabulate((to) => ({ text: `${from} to ${to}`, data: Object.freeze({ state: to }) })),
)

function tabulate<Cell>(cell: (state: SessionState) => Cell): {
  readonly [S in SessionState]: Cell
} {
  return {
    Idle: cell('Idle'),
    Connect: cell('Connect'),
    Active: cell('Active'),
    OpenSent: cell('OpenSent'),
    OpenConfirm: cell('OpenConfirm'),
    Established: cell('Established'),
  }
}

/** Who is told what happens. */
export interface RecordListener {
  event(event: SpeakerEvent): void
}

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
  readonly #listener: RecordListener
  readonly #history: Happening[] = []
  /** The last error of the protocol, until a session comes about. */
  #cause: string | null = null
  /** Reasons that are no news any more. */
  #told: readonly string[] = []

  constructor(peer: string, clock: Clock, tape: Tape, listener: RecordListener) {
    this.#peer = peer
    this.#clock = clock
    this.tape = tape
    this.#listener = listener
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
    const peer = this.#peer
    this.#listener.event(
      data === undefined ? { kind, peer, level, text } : { kind, peer, level, text, data },
    )
  }

  /** The peer's state is another one. */
  moved(from: SessionState, to: SessionState): void {
    this.tape.note({ event: 'state', from, to })
    const { text, data } = moves[from][to]
    this.event('peer.state', 'debug', text, data)
  }

  /** Begins anew by order: what went wrong before is no longer of interest. */
  begin(reason: string): void {
    this.reason = reason
    this.#cause = null
    this.#told = []
  }

  up(text: string, data: Readonly<Record<string, unknown>>): void {
    this.reason = null
    this.#cause = null
    this.#told = []
    this.since = this.#clock.wall()
    this.event('peer.established', 'info', text, data)
  }

  down(reason: string): void {
    this.reason = reason
    this.since = this.#clock.wall()
    this.flaps += 1
    // Whatever was told before: the failure behind it is the same news.
    this.#told = [...this.#told, reason]
    this.event('peer.down', 'warn', reason)
  }

  /** Nothing came of a connection beside the session, which stands. */
  strayed({ reason }: Failure): void {
    const text = `another connection of the peer came to nothing, the session stands: ${reason}`
    this.event('peer.error', this.#told.includes(reason) ? 'debug' : 'warn', text)
    this.#remember(reason)
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
    this.event('peer.error', this.#told.includes(reason) ? 'debug' : 'warn', reason)
    this.#remember(reason)
  }

  #remember(reason: string): void {
    if (this.#told.length >= toldMax || this.#told.includes(reason)) return
    this.#told = [...this.#told, reason]
  }
}

function noMessages(): Counts {
  return { open: 0, update: 0, notification: 0, keepalive: 0, refresh: 0 }
}
