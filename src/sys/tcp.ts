/**
 * TCP as BGP wants it: the speaker's Transport on node:net, with the options Node has no word for
 * (tcp-options.ts) set before the first packet leaves or is answered. An option that cannot be set is
 * an error and never a connection without it. A listener has one family, so that addresses never come
 * as ::ffff:a.b.c.d. RFC 2385 (MD5), RFC 5082 (GTSM).
 */

import net from 'node:net'
import type {
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
import { findPortHolder } from '../host/port-holder.ts'
import * as libc from './libc.ts'
import { bindListener, familyOf, openSocket, setKey, setTtl } from './tcp-options.ts'

/** From here on `write` asks its caller to wait: enough to keep the kernel busy for a while. */
const queuedBytesHigh = 256 * 1024

const ttlMax = 255

/** Octets of one read. */
const receiveBytesMax = 64 * 1024

/**
 * Every connection reads into this: what came is handed on before anything else is read. A buffer for
 * each would be the most that an idle session costs, and one for each read the most garbage.
 */
const receiveBuffer = new Uint8Array(receiveBytesMax)

/** What Node's sockets take and its types lack words for. */
interface SocketOptions extends net.SocketConstructorOpts {
  readonly onread: net.OnReadOpts
  readonly handle?: object
  /** Reading begins when it is asked for. */
  readonly manualStart?: boolean
}

/** Where that goes which a socket reads. */
interface Reader {
  take: (chunk: Uint8Array) => void
}

/** Nothing is read before there is a connection to take it. */
const ignore = (): void => {}

function readInto(reader: Reader): net.OnReadOpts {
  return {
    buffer: receiveBuffer,
    callback: (length) => {
      reader.take(receiveBuffer.subarray(0, length))
      return true
    },
  }
}

export function createTransport(): Transport {
  return { dial, listen }
}

function dial(options: DialOptions, events: ConnectionEvents): Connection {
  const { address, port, localAddress } = options
  const reader: Reader = { take: ignore }
  let socket: net.Socket
  try {
    socket = dialSocket(options, readInto(reader))
  } catch (cause) {
    socket = new net.Socket()
    const connection = new TcpConnection(socket, reader, events, options)
    socket.destroy(cause instanceof Error ? cause : new Error(String(cause)))
    return connection
  }
  const connection = new TcpConnection(socket, reader, events, options)
  socket.connect({
    host: address,
    port,
    noDelay: true,
    autoSelectFamily: false,
    ...(localAddress === null ? {} : { localAddress }),
  })
  return connection
}

/** Options must be there before SYN: then the socket is made by hand. */
function dialSocket(
  { address, password, ttl, minTtl }: DialOptions,
  onread: net.OnReadOpts,
): net.Socket {
  const plain: SocketOptions = { onread }
  if (password === null && ttl === null && minTtl === null) return new net.Socket(plain)
  const family = familyOf(address)
  const fd = openSocket(family)
  try {
    setTtl(fd, family, ttl, minTtl)
    if (password !== null) setKey(fd, address, password)
  } catch (cause) {
    libc.close(fd)
    throw cause
  }
  // Reading would begin at once and fail, since there is no connection yet.
  const manual: SocketOptions = { fd, manualStart: true, onread }
  return new net.Socket(manual)
}

/**
 * The same connection under another socket, which reads as we want it: a server makes its sockets
 * itself. Neither has read anything yet.
 */
function reopen(accepted: net.Socket, onread: net.OnReadOpts): net.Socket {
  const holder = accepted as unknown as { _handle: object | null }
  const handle = holder._handle
  // Already closed by the peer: it will say so.
  if (handle === null) return accepted
  const again: SocketOptions = { handle, onread, manualStart: true }
  const socket = new net.Socket(again)
  holder._handle = null
  accepted.destroy()
  return socket
}

async function listen(
  { address, family, port, backlog, keys }: ListenOptions,
  accept: (incoming: Incoming) => void,
): Promise<Listener> {
  // Nothing is read from a connection before somebody has taken it.
  const server = net.createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
    accept(new TcpIncoming(socket, family)),
  )
  const fd = openSocket(family)
  const listener = new TcpListener(server, fd)
  try {
    bindListener(fd, address ?? (family === 4 ? '0.0.0.0' : '::'), port)
    // A peer with GTSM drops our SYN-ACK otherwise, before we can know who it is. Inherited.
    setTtl(fd, family, ttlMax, null)
    listener.setKeys(keys ?? [])
  } catch (cause) {
    libc.close(fd)
    throw nameHolder(cause, port)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, backlog, resolve)
  }).catch((cause) => {
    throw nameHolder(cause, port)
  })
  // One connection that could not be accepted, for want of descriptors say; the listener lives on.
  server.on('error', (error) => process.emitWarning(`accept on port ${port}: ${error.message}`))
  return listener
}

