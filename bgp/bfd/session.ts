/**
 * One BFD session as a function: `step(session, event, now)` gives the next session and what is to be
 * done. No clock, no socket, no randomness of its own; times are milliseconds of one monotonic clock.
 * When the session wants to be called again is derived from its fields by `wakeAt`, so that a changed
 * interval or state can't leave an old timer behind.
 *
 * RFC 5880 §6.2 (states), §6.5 (Poll), §6.8.1 to §6.8.7 and §6.8.16, asynchronous mode. A remote that
 * asks for demand mode (§6.6) is obeyed; we never ask. No echo, no authentication.
 */
import { diagnostics, type Packet } from './packet.ts'
import type { BfdStateName } from './types.ts'

/** A session that isn't Up sends no faster than this (§6.8.3). */
export const slowMs = 1000

/** Jitter (§6.8.7): a gap is this part of the interval, and up to so much more of it. */
const jitterLowest = 0.75
const jitterSpread = 0.25
/** With a multiplier of 1 one late packet is one too many: at most 90 % of the interval. */
const jitterSpreadAlone = 0.15

const microsPerMs = 1000
const microsMax = 0xffff_ffff

export interface SessionSettings {
  readonly transmitMs: number
  readonly receiveMs: number
  readonly multiplier: number
}

/** What the remote last said (bfd.Remote*, §6.8.1). */
export interface Remote {
  /** 0: unknown, or silent for longer than the detection time. */
  readonly discriminator: number
  readonly state: BfdStateName
  readonly diagnostic: number
  readonly demand: boolean
  readonly multiplier: number
  readonly desiredTransmitMs: number
  /** 0: it wants no periodic packets. */
  readonly requiredReceiveMs: number
}

/**
 * A Poll Sequence (§6.5): `superseded` runs, but the settings have changed again since it began;
 * `pausing` owes one packet without the P bit, so that the two sequences can be told apart.
 */
type Poll = 'idle' | 'running' | 'superseded' | 'pausing'

export interface Session {
  readonly localDiscriminator: number
  readonly settings: SessionSettings
  readonly state: BfdStateName
  readonly diagnostic: number
  readonly remote: Remote
  readonly poll: Poll
  /** What timing goes by while a Poll Sequence has yet to confirm `settings` (§6.8.3). */
  readonly transmitInForceMs: number
  readonly receiveInForceMs: number
  /** When a packet of the remote was last believed; null: not since it was last forgotten. */
  readonly heardAt: number | null
  /** When the last periodic packet left; null: send at once. */
  readonly sentAt: number | null
  /** Random part of the present gap, 0 to 1. */
  readonly jitter: number
}

export type SessionEvent =
  | { readonly kind: 'packet'; readonly packet: Packet }
  /** Time has passed. `random` is 0 to 1, fresh. */
  | { readonly kind: 'clock'; readonly random: number }
  | { readonly kind: 'configure'; readonly settings: SessionSettings }
  | { readonly kind: 'disable' }
  | { readonly kind: 'enable' }

export type SessionAction =
  | { readonly kind: 'send'; readonly packet: Packet }
  | { readonly kind: 'changed'; readonly from: BfdStateName; readonly failed: boolean }

export type SessionStep = readonly [session: Session, actions: readonly SessionAction[]]

const nothing: readonly SessionAction[] = []

/** Before its first word, and after its last (§6.8.1: RemoteMinRxInterval is 1 µs). */
const unknownRemote: Remote = {
  discriminator: 0,
  state: 'Down',
  diagnostic: diagnostics.none,
  demand: false,
  multiplier: 0,
  desiredTransmitMs: 0,
  requiredReceiveMs: 1 / microsPerMs,
}

/** A session that is Down and sends its first packet at the first `clock` event. */
export function createSession(localDiscriminator: number, settings: SessionSettings): Session {
  return {
    localDiscriminator,
    settings,
    state: 'Down',
    diagnostic: diagnostics.none,
    remote: unknownRemote,
    poll: 'idle',
    transmitInForceMs: announcedTransmitMs('Down', settings),
    receiveInForceMs: settings.receiveMs,
    heardAt: null,
    sentAt: null,
    jitter: 1,
  }
}

