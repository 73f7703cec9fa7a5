/**
 * The records of an MRT file, plain or gzip, one at a time. A damaged record is reported and passed
 * over; when its length was what is damaged, reading goes on at the next place where a record can
 * start, so that one bad octet costs one record and not the rest of the file.
 */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { constants, createGunzip } from 'node:zlib'
import {
  MrtError,
  MrtReader,
  type MrtRecord,
  mrtHeaderLength,
  mrtLengthAt,
  mrtRecordLengthMax,
} from '../../bgp/index.ts'

export type MrtItem =
  | MrtRecord
  | {
      readonly error: {
        readonly file: string
        /** From 1, counting damaged ones. */
        readonly record: number
        /** Octets from the start of the file, after decompression. */
        readonly offset: number
        readonly reason: string
      }
    }

/** Compressions that are recognised, but not read. */
const otherMagics: readonly (readonly [magic: string, command: string])[] = [
  ['BZh', 'bunzip2 -c'],
  ['\xfd7zXZ', 'xz -dc'],
  ['\x28\xb5\x2f\xfd', 'zstd -dc'],
]

/** A file that can't be read at all; the message says why and what to do. */
export class MrtFileError extends Error {
  override readonly name = 'MrtFileError'
}

/**
 * Reads the file, or standard input for `-`.
 * @throws MrtFileError when it can't be opened or is compressed in a way that isn't read
 */
export async function* readMrtFile(
  file: string,
  stdin: AsyncIterable<Uint8Array>,
): AsyncGenerator<MrtItem> {
  const source = file === '-' ? stdin : await openFile(file)
  yield* readMrt(file, await decompress(file, source))
}

async function openFile(file: string): Promise<Readable> {
  const stream = createReadStream(file)
  try {
    await once(stream, 'ready')
  } catch (error) {
    throw new MrtFileError(`${file} can't be read: ${(error as Error).message}`)
  }
  return stream
}

async function decompress(
  file: string,
  source: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  const chunks = source[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  let ended = false
  while (head.length < 6 && !ended) {
    const next = await chunks.next()
    ended = next.done === true
    if (!next.done) head = Buffer.concat([head, next.value])
  }
  const text = head.toString('latin1', 0, 6)
  const other = otherMagics.find(([magic]) => text.startsWith(magic))
  if (other !== undefined) {
    throw new MrtFileError(
      `${file} is compressed in a way that is not read; try: ` +
        `${other[1]} ${file === '-' ? '' : `${file} `}| routelet decode --mrt -`,
    )
  }
  const whole = rejoin(head, chunks)
  if (!text.startsWith('\x1f\x8b')) return whole
  // Flushing at the end gives what a cut-off file still holds; its last record says that it is cut.
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  // Its error also reaches whoever reads from gunzip.
  pipeline(Readable.from(whole), gunzip, () => {})
  return gunzip
}

async function* rejoin(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

/** Reads a stream of records. `name` is only shown. */
export async function* readMrt(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<MrtItem> {
  const cutter = new RecordCutter(name)
  try {
    for await (const chunk of chunks) {
      cutter.push(chunk)
      yield* cutter.take(false)
    }
  } catch (error) {
    // What came before is read as far as it goes.
    yield* cutter.take(true)
    yield cutter.report(`reading stopped: ${(error as Error).message}`)
    return
  }
  yield* cutter.take(true)
}

/** Holds what is not cut yet: never more than the longest record and one chunk. */
class RecordCutter {
  readonly #name: string
  readonly #reader = new MrtReader()
  #bytes = new Uint8Array(64 * 1024)
  #view = new DataView(this.#bytes.buffer)
  #start = 0
  #end = 0
  #offset = 0
  #records = 0
  /** Since the last record nothing that can be one was found; that was reported. */
  #lost = false

  constructor(name: string) {
    this.#name = name
  }

  push(chunk: Uint8Array): void {
    const held = this.#end - this.#start
    if (this.#end + chunk.length > this.#bytes.length) {
      const wanted = held + chunk.length
      const bytes = wanted > this.#bytes.length ? new Uint8Array(2 * wanted) : this.#bytes
      bytes.set(this.#bytes.subarray(this.#start, this.#end))
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer)
      this.#start = 0
      this.#end = held
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Whole records, and with `last` also what is left after them. */
  *take(last: boolean): Generator<MrtItem> {
    while (this.#end > this.#start) {
      const held = this.#end - this.#start
      const length = this.#lengthAt(this.#start)
      // The header that follows tells whether the length of this one is right.
      if (held < length + mrtHeaderLength && !last) return
      if (length === 0 || length > held) yield* this.#lose(length, held, last)
      else yield this.#read(length)
    }
  }

  report(reason: string): MrtItem {
    const error = { file: this.#name, record: this.#records, offset: this.#offset, reason }
    return { error }
  }

  #lengthAt(at: number): number {
    return mrtLengthAt(this.#view, at, this.#end)
  }

  #read(length: number): MrtItem {
    const end = this.#start + length
    this.#lost = false
    this.#records++
    try {
      const record = this.#reader.describe(this.#bytes, this.#view, this.#start, end)
      this.#skip(length)
      return record
    } catch (error) {
      if (!(error instanceof MrtError)) throw error
      const item = this.report(error.message)
      const follows = end === this.#end || this.#lengthAt(end) > 0
      // If nothing follows where this one ends, its length is wrong too: look for the next inside.
      this.#skip(follows ? length : 1)
      this.#lost = !follows
      return item
    }
  }

  /** No record starts here, or it is longer than what is left of the file: look further on. */
  *#lose(length: number, held: number, last: boolean): Generator<MrtItem> {
    if (!this.#lost) {
      this.#records++
      yield this.report(
        length > 0
          ? `the record says ${length} octets, the file has ${held} more`
          : held < mrtHeaderLength
            ? `${held} octets are left, and a header has ${mrtHeaderLength}`
            : `no record starts here: it has no known type, or more than ${mrtRecordLengthMax} octets`,
      )
      this.#lost = true
    }
    let next = this.#start + 1
    while (next + mrtHeaderLength <= this.#end && this.#lengthAt(next) === 0) next++
    const found = next + mrtHeaderLength <= this.#end
    this.#skip((found || !last ? next : this.#end) - this.#start)
  }

  #skip(length: number): void {
    this.#start += length
    this.#offset += length
  }
}
