/**
 * Connections of a rehearsal: what a player says comes in pieces, as it would from a socket, one a
 * turn; what is said to a player goes nowhere. There is no socket, so no port is open meanwhile, and
 * nothing of the system's can fail or be left behind.
 */
import type { Clock, Connection, ConnectionEvents, Incoming } from '../types.ts'

/** Octets of one read; messages are cut wherever it ends. */
const readBytesMax = 64 * 1024

/** The speaker's end of a connection that a player has opened. */
export class RehearsalConnection implements Connection {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly queuedBytes = 0
  readonly #clock: Clock
  #events: ConnectionEvents | null = null
  /** Said, and not read yet. */
  #said: Uint8Array[] = []
  #hungUp = false
  #paused = false
  #reading = false

  constructor(clock: Clock, localAddress: string, port: number, remoteAddress: string) {
    this.#clock = clock
    this.localAddress = localAddress
    this.localPort = port
    this.remoteAddress = remoteAddress
    this.remotePort = port
  }

  /** What the listener is given. */
  get incoming(): Incoming {
    const { remoteAddress, remotePort, localAddress } = this
    return {
      remoteAddress,
      remotePort,
      localAddress,
      accept: (events) => {
        this.#events = events
        return this
      },
      setTtl() {},
      reject: () => this.destroy(),
    }
  }

  /** The player's: `bytes` are on their way. */
  say(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += readBytesMax) {
      this.#said.push(bytes.subarray(at, at + readBytesMax))
    }
    this.#readSoon()
  }

  /** The player's: it is gone, once it has been heard. */
  hangUp(): void {
    this.#hungUp = true
    this.#readSoon()
  }

  write(): boolean {
    return true
  }

  writeAll(): boolean {
    return true
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#readSoon()
  }

  end(): void {
    this.hangUp()
  }

  destroy(): void {
    this.#events = null
  }

  #readSoon(): void {
    if (this.#reading) return
    this.#reading = true
    this.#clock.schedule(0, () => {
      this.#reading = false
      this.#read()
    })
  }

  #read(): void {
    if (this.#paused || this.#events === null) return
    const bytes = this.#said.shift()
    if (bytes !== undefined) {
      this.#events.data(bytes)
      this.#readSoon()
    } else if (this.#hungUp) {
      this.#events.closed(null)
      this.#events = null
    }
  }
}
