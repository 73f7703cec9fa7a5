/**
 * Where a command prints, and how it fails: the only way from a command to the outside, so that a
 * test can stand there.
 */
import { stripVTControlCharacters } from 'node:util'

/** 0: yes, or done. */
export const EXIT_OK = 0
/** The answer is no, or nobody answered. */
export const EXIT_NEGATIVE = 1
/** The command line or the configuration is wrong. */
export const EXIT_USAGE = 2

export interface Terminal {
  /** Standard output; the text ends its own lines. */
  write(text: string): void
  /** Standard error. */
  warn(text: string): void
  /** Whether a person looks at it: a watched view is then redrawn in place. */
  readonly interactive: boolean
  readonly colour: boolean
  /** Unix milliseconds, for ages. */
  now(): number
  /** Aborted by Ctrl-C: whatever waits or follows ends. */
  readonly signal: AbortSignal
}

/** A failure in words, with what to do and the exit code it deserves. */
export class CommandError extends Error {
  readonly remedy: string | null
  readonly exitCode: number

  constructor(message: string, remedy: string | null, exitCode: number, cause?: unknown) {
    super(message, { cause })
    this.name = 'CommandError'
    this.remedy = remedy
    this.exitCode = exitCode
  }
}

/**
 * The terminal of this process. Colour only where a person looks, and never with NO_COLOR set
 * (https://no-color.org).
 */
export function processTerminal(): Terminal {
  let interrupted: AbortController | null = null
  const { NO_COLOR: noColor = '' } = process.env
  const interactive = process.stdout.isTTY === true
  return {
    write: (text) => void process.stdout.write(text),
    warn: (text) => void process.stderr.write(text),
    interactive,
    colour: interactive && noColor === '',
    now: () => Date.now(),
    // Made when first asked for: a command that doesn't wait keeps Ctrl-C as it always was.
    get signal() {
      if (interrupted === null) {
        const controller = new AbortController()
        process.once('SIGINT', () => controller.abort())
        interrupted = controller
      }
      return interrupted.signal
    },
  }
}

/**
 * Text that came from outside, made safe for a terminal: a peer's shutdown message (RFC 9003) must
 * not move the cursor of whoever reads it.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it removes
  return stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]+/g, ' ')
}
