/**
 * The cluster store: what an agent needs of a Kubernetes API server, given out as whole snapshots
 * like those of a folder. What is watched follows from what is known (demand.ts). While the server
 * is away the last known state stays in force, and at a start without it the state file is read, so
 * that routing never waits for the API server.
 *
 * A snapshot is given out only when everything it needs has been heard, or after a patience: a new
 * BGPPeer must not come up without the Secret that is still on its way.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '../../bgp/types.ts'
import type { Snapshot } from '../config/folder.ts'
import { type ConfigProblem, compareText } from '../config/problem.ts'
import { assembleResources } from '../config/resources.ts'
import { isRecord } from '../config/validate.ts'
import { fail, warn } from '../intent/problem.ts'
import type { Problem } from '../intent/types.ts'
import { type ApiClient, ApiError, answerOf } from './api-client.ts'
import { deriveDemand } from './demand.ts'
import { ListWatch } from './list-watch.ts'
import { waitBeforeRetry } from './pace.ts'
import { optionalGroups, type Source } from './sources.ts'
import type { ClusterState, StateFile } from './state-file.ts'
import { pause } from './timing.ts'

export interface ClusterStorePorts {
  readonly client: ApiClient
  readonly clock: Clock
  readonly random: () => number
  /** null: a start without the API server knows nothing. */
  readonly state: StateFile | null
}

/** A start, and a snapshot later on, waits for the API server at most so long. */
export const patienceSeconds = 10
/** From the first sign of a change to the snapshot: changes come in bunches. */
const settleMs = 50
/** After so many failures in a row the server is called away. */
const failuresUntilAway = 3
/** Kinds may be installed at any time. */
const discoverySeconds = 300
const saveSeconds = 10

export class ClusterStore {
  readonly #node: string
  readonly #ports: ClusterStorePorts
  readonly #listeners: ((snapshot: Snapshot) => void)[] = []
  readonly #sources = new Map<string, ListWatch>()
  readonly #stop = new AbortController()
  /** null: not known yet. */
  #served: ReadonlySet<string> | null = null
  #discovered = false
  /** Failures in a row, and the words of the last. */
  #discovery = { failures: 0, message: '' }
  /** Keys of the sources that are wanted; the others stay until these have settled. */
  #wanted: ReadonlySet<string> = new Set()
  /** Own Node and BGP resources are known, from the server or the state file. */
  #knowsBasics = false
  #demandProblems: readonly Problem[] = []
  #stateProblems: readonly Problem[] = []
  #seed: ClusterState | null = null
  #snapshot: Snapshot | null = null
  #ready: () => void = () => {}
  #settling: Timer | null = null
  #patience: Timer | null = null
  #saving: Timer | null = null
  #written: Promise<void> = Promise.resolve()

  constructor(node: string, ports: ClusterStorePorts) {
    this.#node = node
    this.#ports = ports
  }

  /** Resolves with what the API server says, or after a patience with what is known without it. */
  async start(): Promise<Snapshot> {
    await this.#readState()
    const first = new Promise<void>((resolve) => {
      this.#ready = resolve
    })
    this.#reconcile()
    this.#waitPatiently()
    void this.#discover()
    await first
    return this.#snapshot ?? this.#assemble()
  }

  onSnapshot(listener: (snapshot: Snapshot) => void): void {
    this.#listeners.push(listener)
  }

