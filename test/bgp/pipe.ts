/**
 * TCP in memory: hosts with addresses, dialling and listening, on a fake clock. Bytes arrive in order,
 * cut anew at places that `random` chooses, after delays that it chooses as well, so that one seed is
 * one interleaving. Deterministic; nothing happens until the clock moves.
 */
import type {
  Clock,
  Connection,
  ConnectionError,
  ConnectionEvents,
  DialOptions,
  Incoming,
  Listener,
  ListenerKey,
  ListenOptions,
  Transport,
} from '../../bgp/types.ts'

export interface PipeOptions {
  /** 0 to 1. */
  readonly random: () => number
  /** Longest delay of anything on the way, milliseconds. */
  readonly delayMs: number
  /** Chunks are cut into pieces of at most this many octets. */
  readonly chunkMax: number
}

/** From here on `write` asks its caller to wait. */
const queuedBytesHigh = 64 * 1024

interface Bound {
  readonly options: ListenOptions
  readonly port: number
  keys: readonly ListenerKey[]
  readonly accept: (incoming: Incoming) => void
}

export class PipeNetwork {
  readonly clock: Clock
  readonly options: PipeOptions
  /** By address. */
  readonly #listeners = new Map<string, Bound[]>()
  readonly #silent = new Set<string>()
  readonly #known = new Set<string>()
  #nextPort = 40_000

  constructor(clock: Clock, options: Partial<PipeOptions> = {}) {
    this.clock = clock
    this.options = { random: () => 0.5, delayMs: 1, chunkMax: 65_536, ...options }
  }

  /** The transport of a host; connections it makes come from `address`. */
  host(address: string): Transport {
    this.#known.add(address)
    return {
      dial: (options, events) => this.#dial(options.localAddress ?? address, options, events),
      listen: (options, accept) => this.#listen(options.address ?? address, options, accept),
    }
  }

  /** From now on, connection attempts to this address are never answered. */
  silence(address: string): void {
    this.#silent.add(address)
  }

  speak(address: string): void {
    this.#silent.delete(address)
  }

  delay(): number {
    return this.options.random() * this.options.delayMs
  }

