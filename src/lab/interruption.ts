/**
 * What ends a lab early: a signal, or one of its processes that ended although it is needed. The
 * first signal asks for an orderly end, the second forces it.
 */
import { LabError } from './options.ts'
import type { Ending } from './processes.ts'

export interface Interruption {
  /** Aborted with the reason: a LabError when a process failed, something else for a signal. */
  readonly signal: AbortSignal
  /** Resolves when the lab is to end. */
  readonly interrupted: Promise<void>
  /** A process of the lab ended by itself. */
  processEnded(this: void, name: string, ending: Ending): void
  /** From now on the end of a process is only told. */
  tolerate(tell: (name: string, ending: Ending) => void): void
  /** The outcome of `work`, or a rejection as soon as the lab is to end. */
  orEnd<T>(work: Promise<T>): Promise<T>
  /** Gives the signals back. */
  release(): void
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const INTERRUPTED = 130

/** @param force removes everything at once, synchronously; also called if the process ends early */
export function watchInterruption(force: () => void): Interruption {
  const controller = new AbortController()
  const { signal } = controller
  const interrupted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve())
  })
  const ended = interrupted.then(() => {
    throw signal.reason
  })
  // Often nobody waits for it.
  ended.catch(() => undefined)
  let tell = (name: string, { words, lastWords }: Ending) => {
    const said = lastWords === '' ? '' : `\n${lastWords}`
    controller.abort(new LabError(`${name} ${words}${said}`, { exitCode: 1 }))
  }
  const interrupt = () => {
    if (signal.aborted) process.exit(INTERRUPTED)
    controller.abort()
  }
  for (const name of signals) process.on(name, interrupt)
  process.on('exit', force)
  return {
    signal,
    interrupted,
    processEnded: (name, ending) => tell(name, ending),
    tolerate: (teller) => {
      tell = teller
    },
    orEnd: (work) => Promise.race([ended, work]),
    release() {
      for (const name of signals) process.off(name, interrupt)
      process.off('exit', force)
    },
  }
}
