/**
 * Reading and writing network-order numbers. Every length check of the codec is here or in a walk
 * that names the RFC section it obeys: a Reader can't leave the range it was given, and a Writer
 * can't leave its block.
 */

/** Thrown by a Reader that would leave its range; made once, so that it costs no stack. */
export const shortRead: Error = new RangeError('a field runs past the end of its range')

/** A cursor over a part of a long-lived buffer. Nothing read from it is a view of the buffer. */
export class Reader {
  position = 0
  end = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #view: DataView = new DataView(this.#bytes.buffer)

  get remaining(): number {
    return this.end - this.position
  }

  /** Reads `[start, end)` of `bytes` from now on; `view` covers the same octets as `bytes`. */
  reset(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    this.#bytes = bytes
    this.#view = view
    this.position = start
    this.end = end
  }

  /** Bounds the reader to its next `length` octets; gives the end to put back afterwards. */
  narrow(length: number): number {
    const outer = this.end
    if (length > this.remaining) throw shortRead
    this.end = this.position + length
    return outer
  }

  /** Seeks to the end of the narrowed range, whatever was read of it, and puts the outer end back. */
  widen(outer: number): void {
    this.position = this.end
    this.end = outer
  }

  peek8(): number {
    if (this.remaining < 1) throw shortRead
    return this.#view.getUint8(this.position)
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  /** A copy of the next `length` octets. */
  take(length: number): Uint8Array {
    const at = this.#advance(length)
    return this.#bytes.slice(at, at + length)
  }

  #advance(length: number): number {
    const at = this.position
    if (length > this.end - at) throw shortRead
    this.position = at + length
    return at
  }
}

/** Copies up to this many octets are cheaper octet by octet than through a subarray. */
const copyLoopMax = 96

/** Writes into one block of fixed size; what doesn't fit is a RangeError, never a larger block. */
export class Writer {
  readonly buffer: Uint8Array
  readonly view: DataView
  position = 0

  constructor(block: number | Uint8Array) {
    this.buffer = typeof block === 'number' ? new Uint8Array(block) : block
    this.view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength)
  }

  /** Octets that still fit. */
  get room(): number {
    return this.buffer.length - this.position
  }

  reset(position = 0): void {
    this.position = position
  }

  u8(value: number): void {
    this.view.setUint8(this.#advance(1), value)
  }

  u16(value: number): void {
    this.view.setUint16(this.#advance(2), value)
  }

  u32(value: number): void {
    this.view.setUint32(this.#advance(4), value)
  }

  bytes(source: Uint8Array): void {
    this.copy(source, 0, source.length)
  }

  /** Appends `[start, end)` of `source`. */
  copy(source: Uint8Array, start: number, end: number): void {
    const at = this.#advance(end - start)
    if (end - start > copyLoopMax) {
      this.buffer.set(source.subarray(start, end), at)
      return
    }
    const to = this.buffer
    for (let i = start, o = at; i < end; i++, o++) to[o] = source[i]!
  }

  /** Leaves room for a 16-bit length and gives its place, for patch16. */
  reserve16(): number {
    return this.#advance(2)
  }

  /** Writes, at a place given by reserve16, how many octets were written since. */
  patch16(at: number): void {
    const length = this.position - at - 2
    if (length > 0xffff) throw new RangeError(`${length} octets don't fit a 16-bit length`)
    this.view.setUint16(at, length)
  }

  /** A copy of everything written. */
  written(): Uint8Array {
    return this.buffer.slice(0, this.position)
  }

  #advance(length: number): number {
    const at = this.position
    if (length > this.buffer.length - at) {
      throw new RangeError(
        `${length} octets don't fit a block of ${this.buffer.length} that holds ${at}`,
      )
    }
    this.position = at + length
    return at
  }
}

export function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  )
}

/** Lower-case hexadecimal digits of `[start, end)`. */
export function hexOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = ''
  for (let i = start; i < end; i++) text += bytes[i]!.toString(16).padStart(2, '0')
  return text
}
