/**
 * Drives the two lanes of one peer, and decides what concerns both: which connection survives a
 * collision (RFC 4271 §6.8), when to try again, and when to let the peer in.
 *
 * Pacing: a connection that fails is dialled again after a growing pause, and the peer may connect
 * meanwhile. After an error (a broken protocol, silence, a NOTIFICATION other than Cease) the peer
 * stays Idle for the pause and is not even let in, because an error tends to repeat itself. The
 * pauses only become short again when a session has lasted for minutes.
 */

import type { Clock, Connection, Incoming, PeerConfig, SessionState, Transport } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import type { RefreshSubtype } from '../wire/message.ts'
import {
  encodeNotification,
  encodeShutdownText,
  type Fault,
  NotificationError,
} from '../wire/notification.ts'
import type { Open } from '../wire/open.ts'
import { Channel, type ChannelEvents } from './channel.ts'
import { resolveCollision } from './collision.ts'
import type { Failure, TimerName } from './fsm.ts'
import { type Direction, Lane } from './lane.ts'
import type { LaneOwner } from './lane-owner.ts'
import { localOpen } from './negotiate.ts'
import { noAnswer } from './reason.ts'
import type { SessionRecord } from './record.ts'
import type { OwnRestart, SessionEnd } from './restart.ts'
import { blockedReason, ttlOptions } from './settings.ts'
import { backOffSeconds, stableSeconds, Timers } from './timers.ts'

/** How long the verdict on a collision may wait for the other connection's OPEN. */
const verdictSeconds = 5

/** Pause after a reset by the administrator. */
const resetPauseSeconds = 1

/** A session this old has no competing connection under way any more. */
const settledSeconds = 5

/** Sessions in a row, none of them lasting, that may end in good order before the peer has to wait. */
const quickReturnsMax = 10

/** Connections that still carry a farewell; more than these are cut short. */
const closingMax = 4

export interface DriverPorts {
  readonly clock: Clock
  readonly transport: Transport
  /** 0 to 1, for jitter. */
  readonly random: () => number
  readonly identity: () => { readonly routerId: number; readonly restart: OwnRestart }
}

/** What the session tells further up; `up` and `down` alternate. */
export interface DriverEvents {
  up(negotiated: Negotiated): void
  down(reason: string, end: SessionEnd): void
  update(bytes: Uint8Array, view: DataView, start: number, end: number): void
  refresh(family: Negotiated['families'][number], subtype: RefreshSubtype): void
  drained(): void
}

export class Driver implements LaneOwner {
  readonly clock: Clock
  readonly random: () => number
  readonly record: SessionRecord
  /** Settings in force; whoever changes them calls `apply` or `halt` afterwards. */
  config: PeerConfig
  readonly #ports: DriverPorts
  readonly #events: DriverEvents
  readonly #outgoing: Lane
  readonly #incoming: Lane
  readonly #timers: Timers<'idleHold' | 'verdict'>
  readonly #closing = new Set<Channel>()
  #started = false
  /** An error was met: nothing is dialled or let in until the pause is over. */
  #refusing = false
  #connectFailures = 0
  #sessionFailures = 0
  /** `clock.now()` when the session was established. */
  #establishedAt = 0
  /** Transitions under way; what lies between the lanes is settled after the outermost. */
  #depth = 0
  #unsettled = false
  #shownState: SessionState = 'Idle'
  /** Called when the last farewell has left. */
  readonly #onQuiet: (() => void)[] = []

  constructor(config: PeerConfig, ports: DriverPorts, record: SessionRecord, events: DriverEvents) {
    this.config = config
    this.record = record
    this.clock = ports.clock
    this.random = ports.random
    this.#ports = ports
    this.#events = events
    this.#outgoing = new Lane('outgoing', this)
    this.#incoming = new Lane('incoming', this)
    this.#timers = new Timers(ports.clock, ports.random, (name) => this.#expired(name))
  }

  /** The lane that got further: its state is the peer's. */
  get foremost(): Lane {
    return this.#outgoing.rank >= this.#incoming.rank ? this.#outgoing : this.#incoming
  }