export function step(session: Session, event: SessionEvent, now: number): SessionStep {
  switch (event.kind) {
    case 'packet':
      return hear(session, event.packet, now)
    case 'clock':
      return pass(session, event.random, now)
    case 'configure':
      return configure(session, event.settings, now)
    case 'disable':
      return session.state === 'AdminDown'
        ? [session, nothing]
        : enter(session, 'AdminDown', diagnostics.administrativelyDown, now)
    case 'enable':
      return session.state === 'AdminDown'
        ? enter(session, 'Down', diagnostics.none, now)
        : [session, nothing]
  }
}

/** Milliseconds between periodic packets, before jitter; null: none are to be sent (§6.8.7). */
export function transmitIntervalMs(session: Session): number | null {
  const { remote, state, poll } = session
  if (remote.requiredReceiveMs === 0) return null
  const quiet = remote.demand && state === 'Up' && remote.state === 'Up' && poll === 'idle'
  return quiet ? null : Math.max(session.transmitInForceMs, remote.requiredReceiveMs)
}

/** Milliseconds without a packet after which the remote is gone (§6.8.4); null: nobody is there. */
export function detectionMs({ heardAt, remote, receiveInForceMs }: Session): number | null {
  if (heardAt === null) return null
  return remote.multiplier * Math.max(receiveInForceMs, remote.desiredTransmitMs)
}

/** When to step with `clock` next; null: never, as things stand. */
export function wakeAt(session: Session): number | null {
  const transmit = transmitAt(session)
  const detect = detectAt(session)
  if (transmit === null) return detect
  return detect === null ? transmit : Math.min(transmit, detect)
}

/** When silence becomes a failure. */
export function detectAt(session: Session): number | null {
  const afterMs = detectionMs(session)
  return session.heardAt === null || afterMs === null ? null : session.heardAt + afterMs
}

function transmitAt(session: Session): number | null {
  const intervalMs = transmitIntervalMs(session)
  if (intervalMs === null) return null
  if (session.sentAt === null) return Number.NEGATIVE_INFINITY
  const spread = session.settings.multiplier === 1 ? jitterSpreadAlone : jitterSpread
  return session.sentAt + intervalMs * (jitterLowest + spread * session.jitter)
}

/** bfd.DesiredMinTxInterval: the configured one only while Up (§6.8.3). */
function announcedTransmitMs(state: BfdStateName, { transmitMs }: SessionSettings): number {
  return state === 'Up' ? transmitMs : Math.max(transmitMs, slowMs)
}

/** §6.8.6 from where the session is known. */
function hear(session: Session, packet: Packet, now: number): SessionStep {
  const known: Session = {
    ...(packet.final ? confirm(session) : session),
    heardAt: now,
    remote: {
      discriminator: packet.myDiscriminator,
      state: packet.state,
      diagnostic: packet.diagnostic,
      demand: packet.demand,
      multiplier: packet.multiplier,
      desiredTransmitMs: packet.desiredTransmitMicros / microsPerMs,
      requiredReceiveMs: packet.requiredReceiveMicros / microsPerMs,
    },
  }
  if (known.state === 'AdminDown') return [known, nothing]
  const state = heardStates[known.state][packet.state]
  if (state === known.state) return packet.poll ? [known, [answer(known)]] : [known, nothing]
  const diagnostic = state === 'Down' ? diagnostics.neighbourDown : diagnostics.none
  return enter(known, state, diagnostic, now, packet.poll)
}

/** Own state × received state → next state: the diagram of §6.2 as §6.8.6 spells it out. */
const heardStates: {
  readonly [own in 'Down' | 'Init' | 'Up']: { readonly [heard in BfdStateName]: BfdStateName }
} = {
  Down: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Down' },
  Init: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Up' },
  Up: { AdminDown: 'Down', Down: 'Down', Init: 'Up', Up: 'Up' },
}

/** The remote has answered our Poll: what it announced is in force from now on. */
function confirm(session: Session): Session {
  if (session.poll === 'superseded') return { ...session, poll: 'pausing' }
  if (session.poll !== 'running') return session
  return {
    ...session,
    poll: 'idle',
    transmitInForceMs: announcedTransmitMs(session.state, session.settings),
    receiveInForceMs: session.settings.receiveMs,
  }
}

