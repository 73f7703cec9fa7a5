/**
 * One kind of object kept in step with the API server: listed in pages, then watched from there, as
 * the Kubernetes API concepts have it ("Efficient detection of changes"). A watch that ends goes on
 * where it was; one whose history was compacted (410) lists anew. Whatever fails, the last known
 * objects stay, and the way back is paced.
 */
import type { Clock } from '../../bgp/types.ts'
import { isRecord } from '../config/validate.ts'
import { type ApiClient, ApiError, answerOf } from './api-client.ts'
import { type ClusterObject, readObject } from './objects.ts'
import { isRefusal, waitBeforeRetry } from './pace.ts'
import type { Source } from './sources.ts'
import { pause } from './timing.ts'

export interface ListWatchPorts {
  readonly client: ApiClient
  readonly clock: Clock
  readonly random: () => number
  /** Objects or trouble changed. */
  readonly onChange: () => void
}

/** What keeps a source from being up to date. */
export interface Trouble {
  /** HTTP status; 0: no answer. */
  readonly status: number
  readonly message: string
  /** Failures in a row. */
  readonly failures: number
}

const pageSize = 500
/** More pages than this are no list of ours: 2,000 × 500 objects. */
const pagesMax = 2_000
/** The server ends a watch after a random time in this range, so that they don't all end at once. */
const watchSecondsRange = [240, 480] as const
/** A watch that ends at once counts as a failure if it does so sooner than this. */
const watchMsLeast = 1_000
/** One that stood for so long ends a row of failures, though it was quiet. */
const steadyMs = 5_000
const gone = 410

export class ListWatch {
  readonly source: Source
  readonly #ports: ListWatchPorts
  readonly #stop = new AbortController()
  #objects: Map<string, ClusterObject>
  /** Where the watch goes on; null: list first. */
  #resourceVersion: string | null = null
  /** A list answers from the server's cache unless its history was just found to be too short. */
  #fresh = false
  #listed = false
  #emptied = false
  #trouble: Trouble | null = null
  /** In a row; a list that succeeds ends the row only when its watch does too. */
  #failures = 0
  /** Whether the last failure was a refusal: that and absence are rows of their own. */
  #refused = false
  /** When the watch that stands was agreed to. */
  #openedAt: number | null = null

  /** @param seed objects as they were known before, until the first list */
  constructor(source: Source, seed: readonly unknown[], ports: ListWatchPorts) {
    this.source = source
    this.#ports = ports
    this.#objects = this.#read(seed)
  }

  get objects(): ReadonlyMap<string, ClusterObject> {
    return this.#objects
  }

  /** Whether the server has said what there is, or clearly that it won't. */
  get settled(): boolean {
    return this.#listed || (this.#trouble !== null && isRefusal(this.#trouble.status))
  }

  /** A list came back empty and isn't believed. */
  get emptied(): boolean {
    return this.#emptied
  }

  get trouble(): Trouble | null {
    return this.#trouble
  }

  /** Runs until `stop`; to be called once. */
  start(): void {
    void this.#run()
  }

  stop(): void {
    this.#stop.abort()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#ports
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#resourceVersion === null) await this.#list()
        await this.#watch(this.#resourceVersion ?? '')
      } catch (error) {
        if (this.#stop.signal.aborted) return
        const { failures, status, retryAfterSeconds } = this.#fail(error)
        const wait = waitBeforeRetry(failures, status, retryAfterSeconds, random())
        await pause(clock, wait, this.#stop.signal)
      }
    }
  }

