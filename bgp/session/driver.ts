/**
 * Drives the lanes of one peer, and decides what concerns them all: which connection survives a
 * collision (RFC 4271 §6.8), when to try again, and when to let the peer in.
 *
 * Two lanes would do for RFC 4271. The third is for a peer that restarts before its end was noticed
 * (RFC 4724 §5): its new connection is greeted beside the session, which stays as it is until a valid
 * OPEN has come. Garbage or silence there costs the session nothing.
 *
 * Pacing: a connection that fails is dialled again after a growing pause, and the peer may connect
 * meanwhile. After an error (a broken protocol, silence, a NOTIFICATION other than Cease) the peer
 * stays Idle for the pause and is not even let in, because an error tends to repeat itself. The
 * pauses only become short again when a session has lasted for minutes.
 *
 * This file is long because whatever joins the lanes of a peer stands here.
 */

import type { Clock, Connection, Incoming, PeerConfig, SessionState, Transport } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import type { RefreshSubtype } from '../wire/message.ts'
import { encodeShutdownText, type Fault, NotificationError } from '../wire/notification.ts'
import type { Channel } from './channel.ts'
import { preferred, resolveCollision, type Verdict } from './collision.ts'
import { Farewells } from './farewells.ts'
import type { Failure, TimerName } from './fsm.ts'
import type { Greeting } from './greeting.ts'
import { Lane } from './lane.ts'
import type { LaneOwner } from './lane-owner.ts'
import { Pace } from './pace.ts'
import { noAnswer } from './reason.ts'
import type { SessionRecord } from './record.ts'
import type { LaneName } from './record-events.ts'
import type { SessionEnd } from './restart.ts'
import { blockedReason, ttlOptions } from './settings.ts'
import { Timers } from './timers.ts'

/** How long the verdict on a collision may wait for the other connection's OPEN. */
const verdictSeconds = 5

/** Pause after a reset by the administrator. */
const resetPauseSeconds = 1

/**
 * A session this old has no competing connection under way any more that was dialled before it stood,
 * and that could be taken for a restart.
 */
const settledSeconds = 5

const peerTimers = ['idleHold', 'verdict'] as const
type PeerTimer = (typeof peerTimers)[number]

export interface DriverPorts {
  readonly clock: Clock
  readonly transport: Transport
  /** 0 to 1, for jitter. */
  readonly random: () => number
  /** What this speaker says of itself to a peer, as things are now. */
  readonly greeting: (config: PeerConfig) => Greeting
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
  readonly pace: Pace
  /** Settings in force; whoever changes them calls `apply` or `halt` afterwards. */
  config: PeerConfig
  readonly #ports: DriverPorts
  readonly #events: DriverEvents
  /** Made when the peer is first dialled: thousands of peers are only waited for. */
  #outgoing: Lane | null = null
  /** This one and the spare change places when the peer's new connection takes over. */
  #incoming: Lane
  /** Made when the peer is first greeted beside its session. */
  #spare: Lane | null = null
  /** Those there are; of two that have come equally far, the first counts. */
  #lanes: readonly Lane[]
  readonly #timers: Timers<PeerTimer>
  readonly #farewells: Farewells
  #started = false
  /** An error was met: nothing is dialled or let in until the pause is over. */
  #refusing = false
  /** Transitions under way; what lies between the lanes is settled after the outermost. */
  #depth = 0
  #unsettled = false
  #shownState: SessionState = 'Idle'

  /** @param pace what is remembered of the peer from before; null: it begins as new */
  constructor(
    config: PeerConfig,
    ports: DriverPorts,
    record: SessionRecord,
    events: DriverEvents,
    pace: Pace | null,
  ) {
    this.config = config
    this.record = record
    this.clock = ports.clock
    this.random = ports.random
    this.#ports = ports
    this.#events = events
    this.#incoming = new Lane('incoming', this)
    this.#lanes = [this.#incoming]
    this.#farewells = new Farewells(ports.clock, record)
    this.pace = pace ?? new Pace()
    const { clock, random } = ports
    this.#timers = new Timers(peerTimers, clock, random, (name) => this.#expired(name))
  }

  /** The lane that got further: its state is the peer's. */
  get foremost(): Lane {
    // Asked for every write, and mostly there is one.
    const lanes = this.#lanes
    let best = lanes[0] as Lane
    for (let at = 1; at < lanes.length; at++) {
      const lane = lanes[at] as Lane
      if (lane.rank > best.rank) best = lane
    }
    return best
  }

