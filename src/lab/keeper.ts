/**
 * What becomes of a process that a lab needs and that ends by itself. While the lab comes up, the lab
 * has failed; once it is up, the process is started again after a pause, as a kubelet or systemd
 * would, so that a person may kill an agent or a switch and watch.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Interruption } from './interruption.ts'
import type { Ending } from './processes.ts'

/**
 * @param name of the process as people read it: `n1: the agent`
 * @param again starts it once more
 */
export type WhenEnded = (name: string, ending: Ending, again: () => void) => void

export interface Keeper {
  readonly ended: WhenEnded
  /** The lab is up: from now on what dies is started again. */
  keepAlive(report: (line: string) => void): void
}

const RESTART_MS = 2_000
/** The pause doubles each time up to this. */
const RESTART_MS_MAX = 60_000

export function createKeeper({
  signal,
  processEnded,
}: Pick<Interruption, 'signal' | 'processEnded'>): Keeper {
  const pauses = new Map<string, number>()
  let ended: WhenEnded = processEnded
  return {
    ended: (name, ending, again) => ended(name, ending, again),
    keepAlive(report) {
      ended = (name, { words }, again) => {
        const pause = pauses.get(name) ?? RESTART_MS
        pauses.set(name, Math.min(pause * 2, RESTART_MS_MAX))
        report(`${name} ${words}; it starts again in ${pause / 1000} s`)
        delay(pause, undefined, { signal }).then(
          () => {
            again()
            report(`${name} was started again`)
          },
          // The lab ended first.
          () => undefined,
        )
      }
    },
  }
}