  async #list(): Promise<void> {
    const { path, query, kind, apiVersion, emptiness } = this.source
    const found = new Map<string, ClusterObject>()
    let resourceVersion = ''
    let next = ''
    for (let page = 0; page === 0 || next !== ''; page++) {
      if (page === pagesMax) throw new ApiError(`list ${path}: over ${pagesMax} pages`, 0, null)
      const from = next === '' ? {} : { continue: next }
      // Version 0 is "any, from the cache": it spares etcd when a whole cluster of agents starts.
      const cached = this.#fresh || next !== '' ? {} : { resourceVersion: '0' }
      const answer = await this.#ports.client.send({
        verb: 'list',
        path,
        query: { ...query, limit: String(pageSize), ...cached, ...from },
      })
      const list = readList(answer, path)
      for (const item of list.items) {
        const object = readObject(kind, apiVersion, item, this.#objects)
        if (object !== null) found.set(object.key, object)
      }
      resourceVersion = list.resourceVersion
      next = list.next
    }
    if (this.#stop.signal.aborted) return
    this.#resourceVersion = resourceVersion
    this.#fresh = false
    this.#listed = true
    this.#trouble = null
    this.#emptied = emptiness === 'suspect' && found.size === 0 && this.#objects.size > 0
    if (!this.#emptied) this.#objects = found
    this.#ports.onChange()
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { client, clock, random } = this.#ports
    const { path, query } = this.source
    const [least, most] = watchSecondsRange
    const seconds = Math.round(least + random() * (most - least))
    const begun = clock.now()
    const options = { watch: '1', allowWatchBookmarks: 'true', timeoutSeconds: String(seconds) }
    await client.watch(
      { verb: 'watch', path, query: { ...query, ...options, resourceVersion } },
      () => this.#recover(),
      (line) => this.#take(line),
      this.#stop.signal,
    )
    if (this.#stop.signal.aborted) return
    if (clock.now() - begun >= watchMsLeast) {
      this.#failures = 0
      return
    }
    throw new ApiError(`watch ${path}: the server ended it at once`, 0, null)
  }

  /** @throws ApiError when the watch can't go on */
  #take(line: string): void {
    const { type, object } = readEvent(line, this.source.path)
    if (type === 'ERROR') {
      const status = Number(object['code'] ?? 0)
      throw new ApiError(`watch ${this.source.path}: ${object['message']}`, status, null)
    }
    const version = isRecord(object['metadata']) ? object['metadata']['resourceVersion'] : null
    if (typeof version === 'string') this.#resourceVersion = version
    this.#failures = 0
    if (type !== 'BOOKMARK' && this.#change(type, object)) this.#ports.onChange()
  }

  /** The server answers again; a watch may be quiet for a minute. */
  #recover(): void {
    this.#openedAt = this.#ports.clock.now()
    if (this.#trouble === null) return
    this.#trouble = null
    this.#ports.onChange()
  }

  /** @returns whether anything that is read has changed */
  #change(type: string, value: Readonly<Record<string, unknown>>): boolean {
    const { kind, apiVersion } = this.source
    const object = readObject(kind, apiVersion, value, this.#objects)
    if (object === null) return false
    const before = this.#objects.get(object.key)
    if (type === 'DELETED') {
      this.#objects.delete(object.key)
      return before !== undefined
    }
    // Somebody begins anew: from here on, what is there is what there is.
    if (this.#emptied) this.#objects.clear()
    const changed = this.#emptied || before?.raw !== object.raw
    this.#emptied = false
    this.#objects.set(object.key, object)
    return changed
  }

  #fail(error: unknown): Trouble & { readonly retryAfterSeconds: number | null } {
    const { message } = error as Error
    const { status, retryAfterSeconds } = answerOf(error)
    const stood = this.#openedAt === null ? 0 : this.#ports.clock.now() - this.#openedAt
    this.#openedAt = null
    const begins = stood >= steadyMs || this.#refused !== isRefusal(status)
    this.#refused = isRefusal(status)
    this.#failures = begins ? 1 : this.#failures + 1
    const failures = this.#failures
    if (status === gone) {
      this.#resourceVersion = null
      this.#fresh = true
      // That history is compacted is the usual course of things, not trouble.
      return { status, message, failures, retryAfterSeconds }
    }
    // The server is told the version again only if it still may know it.
    if (isRefusal(status)) this.#resourceVersion = null
    this.#trouble = { status, message, failures }
    this.#ports.onChange()
    return { ...this.#trouble, retryAfterSeconds }
  }

  #read(values: readonly unknown[]): Map<string, ClusterObject> {
    const { kind, apiVersion } = this.source
    const objects = new Map<string, ClusterObject>()
    for (const value of values) {
      const object = readObject(kind, apiVersion, value, objects)
      if (object !== null) objects.set(object.key, object)
    }
    return objects
  }
}

interface Page {
  readonly items: readonly unknown[]
  readonly resourceVersion: string
  /** Where the next page begins; empty: this was the last. */
  readonly next: string
}

function readList(answer: unknown, path: string): Page {
  const { items, metadata } = isRecord(answer) ? answer : {}
  const { resourceVersion, continue: next } = isRecord(metadata) ? metadata : {}
  if (!(Array.isArray(items) || items === null) || typeof resourceVersion !== 'string') {
    throw new ApiError(`list ${path}: the answer is no list`, 0, null)
  }
  return { items: items ?? [], resourceVersion, next: typeof next === 'string' ? next : '' }
}

interface WatchEvent {
  readonly type: string
  readonly object: Readonly<Record<string, unknown>>
}

function readEvent(line: string, path: string): WatchEvent {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch (error) {
    throw new ApiError(`watch ${path}: ${(error as Error).message}`, 0, null, error)
  }
  const { type, object } = isRecord(event) ? event : {}
  if (typeof type !== 'string' || !isRecord(object)) {
    throw new ApiError(`watch ${path}: an event without type or object`, 0, null)
  }
  return { type, object }
}
