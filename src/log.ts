/**
 * The log: one line an event, JSON by default and readable on a terminal. What is logged is what the
 * event ring holds, so the log, the event stream and `routelet events` never tell different stories.
 */
import { pino } from 'pino'
import { PinoPretty } from 'pino-pretty'
import type { EventView } from '../api/views.ts'

export interface Log {
  event(event: EventView): void
  info(text: string): void
  error(text: string, error?: unknown): void
  setLevel(level: string): void
}

/** @param level pino's names, or Calico's (`Warning`, `Fatal`, …) in any case */
export function createLog(level: string, node: string): Log {
  const pretty = process.stderr.isTTY === true
  const stream = pretty
    ? PinoPretty({ destination: 2, sync: true, ignore: 'pid,hostname,node', colorize: true })
    : pino.destination({ fd: 2, sync: true })
  const logger = pino({ level: levelOf(level), base: { node } }, stream)
  return {
    event: ({ level: of, text, kind, peer, data }) => {
      const fields = { kind, ...(peer === null ? {} : { peer }), ...data }
      logger[of](fields, text)
    },
    info: (text) => logger.info(text),
    error: (text, error) => logger.error({ err: error }, text),
    setLevel: (next) => {
      logger.level = levelOf(next)
    },
  }
}

function levelOf(text: string): string {
  const lower = text.toLowerCase()
  if (lower === 'warning') return 'warn'
  return lower in pino.levels.values || lower === 'silent' ? lower : 'info'
}
