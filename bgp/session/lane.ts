/**
 * One of the ways a connection with a peer can come about: we dial, or the peer does. A lane has
 * a state machine (fsm.ts) and timers, which outlive any connection, and at times a connection. It
 * performs what the state machine orders, reads and counts messages, and asks its owner (driver.ts)
 * for everything that concerns the peer as a whole: collisions, pacing, the speaker.
 *
 * RFC 4271 §8.2, RFC 9687 (send hold timer). This file is long because the state machine, its timers
 * and the connection meet here.
 */

import type { Connection, ConnectionError, SessionState } from '../types.ts'
import type { Negotiated } from '../wire/context.ts'
import {
  decodeRefresh,
  keepaliveMessage,
  maxExtendedLength,
  messageType,
  type RefreshSubtype,
} from '../wire/message.ts'
import type { NotificationError } from '../wire/notification.ts'
import { decodeOpen, type Open } from '../wire/open.ts'
import { Channel, type ChannelEvents } from './channel.ts'
import type { Contender } from './collision.ts'
import {
  type Action,
  type Event,
  ranks,
  type Session,
  step,
  type TimerName,
  timerNames,
} from './fsm.ts'
import type { LaneOwner } from './lane-owner.ts'
import { keepaliveSeconds, negotiate } from './negotiate.ts'
import { eventOf, faultOf } from './reading.ts'
import { connectionReason } from './reason.ts'
import type { LaneName } from './record-events.ts'
import { encodeFarewell } from './restart.ts'
import { Timers } from './timers.ts'

/** RFC 9687: eight minutes, or twice the hold time if that is longer. */
const sendHoldSecondsMin = 480

/** Long enough for the event loop to read what lies in the sockets. */
const anotherLookSeconds = 0.001

const expiries: { readonly [N in TimerName]: Event } = {
  connectRetry: { type: 'connectRetryExpires' },
  hold: { type: 'holdExpires' },
  keepalive: { type: 'keepaliveExpires' },
  sendHold: { type: 'sendHoldExpires' },
}

const jittered: ReadonlySet<TimerName> = new Set<TimerName>(['connectRetry', 'keepalive'])

export type Direction = 'outgoing' | 'incoming'

export class Lane implements ChannelEvents {
  readonly name: LaneName
  /** Who made, or makes, the connection. */
  readonly direction: Direction
  readonly #owner: LaneOwner
  readonly #timers: Timers<TimerName>
  #session: Session
  #channel: Channel | null = null
  #sent: Open | null = null
  #received: Open | null = null
  /** Agreed upon, while the verdict on a collision is awaited. */
  #waiting: Negotiated | null = null
  /** The peer keeps our routes over a NOTIFICATION, unless it is a Hard Reset (RFC 8538). */
  #hardResets = false
  /** The hold timer has had its one extension since the last message. */
  #holdExtended = false
  /** Octets that had left when the send hold timer was started. */
  #leftBytes = 0
  /** The message at hand, for the `deliver` action. */
  #type = 0
  #start = 0
  #end = 0
  /** A message is being handled: what is thrown now is its own fault. */
  #handling = false

  constructor(name: LaneName, owner: LaneOwner) {
    this.name = name
    this.direction = name === 'outgoing' ? 'outgoing' : 'incoming'
    this.#owner = owner
    this.#session = { state: 'Idle', passive: this.direction === 'incoming' }
    const { clock, random } = owner
    this.#timers = new Timers(timerNames, clock, random, (name) => this.#expired(name))
  }

  get state(): SessionState {
    return this.#session.state
  }

