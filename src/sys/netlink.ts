/**
 * The kernel behind `fib/`'s port: two rtnetlink sockets (netlink(7), rtnetlink(7)). The request
 * socket blocks with a time limit; the other is nonblocking, rides the event loop through koffi's
 * poll, and hears links, IPv4 addresses, neighbours, routes and nexthop objects. A socket filter drops notifications
 * of our own changes in the kernel, by the port id of the request socket: by protocol number would
 * hide what others do to our routes.
 */
import koffi from 'koffi'
import { type Kernel, KernelError, type KernelListener } from '../../fib/index.ts'
import { bind, close, recv, send, setsockopt, setsockoptInt, socket } from './libc.ts'

const netlinkFamily = 16
const rawCloexec = 3 | 0o2000000
const nonblocking = 0o4000
const solSocket = 1
const solNetlink = 270
const options = {
  sndBuf: 7,
  rcvBuf: 8,
  rcvTimeo: 20,
  attachFilter: 26,
  sndBufForce: 32,
  rcvBufForce: 33,
} as const
const netlinkOptions = { addMembership: 1, capAck: 10, extAck: 11, strictCheck: 12 } as const

/** RTNLGRP_*: link, neighbours, IPv4 addresses, routes and rules, IPv6 routes and rules. */
const groups = [1, 3, 5, 7, 8, 11, 19]
/** RTNLGRP_NEXTHOP: kernels before 5.3 have neither it nor anything to tell there. */
const nexthopGroup = 32

const receiveBytes = 8 * 1024 * 1024
const sendBytes = 2 * 1024 * 1024
/** A refused request can cost a kibibyte of the receive buffer: with less, its reply is lost. */
const bytesPerReply = 1024
/** A reply is ready when `send` returns; this only keeps a fault from hanging the thread. */
const replySeconds = 5
/** Linux sends notifications one a datagram, small; a page of link statistics is the largest. */
const notificationBytesMax = 65_536

const errnoNumbers = { again: 11, interrupted: 4, invalid: 22, noBuffers: 105 } as const
// glibc and musl both have it; koffi's libc door in libc.ts covers calls that answer an errno.
const getsockname = koffi
  .load(null)
  .func('int getsockname(int, _Out_ uint8_t *, _Inout_ uint32_t *)') as (
  fd: number,
  address: Uint8Array,
  length: number[],
) => number

/** What koffi's poll gives; its own declaration lacks the status argument. */
interface PollHandle {
  close(): void
}
type Poll = (fd: number, callback: (status: number) => void) => PollHandle

export class NetlinkKernel implements Kernel {
  port = 0
  repliesMax = 0
  #requests = -1
  #events = -1
  #listener: KernelListener | null = null
  /** Kept: an unreferenced handle is collected and stops silently. */
  #poll: PollHandle | null = null
  readonly #bytes: Uint8Array = new Uint8Array(notificationBytesMax)
  /** The filter program must outlive the call that attaches it. */
  readonly #filter: Uint8Array = new Uint8Array(32)

