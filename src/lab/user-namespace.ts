/**
 * A lab without root: the same program once more, inside a user namespace where it is root, with a
 * mount namespace for names of its own in /run/netns. The network stays the host's, so that the
 * looking glass can be reached.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { environment, findProgram, run, runAnyway } from './commands.ts'
import { LabError, type LabOptions } from './options.ts'

const entry = fileURLToPath(new URL('./inside.js', import.meta.url))
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** What the outer process sends to the inner one. */
export interface OuterMessage {
  readonly signal: (typeof signals)[number]
}

/**
 * Runs the lab in a user namespace and answers its exit code.
 * @throws {LabError} when the kernel refuses user namespaces
 */
export async function runInUserNamespace(options: LabOptions): Promise<number> {
  const unshare = ['unshare', '--user', '--map-root-user', '--mount', '--']
  if (findProgram('unshare') === null) {
    throw new LabError('not root, and `unshare` (package util-linux) is missing; run as root')
  }
  const trial = await runAnyway([...unshare, 'true'])
  if (trial.code !== 0) {
    throw new LabError(
      `not root, and the kernel refuses user namespaces (${trial.stderr.trim()}); run as root, or ` +
        'allow them: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or ' +
        'kernel.apparmor_restrict_unprivileged_userns',
    )
  }
  const [program = '', ...args] = unshare
  // In a session of its own: Ctrl-C comes once, by message, and not by the terminal as well.
  const child = spawn(program, [...args, process.execPath, entry, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
    env: environment,
  })
  const forward = (signal: NodeJS.Signals) => {
    if (child.connected) child.send({ signal } as OuterMessage)
  }
  for (const signal of signals) process.on(signal, forward)
  const [code] = (await once(child, 'exit')) as [number | null]
  for (const signal of signals) process.off(signal, forward)
  return code ?? 1
}

/** Gives the inner process names of network namespaces that nobody else sees. */
export async function mountOwnNames(): Promise<void> {
  const present = statSync('/run/netns', { throwIfNoEntry: false })?.isDirectory() ?? false
  // An unprivileged user cannot make the folder in the host's /run, only cover it.
  await run(['mount', '-t', 'tmpfs', 'tmpfs', present ? '/run/netns' : '/run'])
  mkdirSync('/run/netns', { recursive: true })
}
