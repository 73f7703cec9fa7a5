/**
 * The state machine of one connection (RFC 4271 §8) as a pure function: `step` takes where we are and
 * what happened, and answers where we are now and what is to be done. The table below is the diagram.
 * Sockets, clocks and counters live in peer.ts, which performs the actions.
 *
 * A session that is `passive` never dials: it waits in Active for a connection to be handed to it. A
 * message that has no row in the current state is answered by one function (RFC 6608). Sending is
 * guarded by the send hold timer (RFC 9687). Differences from RFC 4271, on purpose: a connection
 * attempt that fails leads to Active until ConnectRetryTimer expires (the RFC goes through Idle and
 * starts again, which tells people less), and DelayOpen is not implemented.
 */

import type { SessionState } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import { type Fault, NotificationError } from '../wire/notification.ts'
import type { SessionEnd } from './restart.ts'

/** Until the peer's OPEN is there: "a large value" (RFC 4271 §8.2.2, OpenSent). */
export const openHoldSeconds = 240

export type Session =
  | { readonly state: 'Idle' | 'Connect' | 'Active' | 'OpenSent'; readonly passive: boolean }
  | {
      readonly state: 'OpenConfirm' | 'Established'
      readonly passive: boolean
      readonly negotiated: Negotiated
    }

/** How far a connection has come. */
export const ranks: { readonly [S in SessionState]: number } = {
  Idle: 0,
  Active: 1,
  Connect: 2,
  OpenSent: 3,
  OpenConfirm: 4,
  Established: 5,
}

export const timerNames = ['connectRetry', 'hold', 'keepalive', 'sendHold'] as const
export type TimerName = (typeof timerNames)[number]

/** What can happen. Numbers are those of RFC 4271 §8.1. */
export type Event =
  /** 1, 3, 4, 5 */
  | { readonly type: 'start' }
  /** 2, 8, 23; `error` null closes without a NOTIFICATION. */
  | {
      readonly type: 'stop'
      readonly error: NotificationError | null
      readonly reason: string
      /** The peer has connected anew: it restarted, and this connection is dead (RFC 4724 §5). */
      readonly replaced?: boolean
    }
  /** 16, 17 */
  | { readonly type: 'connected' }
  /** 18; `reason` is for people. */
  | { readonly type: 'disconnected'; readonly reason: string }
  /** 19, already checked and agreed upon. */
  | { readonly type: 'open'; readonly negotiated: Negotiated }
  /** 21, 22, 28: what the peer sent cannot be accepted. */
  | { readonly type: 'fault'; readonly error: NotificationError }
  /** 24, 25 */
  | {
      readonly type: 'notification'
      readonly reason: string
      readonly code: number
      readonly subcode: number
    }
  /** 26, 27, and RFC 2918 */
  | { readonly type: 'keepalive' | 'update' | 'refresh' }
  /** 9, 10, 11, and RFC 9687's 29 */
  | { readonly type: `${TimerName}Expires` }

/** What is to be done, in order. */
export type Action =
  | { readonly do: 'dial' }
  | { readonly do: 'sendOpen' }
  | { readonly do: 'sendKeepalive' }
  /** Hands the message at hand to the speaker. */
  | { readonly do: 'deliver' }
  /** `null`: stop it. */
  | { readonly do: 'setTimer'; readonly timer: TimerName; readonly seconds: number | null }
  /** The hold timer, if it runs. */
  | { readonly do: 'restartHold' }
  /** Ends the connection and every timer; `notify` null closes it without a word. */
  | { readonly do: 'hangUp'; readonly notify: NotificationError | null }
  | { readonly do: 'up'; readonly negotiated: Negotiated }
  /** Left Established. */
  | { readonly do: 'down'; readonly reason: string; readonly end: SessionEnd }
  | { readonly do: 'failed'; readonly failure: Failure }

/**
 * Why an attempt or a session ended. `connect`: no connection came about; `closed`: the other side
 * ended it in good order or the network did; `error`: one side broke the protocol or fell silent,
 * which is likely to happen again.
 */
export interface Failure {
  readonly kind: 'connect' | 'closed' | 'error'
  readonly direction: 'sent' | 'received' | 'local'
  readonly reason: string
}

