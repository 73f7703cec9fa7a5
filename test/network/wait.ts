/**
 * Waiting for a state of the world, with a deadline instead of a sleep. The probe is asked again and
 * again, less often the longer it takes; what it last saw stands in the error when time is up.
 */
import { setTimeout as pause } from 'node:timers/promises'

const firstPauseMs = 20
const longestPauseMs = 300

/** Thrown by a probe when waiting on is pointless: the daemon has ended, say. */
export class Hopeless extends Error {}

/**
 * Resolves with the first answer of `probe` that isn't null, undefined or false.
 *
 * @param what completes the sentence "waited 30 s for …"
 * @param probe may throw: unless it is Hopeless, that counts as "not yet", and the message is kept for the error
 * @throws Error after `seconds`, with the last answer or error of the probe
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  seconds = 30,
): Promise<NonNullable<Exclude<T, false>>> {
  const endsAt = performance.now() + seconds * 1000
  let pauseMs = firstPauseMs
  let last = 'nothing'
  do {
    try {
      const answer = await probe()
      if (answer !== null && answer !== undefined && answer !== false) {
        return answer as NonNullable<Exclude<T, false>>
      }
      last = String(answer)
    } catch (error) {
      if (error instanceof Hopeless) throw error
      last = error instanceof Error ? error.message : String(error)
    }
    await pause(pauseMs)
    pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)
  } while (performance.now() < endsAt)
  throw new Error(`waited ${seconds} s for ${what}; last seen: ${last}`)
}

/** Like waitFor, for an answer to look at: resolves when `good` says so, shows it when it doesn't. */
export async function waitUntil<T>(
  what: string,
  look: () => T | Promise<T>,
  good: (seen: T) => boolean,
  seconds = 30,
): Promise<T> {
  const found = await waitFor(
    what,
    async () => {
      const seen = await look()
      if (!good(seen)) throw new Error(JSON.stringify(seen))
      return { seen }
    },
    seconds,
  )
  return found.seen
}
