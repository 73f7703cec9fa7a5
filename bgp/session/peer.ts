/**
 * One peer's session as the speaker sees it: orders in, happenings out, and a view for people. The
 * work is done below: driver.ts (two connections, pacing), lane.ts (one of them), fsm.ts (what
 * follows from what). Building one opens nothing; `start` does.
 */

import { formatIpv4 } from '../prefix.ts'
import type {
  FamilyName,
  Incoming,
  PeerConfig,
  PeerView,
  SessionState,
  SpeakerEvent,
} from '../types.ts'
import { formatCapability } from '../wire/capability.ts'
import type { Negotiated } from '../wire/context.ts'
import { encodeRefresh, type RefreshSubtype } from '../wire/message.ts'
import type { Fault } from '../wire/notification.ts'
import { Driver, type DriverEvents, type DriverPorts } from './driver.ts'
import { keepaliveSeconds } from './negotiate.ts'
import type { Pace } from './pace.ts'
import { awaitingOpen } from './reason.ts'
import { type Happening, SessionRecord } from './record.ts'
import type { LaneName } from './record-events.ts'
import { Tape, type TapeShelf } from './record-tape.ts'
import type { SessionEnd } from './restart.ts'
import { blockedReason, compareSettings, type SettingsChange } from './settings.ts'

/** What a session tells the speaker. */
export interface SessionHandler {
  established(peer: PeerSession, negotiated: Negotiated): void
  /** Left Established. */
  down(peer: PeerSession, reason: string, end: SessionEnd): void
  /**
   * One UPDATE: the range of the whole message in a borrowed buffer.
   * @throws NotificationError to end the session with it
   */
  update(peer: PeerSession, bytes: Uint8Array, view: DataView, start: number, end: number): void
  refresh(peer: PeerSession, family: FamilyName, subtype: RefreshSubtype): void
  /** The socket's queue is empty again. */
  drained(peer: PeerSession): void
  event(event: SpeakerEvent): void
}

export interface SessionPorts extends DriverPorts {
  /** Where tapes are had for recording; without it nothing is recorded. */
  readonly shelf?: TapeShelf
  readonly handler: SessionHandler
}

/** All of a peer's view that the session knows; the rest is the speaker's to add. */
export type SessionView = Omit<PeerView, 'families' | 'dynamic'>

export class PeerSession implements DriverEvents {
  /** What happened to it and what it did, octet by octet. */
  readonly tape: Tape
  readonly #driver: Driver
  readonly #record: SessionRecord
  readonly #handler: SessionHandler

  /**
   * @param config of a peer with an address: a range is the speaker's affair
   * @param pace what is remembered of the peer from before; null: it begins as new
   */
  constructor(config: PeerConfig, ports: SessionPorts, pace: Pace | null = null) {
    if (config.address === null) throw new RangeError(`peer ${config.name} has no address`)
    const { handler, clock } = ports
    this.#handler = handler
    this.tape = new Tape(config, clock, ports.shelf ?? null)
    this.#record = new SessionRecord(config.name, clock, this.tape, handler)
    this.#driver = new Driver(config, ports, this.#record, this, pace)
  }

  get config(): PeerConfig {
    return this.#driver.config
  }

  get state(): SessionState {
    return this.#driver.foremost.state
  }

  /** null unless Established. */
  get negotiated(): Negotiated | null {
    return this.state === 'Established' ? this.#driver.foremost.negotiated : null
  }

  /** Bytes accepted by `send` and not yet handed to the kernel. */
  get queuedBytes(): number {
    return this.#driver.foremost.queuedBytes
  }

  /** Our address of the Established connection, or null. */
  get localAddress(): string | null {
    return this.state === 'Established' ? this.#driver.foremost.localAddress : null
  }

  /** How its sessions fared, which is remembered of a dynamic neighbour. */
  get pace(): Pace {
    return this.#driver.pace
  }

  /** What happened lately, oldest first. */
  get history(): readonly Happening[] {
    return this.#record.history
  }

  /** Begins to dial and to let the peer in, unless its settings keep it down. Idempotent. */
  start(): void {
    this.tape.begin()
    this.tape.note({ event: 'start' })
    this.#record.reason = this.#intention()
    this.#driver.start()
  }

  /**
   * Ends every connection and stays Idle until `start`.
   * @param fault what to tell the peer; null closes TCP without a NOTIFICATION, which lets a peer
   *   that helps a graceful restart keep our routes
   * @param text for the peer's administrator (RFC 9003), with a shutdown or reset
   * @returns resolves when the farewells have left and TCP is closed, two seconds later at most
   */
  stop(fault: Fault | null, text?: string): Promise<void> {
    this.tape.note({ event: 'stop', fault, text: text ?? null })
    this.#driver.stop(fault, text ?? null, text ?? 'stopped')
    return this.#driver.quiet()
  }

  /** Ends the session by order (Cease, Administrative Reset) and begins anew about a second later. */
  reset(text?: string): void {
    this.tape.note({ event: 'reset', text: text ?? null })
    this.#driver.reset(text ?? null, 'reset by the administrator')
  }

  /** Ends the session because its path is known to be dead, and tries again. */
  fail(fault: Fault, reason: string): void {
    this.tape.note({ event: 'fail', fault, reason })
    if (this.state !== 'Established') return
    this.#driver.halt(fault, null, reason)
    this.#record.failed({ kind: 'error', direction: 'sent', reason })
  }

  /** A connection from this peer's address. */
  incoming(incoming: Incoming): void {
    this.#driver.accept(incoming)
  }