  /** Ends all watches; idempotent. */
  close(): void {
    this.#stop.abort()
    for (const source of this.#sources.values()) source.stop()
    for (const timer of [this.#settling, this.#patience, this.#saving]) timer?.cancel()
    this.#ready()
  }

  async #readState(): Promise<void> {
    try {
      this.#seed = (await this.#ports.state?.read()) ?? null
      if (this.#seed === null) return
      this.#served = new Set(this.#seed.served)
      this.#knowsBasics = true
    } catch (error) {
      const { message } = error as Error
      const remedy = 'it is replaced when the API server has been heard'
      this.#stateProblems = [warn('StateUnreadable', 'Kubernetes', message, remedy)]
    }
  }

  /** Asks which optional kinds there are, and again now and then. */
  async #discover(): Promise<void> {
    const { client, clock, random } = this.#ports
    const { signal } = this.#stop
    while (!signal.aborted) {
      let wait = discoverySeconds * 1000 * (0.9 + random() * 0.2)
      try {
        this.#served = await findServed(client)
        this.#discovered = true
        this.#discovery = { failures: 0, message: '' }
      } catch (error) {
        const failures = this.#discovery.failures + 1
        const { message } = error as Error
        this.#discovery = { failures, message }
        const { status, retryAfterSeconds } = answerOf(error)
        wait = waitBeforeRetry(failures, status, retryAfterSeconds, random())
      }
      this.#changed()
      await pause(clock, wait, signal)
    }
  }

  #changed(): void {
    if (this.#stop.signal.aborted || this.#settling !== null) return
    this.#settling = this.#ports.clock.schedule(settleMs, () => {
      this.#settling = null
      this.#reconcile()
      this.#publishIfWhole()
    })
  }

  /** Begins the watches that are wanted now; those that no longer are end when these have settled. */
  #reconcile(): void {
    this.#want(this.#knowsBasics)
    // What the basics ask for is begun at once, and not heard yet.
    if (!this.#knowsBasics && this.#hasHeardWanted()) {
      this.#knowsBasics = true
      this.#want(true)
    }
    if (!this.#isWhole()) return
    for (const [key, source] of this.#sources) {
      if (this.#wanted.has(key)) continue
      source.stop()
      this.#sources.delete(key)
    }
  }

  #want(knowsBasics: boolean): void {
    const resources = knowsBasics ? this.#assemble().resources : null
    const namespace = this.#ports.client.namespace ?? 'kube-system'
    const standpoint = { node: this.#node, namespace, served: this.#served, resources }
    const { sources, problems } = deriveDemand(standpoint)
    this.#demandProblems = problems
    this.#wanted = new Set(sources.map(({ key }) => key))
    for (const source of sources) if (!this.#sources.has(source.key)) this.#begin(source)
  }

  #begin(source: Source): void {
    const { client, clock, random } = this.#ports
    const onChange = () => this.#changed()
    const seed = this.#seed?.objects[source.key] ?? []
    const watch = new ListWatch(source, seed, { client, clock, random, onChange })
    this.#sources.set(source.key, watch)
    watch.start()
    if (seed.length > 0) this.#changed()
  }

  /** Whether everything that is wanted has been heard. */
  #isWhole(): boolean {
    return this.#knowsBasics && this.#hasHeardWanted()
  }

  #hasHeardWanted(): boolean {
    if (!this.#discovered) return false
    return [...this.#wanted].every((key) => this.#sources.get(key)?.settled === true)
  }

  #publishIfWhole(): void {
    if (!this.#isWhole()) {
      this.#waitPatiently()
      return
    }
    this.#patience?.cancel()
    this.#patience = null
    this.#seed = null
    this.#publish()
  }

