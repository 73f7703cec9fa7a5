/**
 * The kernel writer as the main thread holds it: the same interface, over messages. Bulk changes
 * travel as transferred memory. A thread that dies is told as an event of level `error`, and every
 * call it leaves open fails; the kernel's routes stay where they are.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type {
  Fib,
  FibDifference,
  FibEvent,
  FibLookup,
  FibNexthop,
  FibRouteView,
  FibSettings,
  FibStatus,
  Guard,
  HostRoute,
  Resolution,
  WantedChanges,
} from '../../fib/types.ts'
import type {
  FibCall,
  FibOrder,
  FibWorkerData,
  FromFibWorker,
  PlainError,
  ToFibWorker,
} from './fib-messages.ts'

/** A thread that hasn't ended by then after `close` is ended by force. */
const closeMs = 2000
/** Calls waiting for an answer at one time. */
const callsMax = 1024

export interface FibWorkerOptions {
  /** Network namespace the thread enters before it opens anything; default: that of the process. */
  readonly netnsPath?: string
}

/** An error that crossed the thread; `code` is the errno name of a kernel error. */
export class FibWorkerError extends Error {
  override readonly name: string
  readonly code: string | null

  constructor(error: PlainError) {
    super(error.message)
    this.name = error.name
    this.code = error.code
  }
}

/** A kernel writer in a thread of its own. */
export interface FibWorker extends Fib {
  /**
   * A line into the writer's thread for one that watches next hops: it takes HopReports, past the
   * main thread. null while the writer doesn't run.
   */
  line(): MessagePort | null
}

/** The thread is made by `start`. */
export function createFibWorker(settings: FibSettings, options: FibWorkerOptions = {}): FibWorker {
  return new FibProxy({ settings, netnsPath: options.netnsPath ?? null })
}

interface Waiter {
  resolve(value: unknown): void
  reject(error: Error): void
}

class FibProxy implements FibWorker {
  #data: FibWorkerData
  #worker: Worker | null = null
  #state: 'built' | 'running' | 'closing' | 'ended' = 'built'
  #ended: Promise<void> = Promise.resolve()
  /** Orders given before `start`. */
  #early: FibOrder[] = []
  #calls = 0
  readonly #waiters = new Map<number, Waiter>()
  readonly #resolutionListeners: ((resolutions: readonly Resolution[]) => void)[] = []
  readonly #eventListeners: ((event: FibEvent) => void)[] = []

  constructor(data: FibWorkerData) {
    this.#data = data
  }