  get retrySeconds(): number {
    return this.pace.retrySeconds(this.config.connectRetrySeconds)
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
    this.#end(fault, text, reason)
  }

  /** Ends all lanes and forgets every pause; begins anew where that is wanted. */
  halt(fault: Fault | null, text: string | null, reason: string): void {
    this.pace.forgive()
    this.#end(fault, text, reason)
  }

  #end(fault: Fault | null, text: string | null, reason: string): void {
    this.enter()
    this.#timers.clearAll()
    this.#refusing = false
    this.record.begin(reason)
    const error = fault === null ? null : farewell(fault, text, reason)
    for (const lane of this.#lanes) lane.stop(error, reason)
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
    return this.#farewells.quiet()
  }

  /** A connection from this peer's address. */
  accept(incoming: Incoming): void {
    const { localAddress, remotePort } = incoming
    const lane = this.#welcome()
    this.record.tape.begin()
    const place = lane?.name ?? 'refused'
    this.record.tape.note({ event: 'accept', localAddress, remotePort, lane: place })
    if (!this.#willing || !this.#guarded(incoming)) {
      incoming.reject()
    } else if (lane === null) {
      const fault = this.#refusing ? 'cease/connectionRejected' : 'cease/connectionCollision'
      this.#farewells.turnAway(incoming, fault)
    } else {
      this.enter()
      // A peer that dials again has given up what it dialled before.
      if (lane.met) lane.stop(preferred, 'replaced by a newer connection')
      lane.start()
      lane.adopt((channel) => incoming.accept(channel))
      this.leave(true)
    }
  }

