/**
 * BFD as the main thread holds it. The thread is made when the first session is wanted, and made anew
 * should it ever die; its death is no news of any path, so nothing is reported as failed.
 */
import { type MessagePort, Worker } from 'node:worker_threads'
import {
  type BfdEvent,
  type BfdSessionConfig,
  type BfdState,
  type BfdView,
  groupByPath,
  type Refusal,
} from '../../bgp/bfd/index.ts'
import type { BfdWorkerData, FromBfdWorker, ToBfdWorker } from './bfd-messages.ts'

/** A thread that hasn't ended by then after `close` is ended by force. */
const closeMs = 2000
/** Between a thread's death and the next. */
const restartMs = 1000
/** The lowest real-time priority but a few: before every ordinary thread, behind the kernel's own. */
const defaultPriority = 5

export interface BfdOptions {
  /** Network namespace the thread enters before it opens anything; default: that of the process. */
  readonly netnsPath?: string
  /** SCHED_RR priority, 1 to 99; null: an ordinary thread. Default 5, where it is allowed. */
  readonly realtimePriority?: number | null
  /**
   * Gives each new thread a line to the kernel writer's (`FibWorker.line`), by which it tells of next
   * hops that die and live again; where there is none, whoever listens to `onState` does that.
   */
  readonly line?: () => MessagePort | null
}

export interface Bfd {
  /** Whether the thread itself tells the kernel writer of next hops. */
  readonly reportsHops: boolean
  /** From now on wanted sessions are run. */
  start(): Promise<void>
  /** Tells every remote AdminDown, so that it doesn't take the end for a failure. */
  close(): Promise<void>
  /**
   * The whole wanted set; what was in it before and is unchanged goes on undisturbed, changed timers
   * are negotiated with the session up.
   *
   * @throws RangeError for settings that can't be sent, and two sessions of one name
   */
  setSessions(sessions: readonly BfdSessionConfig[]): void
  /** Each change of each session's state. */
  onState(listener: (state: BfdState) => void): void
  /** What is worth a line in the log. */
  onEvent(listener: (event: BfdEvent) => void): void
  /** As of half a second ago at most, while there are no more than 128 sessions. */
  views(): readonly BfdView[]
  /** Packets refused so far, of any sender, by reason. */
  refusals(): ReadonlyMap<Refusal, number>
}

/** BFD in a thread of its own. Building it does nothing. */
export function createBfd(options: BfdOptions = {}): Bfd {
  const data = {
    netnsPath: options.netnsPath ?? null,
    priority: options.realtimePriority === undefined ? defaultPriority : options.realtimePriority,
  }
  return new BfdProxy(data, options.line ?? (() => null))
}

class BfdProxy implements Bfd {
  reportsHops = false
  readonly #data: BfdWorkerData
  readonly #line: () => MessagePort | null
  #state: 'built' | 'running' | 'closed' = 'built'
  #worker: Worker | null = null
  #ended: Promise<void> = Promise.resolve()
  #restart: NodeJS.Timeout | null = null
  #wanted: readonly BfdSessionConfig[] = []
  readonly #views = new Map<string, BfdView>()
  #refusals: ReadonlyMap<Refusal, number> = new Map()
  readonly #stateListeners: ((state: BfdState) => void)[] = []
  readonly #eventListeners: ((event: BfdEvent) => void)[] = []

  constructor(data: BfdWorkerData, line: () => MessagePort | null) {
    this.#data = data
    this.#line = line
  }

  async start(): Promise<void> {
    if (this.#state !== 'built') throw new Error(`BFD is ${this.#state}`)
    this.#state = 'running'
    if (this.#wanted.length > 0) this.#begin()
  }

  async close(): Promise<void> {
    const running = this.#state === 'running'
    this.#state = 'closed'
    if (this.#restart !== null) clearTimeout(this.#restart)
    if (running) this.#say({ to: 'close' })
    const force = setTimeout(() => void this.#worker?.terminate(), closeMs)
    await this.#ended
    clearTimeout(force)
  }

  setSessions(sessions: readonly BfdSessionConfig[]): void {
    // What is wrong with them is told here, to whoever has made them.
    groupByPath(sessions)
    this.#wanted = [...sessions]
    if (this.#state !== 'running') return
    if (this.#worker !== null) this.#say({ to: 'sessions', sessions: this.#wanted })
    else if (sessions.length > 0 && this.#restart === null) this.#begin()
  }

  onState(listener: (state: BfdState) => void): void {
    this.#stateListeners.push(listener)
  }

  onEvent(listener: (event: BfdEvent) => void): void {
    this.#eventListeners.push(listener)
  }

  views(): readonly BfdView[] {
    return [...this.#views.values()]
  }

  refusals(): ReadonlyMap<Refusal, number> {
    return this.#refusals
  }

  #begin(): void {
    this.#restart = null
    // Built, the entry is JavaScript; run from source, it is what it is.
    const entry = import.meta.url.endsWith('.ts') ? './bfd.ts' : './bfd.js'
    const worker = new Worker(new URL(entry, import.meta.url), { workerData: this.#data })
    this.#worker = worker
    let reason = 'it ended by itself'
    worker.on('message', (message: FromBfdWorker) => this.#heard(message))
    worker.on('error', (error) => {
      reason = error.message
    })
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#worker = null
        if (this.#state === 'running') this.#died(reason)
        resolve()
      })
    })
    const line = this.#line()
    this.reportsHops = line !== null
    if (line !== null) worker.postMessage({ to: 'line', line } satisfies ToBfdWorker, [line])
    this.#say({ to: 'sessions', sessions: this.#wanted })
  }

  #heard(message: FromBfdWorker): void {
    switch (message.from) {
      case 'state':
        if (message.view !== null) this.#views.set(message.view.name, message.view)
        this.#emit(message.state)
        return
      case 'views':
        if (message.whole) this.#views.clear()
        this.#refusals = message.refusals
        for (const view of message.views) this.#views.set(view.name, view)
        if (!message.whole) this.#say({ to: 'seen' })
        return
      case 'event':
        for (const listener of this.#eventListeners) listener(message.event)
        return
    }
  }

  #died(reason: string): void {
    const text = `the BFD thread died: ${reason}; its sessions begin again in ${restartMs} ms`
    const event: BfdEvent = { kind: 'bfd.problem', level: 'error', text }
    for (const listener of this.#eventListeners) listener(event)
    const lost = [...this.#views.values()].filter((view) => view.state !== 'Down')
    this.#views.clear()
    this.#restart = setTimeout(() => this.#begin(), restartMs)
    for (const { name, diagnostic, remoteState, remoteDiagnostic } of lost) {
      const failed = false
      this.#emit({ name, state: 'Down', diagnostic, remoteState, remoteDiagnostic, failed })
    }
  }

  #emit(state: BfdState): void {
    for (const listener of this.#stateListeners) listener(state)
  }

  #say(message: ToBfdWorker): void {
    this.#worker?.postMessage(message)
  }
}