  async #listen(
    address: string,
    options: ListenOptions,
    accept: (incoming: Incoming) => void,
  ): Promise<Listener> {
    const port = options.port === 0 ? this.#nextPort++ : options.port
    const bound: Bound = { options, port, keys: options.keys ?? [], accept }
    const others = this.#listeners.get(address) ?? []
    if (others.some((other) => other.port === port)) {
      throw Object.assign(new Error(`bind ${address} port ${port}`), { code: 'EADDRINUSE' })
    }
    this.#listeners.set(address, [...others, bound])
    return {
      port,
      setKeys: (keys) => {
        bound.keys = keys
      },
      close: () => {
        const left = (this.#listeners.get(address) ?? []).filter((other) => other !== bound)
        this.#listeners.set(address, left)
      },
    }
  }

  #dial(source: string, options: DialOptions, events: ConnectionEvents): Connection {
    const { address, port } = options
    const near = new PipeEnd(this, events, source, this.#nextPort++, address, port)
    this.clock.schedule(this.delay(), () => this.#arrive(near, options))
    return near
  }

  #arrive(near: PipeEnd, { address, port, password }: DialOptions): void {
    if (near.over || this.#silent.has(address)) return
    const bound = this.#listeners.get(address)?.find((one) => one.port === port)
    if (bound === undefined) {
      const code = this.#known.has(address) ? 'ECONNREFUSED' : 'EHOSTUNREACH'
      near.finish({ code, message: `connect ${code} ${address}:${port}` })
      return
    }
    const key = bound.keys.find((one) => one.prefix === near.localAddress)?.password ?? null
    // As with TCP MD5: a segment with a wrong signature, or none, is dropped without a word.
    if (key !== password) return
    const far = new PipeEnd(this, null, address, port, near.localAddress, near.localPort)
    near.join(far)
    far.join(near)
    bound.accept({
      remoteAddress: near.localAddress,
      remotePort: near.localPort,
      localAddress: address,
      accept: (events) => far.take(events),
      setTtl() {},
      reject: () => far.destroy(),
    })
    this.clock.schedule(this.delay(), () => near.connected())
  }
}

class PipeEnd implements Connection {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  over = false
  readonly #network: PipeNetwork
  #events: ConnectionEvents | null
  #peer: PipeEnd | null = null
  #open = false
  #paused = false
  /** Sent by the other end, not read here. */
  #inbox: Uint8Array[] = []
  /** The other end has sent everything. */
  #finished = false
  #ended = false
  /** Not read by the other end yet. */
  queuedBytes = 0
  #owed = false
  #delivering = false

  constructor(
    network: PipeNetwork,
    events: ConnectionEvents | null,
    localAddress: string,
    localPort: number,
    remoteAddress: string,
    remotePort: number,
  ) {
    this.#network = network
    this.#events = events
    this.localAddress = localAddress
    this.localPort = localPort
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  join(peer: PipeEnd): void {
    this.#peer = peer
  }

  take(events: ConnectionEvents): Connection {
    this.#events = events
    this.#open = true
    this.#deliverSoon()
    return this
  }

  connected(): void {
    if (this.over) return
    this.#open = true
    this.#events?.connected()
    this.#deliverSoon()
  }

  write(bytes: Uint8Array): boolean {
    if (this.over || this.#ended || this.#peer === null) return false
    this.queuedBytes += bytes.length
    this.#owed = true
    this.#peer.#inbox.push(bytes)
    this.#peer.#deliverSoon()
    return this.queuedBytes < queuedBytesHigh
  }

  writeAll(blocks: readonly Uint8Array[]): boolean {
    for (const block of blocks) this.write(block)
    return this.queuedBytes < queuedBytesHigh
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#deliverSoon()
  }

  end(): void {
    if (this.over || this.#ended) return
    this.#ended = true
    if (this.#peer === null) return
    this.#peer.#finished = true
    this.#peer.#deliverSoon()
  }

  destroy(): void {
    if (this.over) return
    this.over = true
    this.#events = null
    const peer = this.#peer
    if (peer === null) return
    peer.#finished = true
    peer.#deliverSoon()
  }

  /** The connection is over here, and the owner is told. */
  finish(error: ConnectionError | null): void {
    if (this.over) return
    this.over = true
    this.#events?.closed(error)
    if (this.#peer !== null && !this.#peer.over) {
      this.#peer.#finished = true
      this.#peer.#deliverSoon()
    }
  }

  #deliverSoon(): void {
    if (this.#delivering || this.over) return
    this.#delivering = true
    this.#network.clock.schedule(this.#network.delay(), () => {
      this.#delivering = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.over || !this.#open || this.#paused) return
    const block = this.#inbox.shift()
    if (block === undefined) {
      if (this.#finished) this.finish(null)
      return
    }
    const { random, chunkMax } = this.#network.options
    const length = Math.min(block.length, 1 + Math.floor(random() * chunkMax))
    if (length < block.length) this.#inbox.unshift(block.subarray(length))
    if (this.#peer !== null) this.#peer.#acknowledge(length)
    // A copy that is spoiled afterwards: whoever keeps borrowed bytes is found out.
    const borrowed = Uint8Array.from(block.subarray(0, length))
    this.#events?.data(borrowed)
    borrowed.fill(0xee)
    this.#deliverSoon()
  }

  #acknowledge(length: number): void {
    this.queuedBytes -= length
    if (this.queuedBytes > 0 || !this.#owed || this.over) return
    this.#owed = false
    this.#network.clock.schedule(0, () => {
      if (!this.over && this.queuedBytes === 0) this.#events?.drained()
    })
  }
}
