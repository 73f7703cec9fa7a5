/**
 * TCP as BGP wants it: the speaker's Transport on node:net, with the options Node has no word for
 * (tcp-options.ts) set before the first packet leaves or is answered. An option that cannot be set is
 * an error and never a connection without it. A listener has one family, so that addresses never come
 * as ::ffff:a.b.c.d. RFC 2385 (MD5), RFC 5082 (GTSM). This file is long because
 * dialling and accepting make one kind of connection, of sockets that are made by hand.
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
import { sendNow } from './send-now.ts'
import { bindListener, checkZone, familyOf, openSocket, setKey, setTtl } from './tcp-options.ts'

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
  readonly onread?: net.OnReadOpts
  readonly handle?: object
  /** Reading begins when it is asked for. */
  readonly manualStart?: boolean
}

/** A connection as Node's server accepts it, before it makes a socket of it. */
interface AcceptedHandle {
  readonly fd: number
  /** Fills in an end of the connection; not 0: there is none any more. */
  getpeername(end: Partial<net.AddressInfo>): number
  getsockname(end: Partial<net.AddressInfo>): number
  setNoDelay(on: boolean): void
  close(): void
}

/** The listening half of it. */
interface ListeningHandle {
  onconnection: (status: number, accepted: AcceptedHandle | undefined) => void
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
  checkZone(address)
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

async function listen(
  { address, family, port, backlog, keys }: ListenOptions,
  accept: (incoming: Incoming) => void,
): Promise<Listener> {
  const server = net.createServer()
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
  takeConnections(server, port, (handle) => welcome(handle, family, accept))
  return listener
}

/**
 * Takes the connections as they are accepted, instead of the sockets that the server would make of
 * them: those read into buffers of their own, and a thousand nodes come back in one second.
 */
function takeConnections(
  server: net.Server,
  port: number,
  take: (handle: AcceptedHandle) => void,
): void {
  const { _handle: listening } = server as unknown as { _handle: ListeningHandle }
  if (typeof listening?.onconnection !== 'function') {
    throw new Error(`Node ${process.version} accepts connections in a way that isn't known here`)
  }
  listening.onconnection = (status, handle) => {
    if (handle !== undefined) take(handle)
    // For want of descriptors, say; the listener lives on.
    else process.emitWarning(`accept on port ${port}: ${libc.errnoName(-status)}`)
  }
}

function welcome(
  handle: AcceptedHandle,
  family: 4 | 6,
  accept: (incoming: Incoming) => void,
): void {
  const remote: Partial<net.AddressInfo> = {}
  const local: Partial<net.AddressInfo> = {}
  // One that has been reset already has no ends.
  if (handle.getpeername(remote) !== 0 || handle.getsockname(local) !== 0) {
    handle.close()
    return
  }
  handle.setNoDelay(true)
  accept(new TcpIncoming(handle, family, remote, local))
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
  readonly #localPort: number
  readonly #handle: AcceptedHandle
  readonly #family: 4 | 6

  constructor(
    handle: AcceptedHandle,
    family: 4 | 6,
    remote: Partial<net.AddressInfo>,
    local: Partial<net.AddressInfo>,
  ) {
    this.#handle = handle
    this.#family = family
    this.remoteAddress = remote.address ?? ''
    this.remotePort = remote.port ?? 0
    this.localAddress = local.address ?? ''
    this.#localPort = local.port ?? 0
  }

  accept(events: ConnectionEvents): Connection {
    const { remoteAddress: address, remotePort: port, localAddress } = this
    const ends = { address, port, localAddress, localPort: this.#localPort }
    const reader: Reader = { take: ignore }
    const socket = this.#socket(readInto(reader))
    const connection = new TcpConnection(socket, reader, events, ends)
    socket.resume()
    return connection
  }

  setTtl(ttl: number | null, minTtl: number | null): void {
    if (ttl === null && minTtl === null) return
    setTtl(this.#handle.fd, this.#family, ttl, minTtl)
  }

  reject(): void {
    const socket = this.#socket()
    // Nobody is told of what becomes of it.
    socket.on('error', () => {})
    socket.resetAndDestroy()
  }

  /** Nothing is read before that is asked for. */
  #socket(onread?: net.OnReadOpts): net.Socket {
    const options = { handle: this.#handle, manualStart: true, ...(onread && { onread }) }
    return new net.Socket(options as SocketOptions)
  }
}

/** A socket that has, or had, a connection; without a handle it is closed, or was never opened. */
interface StreamSocket extends net.Socket {
  readonly _handle: { readonly fd: number } | null
}

/** What is known of a connection's ends beforehand. */
interface Ends {
  readonly address: string
  readonly port: number
  readonly localAddress: string | null
  readonly localPort?: number
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
  /** The descriptor, while the socket has its handle; below 0: not asked for yet. */
  #fd = -1

  constructor(socket: net.Socket, reader: Reader, events: ConnectionEvents, ends: Ends) {
    this.#socket = socket
    this.#events = events
    this.remoteAddress = ends.address
    this.remotePort = ends.port
    this.#localAddress = ends.localAddress ?? ''
    this.#localPort = ends.localPort ?? 0
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

  rekey(password: string): void {
    const { _handle: handle } = this.#socket as unknown as StreamSocket
    // One that is over needs no key.
    if (handle !== null && handle.fd >= 0) setKey(handle.fd, this.remoteAddress, password)
  }

  write(bytes: Uint8Array): boolean {
    return this.writeAll([bytes])
  }

  writeAll(blocks: readonly Uint8Array[]): boolean {
    const fd = this.#idleDescriptor
    const rest = fd === null ? blocks : sendNow(fd, blocks)
    if (rest.length === 0) return true
    this.#socket.cork()
    for (const block of rest) this.#socket.write(block, this.#flushed)
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

  /** Where octets may be sent past the stream: it has none waiting that would have to go first. */
  get #idleDescriptor(): number | null {
    const socket = this.#socket as unknown as StreamSocket
    if (socket._handle === null || socket.connecting || socket.writableLength > 0) return null
    // Asking the handle costs more than all the rest of this.
    if (this.#fd < 0) this.#fd = socket._handle.fd
    return this.#fd < 0 ? null : this.#fd
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