  /**
   * Takes over changed settings; only those of TCP and OPEN begin the session anew.
   * @param fault what the peer is told if the session ends by it
   */
  reconfigure(
    config: PeerConfig,
    fault: Fault = config.shutdown
      ? 'cease/administrativeShutdown'
      : 'cease/otherConfigurationChange',
  ): SettingsChange {
    const change = compareSettings(this.config, config)
    const rekeyed = this.config.password !== config.password
    if (change !== 'unchanged') this.tape.configure(this.config, config, fault)
    this.#driver.config = config
    const blocked = blockedReason(config)
    if (change === 'reset') {
      const text = config.shutdown ? config.shutdownMessage : null
      this.#driver.halt(fault, text, blocked ?? 'its settings changed, connecting anew')
    } else if (change === 'applied') {
      if (blocked !== null) this.#record.reason = blocked
      if (rekeyed) this.#driver.rekey()
      this.#driver.apply()
    }
    return change
  }

  /**
   * Sends encoded messages in one go; the blocks must not change afterwards.
   * @param updates how many UPDATEs they hold, for the counters; 0: each block is a mark of an
   *   enhanced refresh (RFC 7313)
   * @returns false when nothing more should be sent until `drained`, or there is no session
   */
  send(blocks: readonly Uint8Array[], updates: number): boolean {
    if (this.state !== 'Established') return false
    this.#record.sent.update += updates
    if (updates === 0) this.#record.sent.refresh += blocks.length
    return this.#driver.foremost.send(blocks)
  }

  /** The mark before (1) and behind (2) all routes that a peer asked for again (RFC 7313 §4). */
  mark(family: FamilyName, subtype: 1 | 2): void {
    if (this.state !== 'Established') return
    this.#record.sent.refresh += 1
    this.#driver.foremost.send([encodeRefresh(family, subtype)])
  }

  /** Asks for everything again (RFC 2918); false when there is no session or the peer can't. */
  requestRefresh(family: FamilyName): boolean {
    const { negotiated } = this
    if (!negotiated?.refresh || !negotiated.families.includes(family)) return false
    this.#record.sent.refresh += 1
    this.#driver.foremost.send([encodeRefresh(family, 0)])
    return true
  }

  /** Lets a timer run out now; false when it isn't running. A recording's timers are played so. */
  expire(of: LaneName | 'peer', timer: string): boolean {
    return this.#driver.expire(of, timer)
  }

  // The driver reports here.

  up(negotiated: Negotiated): void {
    this.#record.up(...describeUp(this.config.name, negotiated))
    this.#handler.established(this, negotiated)
  }

  down(reason: string, end: SessionEnd): void {
    this.#record.down(reason)
    this.#handler.down(this, reason, end)
  }

  update(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    this.#handler.update(this, bytes, view, start, end)
  }

  refresh(family: FamilyName, subtype: RefreshSubtype): void {
    this.#handler.refresh(this, family, subtype)
  }

  drained(): void {
    this.#handler.drained(this)
  }

  view(): SessionView {
    const { config, state, negotiated } = this
    const record = this.#record
    const lane = this.#driver.foremost
    const hold = negotiated === null ? config.holdSeconds || null : negotiated.holdSeconds
    const interval =
      negotiated === null ? keepaliveSeconds(config, hold) : negotiated.keepaliveSeconds
    const local = lane.sent ?? this.#driver.greeting().open
    return {
      name: config.name,
      origin: config.origin,
      description: config.description,
      address: config.address ?? '',
      port: config.port,
      asn: config.asn,
      localAsn: config.localAsn,
      localAddress: lane.localAddress ?? config.localAddress,
      type: config.asn === config.localAsn ? 'ibgp' : 'ebgp',
      routeReflectorClient: config.routeReflectorClient,
      state,
      reason: this.#reason(state),
      since: record.since,
      remoteRouterId: lane.received === null ? null : formatIpv4(lane.received.routerId),
      holdSeconds: hold,
      keepaliveSeconds: interval,
      password: config.password !== null,
      capabilities: {
        local: local.capabilities.map(formatCapability),
        remote: (lane.received?.capabilities ?? []).map(formatCapability),
      },
      messages: { received: { ...record.received }, sent: { ...record.sent } },
      flaps: record.flaps,
      lastError: record.lastError,
      queuedBytes: this.queuedBytes,
    }
  }

  #reason(state: SessionState): string | null {
    if (state === 'Established') return null
    const { cause, reason } = this.#record
    if (state !== 'OpenSent') return reason ?? this.#intention()
    const waiting = awaitingOpen(this.config)
    return cause === null ? waiting : `${cause}; since then: ${waiting}`
  }

  /** What it is about to do, where nothing has gone wrong yet. */
  #intention(): string {
    const { config } = this
    const blocked = blockedReason(config)
    if (blocked !== null) return blocked
    if (config.passive) return `waiting for ${config.address} to connect (passive)`
    return `connecting to ${config.address} port ${config.port}`
  }
}

function describeUp(
  name: string,
  negotiated: Negotiated,
): [text: string, data: Readonly<Record<string, unknown>>] {
  const { peerAsn, families, holdSeconds, peerRouterId } = negotiated
  const hold = holdSeconds === null ? 'no hold timer' : `hold time ${holdSeconds} s`
  return [
    `session with ${name} (AS ${peerAsn}) established: ${families.join(', ')}, ${hold}`,
    { asn: peerAsn, families, holdSeconds, routerId: formatIpv4(peerRouterId) },
  ]
}
