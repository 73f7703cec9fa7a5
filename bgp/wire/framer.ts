/**
 * Cuts a byte stream into messages. Whole messages are visited where they lie in the chunk that
 * came, which is borrowed; only what is left of it when it must go back is copied. So a session that
 * waits holds a few octets at most, however many there are, and a stream at full speed is not copied.
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

const nothing = new Uint8Array(0)
const nothingView = new DataView(nothing.buffer)

/** Shortest message by type; index 0 is no type. */
const minLengths = [headerLength, 29, 23, 21, headerLength, refreshLength] as const

/** Called with the range of a whole message, header included, in `framer.bytes` and `.view`. */
export type MessageVisitor = (type: number, start: number, end: number) => void

/**
 * Throws NotificationError for a stream that can't be cut any more. After a throw, its own or the
 * visitor's, the framer must not be used again. A visitor must not call the framer, save `stop`.
 */
export class Framer {
  /** Longest message accepted; raised to 65535 once RFC 8654 was negotiated. */
  maxLength: number = maxMessageLength
  /** What is cut: the chunk, or a message of which an earlier chunk brought the first part. */
  #bytes: Uint8Array = nothing
  #view: DataView = nothingView
  #head = 0
  #tail = 0
  /** What follows behind `#tail`. */
  #next: Uint8Array = nothing
  /** Whether `#bytes` and `#next` are somebody else's. */
  #borrowed = false
  #nextBorrowed = false
  #stopped = false

  /** Where the message lies that is visited: for the time of the visit. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  get view(): DataView {
    return this.#view
  }

  /** Octets that came and were not visited yet. */
  get pending(): number {
    return this.#tail - this.#head + this.#next.length
  }

  /** Those octets, borrowed. */
  get rest(): Uint8Array {
    const first = this.#bytes.subarray(this.#head, this.#tail)
    return this.#next.length === 0 ? first : joined(first, this.#next)
  }

  /** Takes a chunk and visits every whole message. */
  push(chunk: Uint8Array, visit: MessageVisitor): void {
    this.take(chunk)
    this.step(Number.POSITIVE_INFINITY, visit)
    this.keep()
  }

  /** Takes a chunk, which must stay as it is until `keep`. */
  take(chunk: Uint8Array): void {
    if (this.#stopped || chunk.length === 0) return
    if (this.#head === this.#tail && this.#next.length === 0) {
      this.#open(chunk, true)
    } else {
      const several = this.#next.length > 0
      this.#next = several ? joined(this.#next, chunk) : chunk
      this.#nextBorrowed = !several
    }
  }

  /** Gives the chunk back: what is left of it is copied. */
  keep(): void {
    if (this.#head === this.#tail) {
      // Somebody else's memory, held on to, would live as long as the session is silent.
      this.#open(nothing, false)
    } else if (this.#borrowed) {
      this.#open(this.#bytes.slice(this.#head, this.#tail), false)
    }
    if (this.#nextBorrowed) this.#next = this.#next.slice()
    this.#nextBorrowed = false
  }

  /** Visits at most `limit` whole messages; true when more of them wait. */
  step(limit: number, visit: MessageVisitor): boolean {
    let left = limit
    for (;;) {
      const length = this.#wholeLength()
      if (length === 0) {
        if (this.#next.length === 0) return false
        this.#proceed()
        continue
      }
      if (left <= 0) return true
      left--
      const start = this.#head
      this.#head = start + length
      visit(this.#bytes[start + 18]!, start, start + length)
    }
  }

  /** Drops what waits and whatever comes: for a visitor that closes its connection. */
  stop(): void {
    this.#stopped = true
    this.#head = 0
    this.#tail = 0
    this.#next = nothing
    this.#nextBorrowed = false
  }

  /**
   * No whole message is there, but more octets are: goes on to them, or takes over as many as the
   * part of a message that is there lacks.
   */
  #proceed(): void {
    const next = this.#next
    const part = this.#bytes.subarray(this.#head, this.#tail)
    if (part.length === 0) {
      this.#open(next, this.#nextBorrowed)
      this.#next = nothing
      this.#nextBorrowed = false
      return
    }
    const whole = part.length < headerLength ? headerLength : this.#view.getUint16(this.#head + 16)
    const lacking = Math.min(whole - part.length, next.length)
    this.#open(joined(part, next.subarray(0, lacking)), false)
    this.#next = next.subarray(lacking)
  }

  /** From here on this is cut. Offsets are those of its buffer, so that one view serves many chunks. */
  #open(chunk: Uint8Array, borrowed: boolean): void {
    if (this.#view.buffer !== chunk.buffer) {
      this.#bytes = new Uint8Array(chunk.buffer)
      this.#view = new DataView(chunk.buffer)
    }
    this.#head = chunk.byteOffset
    this.#tail = chunk.byteOffset + chunk.length
    this.#borrowed = borrowed
  }

  /** Length of the message at the head, or 0 when it isn't whole yet. */
  #wholeLength(): number {
    const head = this.#head
    const pending = this.#tail - head
    if (pending < headerLength) return 0
    const view = this.#view
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
    const type = this.#bytes[head + 18]!
    if (!this.#lengthFits(type, length)) {
      throw new NotificationError(
        'header/badLength',
        `a message of type ${type} says it is ${length} octets long`,
        this.#bytes.slice(head + 16, head + 18),
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
        this.#bytes.slice(head, head + length),
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

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length)
  whole.set(first)
  whole.set(second, first.length)
  return whole
}