  get rank(): number {
    return ranks[this.#session.state]
  }

  /** null before OpenConfirm. */
  get negotiated(): Negotiated | null {
    return 'negotiated' in this.#session ? this.#session.negotiated : null
  }

  /** The OPEN sent on the present connection. */
  get sent(): Open | null {
    return this.#sent
  }

  get received(): Open | null {
    return this.#received
  }

  get localAddress(): string | null {
    return this.#channel?.localAddress ?? null
  }

  /** @throws Error when the connection can't take the key */
  rekey(password: string): void {
    this.#channel?.rekey(password)
  }

  get queuedBytes(): number {
    return this.#channel?.queuedBytes ?? 0
  }

  get waiting(): boolean {
    return this.#waiting !== null
  }

  /** The lane is, or is about to be, the session: dialling beside it makes no sense. */
  get committed(): boolean {
    return this.waiting || this.rank >= ranks.OpenConfirm
  }

  /** It has a connection, which may collide with another. */
  get met(): boolean {
    return this.rank >= ranks.OpenSent
  }

  /** How it stands in a collision. */
  get contender(): Contender {
    const { state } = this.#session
    const met = state === 'OpenSent' || state === 'OpenConfirm' || state === 'Established'
    const preserved = this.negotiated?.peerRestart?.families.length ?? 0
    return {
      state: met ? state : 'none',
      openSeen: this.#received !== null,
      restartable: state === 'Established' && preserved > 0,
    }
  }

  /** Begins to dial, or to wait for the peer to. */
  start(): void {
    this.#feed({ type: 'start' })
  }

  /** Ends what there is and stays Idle; `error` null closes without a NOTIFICATION. */
  stop(error: NotificationError | null, reason: string): void {
    this.#feed({ type: 'stop', error, reason })
  }

  /** The peer has connected anew: what there is is dead, and is closed without a word. */
  replace(): void {
    const reason = 'the peer connected anew: it has restarted'
    this.#feed({ type: 'stop', error: null, reason, replaced: true })
  }

  /** Takes over a connection that the peer made; only in Active. */
  adopt(open: (channel: Channel) => Connection): void {
    this.#channel = new Channel(this.#owner.clock, this)
    this.#channel.attach(open(this.#channel), true)
    this.#feed({ type: 'connected' })
  }

  /** The OPEN is accepted, and no other connection stands in the way. */
  confirm(negotiated: Negotiated): void {
    if (this.#channel === null) return
    if (negotiated.extendedMessage) this.#channel.framer.maxLength = maxExtendedLength
    this.#feed({ type: 'open', negotiated })
  }

  /** Holds the accepted OPEN back, and reads nothing further, until `proceed`. */
  wait(negotiated: Negotiated): void {
    this.#waiting = negotiated
    this.#channel?.halt()
  }

  proceed(): void {
    const negotiated = this.#waiting
    const channel = this.#channel
    if (negotiated === null || channel === null) return
    this.#waiting = null
    channel.proceed()
    this.confirm(negotiated)
  }

  /** Writes whole messages of an Established session; false: wait for `drained`, or no session. */
  send(blocks: readonly Uint8Array[]): boolean {
    if (this.state !== 'Established' || this.#channel === null) return false
    // RFC 4271 §8.2.2: whatever is sent says as well as a KEEPALIVE that we are alive.
    this.#timers.restart('keepalive')
    const room = this.#channel.write(blocks)
    this.#owner.record.tape.handed(this.name, blocks, this.queuedBytes)
    this.#watchQueue()
    return room
  }

  /** Applies a changed keepalive interval to the session that runs. */
  retime(): void {
    const session = this.#session
    if (!('negotiated' in session)) return
    const { negotiated } = session
    const seconds = keepaliveSeconds(this.#owner.config, negotiated.holdSeconds)
    if (seconds === negotiated.keepaliveSeconds) return
    this.#session = { ...session, negotiated: { ...negotiated, keepaliveSeconds: seconds } }
    this.#timers.setJittered('keepalive', seconds)
  }

  /** Lets a timer run out now; false when it isn't running. A recording's timers are played so. */
  expire(name: TimerName): boolean {
    return this.#timers.expire(name)
  }

  connected(channel: Channel): void {
    if (channel !== this.#channel) return
    const localAddress = channel.localAddress ?? ''
    this.#owner.record.tape.note({ event: 'connected', lane: this.name, localAddress })
    this.#feed({ type: 'connected' })
  }

  message(channel: Channel, type: number, start: number, end: number): void {
    if (channel !== this.#channel) return
    this.#type = type
    this.#start = start
    this.#end = end
    const { record, config } = this.#owner
    record.countReceived(type)
    const { bytes } = channel.framer
    record.tape.received(this.name, bytes, start, end)
    this.#handling = true
    if (type === messageType.open) this.#readOpen(channel)
    else this.#feed(eventOf(type, bytes, start, end, config))
    this.#handling = false
  }

  broken(channel: Channel, cause: unknown): void {
    if (channel !== this.#channel) return
    if (!this.#handling) this.#owner.record.tape.fragment(this.name, channel.framer.rest)
    this.#handling = false
    this.#feed(faultOf(cause))
  }

  drained(channel: Channel): void {
    if (channel !== this.#channel) return
    this.#owner.record.tape.drained(this.name)
    this.#timers.clear('sendHold')
    if (this.state === 'Established') this.#owner.drained()
  }

  closed(channel: Channel, error: ConnectionError | null): void {
    if (channel !== this.#channel) return
    this.#owner.record.tape.note({ event: 'closed', lane: this.name, error })
    const met = this.#received === null ? 'open' : 'session'
    const phase = this.state === 'Connect' ? 'dial' : met
    const reason = connectionReason(this.#owner.config, phase, error, channel.localAddress)
    this.#feed({ type: 'disconnected', reason })
  }

  gone(channel: Channel): void {
    this.#owner.gone(channel)
  }

  #readOpen(channel: Channel): void {
    const { negotiated } = this
    if (negotiated !== null) {
      // A second OPEN has no place; the state machine says so.
      this.#feed({ type: 'open', negotiated })
      return
    }
    const { bytes, view } = channel.framer
    const open = decodeOpen(bytes, view, this.#start, this.#end)
    // We greet before we read, so `sent` is there.
    const agreed = negotiate(this.#sent ?? this.#owner.greeting().open, open, this.#owner.config)
    this.#received = open
    this.#owner.enter()
    try {
      this.#owner.opened(this, agreed)
    } finally {
      this.#owner.leave(true)
    }
  }

  #feed(event: Event): void {
    const before = this.#session
    this.#owner.enter()
    try {
      const [next, actions] = step(before, event, this.#owner)
      this.#session = next
      for (const action of actions) this.#perform(action)
    } finally {
      this.#owner.leave(this.#session !== before)
    }
  }

  /** How each action of the state machine is done. */
  #perform(action: Action): void {
    switch (action.do) {
      case 'dial':
        this.#channel = new Channel(this.#owner.clock, this)
        this.#channel.attach(this.#owner.dial(this.#channel), false)
        break
      case 'sendOpen':
        this.#sendOpen()
        break
      case 'sendKeepalive':
        this.#owner.record.sent.keepalive += 1
        this.#write(keepaliveMessage)
        break
      case 'deliver':
        this.#deliver()
        break
      case 'setTimer':
        this.#setTimer(action.timer, action.seconds)
        break
      case 'restartHold':
        this.#restartHold()
        break
      case 'hangUp':
        this.#hangUp(action.notify)
        break
      case 'up':
        this.#hardResets = action.negotiated.peerRestart?.notification ?? false
        this.#owner.up(action.negotiated)
        break
      case 'down':
        this.#owner.down(action.reason, action.end)
        break
      case 'failed':
        this.#owner.failed(this, action.failure)
    }
  }

  #sendOpen(): void {
    const { open, message } = this.#owner.greeting()
    this.#sent = open
    this.#owner.record.sent.open += 1
    this.#write(message)
  }

  #setTimer(name: TimerName, seconds: number | null): void {
    if (name === 'hold') this.#holdExtended = false
    if (jittered.has(name)) this.#timers.setJittered(name, seconds)
    else this.#timers.set(name, seconds)
  }

  #deliver(): void {
    const channel = this.#channel
    if (channel === null) return
    const { bytes, view } = channel.framer
    if (this.#type === messageType.update) {
      this.#owner.update(bytes, view, this.#start, this.#end)
      return
    }
    const { family, subtype } = decodeRefresh(bytes, view, this.#start, this.#end)
    // A family or a subtype we don't know is ignored (RFC 2918 §4, RFC 7313 §5).
    if (family !== null && isSubtype(subtype)) this.#owner.refresh(family, subtype)
  }

  #restartHold(): void {
    const seconds = this.negotiated?.holdSeconds ?? null
    if (this.#holdExtended) this.#timers.set('hold', seconds)
    else this.#timers.restart('hold')
    this.#holdExtended = false
  }

  #hangUp(notify: NotificationError | null): void {
    const channel = this.#channel
    this.#timers.clearAll()
    this.#channel = null
    this.#sent = null
    this.#received = null
    this.#waiting = null
    const hardReset = this.#hardResets
    this.#hardResets = false
    if (channel === null) return
    const { record } = this.#owner
    record.tape.note({ event: 'ended', lane: this.name })
    if (notify === null || !channel.ready) {
      channel.destroy()
      return
    }
    record.sent.notification += 1
    const farewell = encodeFarewell(notify, hardReset)
    record.tape.sent(this.name, farewell)
    channel.end(farewell)
    this.#owner.retired(channel)
  }

  #write(message: Uint8Array): void {
    this.#channel?.write([message])
    this.#owner.record.tape.sent(this.name, message)
    if (this.state === 'Established') this.#watchQueue()
  }

  /** RFC 9687: what stays in the queue must move within the send hold time. */
  #watchQueue(): void {
    if (this.queuedBytes === 0 || this.#timers.running('sendHold')) return
    this.#leftBytes = this.#channel?.leftBytes ?? 0
    const holdSeconds = this.negotiated?.holdSeconds ?? 0
    this.#timers.set('sendHold', Math.max(sendHoldSecondsMin, 2 * holdSeconds))
  }

  #expired(name: TimerName): void {
    const { name: lane, queuedBytes } = this
    this.#owner.record.tape.note({ event: 'timer', lane, timer: name, queuedBytes })
    if (name === 'hold' && !this.#holdExtended) {
      // The loop may have been too busy to read what has come in time: look once more.
      this.#holdExtended = true
      this.#timers.set('hold', anotherLookSeconds)
    } else if (name === 'sendHold' && !this.#stuck()) {
      this.#watchQueue()
    } else {
      this.#feed(expiries[name])
    }
  }

  #stuck(): boolean {
    return this.queuedBytes > 0 && this.#channel?.leftBytes === this.#leftBytes
  }
}

function isSubtype(subtype: number): subtype is RefreshSubtype {
  return subtype === 0 || subtype === 1 || subtype === 2
}
