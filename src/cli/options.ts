/**
 * Options that several commands share, and how their values are read.
 */
import { readFileSync } from 'node:fs'
import { InvalidArgumentError, Option } from 'commander'
import { DEFAULT_API, parseEndpoint } from './endpoint.ts'
import { outputs, wideOutputs } from './output.ts'
import { CommandError, EXIT_USAGE } from './terminal.ts'

/** pino's, the worst first. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace']

export function apiOption(description: string): Option {
  return new Option('--api <address>', description)
    .argParser(parseEndpoint)
    .default(parseEndpoint(DEFAULT_API), DEFAULT_API)
}

export function outputOption({ wide = false } = {}): Option {
  return new Option('-o, --output <format>', 'how to print')
    .choices([...(wide ? wideOutputs : outputs)])
    .default('table')
}

export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}

/** `a,b`, and given again. */
export function list(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, ...value.split(',')]
}

/** A number where it is one; whoever checks the value says what is wrong with anything else. */
export function numeral(text: string): number | string {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : text
}

export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('It is no whole number.')
  return Number(text)
}

/** How many to show: none at all is no question. */
export function atLeastOne(text: string): number {
  const count = wholeNumber(text)
  if (count === 0) throw new InvalidArgumentError('It is less than 1.')
  return count
}

export function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 0.1 && value <= 3600)) {
    throw new InvalidArgumentError('It is no number of seconds from 0.1 to 3600.')
  }
  return value
}

export function misuse(message: string, remedy: string | null): CommandError {
  return new CommandError(message, remedy, EXIT_USAGE)
}

/**
 * The token in a file, without the line break an editor leaves.
 * @throws CommandError (exit 2)
 */
export function readTokenFile(file: string): string {
  let token: string
  try {
    token = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    const { message } = cause as Error
    throw new CommandError(`the token file cannot be read: ${message}`, null, EXIT_USAGE, cause)
  }
  if (/^[!-~]+$/.test(token)) return token
  throw misuse(
    `${file} holds no token`,
    'write one line of printable characters into it, e.g. from "openssl rand -hex 32"',
  )
}