/** Says who has the port, where that can be known. */
function nameHolder(cause: unknown, port: number): unknown {
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'EADDRINUSE') return cause
  const holder = findPortHolder(port)
  return holder === null
    ? cause
    : Object.assign(cause, { holder: `${holder.name} (process ${holder.pid})` })
}

class TcpListener implements Listener {
  readonly #server: net.Server
  readonly #fd: number
  #keys = new Map<string, string>()
  #open = true

  constructor(server: net.Server, fd: number) {
    this.#server = server
    this.#fd = fd
  }

  get port(): number {
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  }

  setKeys(keys: readonly ListenerKey[]): void {
    if (!this.#open) return
    const wanted = new Map<string, string>()
    for (const { prefix, password } of keys) {
      const other = wanted.get(prefix)
      if (other !== undefined && other !== password) {
        throw new Error(`two different MD5 keys are wanted for ${prefix}; give its peers one key`)
      }
      wanted.set(prefix, password)
    }
    for (const prefix of this.#keys.keys()) {
      if (wanted.has(prefix)) continue
      setKey(this.#fd, prefix, null)
      this.#keys.delete(prefix)
    }
    for (const [prefix, password] of wanted) {
      if (this.#keys.get(prefix) === password) continue
      setKey(this.#fd, prefix, password)
      this.#keys.set(prefix, password)
    }
  }

  close(): void {
    // The descriptor's number may soon belong to somebody else.
    this.#open = false
    this.#server.close()
  }
}

class TcpIncoming implements Incoming {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  #socket: net.Socket
  readonly #family: 4 | 6

  constructor(socket: net.Socket, family: 4 | 6) {
    this.#socket = socket
    this.#family = family
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = socket.localAddress ?? ''
    // It may break before anybody has taken it; whoever takes it is told by its closing.
    socket.on('error', () => {})
  }

  accept(events: ConnectionEvents): Connection {
    const { remoteAddress, remotePort, localAddress } = this
    const ends = { address: remoteAddress, port: remotePort, localAddress }
    const reader: Reader = { take: ignore }
    this.#socket = reopen(this.#socket, readInto(reader))
    const connection = new TcpConnection(this.#socket, reader, events, ends)
    this.#socket.resume()
    return connection
  }

  setTtl(ttl: number | null, minTtl: number | null): void {
    if (ttl === null && minTtl === null) return
    const { _handle: handle } = this.#socket as unknown as { _handle: { fd: number } | null }
    // Already closed by the peer; there is nothing left to protect.
    if (handle === null) return
    setTtl(handle.fd, this.#family, ttl, minTtl)
  }

  reject(): void {
    this.#socket.resetAndDestroy()
  }
}

class TcpConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: net.Socket
  readonly #events: ConnectionEvents
  #localAddress: string
  #localPort: number
  #error: ConnectionError | null = null
  #silent = false
  /** Something waits in the queue, so `drained` is owed. */
  #owed = false

  constructor(
    socket: net.Socket,
    reader: Reader,
    events: ConnectionEvents,
    ends: { readonly address: string; readonly port: number; readonly localAddress: string | null },
  ) {
    this.#socket = socket
    this.#events = events
    this.remoteAddress = ends.address
    this.remotePort = ends.port
    this.#localAddress = socket.localAddress ?? ends.localAddress ?? ''
    this.#localPort = socket.localPort ?? 0
    socket.on('connect', () => this.#connected())
    reader.take = (chunk) => {
      if (!this.#silent) events.data(chunk)
    }
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = { code: error.code ?? 'EUNKNOWN', message: error.message }
    })
    const closed = (): void => {
      if (!this.#silent) events.closed(this.#error)
    }
    if (socket.closed) process.nextTick(closed)
    else socket.on('close', closed)
  }

  get localAddress(): string {
    return this.#localAddress
  }

  get localPort(): number {
    return this.#localPort
  }

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  write(bytes: Uint8Array): boolean {
    this.#socket.write(bytes, this.#flushed)
    return this.#room()
  }

  writeAll(blocks: readonly Uint8Array[]): boolean {
    const last = blocks.length - 1
    this.#socket.cork()
    blocks.forEach((block, i) => {
      if (i === last) this.#socket.write(block, this.#flushed)
      else this.#socket.write(block)
    })
    this.#socket.uncork()
    return this.#room()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#silent = true
    this.#socket.destroy()
  }

  #connected(): void {
    this.#localAddress = this.#socket.localAddress ?? this.#localAddress
    this.#localPort = this.#socket.localPort ?? 0
    if (!this.#silent) this.#events.connected()
  }

  #room(): boolean {
    const queued = this.#socket.writableLength
    if (queued > 0) this.#owed = true
    return queued < queuedBytesHigh
  }

  /** Called for every write; what the kernel took at once owes nothing. */
  readonly #flushed = (): void => {
    if (!this.#owed || this.#silent || this.#socket.writableLength > 0) return
    this.#owed = false
    this.#events.drained()
  }
}
