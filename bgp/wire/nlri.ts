/**
 * Prefixes inside an UPDATE: where they are, whether they can be walked, and the walk. Validation
 * and walk are two passes, so that a consumer never meets a broken prefix halfway through.
 *
 * RFC 4271 §4.3 (encoding), RFC 7911 §3 (path id), RFC 7606 §5.3 (what is syntactically incorrect).
 */
import type { FamilyName } from '../types.ts'

/** Where the prefixes of one field are. Owned by an UpdateReader and overwritten by its next read. */
export interface NlriRange {
  /** null: the field is absent, or its family was not negotiated. */
  family: FamilyName | null
  start: number
  end: number
  /** Each prefix has a path id before it. */
  addPath: boolean
}

/** Why `[start, end)` is no list of prefixes, or null when all of it can be walked. */
export function checkNlri(
  bytes: Uint8Array,
  start: number,
  end: number,
  bits: number,
  addPath: boolean,
): string | null {
  let at = start
  while (at < end) {
    if (addPath) at += 4
    if (at >= end) return 'a path id stands without a prefix'
    const length = bytes[at]!
    if (length > bits) return `a prefix says /${length}, the longest is /${bits}`
    at += 1 + ((length + 7) >> 3)
  }
  return at === end ? null : 'the last prefix runs past the end of its field'
}

/** masks[n] keeps the first n bits of a word. */
const masks = new Int32Array(33)
for (let bits = 1; bits <= 32; bits++) masks[bits] = -1 << (32 - bits)

/**
 * Walks the prefixes of a range; one cursor serves for life. Words are unsigned, most significant
 * first, with every bit past the length zero; IPv4 uses `w0` alone.
 */
export class NlriCursor {
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  length = 0
  /** 0 where the range has no path ids. */
  pathId = 0
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #end = 0
  #addPath = false
  #wide = false

  /** `range` must have been filled by UpdateReader.read from the same octets. */
  start(_bytes: Uint8Array, view: DataView, range: NlriRange): void {
    this.#view = view
    this.#at = range.start
    this.#end = range.family === null ? range.start : range.end
    this.#addPath = range.addPath
    this.#wide = range.family === 'ipv6-unicast'
    this.pathId = 0
    this.w1 = 0
    this.w2 = 0
    this.w3 = 0
  }

  /** Moves to the next prefix; false after the last. */
  next(): boolean {
    let at = this.#at
    if (at >= this.#end) return false
    const view = this.#view
    if (this.#addPath) {
      this.pathId = view.getUint32(at)
      at += 4
    }
    const length = view.getUint8(at++)
    this.length = length
    this.w0 = readWord(view, at, length)
    if (this.#wide) {
      this.w1 = readWord(view, at + 4, length - 32)
      this.w2 = readWord(view, at + 8, length - 64)
      this.w3 = readWord(view, at + 12, length - 96)
    }
    this.#at = at + ((length + 7) >> 3)
    return true
  }
}

/** Prefixes read at once into a batch. */
const prefixesPerBatchMax = 256

/**
 * The prefixes of a range in columns, some at a time, for a consumer that has something to do with
 * several of them together. One batch serves for life; each `next` overwrites what the one before read.
 */
export class NlriBatch {
  count = 0
  /** `words` words a prefix, as the cursor gives them. */
  readonly keys = new Uint32Array(prefixesPerBatchMax * 4)
  readonly lengths = new Uint8Array(prefixesPerBatchMax)
  readonly pathIds = new Uint32Array(prefixesPerBatchMax)
  /** 1 for IPv4, 4 for IPv6. */
  words = 1
  readonly #cursor = new NlriCursor()

  /** `range` must have been filled by UpdateReader.read from the same octets. */
  start(bytes: Uint8Array, view: DataView, range: NlriRange): void {
    this.words = range.family === 'ipv6-unicast' ? 4 : 1
    this.#cursor.start(bytes, view, range)
  }

  /** Reads the next ones; false when there are none. */
  next(): boolean {
    const cursor = this.#cursor
    const { keys, words } = this
    let count = 0
    while (count < prefixesPerBatchMax && cursor.next()) {
      const at = count * words
      keys[at] = cursor.w0
      if (words === 4) {
        keys[at + 1] = cursor.w1
        keys[at + 2] = cursor.w2
        keys[at + 3] = cursor.w3
      }
      this.lengths[count] = cursor.length
      this.pathIds[count++] = cursor.pathId
    }
    this.count = count
    return count > 0
  }
}

/**
 * The first `bits` bits at `at`, left-aligned. It may look at octets behind the prefix, which the
 * mask removes; only at the end of the whole buffer are octets read one by one.
 */
function readWord(view: DataView, at: number, bits: number): number {
  if (bits <= 0) return 0
  const mask = masks[bits < 32 ? bits : 32]!
  if (at + 4 <= view.byteLength) return (view.getUint32(at) & mask) >>> 0
  let word = 0
  for (let shift = 24; shift >= 0 && at < view.byteLength; shift -= 8) {
    word |= view.getUint8(at++) << shift
  }
  return (word & mask) >>> 0
}
