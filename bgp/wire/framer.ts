/**
 * Cuts a byte stream into messages. One buffer for the life of a connection: chunks are copied in,
 * whole messages are visited in place, and the remainder moves to the front when room is needed.
 * Marker, type and length are checked here and nowhere else (RFC 4271 §6.1, RFC 8654 §4,
 * RFC 7313 §5).
 */
import {
  headerLength,
  maxExtendedLength,
  maxMessageLength,
  messageType,
  refreshLength,
} from './message.ts'
import { NotificationError } from './notification.ts'

/** Twice the longest message, so that one chunk is rarely taken in pieces. */
const bufferLength = 128 * 1024

/** Shortest message by type; index 0 is no type. */
const minLengths = [headerLength, 29, 23, 21, headerLength, refreshLength] as const

/** Called with the range of a whole message, header included, in `framer.bytes`. */
export type MessageVisitor = (type: number, start: number, end: number) => void

/**
 * Throws NotificationError for a stream that can't be cut any more. After a throw, its own or the
 * visitor's, the framer must not be used again. A visitor must not call the framer, save `stop`.
 */
export class Framer {
  readonly bytes: Uint8Array = new Uint8Array(bufferLength)
  readonly view: DataView = new DataView(this.bytes.buffer)
  /** Longest message accepted; raised to 65535 once RFC 8654 was negotiated. */
  maxLength: number = maxMessageLength
  #head = 0
  #tail = 0
  #stopped = false

  /** Octets that came and were not visited yet. */
  get pending(): number {
    return this.#tail - this.#head
  }

  /** Those octets, borrowed. */
  get rest(): Uint8Array {
    return this.bytes.subarray(this.#head, this.#tail)
  }

  /** Takes a chunk and visits every whole message. */
  push(chunk: Uint8Array, visit: MessageVisitor): void {
    let taken = 0
    do {
      taken += this.append(chunk, taken)
      this.step(Number.POSITIVE_INFINITY, visit)
    } while (taken < chunk.length)
  }

  /**
   * Copies in what fits of `chunk` from `from` on; gives how many octets that was. Less than all
   * only when more than 64 KiB wait, so after `step` to the end there is room again.
   */
  append(chunk: Uint8Array, from = 0): number {
    const wanted = chunk.length - from
    if (this.#stopped) return wanted
    if (this.#head === this.#tail) {
      this.#head = 0
      this.#tail = 0
    } else if (wanted > bufferLength - this.#tail) {
      this.bytes.copyWithin(0, this.#head, this.#tail)
      this.#tail -= this.#head
      this.#head = 0
    }
    const taken = Math.min(wanted, bufferLength - this.#tail)
    this.bytes.set(taken === chunk.length ? chunk : chunk.subarray(from, from + taken), this.#tail)
    this.#tail += taken
    return taken
  }

  /** Visits at most `limit` whole messages; true when more of them wait. */
  step(limit: number, visit: MessageVisitor): boolean {
    let left = limit
    for (;;) {
      const length = this.#wholeLength()
      if (length === 0) return false
      if (left <= 0) return true
      left--
      const start = this.#head
      this.#head = start + length
      visit(this.bytes[start + 18]!, start, start + length)
    }
  }

  /** Drops what waits and whatever comes: for a visitor that closes its connection. */
  stop(): void {
    this.#stopped = true
    this.#head = 0
    this.#tail = 0
  }

  /** Length of the message at the head, or 0 when it isn't whole yet. */
  #wholeLength(): number {
    const head = this.#head
    const pending = this.#tail - head
    if (pending < headerLength) return 0
    const view = this.view
    const marked =
      (view.getInt32(head) &
        view.getInt32(head + 4) &
        view.getInt32(head + 8) &
        view.getInt32(head + 12)) ===
      -1
    if (!marked) {
      throw new NotificationError(
        'header/unsynchronized',
        'a message starts without the marker of sixteen octets 0xff',
      )
    }
    const length = view.getUint16(head + 16)
    const type = this.bytes[head + 18]!
    if (!this.#lengthFits(type, length)) {
      throw new NotificationError(
        'header/badLength',
        `a message of type ${type} says it is ${length} octets long`,
        this.bytes.slice(head + 16, head + 18),
      )
    }
    if (minLengths[type] === undefined || type === 0) {
      throw new NotificationError(
        'header/badType',
        `there is no message type ${type}`,
        Uint8Array.of(type),
      )
    }
    if (length > pending) return 0
    if (type === messageType.refresh && length !== refreshLength) {
      // RFC 7313 §5 wants the whole message back, so this waits until it is there.
      throw new NotificationError(
        'refresh/invalidLength',
        `a ROUTE-REFRESH is ${refreshLength} octets long, this one says ${length}`,
        this.bytes.slice(head, head + length),
      )
    }
    return length
  }

  #lengthFits(type: number, length: number): boolean {
    if (length < (minLengths[type] ?? headerLength)) return false
    if (type === messageType.keepalive) return length === headerLength
    // RFC 8654 §4: OPEN stays short, since it comes before anything was negotiated.
    const max = type === messageType.open ? maxMessageLength : this.maxLength
    return length <= Math.min(max, maxExtendedLength)
  }
}
