/**
 * What this room asks of its surroundings: a netlink socket pair and a clock. The seam lies as low
 * as it can: whole datagrams. A fake kernel is a Map behind these few methods (`memory.ts`), the
 * real one a few system calls.
 */
import { errnoNames } from './numbers.ts'

/**
 * Two rtnetlink sockets: one for requests and their replies, one that hears what others change.
 * Requests are synchronous work of the kernel: `send` returns when it has done them, and the
 * replies are waiting then. That is why the writer lives in a thread of its own.
 */
export interface Kernel {
  /** Opens both sockets and joins the groups for links, IPv4 addresses, neighbours and routes. */
  open(listener: KernelListener): void
  close(): void
  /** `nlmsg_pid` of the request socket: it marks notifications of our own changes. */
  readonly port: number
  /** Replies that fit into the receive buffer: a batch asks for no more. */
  readonly repliesMax: number
  /** One datagram of requests. Throws KernelError. */
  send(bytes: Uint8Array, length: number): void
  /**
   * One datagram of replies; gives its length. Throws KernelError: ENOBUFS when replies were lost,
   * EAGAIN when none came in the time a kernel may take.
   */
  receive(into: Uint8Array): number
  /** Hands over every notification that waits, now. They also arrive by themselves. */
  drain(): void
}

export interface KernelListener {
  /** One datagram of notifications; the bytes are only lent. */
  notified(bytes: Uint8Array, length: number): void
  /** The kernel dropped notifications (ENOBUFS). */
  overflowed(): void
  failed(error: KernelError): void
}

/** The kernel said no: what was asked, the errno, and the kernel's own words where it has some. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly operation: string
  /** Positive errno. */
  readonly errno: number
  /** e.g. `EPERM`. */
  readonly code: string

  constructor(operation: string, errno: number, words: string | null = null) {
    const code = errnoNames[errno] ?? `errno ${errno}`
    super(`${operation}: ${code}${words === null ? '' : ` (${words})`}`)
    this.operation = operation
    this.errno = errno
    this.code = code
  }
}

/** Time, injected. `schedule(0, …)` runs in the next turn of the event loop. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number
  schedule(milliseconds: number, run: () => void): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(milliseconds, run) {
    // A timer of 0 waits a whole millisecond; a batch between two turns must not.
    if (milliseconds === 0) {
      const handle = setImmediate(run)
      return { cancel: () => clearImmediate(handle) }
    }
    const handle = setTimeout(run, milliseconds)
    return { cancel: () => clearTimeout(handle) }
  },
}
