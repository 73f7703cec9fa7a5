/**
 * The processes of a lab: started in namespaces, their words kept in a log file each, ended with
 * the lab. They run in sessions of their own, so that Ctrl-C reaches the lab alone, which then ends
 * them in order.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { environment } from './commands.ts'

export interface ProcessOptions {
  /** Unique among the running ones; names the log file. */
  readonly name: string
  readonly command: readonly string[]
  /** Called when it ends before it was told to. */
  readonly onExit?: (ending: Ending) => void
}

export interface Ending {
  /** `ended with code 2`, `was killed by SIGKILL`, `could not be started: …`. */
  readonly words: string
  /** The end of its log. */
  readonly lastWords: string
}

export interface Processes {
  start(options: ProcessOptions): void
  /** Starts with JSON lines on stdin and stdout; only stderr goes to the log. */
  startWithPipes(options: ProcessOptions): ChildProcess
  logFile(name: string): string
  /** Last lines of its log. */
  lastWords(name: string): string
  /** SIGTERM to all, last started first; SIGKILL to those still there after a grace period. */
  stop(): Promise<void>
  /** SIGKILL to all, at once. */
  killNow(): void
}

/** What an orderly end may take: daemons say goodbye to their peers. */
const GRACE_MS = 3_000
const LAST_WORDS_LINES = 8

/**
 * @param logFolder exists
 * @param ledger file to which each started process is written, see `endListed`
 */
export function createProcesses(logFolder: string, ledger: string): Processes {
  const running = new Map<ChildProcess, Promise<void>>()
  let stopping = false
  const logFile = (name: string) => join(logFolder, `${name}.log`)
  const lastWords = (name: string) =>
    readFileSync(logFile(name), 'utf8').trimEnd().split('\n').slice(-LAST_WORDS_LINES).join('\n')

  function launch(options: ProcessOptions, stdio: 'ignore' | 'pipe'): ChildProcess {
    const [program = '', ...args] = options.command
    const log = openSync(logFile(options.name), 'a')
    const child = spawn(program, args, {
      stdio: stdio === 'pipe' ? ['pipe', 'pipe', log] : ['ignore', log, log],
      detached: true,
      env: environment,
    })
    closeSync(log)
    const birth = child.pid === undefined ? null : bornAt(child.pid)
    if (birth !== null) appendFileSync(ledger, `${child.pid} ${birth}\n`)
    const ended = new Promise<void>((resolve) => {
      const end = (words: string) => {
        if (!running.delete(child)) return
        resolve()
        if (!stopping) options.onExit?.({ words, lastWords: lastWords(options.name) })
      }
      child.on('error', (error) => end(`could not be started: ${error.message}`))
      child.on('exit', (code, signal) =>
        end(signal === null ? `ended with code ${code}` : `was killed by ${signal}`),
      )
    })
    running.set(child, ended)
    return child
  }

  return {
    start: (options) => void launch(options, 'ignore'),
    startWithPipes: (options) => launch(options, 'pipe'),
    logFile,
    lastWords,
    async stop() {
      stopping = true
      const all = [...running].reverse()
      for (const [child] of all) child.kill('SIGTERM')
      const killer = setTimeout(() => {
        for (const child of running.keys()) child.kill('SIGKILL')
      }, GRACE_MS)
      await Promise.all(all.map(([, ended]) => ended))
      clearTimeout(killer)
    },
    killNow() {
      stopping = true
      for (const child of running.keys()) child.kill('SIGKILL')
    },
  }
}

/**
 * SIGKILL to the processes of a ledger whose owner died without ending them. A number that meanwhile
 * belongs to another process is recognised by its time of birth and left alone.
 */
export function endListed(ledger: string): void {
  for (const line of ledger.split('\n')) {
    const [pid, birth] = line.split(' ')
    if (pid !== undefined && birth !== undefined && bornAt(Number(pid)) === birth) {
      process.kill(Number(pid), 'SIGKILL')
    }
  }
}

/** When a process started, in the kernel's ticks since boot; null when there is none. */
export function bornAt(pid: number): string | null {
  try {
    // proc(5): field 22; the name in field 2 may hold anything, so count after its parenthesis.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}
