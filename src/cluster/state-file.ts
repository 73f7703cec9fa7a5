/**
 * What was last known of the cluster, on disk, so that a node that boots while the API server is
 * away still routes. One file, replaced as a whole; it holds the keys of sessions (Secrets), so
 * nobody else may read it. A file that is damaged, of another node or of another version is not
 * used, and said to be so.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord } from '../config/validate.ts'

export interface ClusterState {
  /** What was served of the optional groups. */
  readonly served: readonly string[]
  /** Objects by the key of their source. */
  readonly objects: Readonly<Record<string, readonly unknown[]>>
}

const fileName = 'cluster.json'
const format = 'routelet cluster state'
const version = 1
const bytesMax = 256 * 1024 * 1024

export class StateFile {
  readonly path: string
  readonly #folder: string
  readonly #node: string

  constructor(folder: string, node: string) {
    this.#folder = folder
    this.#node = node
    this.path = join(folder, fileName)
  }

  /**
   * @returns null when there is none yet
   * @throws Error in words when there is one that can't be used
   */
  async read(): Promise<ClusterState | null> {
    let text: string
    try {
      text = await readFile(this.path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw new Error(`${this.path} can't be read: ${(cause as Error).message}`, { cause })
    }
    const end = text.indexOf('\n')
    const head = parse(text.slice(0, end))
    const payload = text.slice(end + 1)
    if (end < 0 || head['format'] !== format) throw this.#unusable('it is no state of a cluster')
    if (head['version'] !== version) {
      throw this.#unusable(`it has version ${head['version']}, this is ${version}`)
    }
    if (head['node'] !== this.#node) throw this.#unusable(`it is of node ${head['node']}`)
    if (head['sha256'] !== digest(payload)) throw this.#unusable('it is damaged')
    const state = parse(payload)
    const { served, objects } = state
    if (!Array.isArray(served) || !isRecord(objects)) throw this.#unusable('it is damaged')
    return { served, objects: objects as ClusterState['objects'] }
  }

  /**
   * Replaces the file: first whole and on disk under another name, then renamed.
   * @throws Error in words when it can't be written
   */
  async write(state: ClusterState): Promise<void> {
    const payload = JSON.stringify(state)
    if (payload.length > bytesMax) throw new Error(`the state is longer than ${bytesMax} bytes`)
    const head = JSON.stringify({ format, version, node: this.#node, sha256: digest(payload) })
    const draft = `${this.path}.new`
    try {
      await mkdir(this.#folder, { recursive: true })
      const file = await open(draft, 'w', 0o600)
      try {
        await file.writeFile(`${head}\n${payload}`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, this.path)
    } catch (cause) {
      throw new Error(`${this.path} can't be written: ${(cause as Error).message}`, { cause })
    }
  }

  #unusable(why: string): Error {
    return new Error(`${this.path} is not used: ${why}`)
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    // What it isn't shows in the fields that are missing.
    return {}
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
