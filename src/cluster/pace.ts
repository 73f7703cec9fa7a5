/**
 * How long to wait before the API server is asked again: longer with every failure in a row, with
 * jitter, so that the agents of a cluster don't return as one; never sooner than the server asked
 * for (`Retry-After`, RFC 9110 §10.2.3).
 */

interface Ladder {
  readonly firstMs: number
  readonly mostMs: number
}

/** No answer, or an error of the server's own: it comes back, and then soon. */
const away: Ladder = { firstMs: 500, mostMs: 30_000 }
/** What only an administrator mends: rights, or a kind that isn't installed. */
const refused: Ladder = { firstMs: 5_000, mostMs: 120_000 }

export const retryAfterSecondsMax = 300

/**
 * @param failures in a row, from 1
 * @param status of the last answer; 0: none
 * @param random from 0 to 1
 */
export function waitBeforeRetry(
  failures: number,
  status: number,
  retryAfterSeconds: number | null,
  random: number,
): number {
  const { firstMs, mostMs } = isRefusal(status) ? refused : away
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 16))
  const asked = Math.min(retryAfterSeconds ?? 0, retryAfterSecondsMax) * 1000
  // What the server asks for is a least, so jitter comes on top of it.
  return Math.round(Math.max(asked, ceiling / 2) + (random * ceiling) / 2)
}

/** Whether trying again soon is of no use: the answer was clear. */
export function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 404 || status === 405
}
