/**
 * `routelet decode`: messages in, one line of JSON each, read by the code a session runs. From
 * standard input as hexadecimal or JSON (src/decode/input.ts), or from MRT archives. However much
 * comes, it is answered as it comes, no faster than the reader of the answers takes them.
 */
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { type DecodeContext, SessionDecoder } from '../../bgp/index.ts'
import { InputError, readContext, readInput } from '../decode/input.ts'
import { type Line, lineLengthMax, readLines } from '../decode/lines.ts'
import { MrtFileError, readMrtFile } from '../decode/mrt-file.ts'
import { misuse } from './options.ts'
import { CommandError, EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE } from './terminal.ts'

export interface DecodeOptions {
  /** Archives to read instead of standard input; `-` is standard input. */
  readonly mrt: readonly string[]
  /** A DecodeContext as it was given, not checked yet. */
  readonly context: Readonly<Record<string, unknown>>
}

export interface DecodeStreams {
  readonly input: Readable
  readonly output: Writable
}

/** Of a line that can't be used, so many characters are shown. */
const shownLengthMax = 80
/** Answers are written in blocks of about so many characters. */
const blockLength = 64 * 1024

/**
 * Exit code 0, or 1 when a line or a record could not be used.
 * @throws CommandError for a context that can't be, and a file that can't be read
 */
export async function runDecode(options: DecodeOptions, streams: DecodeStreams): Promise<number> {
  const context = checkContext(options.context)
  const answers =
    options.mrt.length > 0
      ? decodeFiles(options.mrt, streams.input)
      : decodeLines(streams.input, context)
  const output = new AnswerWriter(streams.output)
  try {
    let failed = false
    for await (const answer of answers) {
      failed ||= answer.failed
      if (!(await output.write(answer))) return EXIT_OK
    }
    await output.flush()
    return failed ? EXIT_NEGATIVE : EXIT_OK
  } catch (error) {
    await output.flush()
    if (!(error instanceof MrtFileError)) throw error
    throw new CommandError(error.message, null, EXIT_USAGE, error)
  }
}

interface Answer {
  readonly data: unknown
  /** The input was at fault. */
  readonly failed: boolean
  /** Nothing more is at hand: whoever waits should see this now. */
  readonly last: boolean
}

async function* decodeLines(input: Readable, defaults: DecodeContext): AsyncGenerator<Answer> {
  const decoder = new SessionDecoder()
  for await (const lines of readLines(input)) {
    const wanted = lines.filter(({ text }) => text === null || text.trim() !== '')
    for (const line of wanted) {
      yield { ...decodeLine(decoder, line, defaults), last: line === wanted.at(-1) }
    }
  }
}

function decodeLine(
  decoder: SessionDecoder,
  { number, text }: Line,
  defaults: DecodeContext,
): Omit<Answer, 'last'> {
  if (text === null) {
    const reason = `the line is longer than ${lineLengthMax} characters`
    return { data: { error: { line: number, input: null, reason } }, failed: true }
  }
  try {
    const { bytes, context } = readInput(text, defaults)
    return { data: decoder.describe(bytes, context), failed: false }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    const input = text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}…` : text
    return { data: { error: { line: number, input, reason: error.message } }, failed: true }
  }
}

async function* decodeFiles(files: readonly string[], input: Readable): AsyncGenerator<Answer> {
  for (const file of files) {
    for await (const item of readMrtFile(file, input)) {
      yield { data: item, failed: !('mrt' in item), last: false }
    }
  }
}

function checkContext(given: Readonly<Record<string, unknown>>): DecodeContext {
  try {
    return readContext(given)
  } catch (error) {
    if (error instanceof InputError) throw misuse(error.message, 'see routelet decode --help')
    throw error
  }
}

/** Writes in blocks, and waits while the other side doesn't read. */
class AnswerWriter {
  readonly #output: Writable
  #block = ''
  #error: NodeJS.ErrnoException | null = null

  constructor(output: Writable) {
    this.#output = output
    output.on('error', (error) => {
      this.#error ??= error
    })
  }

  /** False when nobody reads any more. */
  async write({ data, last }: Answer): Promise<boolean> {
    this.#block += `${JSON.stringify(data)}\n`
    if (last || this.#block.length >= blockLength) await this.flush()
    return this.#error === null
  }

  async flush(): Promise<void> {
    const block = this.#block
    this.#block = ''
    if (block !== '' && this.#error === null && !this.#output.write(block)) {
      // Its error is heard above as well.
      await once(this.#output, 'drain').catch(() => {})
    }
    // EPIPE: whoever reads has seen enough, as `head` does. That is no failure.
    if (this.#error === null || this.#error.code === 'EPIPE') return
    throw new CommandError(`writing failed: ${this.#error.message}`, null, EXIT_NEGATIVE)
  }
}
