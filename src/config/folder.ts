/**
 * The folder store: directories of manifests, watched, given out as whole snapshots. The last good
 * state is never lost to an accident: a malformed file keeps what it said before, and a folder that
 * turns empty or unreadable keeps everything, each with a problem that says so.
 *
 * Watching rests on inotify through `fs.watch`, which sees writes, atomic replaces and the swap of
 * a ConfigMap's `..data`; a slow rescan finds what it can't see (a folder replaced as a whole, a
 * link's target elsewhere, a network file system).
 */
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { isDeepStrictEqual, TextDecoder } from 'node:util'
import type { Clock, Timer } from '../../bgp/types.ts'
import { fileBytesMax, readManifests } from './manifest.ts'
import { type ConfigProblem, compareText, hasErrors, sortProblems } from './problem.ts'
import { assembleResources, type ReadResource, type ResourceSet } from './resources.ts'

export interface Snapshot {
  readonly resources: ResourceSet
  /** By file and line. */
  readonly problems: readonly ConfigProblem[]
}

export interface FolderStore {
  /** Reads everything once and starts watching. Problems are in the snapshot, not thrown. */
  start(): Promise<Snapshot>
  /** Called with every later snapshot that differs from the one before. */
  onSnapshot(listener: (snapshot: Snapshot) => void): void
  /** Stops watching; idempotent. */
  close(): void
}

export interface FolderOptions {
  readonly clock: Clock
}

const filesMax = 20_000
const extensions: readonly string[] = ['.yaml', '.yml', '.json']
/** From the first sign of a change to the reading: editors write, rename and write again. */
const settleMs = 50
const rescanMs = 10_000
/** A scan that something changed under may mix old and new; that often it is done over. */
const unsettledMax = 5

/**
 * Reads directories (or single files) once. Nothing depends on the answer yet, so of a file with
 * errors the objects without any count: their own problems show at the same time.
 */
export async function loadFolders(paths: readonly string[]): Promise<Snapshot> {
  const folders = paths.map((path) => new Folder(path, 'object'))
  for (const folder of folders) await folder.scan()
  return assembleSnapshot(folders)
}

export function createFolderStore(paths: readonly string[], options: FolderOptions): FolderStore {
  return new WatchedFolders(paths, options.clock)
}

function assembleSnapshot(folders: readonly Folder[]): Snapshot {
  const { resources, problems } = assembleResources(folders.flatMap((folder) => folder.resources()))
  const all = [...folders.flatMap((folder) => folder.problems()), ...problems]
  return { resources, problems: sortProblems(all) }
}

class WatchedFolders implements FolderStore {
  readonly #folders: readonly Folder[]
  readonly #clock: Clock
  readonly #listeners: ((snapshot: Snapshot) => void)[] = []
  readonly #watchers = new Map<Folder, { watcher: FSWatcher; identity: string }>()
  #snapshot: Snapshot | null = null
  #settling: Timer | null = null
  #rescan: Timer | null = null
  /** A scan runs; `#again` says that something changed meanwhile. */
  #scanning = false
  #again = false
  /** Scans in a row during which something changed. */
  #unsettled = 0
  #closed = false

  constructor(paths: readonly string[], clock: Clock) {
    this.#folders = paths.map((path) => new Folder(path, 'file'))
    this.#clock = clock
  }

  async start(): Promise<Snapshot> {
    await this.#scan()
    this.#scheduleRescan()
    return this.#snapshot ?? assembleSnapshot(this.#folders)
  }

