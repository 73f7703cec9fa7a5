/**
 * One BGP speaker the generator plays: a socket, the state of its session, and what it received of an
 * incomplete message. All read into one buffer, one after the other; nothing is allocated for a read.
 */
import net from 'node:net'
import type { Sink } from './board.ts'
import type { PathSink } from './path-sink.ts'
import { headerBytes, messageBytesMax, short } from './wire.ts'

/** What a player tells its `Load`. */
export interface Listener {
  connected(player: Player): void
  /** One whole message at `start` of `bytes`; valid during the call. */
  message(player: Player, bytes: Uint8Array, start: number, end: number, now: number): void
  /** All messages of one read were told. */
  read(player: Player, now: number): void
  /** The connection ended without being told to. */
  broke(player: Player, reason: string): void
}

/** Before the place a socket reads to, so that the beginning of a message fits in front. */
const headroom = messageBytesMax
const readBytesMax = 256 * 1024
const buffer = new Uint8Array(headroom + readBytesMax)
const readPlace = buffer.subarray(headroom)

export type State = 'idle' | 'connecting' | 'opening' | 'up'

export class Player {
  readonly number: number
  readonly address: string
  state: State = 'idle'
  /** Should have a session. */
  wanted = false
  upAt = 0
  startedAt = 0
  retryAt = 0
  failures = 0
  lastSentAt = 0
  keepaliveAt = 0
  /** The longest time between two KEEPALIVEs it received; set to 0 to measure afresh. */
  keepaliveGapMs = 0
  /** Where its routes are noted, if they are. */
  sink: Sink | null = null
  pathSink: PathSink | null = null
  #socket: net.Socket | null = null
  readonly #rest = new Uint8Array(messageBytesMax)
  #restBytes = 0

  constructor(number: number, address: string) {
    this.number = number
    this.address = address
  }

  connect(host: string, port: number, listener: Listener, now: number): void {
    this.state = 'connecting'
    this.startedAt = now
    this.#restBytes = 0
    const socket = net.connect({
      host,
      port,
      localAddress: this.address,
      noDelay: true,
      autoSelectFamily: false,
      onread: {
        buffer: readPlace,
        callback: (count) => {
          this.#take(count, listener)
          return true
        },
      },
    })
    this.#socket = socket
    const broke = (reason: string) => {
      // One that was closed on purpose is somebody else's, or nobody's, by now.
      if (this.#socket === socket) listener.broke(this, reason)
    }
    socket.once('connect', () => listener.connected(this))
    socket.on('error', (error) => broke(error.message))
    socket.on('close', () => broke('the daemon closed the connection'))
  }

  send(bytes: Uint8Array, now: number): void {
    this.lastSentAt = now
    this.#socket?.write(bytes)
  }

  hearKeepalive(now: number): void {
    if (this.state === 'up')
      this.keepaliveGapMs = Math.max(this.keepaliveGapMs, now - this.keepaliveAt)
    this.keepaliveAt = now
  }

  /** Ends the connection without a NOTIFICATION. */
  close(): void {
    const socket = this.#socket
    this.#socket = null
    this.state = 'idle'
    socket?.destroy()
  }

  /** A client that doesn't read: the kernel's buffers fill, then the daemon's socket. */
  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  #take(count: number, listener: Listener): void {
    const now = performance.now()
    let at = headroom - this.#restBytes
    buffer.set(this.#rest.subarray(0, this.#restBytes), at)
    const end = headroom + count
    while (end - at >= headerBytes) {
      const length = short(buffer, at + 16)
      if (length < headerBytes || length > messageBytesMax) {
        listener.broke(this, `it sent a message of ${length} octets`)
        return
      }
      if (end - at < length) break
      listener.message(this, buffer, at, at + length, now)
      if (this.state === 'idle') return
      at += length
    }
    this.#restBytes = end - at
    this.#rest.set(buffer.subarray(at, end))
    listener.read(this, now)
  }
}
