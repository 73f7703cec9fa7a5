/** Real time for everything that is given a clock. A delay of 0 is the next turn of the event loop. */
import type { Clock } from '../../bgp/types.ts'

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  schedule: (milliseconds, run) => {
    if (milliseconds <= 0) {
      const immediate = setImmediate(run)
      return { cancel: () => clearImmediate(immediate) }
    }
    const timeout = setTimeout(run, milliseconds)
    return { cancel: () => clearTimeout(timeout) }
  },
}