  onSnapshot(listener: (snapshot: Snapshot) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    this.#closed = true
    this.#settling?.cancel()
    this.#rescan?.cancel()
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #scheduleRescan(): void {
    if (this.#closed) return
    this.#rescan = this.#clock.schedule(rescanMs, () => {
      this.#changed()
      this.#scheduleRescan()
    })
  }

  #changed(): void {
    if (this.#scanning) this.#again = true
    if (this.#closed || this.#settling !== null || this.#scanning) return
    this.#settling = this.#clock.schedule(settleMs, () => {
      this.#settling = null
      void this.#scan()
    })
  }

  async #scan(): Promise<void> {
    this.#scanning = true
    for (const folder of this.#folders) {
      await folder.identify()
      // Before reading, so that what changes meanwhile isn't missed.
      this.#watch(folder)
      await folder.scan()
    }
    this.#scanning = false
    if (this.#closed) return
    const again = this.#again
    this.#again = false
    if (again) this.#changed()
    this.#unsettled = again ? this.#unsettled + 1 : 0
    if (this.#unsettled > 0 && this.#unsettled < unsettledMax && this.#snapshot !== null) return
    this.#unsettled = 0
    this.#publish()
  }

  #publish(): void {
    const before = this.#snapshot
    const changed = this.#folders.map((folder) => folder.takeChanged()).includes(true)
    if (before !== null && !changed) return
    const snapshot = assembleSnapshot(this.#folders)
    if (before !== null && isDeepStrictEqual(before, snapshot)) return
    this.#snapshot = snapshot
    if (before !== null) for (const listener of this.#listeners) listener(snapshot)
  }

  /** Watches the folder that is there now; a folder put in its place has another identity. */
  #watch(folder: Folder): void {
    const current = this.#watchers.get(folder)
    if (current?.identity === folder.identity || this.#closed) return
    current?.watcher.close()
    this.#watchers.delete(folder)
    if (folder.identity === null) return
    try {
      const watcher = watch(folder.path, () => this.#changed())
      watcher.on('error', (error) => {
        folder.watchFailed(error)
        watcher.close()
        this.#watchers.delete(folder)
      })
      this.#watchers.set(folder, { watcher, identity: folder.identity })
      folder.watchFailed(null)
    } catch (error) {
      // Typically ENOSPC: no inotify watches left. The rescan still finds changes.
      folder.watchFailed(error)
    }
  }
}

/** What an error makes unusable: the whole file, or the one object that has it. */
type Refusal = 'file' | 'object'

interface FileState {
  /** Identity, size and times of what was read last. */
  readonly signature: string
  /** What the file said when it was last without errors. */
  readonly good: readonly ReadResource[]
  readonly problems: readonly ConfigProblem[]
}

/** One directory (or single file): what was read of it, and what is wrong with it. */
class Folder {
  readonly path: string
  readonly #refusal: Refusal
  /** Device and inode; null while it can't be looked at. */
  identity: string | null = null
  #files = new Map<string, FileState>()
  #folderProblems: readonly ConfigProblem[] = []
  #watchProblem: ConfigProblem | null = null
  #changed = true

  constructor(path: string, refusal: Refusal) {
    this.path = path
    this.#refusal = refusal
  }

  resources(): ReadResource[] {
    const sorted = [...this.#files].sort(([a], [b]) => compareText(a, b))
    return sorted.flatMap(([, file]) => file.good)
  }

  problems(): ConfigProblem[] {
    const watching = this.#watchProblem === null ? [] : [this.#watchProblem]
    const files = [...this.#files.values()].flatMap((file) => file.problems)
    return [...this.#folderProblems, ...watching, ...files]
  }

  /** Whether anything changed since the last call. */
  takeChanged(): boolean {
    const changed = this.#changed
    this.#changed = false
    return changed
  }

  async identify(): Promise<void> {
    try {
      const { dev, ino } = await stat(this.path)
      this.identity = `${dev}:${ino}`
    } catch {
      // Why it can't be looked at is said by the scan that follows.
      this.identity = null
    }
  }

  watchFailed(error: unknown): void {
    const message = `changes are noticed only every ${rescanMs / 1000} s: ${messageOf(error)}`
    const remedy = 'raise fs.inotify.max_user_watches or max_user_instances'
    const next = error === null ? null : problemAt(this.path, 'WatchFailed', message, remedy)
    if ((next === null) !== (this.#watchProblem === null)) this.#changed = true
    this.#watchProblem = next
  }

  async scan(): Promise<void> {
    const listing = await this.#list()
    const problems = Array.isArray(listing) ? this.#complain(listing.length) : [listing]
    if (!isDeepStrictEqual(problems, this.#folderProblems)) this.#changed = true
    this.#folderProblems = problems
    if (!Array.isArray(listing) || listing.length === 0) return
    const files = new Map<string, FileState>()
    for (const file of listing.slice(0, filesMax)) {
      const before = this.#files.get(file) ?? null
      const state = await readState(file, before, this.#refusal)
      if (state !== before) this.#changed = true
      if (state !== null) files.set(file, state)
    }
    if (files.size === 0 && this.#files.size > 0) return
    if (files.size !== this.#files.size) this.#changed = true
    this.#files = files
  }

  #complain(found: number): ConfigProblem[] {
    const had = this.#files.size
    if (found > filesMax) {
      const message = `only the first ${filesMax} files are read`
      return [problemAt(this.path, 'FolderTooLarge', message, 'put several objects in a file')]
    }
    if (found > 0) return []
    const message = had === 0 ? 'it holds no manifests' : 'it turned empty; the last state is kept'
    const remedy =
      had === 0 ? 'add .yaml, .yml or .json files' : 'put the manifests back, or stop the agent'
    return [problemAt(this.path, 'FolderEmpty', message, remedy)]
  }

  async #list(): Promise<string[] | ConfigProblem> {
    try {
      if ((await stat(this.path)).isFile()) return [this.path]
      const names = await readdir(this.path)
      return names
        .filter((name) => !name.startsWith('.') && extensions.includes(extname(name)))
        .sort(compareText)
        .slice(0, filesMax + 1)
        .map((name) => join(this.path, name))
    } catch (error) {
      const kept = this.#files.size > 0
      const message = `it can't be read: ${messageOf(error)}`
      return problemAt(
        this.path,
        'FolderUnreadable',
        kept ? `${message}; the last state is kept` : message,
        'check that the folder exists and may be read',
        kept ? 'warning' : 'error',
      )
    }
  }
}

/** null: the file is gone. The same object as `before`: nothing changed. */
async function readState(
  file: string,
  before: FileState | null,
  refusal: Refusal,
): Promise<FileState | null> {
  let signature = 'unreadable'
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    signature = [dev, ino, size, mtimeNs, ctimeNs].join(' ')
    if (before?.signature === signature) return before
    if (size > fileBytesMax) {
      const problem = fileProblem(file, `it is larger than ${fileBytesMax} bytes`, 'split it')
      return keepLast(file, signature, before, [problem])
    }
    const bytes = await readFile(file)
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const { resources, problems } = readManifests(file, text)
    if (refusal === 'file' && hasErrors(problems))
      return keepLast(file, signature, before, problems)
    if (text.trim() === '' && (before?.good.length ?? 0) > 0) {
      const remedy = `delete ${basename(file)} to remove what it said`
      return keepLast(file, signature, before, [
        problemAt(file, 'FileEmpty', 'it turned empty', remedy),
      ])
    }
    return { signature, good: resources, problems }
  } catch (error) {
    if (isMissing(error)) return null
    const remedy = 'manifests are UTF-8 text the agent may read'
    const problem = fileProblem(file, `it can't be read: ${messageOf(error)}`, remedy)
    const state = keepLast(file, signature, before, [problem])
    return isDeepStrictEqual(state, before) ? before : state
  }
}

function keepLast(
  file: string,
  signature: string,
  before: FileState | null,
  problems: readonly ConfigProblem[],
): FileState {
  if (before === null || before.good.length === 0) return { signature, good: [], problems }
  const message = `what ${basename(file)} said before stays in force`
  const kept = problemAt(file, 'LastStateKept', message, 'correct the file')
  return { signature, good: before.good, problems: [...problems, kept] }
}

function fileProblem(file: string, message: string, remedy: string): ConfigProblem {
  return problemAt(file, 'Unreadable', message, remedy, 'error')
}

function problemAt(
  file: string,
  reason: string,
  message: string,
  remedy: string,
  severity: ConfigProblem['severity'] = 'warning',
): ConfigProblem {
  const place = { file, line: 1, column: 1, subject: '', field: '', expected: null, found: null }
  return { ...place, reason, severity, message, remedy }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
