/**
 * Waiting for a while, or until it is no longer wanted.
 */
import type { Clock } from '../../bgp/types.ts'

export function pause(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.schedule(milliseconds, end)
    signal.addEventListener('abort', end, { once: true })
    function end(): void {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
  })
}
