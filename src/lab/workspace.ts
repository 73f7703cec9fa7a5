/**
 * The folder of one running lab: configurations, logs, sockets. It also holds who owns the lab, so
 * that the next lab can tidy up after one that was killed before it could do so itself.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runAnyway } from './commands.ts'
import { bornAt, endListed } from './processes.ts'

export interface Workspace {
  /** Six hexadecimal digits, in the name of everything this lab makes. */
  readonly id: string
  /** What its namespaces' names begin with. */
  readonly prefix: string
  readonly folder: string
  readonly logs: string
  readonly ledger: string
  remove(): void
}

const FOLDER_PREFIX = 'routelet-lab-'
/** A Unix socket's path holds 107 bytes; what the lab appends takes 40. */
const FOLDER_BYTES_MAX = 64

export function createWorkspace(): Workspace {
  const id = randomBytes(3).toString('hex')
  const folder = join(parentFolder(), `${FOLDER_PREFIX}${id}`)
  const workspace: Workspace = {
    id,
    prefix: `rl-${id}`,
    folder,
    logs: join(folder, 'logs'),
    ledger: join(folder, 'processes'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
  mkdirSync(folder, { mode: 0o700 })
  // FRR's daemons, which run as another user, pass through to the folder they own.
  chmodSync(folder, 0o711)
  mkdirSync(workspace.logs)
  writeFileSync(workspace.ledger, '')
  // Nobody else may tidy up: it takes this user's rights.
  writeFileSync(join(folder, 'owner'), `${process.pid} ${bornAt(process.pid)}`, { mode: 0o600 })
  return workspace
}

/**
 * Removes what labs of this user left behind that were killed (SIGKILL, out of memory): processes,
 * namespaces, folders.
 * @returns the ids of those labs
 */
export async function tidyDeadLabs(): Promise<string[]> {
  const parent = parentFolder()
  const dead: string[] = []
  for (const entry of readdirSync(parent)) {
    if (!entry.startsWith(FOLDER_PREFIX)) continue
    const folder = join(parent, entry)
    const owner = readText(join(folder, 'owner'))
    const [pid, birth] = owner?.split(' ') ?? []
    // No owner file: another user's lab, or one that is just being made.
    if (owner === null || bornAt(Number(pid)) === birth) continue
    const id = entry.slice(FOLDER_PREFIX.length)
    endListed(readText(join(folder, 'processes')) ?? '')
    await deleteNamespaces(`rl-${id}-`)
    rmSync(folder, { recursive: true, force: true })
    dead.push(id)
  }
  return dead
}

async function deleteNamespaces(prefix: string): Promise<void> {
  const { stdout } = await runAnyway(['ip', 'netns', 'list'])
  const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '')
  for (const name of names.filter((candidate) => candidate.startsWith(prefix))) {
    await runAnyway(['ip', 'netns', 'delete', name])
  }
}

function parentFolder(): string {
  return tmpdir().length > FOLDER_BYTES_MAX ? '/tmp' : tmpdir()
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