export type Step = readonly [next: Session, actions: readonly Action[]]

/** What the rows need to know of the peer. */
export interface StepContext {
  /** Pause before the next attempt to connect, back-off included. */
  readonly retrySeconds: number
  /** What to tell people when an attempt is given up. */
  readonly noAnswer: string
}

type EventType = Event['type']
type EventOf<T extends EventType> = Event & { readonly type: T }
type SessionIn<S extends SessionState> = Session & { readonly state: S }
type Handler<S extends SessionState, T extends EventType> = (
  session: SessionIn<S>,
  event: EventOf<T>,
  context: StepContext,
) => Step
type Table = {
  readonly [S in SessionState]: { readonly [T in EventType]?: Handler<S, T> }
}

const nothing: readonly Action[] = Object.freeze([])
const greeting: readonly Action[] = Object.freeze([
  { do: 'setTimer', timer: 'connectRetry', seconds: null },
  { do: 'sendOpen' },
  { do: 'setTimer', timer: 'hold', seconds: openHoldSeconds },
])
const alive: readonly Action[] = Object.freeze([{ do: 'restartHold' }])
const received: readonly Action[] = Object.freeze([{ do: 'restartHold' }, { do: 'deliver' }])

const table: Table = {
  Idle: {
    start: (session, _event, { retrySeconds }) =>
      session.passive
        ? [{ state: 'Active', passive: true }, nothing]
        : [{ state: 'Connect', passive: false }, dialing(retrySeconds)],
  },
  Connect: {
    start: ignore,
    stop: halt,
    connected: greet,
    disconnected: (session, event, { retrySeconds }) =>
      waitAndRetry(session, event.reason, retrySeconds),
    // The kernel goes on trying for minutes; a new attempt may find what has changed meanwhile.
    connectRetryExpires: (session, _event, { retrySeconds, noAnswer: reason }) => [
      session,
      [
        { do: 'hangUp', notify: null },
        { do: 'failed', failure: { kind: 'connect', direction: 'local', reason } },
        ...dialing(retrySeconds),
      ],
    ],
  },
  Active: {
    start: ignore,
    stop: halt,
    connected: greet,
    connectRetryExpires: (_session, _event, { retrySeconds }) => [
      { state: 'Connect', passive: false },
      dialing(retrySeconds),
    ],
  },
  OpenSent: {
    start: ignore,
    stop: halt,
    disconnected: (session, event, { retrySeconds }) =>
      waitAndRetry(session, event.reason, retrySeconds),
    open: (session, { negotiated }) => [
      { state: 'OpenConfirm', passive: session.passive, negotiated },
      [
        { do: 'sendKeepalive' },
        // The one that is due first comes first: the clock is asked once for both.
        { do: 'setTimer', timer: 'keepalive', seconds: negotiated.keepaliveSeconds },
        { do: 'setTimer', timer: 'hold', seconds: negotiated.holdSeconds },
      ],
    ],
    fault: refuse,
    notification: obey,
    holdExpires: silence,
  },
  OpenConfirm: {
    start: ignore,
    stop: halt,
    disconnected: lose,
    keepalive: ({ passive, negotiated }) => [
      { state: 'Established', passive, negotiated },
      [{ do: 'restartHold' }, { do: 'up', negotiated }],
    ],
    fault: refuse,
    notification: obey,
    holdExpires: silence,
    keepaliveExpires: breathe,
  },
  Established: {
    start: ignore,
    stop: halt,
    disconnected: lose,
    update: (session) => [session, received],
    refresh: (session) => [session, received],
    keepalive: (session) => [session, alive],
    fault: refuse,
    notification: obey,
    holdExpires: silence,
    keepaliveExpires: breathe,
    // The queue is stuck, so a NOTIFICATION would only join it (RFC 9687).
    sendHoldExpires: (session) => {
      const reason = 'the peer took nothing of what we sent until the send hold timer expired'
      return close(session, null, reason, { kind: 'error', direction: 'local', reason }, closed)
    },
  },
}

/** The NOTIFICATION code of Cease (RFC 4486). */
const cease = 6

