/**
 * Whether the host is going down, so that this stop of the agent is for good (`onStop: Auto`).
 *
 * Where systemd runs, its manager is asked: it is `stopping` from the moment a shutdown begins, and
 * not before one that is only scheduled. Elsewhere the file that keeps users from logging in tells
 * (nologin(5), written by shutdown(8)). In a container both are the host's only if /run is.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'

/** An answer that takes longer is not waited for: a stop must not hang on it. */
const answerMsMax = 500

export interface HostSigns {
  /** Is there exactly where systemd runs (sd_booted(3)). */
  readonly systemd: string
  readonly nologin: string
  /** Prints the state of the manager. */
  readonly command: readonly [program: string, ...args: string[]]
}

const signsOfLinux: HostSigns = {
  systemd: '/run/systemd/system',
  nologin: '/run/nologin',
  command: ['systemctl', 'is-system-running'],
}

export async function hostIsStopping(signs: HostSigns = signsOfLinux): Promise<boolean> {
  const state = existsSync(signs.systemd) ? await askManager(signs.command) : ''
  return state === '' ? existsSync(signs.nologin) : state === 'stopping'
}

/** The manager's state, e.g. `running`; empty when it can't be had. */
function askManager([program, ...args]: HostSigns['command']): Promise<string> {
  return new Promise((resolve) => {
    // The exit code repeats the answer, so a failure with words is none.
    execFile(program, args, { timeout: answerMsMax }, (_error, stdout) => {
      const state = stdout.trim()
      resolve(state === 'offline' || state === 'unknown' ? '' : state)
    })
  })
}
