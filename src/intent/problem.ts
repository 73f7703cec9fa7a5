/** Makers of problems, so that each place that finds one says only what is its own. */
import type { Problem } from './types.ts'

export function warn(
  reason: string,
  subject: string,
  message: string,
  remedy: string | null = null,
): Problem {
  return { reason, severity: 'warning', subject, message, remedy }
}

export function fail(
  reason: string,
  subject: string,
  message: string,
  remedy: string | null = null,
): Problem {
  return { reason, severity: 'error', subject, message, remedy }
}

export function inform(
  reason: string,
  subject: string,
  message: string,
  remedy: string | null = null,
): Problem {
  return { reason, severity: 'info', subject, message, remedy }
}

/** "a", "a and b", "a, b and c". */
export function joinWords(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`
}