/** One transition. Pure; never throws. */
export function step(session: Session, event: Event, context: StepContext): Step {
  // The table ties state and event to the handler's types, which an index access cannot express.
  const handler = table[session.state][event.type] as
    | ((session: Session, event: Event, context: StepContext) => Step)
    | undefined
  return handler === undefined ? unexpected(session, event) : handler(session, event, context)
}

/** RFC 6608: which subcode says "this message has no place here". */
const unexpectedFaults: { readonly [S in SessionState]?: Fault } = {
  OpenSent: 'fsm/unexpectedInOpenSent',
  OpenConfirm: 'fsm/unexpectedInOpenConfirm',
  Established: 'fsm/unexpectedInEstablished',
}

/** The RFC 4271 message types, which RFC 6608 wants as data. */
const messageCodes: { readonly [T in EventType]?: number } = {
  open: 1,
  update: 2,
  notification: 3,
  keepalive: 4,
  refresh: 5,
}

function unexpected(session: Session, event: Event): Step {
  const fault = unexpectedFaults[session.state]
  // Idle ignores everything; Connect and Active have no connection a message could come from.
  if (fault === undefined) return [session, nothing]
  const code = messageCodes[event.type]
  const data = code === undefined ? undefined : Uint8Array.of(code)
  const error = new NotificationError(fault, `unexpected ${event.type} in ${session.state}`, data)
  return refuse(session, { type: 'fault', error })
}

const closed: SessionEnd = { cause: 'closed', code: 0, subcode: 0 }

function halt(session: Session, { error, reason, replaced }: EventOf<'stop'>): Step {
  if (replaced) return close(session, null, reason, null, closed)
  const { code, subcode } = error ?? closed
  return close(session, error, reason, null, { cause: 'stopped', code, subcode })
}

function ignore(session: Session): Step {
  return [session, nothing]
}

function dialing(retrySeconds: number): readonly Action[] {
  return [{ do: 'setTimer', timer: 'connectRetry', seconds: retrySeconds }, { do: 'dial' }]
}

function greet({ passive }: Session): Step {
  return [{ state: 'OpenSent', passive }, greeting]
}

function breathe(session: SessionIn<'OpenConfirm' | 'Established'>): Step {
  const seconds = session.negotiated.keepaliveSeconds
  return [session, [{ do: 'sendKeepalive' }, { do: 'setTimer', timer: 'keepalive', seconds }]]
}

function waitAndRetry({ passive }: Session, reason: string, retrySeconds: number): Step {
  return [
    { state: 'Active', passive },
    [
      { do: 'hangUp', notify: null },
      { do: 'setTimer', timer: 'connectRetry', seconds: passive ? null : retrySeconds },
      { do: 'failed', failure: { kind: 'connect', direction: 'local', reason } },
    ],
  ]
}

function lose(session: Session, event: EventOf<'disconnected'>): Step {
  const { reason } = event
  return close(session, null, reason, { kind: 'closed', direction: 'local', reason }, closed)
}

function refuse(session: Session, { error }: EventOf<'fault'>): Step {
  const reason = error.message
  const { code, subcode } = error
  const end: SessionEnd = { cause: 'sent', code, subcode }
  return close(session, error, reason, { kind: 'error', direction: 'sent', reason }, end)
}

function obey(session: Session, { reason, code, subcode }: EventOf<'notification'>): Step {
  const kind = code === cease ? 'closed' : 'error'
  const end: SessionEnd = { cause: 'received', code, subcode }
  return close(session, null, reason, { kind, direction: 'received', reason }, end)
}

function silence(session: Session): Step {
  const reason =
    session.state === 'OpenSent'
      ? `the peer sent no OPEN for ${openHoldSeconds} s after the connection was made`
      : 'hold timer expired: nothing came from the peer for the negotiated hold time'
  return refuse(session, {
    type: 'fault',
    error: new NotificationError('holdTimerExpired', reason),
  })
}

function close(
  session: Session,
  notify: NotificationError | null,
  reason: string,
  failure: Failure | null,
  end: SessionEnd,
): Step {
  const actions: Action[] = [{ do: 'hangUp', notify }]
  if (session.state === 'Established') actions.push({ do: 'down', reason, end })
  if (failure !== null) actions.push({ do: 'failed', failure })
  return [{ state: 'Idle', passive: session.passive }, actions]
}