  async start(): Promise<void> {
    if (this.#state !== 'built') throw new Error(`the kernel writer is ${this.#state}`)
    // Built, the entry is JavaScript; run from source, it is what it is.
    const entry = import.meta.url.endsWith('.ts') ? './fib.ts' : './fib.js'
    const worker = new Worker(new URL(entry, import.meta.url), { workerData: this.#data })
    this.#worker = worker
    this.#state = 'running'
    worker.on('message', (message: FromFibWorker) => this.#heard(message))
    worker.on('error', (error) => this.#died(error))
    this.#ended = new Promise((resolve) => {
      worker.once('exit', (code) => {
        if (this.#state !== 'ended') this.#exited(code)
        resolve()
      })
    })
    for (const order of this.#early) this.#order(order)
    this.#early = []
    try {
      await this.#call({ kind: 'start' })
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#state !== 'running') {
      if (this.#state === 'built') this.#state = 'ended'
      await this.#ended
      return
    }
    const closed = this.#call({ kind: 'close' })
    this.#state = 'closing'
    const force = setTimeout(() => void this.#worker?.terminate(), closeMs)
    try {
      await closed
    } finally {
      await this.#ended
      clearTimeout(force)
    }
  }

  async withdrawAll(): Promise<void> {
    await this.#call({ kind: 'withdrawAll' })
  }

  configure(settings: FibSettings): void {
    this.#data = { ...this.#data, settings }
    this.#order({ kind: 'configure', settings })
  }

  change(changes: WantedChanges): void {
    const { family, count, sets } = changes
    const words = family === 'ipv4-unicast' ? 1 : 4
    // Copied to size first: the caller's columns may be larger, and stay the caller's.
    const addresses = changes.addresses.slice(0, count * words)
    const lengths = changes.lengths.slice(0, count)
    const nextHopSets = changes.nextHopSets.slice(0, count)
    this.#order({
      kind: 'change',
      changes: { family, count, addresses, lengths, nextHopSets, sets },
    })
  }

  blackholes(prefixes: readonly string[]): void {
    this.#order({ kind: 'blackholes', prefixes })
  }

  hosts(routes: readonly HostRoute[]): void {
    this.#order({ kind: 'hosts', routes })
  }

  guard(guard: Guard): void {
    this.#order({ kind: 'guard', guard })
  }

  synchronised(): void {
    this.#order({ kind: 'synchronised' })
  }

  track(nextHop: string): void {
    this.#order({ kind: 'track', nextHop })
  }

  untrack(nextHop: string): void {
    this.#order({ kind: 'untrack', nextHop })
  }

  dead(nextHop: string): void {
    this.#order({ kind: 'dead', nextHop })
  }

  alive(nextHop: string): void {
    this.#order({ kind: 'alive', nextHop })
  }

  avoid(nextHop: string, avoided: boolean): void {
    this.#order({ kind: 'avoid', nextHop, avoided })
  }

  line(): MessagePort | null {
    if (this.#state !== 'running') return null
    const { port1, port2 } = new MessageChannel()
    this.#worker?.postMessage({ to: 'line', line: port2 } satisfies ToFibWorker, [port2])
    return port1
  }

  onResolution(listener: (resolutions: readonly Resolution[]) => void): void {
    this.#resolutionListeners.push(listener)
  }

  onEvent(listener: (event: FibEvent) => void): void {
    this.#eventListeners.push(listener)
  }

  async status(): Promise<FibStatus> {
    return (await this.#call({ kind: 'status' })) as FibStatus
  }

  async routes(page: { after: string | null; limit: number }): Promise<readonly FibRouteView[]> {
    return (await this.#call({ kind: 'routes', ...page })) as readonly FibRouteView[]
  }

  async lookup(prefix: string): Promise<FibLookup> {
    return (await this.#call({ kind: 'lookup', prefix })) as FibLookup
  }

  async nexthops(): Promise<readonly FibNexthop[]> {
    return (await this.#call({ kind: 'nexthops' })) as readonly FibNexthop[]
  }

  async difference(): Promise<readonly FibDifference[]> {
    return (await this.#call({ kind: 'difference' })) as readonly FibDifference[]
  }

  #order(order: FibOrder): void {
    if (this.#state === 'built') {
      this.#early.push(order)
      return
    }
    // After the end there is nobody to obey; that it ended has been told.
    if (this.#state !== 'running') return
    const memory = order.kind === 'change' ? memoryOf(order.changes) : []
    this.#worker?.postMessage({ to: 'order', order } satisfies ToFibWorker, memory)
  }

  async #call(call: FibCall): Promise<unknown> {
    if (this.#state !== 'running') {
      throw new Error(`${call.kind}: the kernel writer is ${this.#state}`)
    }
    if (this.#waiters.size >= callsMax) {
      throw new Error(`${call.kind}: ${callsMax} calls are waiting for the kernel writer already`)
    }
    const id = this.#calls++
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject })
      this.#worker?.postMessage({ to: 'call', id, call } satisfies ToFibWorker)
    })
  }

  #heard(message: FromFibWorker): void {
    switch (message.from) {
      case 'resolutions':
        for (const listener of this.#resolutionListeners) listener(message.resolutions)
        return
      case 'event':
        this.#emit(message.event)
        return
      case 'answer':
        this.#waiters.get(message.id)?.resolve(message.value)
        this.#waiters.delete(message.id)
        return
      case 'refusal':
        this.#waiters.get(message.id)?.reject(new FibWorkerError(message.error))
        this.#waiters.delete(message.id)
        return
    }
  }

  #exited(code: number): void {
    if (this.#state === 'closing') this.#end(new Error('the kernel writer was closed'))
    else this.#died(new Error(`the thread ended with code ${code}`))
  }

  #died(error: Error): void {
    this.#emit({
      kind: 'fib.error',
      level: 'error',
      text: `the kernel writer died: ${error.message}; routes in the kernel stay as they are`,
      data: { stack: error.stack ?? null },
    })
    this.#end(error)
  }

  #end(error: Error): void {
    this.#state = 'ended'
    for (const waiter of this.#waiters.values()) waiter.reject(error)
    this.#waiters.clear()
  }

  #emit(event: FibEvent): void {
    for (const listener of this.#eventListeners) listener(event)
  }
}

function memoryOf(changes: WantedChanges): ArrayBuffer[] {
  const { addresses, lengths, nextHopSets } = changes
  return [addresses, lengths, nextHopSets].map((column) => column.buffer as ArrayBuffer)
}
