/**
 * Running the system's programs: each to its end, with its words in the error when it fails.
 */
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** More output than this is cut: none of the programs run here says as much. */
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024
const COMMAND_MS_MAX = 30_000

const { PATH: path = '/usr/bin:/bin' } = process.env

/** The surroundings of every program: not every user's PATH has the administrator's folders. */
export const environment = {
  ...process.env,
  PATH: `${path}:/usr/local/sbin:/usr/sbin:/sbin`,
}

export interface CommandResult {
  /** null: ended by a signal or the deadline. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class ProgramError extends Error {
  override readonly name = 'ProgramError'
  readonly code: number | null

  constructor(command: readonly string[], result: CommandResult) {
    const words = result.stderr.trim() || `ended with code ${result.code}, saying nothing`
    super(`${command.join(' ')}: ${words}`)
    this.code = result.code
  }
}

/**
 * Runs a program to its end and answers what it said.
 * @throws {ProgramError} when it ends with anything but 0
 */
export async function run(command: readonly string[], input = ''): Promise<string> {
  const result = await runAnyway(command, input)
  if (result.code !== 0) throw new ProgramError(command, result)
  return result.stdout
}

/** As `run`, for callers to whom a failure is an answer. */
export function runAnyway(command: readonly string[], input = ''): Promise<CommandResult> {
  const [program = '', ...args] = command
  return new Promise((resolve) => {
    const deadline = AbortSignal.timeout(COMMAND_MS_MAX)
    const child = spawn(program, args, {
      stdio: 'pipe',
      signal: deadline,
      detached: true,
      env: environment,
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8')
      child[name].on('data', (text: string) => {
        if (output[name].length < OUTPUT_BYTES_MAX) output[name] += text
      })
    }
    child.on('error', (error) => resolve({ code: null, stdout: '', stderr: error.message }))
    child.on('close', (code) => resolve({ code, ...output }))
    // A program that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/** The same for the last moments of the process, when nothing may be awaited. */
export function runNow(command: readonly string[], input = ''): CommandResult {
  const [program = '', ...args] = command
  const result = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: COMMAND_MS_MAX,
    env: environment,
  })
  return { code: result.status, stdout: result.stdout ?? '', stderr: result.stderr ?? '' }
}

/** Runs `work` over all items, at most `limit` at a time; the first failure wins. */
export async function forEachOf<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items.values()
  const worker = async () => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}

/** Full path of an installed program, or null. */
export function findProgram(name: string): string | null {
  return findProgramIn(environment.PATH.split(':').filter(Boolean), name)
}

/** The same where the name alone says too little: OpenBGPD and FRR both have a `bgpd`. */
export function findProgramIn(folders: readonly string[], name: string): string | null {
  for (const folder of folders) {
    const program = join(folder, name)
    try {
      accessSync(program, constants.X_OK)
      return program
    } catch {
      // Not in this folder: the next one.
    }
  }
  return null
}
