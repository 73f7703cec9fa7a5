/**
 * One TCP connection as a stream of whole messages: framing, reading in bounded turns, and an
 * orderly end. A channel is thrown away with its connection, so that nothing of one session leaks
 * into the next; timers are not here for that reason, they belong to the peer.
 *
 * Reading is bounded: after `messagesPerTurnMax` messages, or `readMsMax` where they cost more than
 * usual, the socket is paused and the rest is taken up in a later turn of the event loop, so that a
 * flood from one peer never delays the keepalives, or the questions, of the others.
 */

import type { Clock, Connection, ConnectionError, ConnectionEvents, Timer } from '../types.ts'
import { Framer } from '../wire/framer.ts'
import { messageType } from '../wire/message.ts'

export const messagesPerTurnMax = 256
/** Milliseconds of reading in a turn, looked at after every `messagesPerLook` messages. */
export const readMsMax = 5
const messagesPerLook = 16

/** A ROUTE-REFRESH of 23 octets may cost a walk through a whole table, so few of them fill a turn. */
export const refreshesPerTurnMax = 2

/** How long the other side may take to read a NOTIFICATION and close, before we just drop it. */
export const lingerMs = 2000

export interface ChannelEvents {
  connected(channel: Channel): void
  /** One whole message at [start, end) of `channel.bytes`, borrowed for the call. */
  message(channel: Channel, type: number, start: number, end: number): void
  /** Reading failed: a framing fault, or what `message` threw. */
  broken(channel: Channel, error: unknown): void
  drained(channel: Channel): void
  /** The connection ended without our doing. */
  closed(channel: Channel, error: ConnectionError | null): void
  /** The connection we ended is gone. */
  gone(channel: Channel): void
}

export class Channel implements ConnectionEvents {
  readonly #clock: Clock
  readonly #events: ChannelEvents
  /** Made for the first byte: connections that come to nothing should cost next to nothing. */
  #framer: Framer | null = null
  #connection: Connection | null = null
  #phase: 'open' | 'ending' | 'gone' = 'open'
  #ready = false
  #writtenBytes = 0
  #halted = false
  #paused = false
  #turn: Timer | null = null
  #linger: Timer | null = null

  constructor(clock: Clock, events: ChannelEvents) {
    this.#clock = clock
    this.#events = events
  }

  /** Gives the channel its connection, once; one that was accepted is ready at once. */
  attach(connection: Connection, ready: boolean): void {
    this.#connection = connection
    this.#ready = ready
    if (this.#phase === 'gone') connection.destroy()
  }

  /** @throws Error when the connection can't take the key */
  rekey(password: string): void {
    this.#connection?.rekey?.(password)
  }

  /** Where the messages lie that `message` is called with. */
  get framer(): Framer {
    this.#framer ??= new Framer()
    return this.#framer
  }

  /** The connection stands. */
  get ready(): boolean {
    return this.#ready
  }

  /** null until the connection stands. */
  get localAddress(): string | null {
    return this.ready ? (this.#connection?.localAddress ?? null) : null
  }

  get queuedBytes(): number {
    return this.#connection?.queuedBytes ?? 0
  }

  /** Bytes handed to the kernel so far. */
  get leftBytes(): number {
    return this.#writtenBytes - this.queuedBytes
  }

  /** Several blocks in one go; false when the queue should drain first. */
  write(blocks: readonly Uint8Array[]): boolean {
    if (this.#phase !== 'open' || this.#connection === null) return false
    for (const block of blocks) this.#writtenBytes += block.length
    return this.#connection.writeAll(blocks)
  }

  /** Stops reading after the message at hand until `proceed`. */
  halt(): void {
    this.#halted = true
  }

  proceed(): void {
    this.#halted = false
    this.#schedule()
  }

  /** Ends it at once; nothing more is read, nothing more is sent. */
  destroy(): void {
    this.#framer?.stop()
    this.#turn?.cancel()
    this.#linger?.cancel()
    const wasOpen = this.#phase !== 'gone'
    this.#phase = 'gone'
    this.#connection?.destroy()
    if (wasOpen) this.#events.gone(this)
  }

  /** Sends `farewell`, then closes when it has left; a peer that doesn't read is dropped. */
  end(farewell: Uint8Array | null): void {
    const connection = this.#connection
    if (this.#phase !== 'open' || connection === null || !this.ready) {
      this.destroy()
      return
    }
    this.#phase = 'ending'
    this.#framer?.stop()
    this.#turn?.cancel()
    if (farewell !== null) connection.write(farewell)
    connection.end()
    // Unread bytes in our socket would turn the close into a reset, and lose the farewell.
    connection.resume()
    this.#linger = this.#clock.schedule(lingerMs, () => this.destroy())
  }

  connected(): void {
    if (this.#phase !== 'open') return
    this.#ready = true
    this.#events.connected(this)
  }

  data(chunk: Uint8Array): void {
    if (this.#phase !== 'open') return
    const { framer } = this
    framer.take(chunk)
    if (!this.#paused) this.#read()
    framer.keep()
  }

  drained(): void {
    if (this.#phase === 'open') this.#events.drained(this)
  }

  closed(error: ConnectionError | null): void {
    const phase = this.#phase
    this.#phase = 'gone'
    this.#turn?.cancel()
    this.#linger?.cancel()
    if (phase === 'open') this.#events.closed(this, error)
    else if (phase === 'ending') this.#events.gone(this)
  }

  #read(): void {
    const framer = this.framer
    let left = messagesPerTurnMax
    const visit = (type: number, start: number, end: number): void => {
      left -= type === messageType.refresh ? messagesPerTurnMax / refreshesPerTurnMax : 1
      if (this.#phase === 'open') this.#events.message(this, type, start, end)
    }
    try {
      const until = this.#clock.now() + readMsMax
      while (this.#phase === 'open' && !this.#halted && left > 0) {
        if (left % messagesPerLook === 0 && this.#clock.now() > until) break
        // One at a time, since any message may call a halt or end the channel.
        if (!framer.step(1, visit)) {
          this.#resume()
          return
        }
      }
    } catch (error) {
      if (this.#phase === 'open') this.#events.broken(this, error)
      return
    }
    if (this.#phase === 'open') this.#rested()
  }

  /** The turn is spent, or the owner has called a halt. */
  #rested(): void {
    if (!this.#paused) this.#connection?.pause()
    this.#paused = true
    if (!this.#halted) this.#schedule()
  }

  #resume(): void {
    if (this.#paused) this.#connection?.resume()
    this.#paused = false
  }

  #schedule(): void {
    this.#turn?.cancel()
    this.#turn = this.#clock.schedule(0, () => {
      this.#turn = null
      if (this.#phase === 'open') this.#read()
    })
  }
}
