/**
 * One answer in the form that was asked for (`-o table|json|yaml`), once or again and again
 * (`--watch`).
 */
import { setTimeout as wait } from 'node:timers/promises'
import { CommandError, EXIT_OK, type Terminal } from './terminal.ts'

export const outputs = ['table', 'json', 'yaml'] as const
/** Of commands whose table has more to say than fits most terminals. */
export const wideOutputs = ['table', 'wide', 'json', 'yaml'] as const
export type Output = (typeof wideOutputs)[number]

export interface Answer {
  /** The API's reply, printed as it came by json and yaml. */
  readonly data: unknown
  /** The same for people. */
  readonly text: () => string
  /** For people with room to the right; absent: there is no more to say. */
  readonly wide?: () => string
  readonly exitCode?: number
}

export interface ShowOptions {
  readonly output: Output
  /** Seconds between two looks; null: once. */
  readonly watch: number | null
}

/** Home, and erase what is below (ECMA-48): the screen is redrawn without a flicker. */
const REDRAW = '\u001b[H\u001b[J'

/** Asks and prints; returns the exit code of the last answer. */
export async function show(
  terminal: Terminal,
  options: ShowOptions,
  ask: () => Promise<Answer>,
): Promise<number> {
  if (options.watch === null) return print(terminal, options.output, await ask())
  let exitCode = EXIT_OK
  while (!terminal.signal.aborted) {
    exitCode = await look(terminal, options.output, ask)
    await wait(options.watch * 1000, undefined, { signal: terminal.signal }).catch(() => undefined)
  }
  return exitCode
}

/** A watched agent may be restarted: a failure is shown in its place, and the watch goes on. */
async function look(
  terminal: Terminal,
  output: Output,
  ask: () => Promise<Answer>,
): Promise<number> {
  let answer: Answer
  try {
    answer = await ask()
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    if (terminal.interactive) terminal.write(REDRAW)
    terminal.warn(formatError(error))
    return error.exitCode
  }
  const forPeople = output === 'table' || output === 'wide'
  if (terminal.interactive && forPeople) terminal.write(REDRAW)
  const exitCode = await print(terminal, output, answer)
  if (!terminal.interactive && forPeople) terminal.write('\n')
  return exitCode
}

async function print(terminal: Terminal, output: Output, answer: Answer): Promise<number> {
  terminal.write(await format(output, answer))
  return answer.exitCode ?? EXIT_OK
}

/** The YAML package is loaded only for those who ask for it. */
async function format(output: Output, answer: Answer): Promise<string> {
  if (output === 'wide') return (answer.wide ?? answer.text)()
  if (output === 'table') return answer.text()
  if (output === 'json') return `${JSON.stringify(answer.data, null, 2)}\n`
  const { stringify } = await import('yaml')
  return stringify(answer.data)
}

export function formatError(error: CommandError): string {
  const remedy = error.remedy === null ? '' : `  ${error.remedy}\n`
  return `routelet: ${error.message}\n${remedy}`
}