  #waitPatiently(): void {
    if (this.#patience !== null) return
    this.#patience = this.#ports.clock.schedule(patienceSeconds * 1000, () => {
      this.#patience = null
      this.#publish()
    })
  }

  #publish(): void {
    const before = this.#snapshot
    const snapshot = this.#assemble()
    if (before !== null && isDeepStrictEqual(before, snapshot)) return
    this.#snapshot = snapshot
    if (before === null) this.#ready()
    else for (const listener of this.#listeners) listener(snapshot)
    if (this.#isWhole()) this.#save()
  }

  #assemble(): Snapshot {
    const objects = [...this.#sources.values()].flatMap(({ source, objects }) =>
      [...objects.values()].map((object) => ({ object, source })),
    )
    // A Node that several selectors select is there several times; the newest is it.
    const newest = new Map<string, (typeof objects)[number]>()
    for (const one of objects) {
      const key = `${one.source.path} ${one.object.key}`
      const other = newest.get(key)
      if (
        other === undefined ||
        isNewer(one.object.resourceVersion, other.object.resourceVersion)
      ) {
        newest.set(key, one)
      }
    }
    const chosen = [...newest.values()].map(({ object }) => object)
    const { resources, problems } = assembleResources(chosen.flatMap((one) => one.resources))
    const all = [...problems, ...chosen.flatMap((one) => one.problems), ...this.#ownProblems()]
    return { resources, problems: sortProblems(all) }
  }

  /** What is wrong between us and the API server. */
  #ownProblems(): ConfigProblem[] {
    const found: Problem[] = [...this.#demandProblems, ...this.#stateProblems]
    const away = this.#reasonsAway()
    if (away !== null) {
      const kept = 'what was known last stays in force'
      const message = `the API server at ${this.#ports.client.server} does not answer: ${away}`
      found.push(warn('ApiServerAway', 'Kubernetes', message, kept))
    }
    for (const { source, trouble, emptied } of this.#sources.values()) {
      const subject = `${source.kind.kind} of ${source.apiVersion}`
      if (trouble !== null && isClear(trouble.status)) {
        const remedy = 'check the ClusterRole and the token of the agent'
        found.push(fail('WatchRefused', subject, trouble.message, remedy))
      }
      if (!emptied) continue
      const message = 'all of them are gone from the API server at once; the last ones are kept'
      const remedy = 'create one of them, or delete them while the agent watches'
      found.push(warn('ListTurnedEmpty', subject, message, remedy))
    }
    const place = { file: 'kubernetes', line: 0, column: 0 }
    return found.map((problem) => ({
      ...problem,
      ...place,
      field: '',
      expected: null,
      found: null,
    }))
  }

  /** Without numbers that change: the same trouble is told once. */
  #reasonsAway(): string | null {
    const watches = [...this.#sources.values()].map(({ trouble }) => trouble)
    const { failures, message } = this.#discovery
    const all = [...watches, failures === 0 ? null : { status: 0, failures, message }]
    const lasting = all.filter(
      (one) => one !== null && one.failures >= failuresUntilAway && !isClear(one.status),
    )
    return lasting[0]?.message ?? null
  }

  #save(): void {
    const { clock, state } = this.#ports
    if (state === null || this.#saving !== null) return
    this.#saving = clock.schedule(saveSeconds * 1000, () => {
      this.#saving = null
      this.#written = this.#written.then(() => this.#write(state))
    })
  }

  async #write(state: StateFile): Promise<void> {
    const objects = [...this.#sources].map(
      ([key, { objects }]) => [key, [...objects.values()].map(({ raw }) => raw)] as const,
    )
    try {
      await state.write({ served: [...(this.#served ?? [])], objects: Object.fromEntries(objects) })
      this.#stateProblems = []
    } catch (error) {
      const { message } = error as Error
      const remedy = 'without it a start needs the API server'
      this.#stateProblems = [warn('StateUnwritable', 'Kubernetes', message, remedy)]
      this.#changed()
    }
  }
}

/** Versions are opaque, but those of etcd count up (and have to, since Kubernetes 1.35). */
function isNewer(one: string, other: string): boolean {
  const [a, b] = [Number(one), Number(other)]
  return Number.isSafeInteger(a) && Number.isSafeInteger(b) && a > b
}

function isClear(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort(
    (a, b) => compareText(a.subject, b.subject) || compareText(a.message, b.message),
  )
}

/** @throws ApiError unless the server said of every group what it serves, or that it doesn't */
async function findServed(client: ApiClient): Promise<ReadonlySet<string>> {
  const served = new Set<string>()
  for (const group of optionalGroups) {
    for (const name of await resourcesOf(client, group)) served.add(`${group}/${name}`)
  }
  return served
}

async function resourcesOf(client: ApiClient, group: string): Promise<readonly string[]> {
  let answer: unknown
  try {
    answer = await client.send({ verb: 'get', path: `/apis/${group}` })
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return []
    throw error
  }
  const resources = isRecord(answer) ? answer['resources'] : null
  if (!Array.isArray(resources)) return []
  return resources.flatMap((resource) =>
    isRecord(resource) && typeof resource['name'] === 'string' ? [resource['name']] : [],
  )
}