  open(listener: KernelListener): void {
    try {
      this.#requests = open('opening a netlink socket', rawCloexec)
      this.repliesMax = Math.max(64, Math.floor(enlarge(this.#requests) / bytesPerReply))
      for (const option of [
        netlinkOptions.capAck,
        netlinkOptions.extAck,
        netlinkOptions.strictCheck,
      ]) {
        const result = setsockoptInt(this.#requests, solNetlink, option, 1)
        check('setting up the netlink socket', result)
      }
      const limit = new Uint8Array(BigInt64Array.of(BigInt(replySeconds), 0n).buffer)
      check('setting a time limit', setsockopt(this.#requests, solSocket, options.rcvTimeo, limit))
      this.port = portOf(this.#requests)
      this.#events = open('opening a notification socket', rawCloexec | nonblocking)
      enlarge(this.#events)
      this.#dropOwn()
      for (const group of groups) {
        const result = setsockoptInt(this.#events, solNetlink, netlinkOptions.addMembership, group)
        check(`joining notification group ${group}`, result)
      }
      const joined = setsockoptInt(
        this.#events,
        solNetlink,
        netlinkOptions.addMembership,
        nexthopGroup,
      )
      if (joined !== -errnoNumbers.invalid) check('joining the nexthop group', joined)
    } catch (error) {
      this.close()
      throw error
    }
    this.#listener = listener
    this.#watch()
  }

  close(): void {
    this.#listener = null
    this.#poll?.close()
    this.#poll = null
    if (this.#requests >= 0) close(this.#requests)
    if (this.#events >= 0) close(this.#events)
    this.#requests = -1
    this.#events = -1
  }

  send(bytes: Uint8Array, length: number): void {
    check('sending to the kernel', send(this.#requests, bytes, length, 0))
  }

  receive(into: Uint8Array): number {
    for (;;) {
      const length = recv(this.#requests, into, 0)
      if (length === -errnoNumbers.interrupted) continue
      check('waiting for the kernel to answer', length)
      return length
    }
  }

  drain(): void {
    this.#read()
  }

  /**
   * libuv takes the error of a socket that lost notifications for a bad descriptor, and watches it no
   * longer (seen in 1.46, `uv__poll_io`): reading finds the true error, and the watch begins anew.
   */
  #watch(): void {
    const poll = koffi.node.poll as unknown as Poll
    this.#poll = poll(this.#events, (status) => {
      if (status < 0) this.#poll?.close()
      const readable = this.#read()
      if (status < 0 && readable) this.#watch()
    })
  }

  /**
   * Reads until nothing is left: once the buffer has overflowed, the kernel drops everything until
   * the queue is empty. False when the socket can't be read any more, or is closed.
   */
  #read(): boolean {
    while (this.#listener !== null) {
      const length = recv(this.#events, this.#bytes, 0)
      if (length === -errnoNumbers.again) return true
      if (length === -errnoNumbers.interrupted) continue
      if (length === -errnoNumbers.noBuffers) {
        this.#listener.overflowed()
      } else if (length < 0) {
        this.#listener.failed(new KernelError('reading notifications', -length))
        return false
      } else {
        this.#listener.notified(this.#bytes, length)
      }
    }
    return false
  }

  /**
   * Classic BPF: load nlmsg_pid, drop the message if it is ours. BPF loads in network byte order,
   * the header is in host order, so the constant is turned round.
   */
  #dropOwn(): void {
    const program = new Uint8Array(32)
    const view = new DataView(program.buffer)
    const port = new DataView(Uint32Array.of(this.port).buffer).getUint32(0, false)
    const instruction = (at: number, code: number, onTrue: number, onFalse: number, k: number) => {
      view.setUint16(at, code, true)
      view.setUint8(at + 2, onTrue)
      view.setUint8(at + 3, onFalse)
      view.setUint32(at + 4, k, true)
    }
    instruction(0, 0x20, 0, 0, 12)
    instruction(8, 0x15, 0, 1, port)
    instruction(16, 0x06, 0, 0, 0)
    instruction(24, 0x06, 0, 0, 0xffff_ffff)
    this.#filter.set(program)
    const sockFprog = new Uint8Array(16)
    const fprog = new DataView(sockFprog.buffer)
    fprog.setUint16(0, 4, true)
    fprog.setBigUint64(8, BigInt(koffi.address(this.#filter)), true)
    const result = setsockopt(this.#events, solSocket, options.attachFilter, sockFprog)
    check('attaching the notification filter', result)
  }
}

function open(operation: string, type: number): number {
  const fd = check(operation, socket(netlinkFamily, type, 0))
  const address = new Uint8Array(12)
  new DataView(address.buffer).setUint16(0, netlinkFamily, true)
  const bound = bind(fd, address)
  if (bound < 0) close(fd)
  check(operation, bound)
  return fd
}

/**
 * Makes room in both directions; gives the bytes of the receive buffer. Beyond the system's limit
 * that needs CAP_NET_ADMIN in the initial user namespace; where it is refused, the limit it is.
 */
function enlarge(fd: number): number {
  if (setsockoptInt(fd, solSocket, options.sndBufForce, sendBytes) < 0) {
    check('sizing the send buffer', setsockoptInt(fd, solSocket, options.sndBuf, sendBytes))
  }
  if (setsockoptInt(fd, solSocket, options.rcvBufForce, receiveBytes) >= 0) return receiveBytes
  check('sizing the receive buffer', setsockoptInt(fd, solSocket, options.rcvBuf, receiveBytes))
  // net.core.rmem_max as Linux ships it: what an unprivileged process gets at least.
  return 212_992
}

/** The port id the kernel gave the socket. */
function portOf(fd: number): number {
  const address = new Uint8Array(12)
  if (getsockname(fd, address, [12]) < 0) {
    throw new KernelError('asking for the port id', koffi.errno())
  }
  return new DataView(address.buffer).getUint32(4, true)
}

function check(operation: string, result: number): number {
  if (result < 0) throw new KernelError(operation, -result)
  return result
}