  /**
   * Gives connections the key of the settings, in place of the one they have: what the peer sends by
   * the old key is lost and sent again, until it has the new one too.
   */
  rekey(): void {
    const { password } = this.config
    if (password === null) return
    try {
      for (const lane of this.#lanes) lane.rekey(password)
    } catch (error) {
      const reason = `the new key can't be set: ${(error as Error).message}`
      this.halt('cease/otherConfigurationChange', null, reason)
    }
  }

  /** Applies what can change under a running session. */
  apply(): void {
    this.enter()
    for (const lane of this.#lanes) lane.retime()
    if (this.config.passive && this.#outgoing?.committed === false) {
      this.#outgoing.stop(preferred, 'the peer is to connect')
    }
    this.leave(true)
  }

  /**
   * Lets a timer run out now, of a lane or of the peer; false when it isn't running. A recording's
   * timers are played so.
   */
  expire(of: LaneName | 'peer', name: string): boolean {
    if (of === 'peer') return this.#timers.expire(name as PeerTimer)
    return this.#lanes.find((lane) => lane.name === of)?.expire(name as TimerName) ?? false
  }

  dial(channel: Channel): Connection {
    const { address, port, localAddress, password } = this.config
    const target = { address: address ?? '', port, localAddress, password }
    this.record.tape.begin()
    this.record.tape.note({ event: 'dial', address: target.address, port, localAddress })
    return this.#ports.transport.dial({ ...target, ...ttlOptions(this.config) }, channel)
  }

  greeting(): Greeting {
    return this.#ports.greeting(this.config)
  }

  opened(lane: Lane, negotiated: Negotiated): void {
    const rivals = this.#lanes.filter((other) => other !== lane)
    const verdict = judge(lane, rivals, negotiated)
    if (verdict === 'wait') {
      lane.wait(negotiated)
      this.#timers.set('verdict', verdictSeconds)
    } else if (verdict === 'yield') {
      lane.stop(preferred, preferred.message)
    } else {
      this.pace.opened()
      if (verdict === 'succeed') this.pace.sessionFailed(this.config.connectRetrySeconds)
      for (const other of rivals) {
        if (verdict === 'succeed') other.replace()
        else other.stop(preferred, preferred.message)
      }
      lane.confirm(negotiated)
    }
  }

  up(negotiated: Negotiated): void {
    this.pace.established(this.clock.now())
    this.#timers.clearAll()
    // One that hasn't sent its OPEN by now comes too late.
    for (const lane of this.#lanes) {
      if (lane.met && lane.state !== 'Established') lane.stop(preferred, preferred.message)
    }
    this.#events.up(negotiated)
  }

  down(reason: string, end: SessionEnd): void {
    this.pace.ended(this.clock.now())
    this.#events.down(reason, end)
  }

  failed(lane: Lane, failure: Failure): void {
    if (!this.#willing) return
    if (this.#established !== null) {
      this.record.strayed(failure)
      return
    }
    this.record.failed(failure)
    if (failure.kind === 'connect') {
      this.pace.connectFailed()
      return
    }
    const pause = this.pace.sessionFailed(this.config.connectRetrySeconds)
    this.#timers.setJittered('idleHold', pause)
    // Another connection that has come as far as an OPEN may still do better than this one.
    const better = this.#lanes.some((other) => other !== lane && other.met)
    if (better || this.pace.welcomes(failure)) return
    this.#refusing = true
    this.pace.refusedUntil = this.#timers.deadline('idleHold')
    for (const other of this.#lanes) if (other !== lane) other.stop(null, failure.reason)
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
    this.#farewells.add(channel)
  }

  gone(channel: Channel): void {
    this.#farewells.gone(channel)
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
    if (this.#spare !== null) this.#tidySpare(this.#spare)
    // The connection that one of them waited for is gone.
    if (this.#outgoing?.waiting && !this.#incoming.met) this.#outgoing.proceed()
    if (this.#incoming.waiting && !this.#outgoing?.met) this.#incoming.proceed()
    if (this.#willing) this.#begin()
    const { state } = this.foremost
    this.#unsettled = false
    if (state === this.#shownState) return
    this.record.moved(this.#shownState, state)
    this.#shownState = state
  }

  /** What came beside a session is the peer's one connection as soon as that session is gone. */
  #tidySpare(spare: Lane): void {
    if (!spare.met) {
      spare.stop(null, 'nothing came of it')
      return
    }
    const incoming = this.#incoming
    if (incoming.state !== 'Established' && this.#outgoing?.state !== 'Established') {
      incoming.stop(null, 'replaced by a newer connection')
      this.#incoming = spare
      this.#spare = incoming
    }
  }

  get #established(): Lane | null {
    return this.#lanes.find(({ state }) => state === 'Established') ?? null
  }

  /** Which lane a connection of the peer would go to; null: it is turned away. */
  #welcome(): Lane | null {
    if (!this.#willing || this.#refusing) return null
    const session = this.#established
    if (session === null) return this.#incoming
    const settled = this.pace.lastedMs(this.clock.now()) >= settledSeconds * 1000
    // One that restarts all the time has to let its old connection go first.
    const believed = session.contender.restartable && settled && !this.pace.exhausted
    return believed ? (this.#spare ?? this.#makeSpare()) : null
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
    const outgoing = this.#outgoing ?? this.#makeOutgoing()
    if (outgoing.state === 'Idle') outgoing.start()
  }

  #expired(name: PeerTimer): void {
    this.record.tape.note({ event: 'timer', lane: 'peer', timer: name, queuedBytes: 0 })
    this.enter()
    if (name === 'verdict') {
      const late = 'it sent no OPEN in time'
      if (this.#outgoing?.waiting) this.#incoming.stop(preferred, late)
      if (this.#incoming.waiting) this.#outgoing?.stop(preferred, late)
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

  #makeOutgoing(): Lane {
    this.#outgoing = new Lane('outgoing', this)
    this.#lanes = [this.#outgoing, ...this.#lanes]
    return this.#outgoing
  }

  #makeSpare(): Lane {
    this.#spare = new Lane('second', this)
    this.#lanes = [...this.#lanes, this.#spare]
    return this.#spare
  }
}

/** What is to become of a connection on which a valid OPEN was received, in view of the others. */
function judge(lane: Lane, rivals: readonly Lane[], negotiated: Negotiated): Verdict {
  const foremost = [...rivals].sort((a, b) => b.rank - a.rank)[0]
  if (foremost === undefined) return 'proceed'
  const local = { routerId: negotiated.localRouterId, asn: negotiated.localAsn }
  const remote = { routerId: negotiated.peerRouterId, asn: negotiated.peerAsn }
  return resolveCollision(lane.direction, foremost.contender, local, remote)
}

/** RFC 9003 §2: a text goes with shutdown and reset only. */
function farewell(fault: Fault, text: string | null, reason: string): NotificationError {
  const speaks = fault === 'cease/administrativeShutdown' || fault === 'cease/administrativeReset'
  const data = speaks && text !== null ? encodeShutdownText(text) : undefined
  return new NotificationError(fault, reason, data)
}
