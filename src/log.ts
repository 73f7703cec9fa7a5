/**
 * The log: one line an event, JSON by default and readable on a terminal. What is logged is what the
 * event ring holds, so the log, the event stream and `routelet events` never tell different stories;
 * only a flood of one kind is cut short here (log-flood.ts), and told as a number.
 */
import { createRequire } from 'node:module'
import { pino } from 'pino'
import type { EventView } from '../api/views.ts'
import type { Clock, Timer } from '../bgp/types.ts'
import { LogFlood } from './log-flood.ts'

type PrettyModule = typeof import('pino-pretty')

export interface Log {
  event(event: EventView): void
  debug(text: string): void
  info(text: string): void
  warn(text: string): void
  error(text: string, error?: unknown): void
  /** The level that holds unless another is asked for a while. */
  setLevel(level: string): void
  /** Another level for so many seconds; asked again, the newer holds. */
  setLevelFor(level: string, seconds: number): void
  /** Tells what a flood still owes, and ends. */
  close(): void
}

/**
 * @param level pino's names, or Calico's (`Warning`, `Fatal`, …) in any case
 * @param write Takes whole lines; the standard error unless given.
 */
export function createLog(
  level: string,
  node: string,
  clock: Clock,
  write?: (line: string) => void,
): Log {
  const logger = pino({ level: levelOf(level), base: { node } }, streamOf(write))
  const flood = new LogFlood(clock, ({ kind, level: of, count, seconds }) =>
    logger[of](
      { kind, count },
      `${count} more of ${kind} in ${seconds} s: routelet events has them`,
    ),
  )
  let usual = logger.level
  let lent: Timer | null = null
  const giveBack = () => {
    lent?.cancel()
    lent = null
    logger.level = usual
  }
  return {
    event: (event) => {
      const { level: of, text, kind, peer, data } = event
      if (!logger.isLevelEnabled(of) || !flood.admits(event)) return
      logger[of]({ kind, ...(peer === null ? {} : { peer }), ...data }, text)
    },
    debug: (text) => logger.debug(text),
    info: (text) => logger.info(text),
    warn: (text) => logger.warn(text),
    error: (text, error) => logger.error({ err: error }, text),
    setLevel: (next) => {
      usual = levelOf(next)
      if (lent === null) logger.level = usual
    },
    setLevelFor: (next, seconds) => {
      lent?.cancel()
      logger.level = levelOf(next)
      lent = clock.schedule(seconds * 1000, giveBack)
    },
    close: () => {
      giveBack()
      flood.close()
    },
  }
}

function streamOf(write: ((line: string) => void) | undefined): pino.DestinationStream {
  if (write !== undefined) return { write }
  if (process.stderr.isTTY !== true) return pino.destination({ fd: 2, sync: true })
  // An agent that runs as a service never needs it, and it isn't small.
  const { PinoPretty } = createRequire(import.meta.url)('pino-pretty') as PrettyModule
  return PinoPretty({ destination: 2, sync: true, ignore: 'pid,hostname,node', colorize: true })
}

function levelOf(text: string): string {
  const lower = text.toLowerCase()
  if (lower === 'warning') return 'warn'
  return lower in pino.levels.values || lower === 'silent' ? lower : 'info'
}