  get retrySeconds(): number {
    return backOffSeconds(this.config.connectRetrySeconds, this.#connectFailures + 1)
  }

  get noAnswer(): string {
    return noAnswer(this.config)
  }

  start(): void {
    this.enter()
    this.#started = true
    this.leave(true)
  }

  /** Stays Idle until `start`; `fault` null closes TCP without a NOTIFICATION. */
  stop(fault: Fault | null, text: string | null, reason: string): void {
    this.#started = false
    this.halt(fault, text, reason)
  }

  /** Ends both lanes and forgets every pause; begins anew where that is wanted. */
  halt(fault: Fault | null, text: string | null, reason: string): void {
    this.enter()
    this.#timers.clearAll()
    this.#refusing = false
    this.#connectFailures = 0
    this.#sessionFailures = 0
    this.record.begin(reason)
    const error = fault === null ? null : farewell(fault, text, reason)
    this.#outgoing.stop(error, reason)
    this.#incoming.stop(error, reason)
    this.leave(true)
  }

  /** As `halt`, and dials again after a moment, so that the peer can let go first. */
  reset(text: string | null, reason: string): void {
    this.enter()
    this.halt('cease/administrativeReset', text, reason)
    this.#timers.setJittered('idleHold', resetPauseSeconds)
    this.leave(true)
  }

  /** Resolves when the farewells have left and TCP is closed; bounded by the channels' linger. */
  quiet(): Promise<void> {
    if (this.#closing.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onQuiet.push(resolve))
  }

  /** A connection from this peer's address. */
  accept(incoming: Incoming): void {
    const { localAddress, remotePort } = incoming
    this.record.tape.begin()
    this.record.tape.note({ event: 'accept', localAddress, remotePort })
    if (!this.#willing || !this.#guarded(incoming)) {
      incoming.reject()
    } else if (this.#refusing) {
      this.#turnAway(incoming, 'cease/connectionRejected')
    } else if (this.#restarted) {
      // The peer restarted before we missed it: the old connection is dead, its routes stay.
      this.enter()
      for (const lane of [this.#outgoing, this.#incoming]) lane.replace()
      this.#incoming.start()
      this.#incoming.adopt((channel) => incoming.accept(channel))
      this.leave(true)
    } else if (this.#incoming.state === 'Established' || this.#outgoing.committed) {
      // An Established session wins, and so does one that only waits for the peer's KEEPALIVE.
      this.#turnAway(incoming, 'cease/connectionCollision')
    } else {
      this.enter()
      // A peer that dials again has given up what it dialled before.
      this.#incoming.stop(collision(), 'replaced by a newer connection')
      this.#incoming.start()
      this.#incoming.adopt((channel) => incoming.accept(channel))
      this.leave(true)
    }
  }

  /** Applies what can change under a running session. */
  apply(): void {
    this.enter()
    this.#outgoing.retime()
    this.#incoming.retime()
    if (this.config.passive && !this.#outgoing.committed) {
      this.#outgoing.stop(collision(), 'the peer is to connect')
    }
    this.leave(true)
  }

  /**
   * Lets a timer run out now, of a lane or of the peer; false when it isn't running. A recording's
   * timers are played so.
   */
  expire(of: Direction | 'peer', name: string): boolean {
    if (of === 'peer') return this.#timers.expire(name as 'idleHold')
    return (of === 'outgoing' ? this.#outgoing : this.#incoming).expire(name as TimerName)
  }

  dial(channel: Channel): Connection {
    const { address, port, localAddress, password } = this.config
    const target = { address: address ?? '', port, localAddress, password }
    this.record.tape.begin()
    this.record.tape.note({ event: 'dial', address: target.address, port, localAddress })
    return this.#ports.transport.dial({ ...target, ...ttlOptions(this.config) }, channel)
  }

  localOpen(): Open {
    const { routerId, restart } = this.#ports.identity()
    return localOpen(this.config, routerId, restart)
  }

  opened(lane: Lane, negotiated: Negotiated): void {
    const other = this.#other(lane)
    const local = { routerId: negotiated.localRouterId, asn: negotiated.localAsn }
    const remote = { routerId: negotiated.peerRouterId, asn: negotiated.peerAsn }
    const verdict = resolveCollision(lane.direction, other.contender, local, remote)
    if (verdict === 'wait') {
      lane.wait(negotiated)
      this.#timers.set('verdict', verdictSeconds)
    } else if (verdict === 'yield') {
      lane.stop(collision(), 'another connection was preferred')
    } else {
      this.#connectFailures = 0
      other.stop(collision(), 'another connection was preferred')
      lane.confirm(negotiated)
    }
  }

  up(negotiated: Negotiated): void {
    this.#establishedAt = this.clock.now()
    this.#timers.clearAll()
    this.#events.up(negotiated)
  }

  down(reason: string, end: SessionEnd): void {
    const lastedMs = this.clock.now() - this.#establishedAt
    if (lastedMs >= stableSeconds * 1000) this.#sessionFailures = 0
    this.#events.down(reason, end)
  }

  failed(lane: Lane, failure: Failure): void {
    if (!this.#willing) return
    const { kind, reason } = failure
    this.record.failed(failure)
    if (kind === 'connect') {
      this.#connectFailures += 1
      return
    }
    this.#sessionFailures += 1
    const pause = backOffSeconds(this.config.connectRetrySeconds, this.#sessionFailures)
    this.#timers.setJittered('idleHold', pause)
    // Another connection that has come as far as an OPEN may still do better than this one.
    const orderly = kind === 'closed' && this.#sessionFailures <= quickReturnsMax
    if (orderly || this.#other(lane).contender.state !== 'none') return
    this.#refusing = true
    this.#other(lane).stop(null, reason)
  }

  update(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    this.#events.update(bytes, view, start, end)
  }

  refresh(family: Negotiated['families'][number], subtype: RefreshSubtype): void {
    this.#events.refresh(family, subtype)
  }

  drained(): void {
    this.#events.drained()
  }

  retired(channel: Channel): void {
    const [oldest] = this.#closing
    if (this.#closing.size >= closingMax) oldest?.destroy()
    this.#closing.add(channel)
  }

  gone(channel: Channel): void {
    this.#closing.delete(channel)
    if (this.#closing.size > 0) return
    for (const resolve of this.#onQuiet.splice(0)) resolve()
  }

  enter(): void {
    this.#depth += 1
  }

  leave(changed: boolean): void {
    if (changed) this.#unsettled = true
    if (this.#depth === 1 && this.#unsettled) this.#settle()
    this.#depth -= 1
  }

  /** Ties the loose ends between the lanes; whatever happened before, this is right afterwards. */
  #settle(): void {
    for (const lane of [this.#outgoing, this.#incoming]) {
      // The connection this one waited for is gone.
      if (lane.waiting && this.#other(lane).contender.state === 'none') lane.proceed()
    }
    if (this.#willing) this.#begin()
    const { state } = this.foremost
    this.#unsettled = false
    if (state === this.#shownState) return
    this.record.tape.note({ event: 'state', from: this.#shownState, to: state })
    this.record.event('peer.state', 'debug', `${this.#shownState} to ${state}`, { state })
    this.#shownState = state
  }

  /**
   * Whether another connection from this peer means that it restarted (RFC 4724 §5), and isn't
   * just the late one of two that were dialled at the same time.
   */
  get #restarted(): boolean {
    const { negotiated, state } = this.foremost
    if (state !== 'Established' || negotiated === null) return false
    if ((negotiated.peerRestart?.families.length ?? 0) === 0) return false
    return this.clock.now() - this.#establishedAt >= settledSeconds * 1000
  }

  /** Wants a session at all. */
  get #willing(): boolean {
    return this.#started && blockedReason(this.config) === null
  }

  #begin(): void {
    const pausing = this.#timers.running('idleHold')
    if (!pausing) this.#refusing = false
    if (!this.#refusing && this.#incoming.state === 'Idle') this.#incoming.start()
    if (pausing || this.config.passive || this.#incoming.committed) return
    if (this.#outgoing.state === 'Idle') this.#outgoing.start()
  }

  #expired(name: 'idleHold' | 'verdict'): void {
    this.record.tape.note({ event: 'timer', lane: 'peer', timer: name, queuedBytes: 0 })
    this.enter()
    if (name === 'verdict') {
      for (const lane of [this.#outgoing, this.#incoming]) {
        if (lane.waiting) this.#other(lane).stop(collision(), 'it sent no OPEN in time')
      }
    }
    this.leave(true)
  }

  /** Sets the TTL before anything else: even a farewell must leave with the right one. */
  #guarded(incoming: Incoming): boolean {
    try {
      const { ttl, minTtl } = ttlOptions(this.config)
      incoming.setTtl(ttl, minTtl)
      return true
    } catch (cause) {
      const words = cause instanceof Error ? cause.message : String(cause)
      const reason = `a connection from the peer was refused: ${words}`
      this.record.failed({ kind: 'error', direction: 'local', reason })
      return false
    }
  }

  #other(lane: Lane): Lane {
    return lane === this.#outgoing ? this.#incoming : this.#outgoing
  }

  /** Says why, and closes: a peer that is only dropped would have to guess. */
  #turnAway(incoming: Incoming, fault: Fault): void {
    const { code, subcode, data } = new NotificationError(fault, 'not now')
    const channel: Channel = new Channel(
      this.clock,
      deaf((gone) => this.gone(gone)),
    )
    channel.attach(incoming.accept(channel), true)
    this.record.sent.notification += 1
    const farewell = encodeNotification(code, subcode, data)
    this.record.tape.sent('refused', farewell)
    channel.end(farewell)
    this.retired(channel)
  }
}

/** Nothing a connection says that was turned away is of interest. */
function deaf(gone: (channel: Channel) => void): ChannelEvents {
  return { connected() {}, message() {}, broken() {}, drained() {}, closed() {}, gone }
}

function collision(): NotificationError {
  return new NotificationError('cease/connectionCollision', 'another connection was preferred')
}

/** RFC 9003 §2: a text goes with shutdown and reset only. */
function farewell(fault: Fault, text: string | null, reason: string): NotificationError {
  const speaks = fault === 'cease/administrativeShutdown' || fault === 'cease/administrativeReset'
  const data = speaks && text !== null ? encodeShutdownText(text) : undefined
  return new NotificationError(fault, reason, data)
}
