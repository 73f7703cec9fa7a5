/**
 * Our file among the CNI configurations of a host. It is ours by its name and by a field in it; what
 * lacks either is somebody else's and stays as it is. It is written whole or not at all: container
 * runtimes watch the folder and read whatever appears.
 */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { Removal } from '../../fib/index.ts'
import { errnoOf } from '../host/errno.ts'
import { bootField, networkName, ownerField } from './conflist.ts'

/** Runtimes take the file that comes first in the alphabet; 10 is where network agents stand. */
export const conflistName = '10-routelet.conflist'
/** No suffix that a runtime reads; one name, so that a crash leaves one at most. */
const draftName = '.10-routelet.draft'
/** A configuration is a few hundred bytes; what is longer is none of ours. */
const fileBytesMax = 65_536

export interface Found {
  readonly text: string
  /** null: no field of ours in it. */
  readonly node: string | null
  readonly bootId: string | null
}

/** The file that bears our name; null: there is none. @throws Error when it can't be read */
export function readConflist(folder: string): Found | null {
  let text: string
  try {
    text = readFileSync(path.join(folder, conflistName), 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
  return { text, ...marksOf(text) }
}

function marksOf(text: string): Pick<Found, 'node' | 'bootId'> {
  const nobody = { node: null, bootId: null }
  if (text.length > fileBytesMax) return nobody
  try {
    const { name, [ownerField]: node, [bootField]: boot } = JSON.parse(text) ?? {}
    if (name !== networkName || typeof node !== 'string') return nobody
    return { node, bootId: typeof boot === 'string' ? boot : null }
  } catch {
    // No JSON: whoever wrote it, it wasn't us.
    return nobody
  }
}

/** Puts it there in one step, mode 0644. @throws Error naming what can't be written */
export function replaceConflist(folder: string, text: string): void {
  const draft = path.join(folder, draftName)
  rmSync(draft, { force: true })
  // Exclusively: a link that somebody put there is not followed.
  const file = openSync(draft, 'wx', 0o644)
  try {
    // The process may have a mask.
    fchmodSync(file, 0o644)
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path.join(folder, conflistName))
  syncFolder(folder)
}

/** So that the name is there after a power cut as well. */
function syncFolder(folder: string): void {
  const file = openSync(folder, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** What `cleanup` may remove; null: nothing. `kept` says what bears our name and isn't ours. */
export function findOwnConflist(folder: string | null): {
  file: string | null
  kept: readonly string[]
} {
  const found = folder === null ? null : readConflist(folder)
  if (folder === null || found === null) return { file: null, kept: [] }
  const file = path.join(folder, conflistName)
  if (found.node !== null) return { file, kept: [] }
  return { file: null, kept: [`${file}: it lacks the field ${ownerField}, so it isn't ours`] }
}

/** @returns what became of it; a file that is gone meanwhile is no refusal. */
export function removeConflist(file: string | null): Removal {
  if (file === null) return { removed: 0, refusals: [] }
  try {
    unlinkSync(file)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { removed: 0, refusals: [] }
    return { removed: 0, refusals: [(error as Error).message] }
  }
  return { removed: 1, refusals: [] }
}

/** Configurations that a runtime takes before ours. */
export function findRivals(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(conf|conflist|json)$/.test(name) && name < conflistName)
    .sort()
}
