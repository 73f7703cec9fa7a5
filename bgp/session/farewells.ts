/**
 * Connections that are over for us and still carry a last word: those we ended with a NOTIFICATION,
 * and those that were turned away (RFC 4271 §6.7, RFC 4486). Few at a time, each for as long as a
 * channel lingers.
 */
import type { Clock, Incoming } from '../types.ts'
import { encodeNotification, type Fault, NotificationError } from '../wire/notification.ts'
import { Channel, type ChannelEvents } from './channel.ts'
import type { SessionRecord } from './record.ts'

/** Connections that still carry a farewell; the oldest is cut short by one more. */
export const closingMax = 4

export class Farewells {
  readonly #clock: Clock
  readonly #record: SessionRecord
  /** Oldest first. */
  #closing: readonly Channel[] = []
  /** Called when the last farewell has left. */
  readonly #onQuiet: (() => void)[] = []

  constructor(clock: Clock, record: SessionRecord) {
    this.#clock = clock
    this.#record = record
  }

  /** The channel is ended, its farewell under way; `gone` follows. */
  add(channel: Channel): void {
    const [oldest] = this.#closing
    if (this.#closing.length >= closingMax) oldest?.destroy()
    this.#closing = [...this.#closing, channel]
  }

  gone(channel: Channel): void {
    this.#closing = this.#closing.filter((each) => each !== channel)
    if (this.#closing.length > 0) return
    for (const resolve of this.#onQuiet.splice(0)) resolve()
  }

  /** Resolves when the farewells have left and TCP is closed; bounded by the channels' linger. */
  quiet(): Promise<void> {
    if (this.#closing.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onQuiet.push(resolve))
  }

  /** Says why, and closes: a peer that is only dropped would have to guess. */
  turnAway(incoming: Incoming, fault: Fault): void {
    const { code, subcode, data } = new NotificationError(fault, 'not now')
    const channel: Channel = new Channel(
      this.#clock,
      deaf((gone) => this.gone(gone)),
    )
    channel.attach(incoming.accept(channel), true)
    this.#record.sent.notification += 1
    const farewell = encodeNotification(code, subcode, data)
    this.#record.tape.sent('refused', farewell)
    channel.end(farewell)
    this.add(channel)
  }
}

/** Nothing a connection says that was turned away is of interest. */
function deaf(gone: (channel: Channel) => void): ChannelEvents {
  return { connected() {}, message() {}, broken() {}, drained() {}, closed() {}, gone }
}
