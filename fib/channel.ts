/**
 * Requests and their replies on the kernel's request socket. Every message has a sequence number of
 * its own; a reply that belongs to no message of the exchange under way is late and is ignored.
 */
import { type ErrorMessage, littleEndian, readError, visitMessages } from './netlink.ts'
import { errnos, messageFlags, messageTypes } from './numbers.ts'
import { type Kernel, KernelError } from './port.ts'

/** Large enough for what Linux puts into one datagram of a dump. */
const replyBytesMax = 65_536
/** Datagrams of one dump at most: 32 KiB each, this is far beyond any routing table. */
const dumpDatagramsMax = 1_000_000

/** A message of a dump: its payload is `[start, end)`. */
export type DumpVisit = (type: number, view: DataView, start: number, end: number) => void

export class Channel {
  readonly #kernel: Kernel
  readonly #bytes: Uint8Array = new Uint8Array(replyBytesMax)
  readonly #view: DataView = new DataView(this.#bytes.buffer)
  #sequence = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** The next sequence number; 0 is never used. */
  next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1
    return this.#sequence
  }

  /**
   * Sends messages numbered `first` to `last` and waits for the acknowledgement of the last. Calls
   * back with each error; what had none has been done. Throws KernelError when replies were lost:
   * then nobody knows what has been done.
   */
  exchange(
    bytes: Uint8Array,
    length: number,
    first: number,
    last: number,
    failed: (sequence: number, error: ErrorMessage) => void,
  ): void {
    this.#kernel.send(bytes, length)
    let ended = false
    while (!ended) {
      const received = this.#kernel.receive(this.#bytes)
      visitMessages(this.#view, received, (type, flags, sequence, _port, start, end) => {
        const ours = (sequence - first) >>> 0 <= (last - first) >>> 0
        if (type !== messageTypes.error || !ours) return
        const error = readError(this.#view, flags, start, end)
        if (error.errno !== 0) failed(sequence, error)
        if (sequence === last) ended = true
      })
    }
  }

  /**
   * Sends a dump request and visits what it yields. Gives false when the kernel's table changed
   * under the dump (NLM_F_DUMP_INTR): entries may be missing.
   */
  dump(operation: string, sequence: number, request: Uint8Array, visit: DumpVisit): boolean {
    this.#kernel.send(request, request.length)
    let consistent = true
    let ended = false
    for (let datagram = 0; !ended; datagram++) {
      if (datagram === dumpDatagramsMax) throw new KernelError(operation, errnos.protocol)
      const received = this.#kernel.receive(this.#bytes)
      visitMessages(this.#view, received, (type, flags, number, _port, start, end) => {
        if (number !== sequence) return
        if ((flags & messageFlags.dumpInterrupted) !== 0) consistent = false
        if (type === messageTypes.error) {
          const { errno, text } = readError(this.#view, flags, start, end)
          throw new KernelError(operation, errno, text)
        }
        if (type === messageTypes.done) {
          const result = end - start >= 4 ? this.#view.getInt32(start, littleEndian) : 0
          if (result < 0) throw new KernelError(operation, -result)
          ended = true
        } else {
          visit(type, this.#view, start, end)
        }
      })
    }
    return consistent
  }
}