/**
 * Into another state, told at once: waiting for the next periodic packet would add up to a second to
 * every change (§6.8.7 asks for the packet in between).
 */
function enter(
  session: Session,
  state: BfdStateName,
  diagnostic: number,
  now: number,
  asked = false,
): SessionStep {
  const { settings, remote } = session
  const transmitInForceMs = announcedTransmitMs(state, settings)
  const next: Session = {
    ...session,
    state,
    diagnostic,
    // Going Up the interval usually shrinks, which is to be confirmed though it holds at once.
    poll: state === 'Up' && transmitInForceMs < session.transmitInForceMs ? 'running' : 'idle',
    transmitInForceMs,
    receiveInForceMs: settings.receiveMs,
    sentAt: now,
  }
  const told = state === 'AdminDown' || remote.state === 'AdminDown'
  const changed: SessionAction = {
    kind: 'changed',
    from: session.state,
    failed: session.state === 'Up' && !told,
  }
  return [next, [asked ? answer(next) : periodic(next), changed]]
}

function pass(session: Session, random: number, now: number): SessionStep {
  const silentSince = detectAt(session)
  if (silentSince !== null && now >= silentSince) return expire(session, now)
  const due = transmitAt(session)
  if (due === null || now < due) return [session, nothing]
  const sent: Session = { ...session, sentAt: now, jitter: random }
  if (session.poll === 'pausing') return [{ ...sent, poll: 'running' }, [periodic(session)]]
  return [sent, [periodic(session)]]
}

/** §6.8.4, and §6.8.1: a remote that fell silent is forgotten, whatever the state. */
function expire(session: Session, now: number): SessionStep {
  const forgotten: Session = { ...session, remote: unknownRemote, heardAt: null }
  if (session.state === 'Down' || session.state === 'AdminDown') return [forgotten, nothing]
  return enter(forgotten, 'Down', diagnostics.detectionExpired, now)
}

/** New timers on a live session (§6.8.3); a new multiplier needs no Poll (§6.8.12). */
function configure(session: Session, settings: SessionSettings, now: number): SessionStep {
  const old = session.settings
  if (session.state !== 'Up') {
    const transmitInForceMs = announcedTransmitMs(session.state, settings)
    const receiveInForceMs = settings.receiveMs
    return [{ ...session, settings, transmitInForceMs, receiveInForceMs }, nothing]
  }
  const same = settings.transmitMs === old.transmitMs && settings.receiveMs === old.receiveMs
  if (same) return [{ ...session, settings }, nothing]
  const next: Session = {
    ...session,
    settings,
    // Faster sending and more patience hold at once; the remote must know of the opposite first.
    transmitInForceMs: Math.min(session.transmitInForceMs, settings.transmitMs),
    receiveInForceMs: Math.max(session.receiveInForceMs, settings.receiveMs),
    poll: repoll[session.poll],
    sentAt: now,
  }
  return [next, [periodic(next)]]
}

const repoll: { readonly [poll in Poll]: Poll } = {
  idle: 'running',
  running: 'superseded',
  superseded: 'superseded',
  pausing: 'pausing',
}

function periodic(session: Session): SessionAction {
  const poll = session.poll === 'running' || session.poll === 'superseded'
  return { kind: 'send', packet: { ...describe(session), poll, final: false } }
}

/** The Final to a Poll: at once, beside the periodic packets, and never a Poll itself (§6.5). */
function answer(session: Session): SessionAction {
  return { kind: 'send', packet: { ...describe(session), poll: false, final: true } }
}

function describe(session: Session): Omit<Packet, 'poll' | 'final'> {
  const { state, diagnostic, settings, localDiscriminator, remote } = session
  return {
    state,
    diagnostic,
    demand: false,
    multiplier: settings.multiplier,
    myDiscriminator: localDiscriminator,
    yourDiscriminator: remote.discriminator,
    desiredTransmitMicros: micros(announcedTransmitMs(state, settings)),
    requiredReceiveMicros: micros(settings.receiveMs),
  }
}

function micros(milliseconds: number): number {
  return Math.min(microsMax, Math.round(milliseconds * microsPerMs))
}
