/**
 * The kernel writer, put together. It works in turns: hear what the kernel has to say, resolve next
 * hops anew where that matters, tell listeners, then write one batch. Turns are short, so that
 * changes of intent and of the network are taken in between any two batches, and the newest wins.
 *
 * It owns a route by its mark (table, protocol, metric) and touches nothing else.
 */
import { parsePrefix } from './address.ts'
import { Channel } from './channel.ts'
import { Journal } from './journal.ts'
import { Mirror } from './mirror.ts'
import { type Clock, type Kernel, KernelError, type Timer } from './port.ts'
import { Prompter } from './prompter.ts'
import { families, State } from './state.ts'
import { type RouteTable, rowFlags } from './table.ts'
import type {
  Fib,
  FibDifference,
  FibEvent,
  FibLookup,
  FibRouteView,
  FibSettings,
  FibStatus,
  Resolution,
  WantedChanges,
} from './types.ts'
import { Views } from './views.ts'
import { Writer } from './writer.ts'

/** A scan waits this long for more reasons to scan … */
const scanSettleMs = 50
/** … and never comes sooner after the one before. */
const scanGapMs = 1000
const scanRetryMaxMs = 30_000

interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export class Engine implements Fib {
  readonly #kernel: Kernel
  readonly #clock: Clock
  readonly #state: State
  readonly #journal = new Journal()
  readonly #prompter: Prompter
  readonly #writer: Writer
  readonly #mirror: Mirror
  readonly #views: Views
  readonly #resolutionListeners: ((resolutions: readonly Resolution[]) => void)[] = []
  #phase: 'built' | 'running' | 'closed' = 'built'
  #adopted = 0
  #turn: Timer | null = null
  #wake: { readonly timer: Timer; readonly dueMs: number } | null = null
  #scan: Timer | null = null
  #scanDue = false
  #scanFailures = 0
  #lastScanMs = 0
  #safety: Timer | null = null
  #withdrawal: Waiter[] = []

  constructor(settings: FibSettings, kernel: Kernel, clock: Clock) {
    this.#kernel = kernel
    this.#clock = clock
    this.#state = new State(settings, (index, gateway) => this.#prompter.doubt(index, gateway))
    const channel = new Channel(kernel)
    const requestScan = (reason: string) => this.#requestScan(reason)
    this.#prompter = new Prompter(this.#state, channel, clock, this.#journal, () => this.#soon())
    this.#writer = new Writer(this.#state, channel, kernel, clock, this.#journal, requestScan)
    const parts = [this.#state, channel, kernel, this.#writer, this.#journal] as const
    this.#mirror = new Mirror(...parts, requestScan)
    this.#views = new Views(this.#state, this.#writer, this.#mirror, this.#journal)
  }

  async start(): Promise<void> {
    if (this.#phase !== 'built') throw new Error(`the kernel writer is ${this.#phase}`)
    this.#kernel.open({
      notified: (bytes, length) => {
        this.#mirror.notified(bytes, length)
        this.#soon()
      },
      overflowed: () => this.#overflowed(),
      failed: (error) => {
        this.#journal.tell('fib.error', 'error', error.message)
        this.#requestScan(error.message)
      },
    })
    this.#phase = 'running'
    try {
      if (this.#state.settings.install === 'All') this.#writer.checkPrivilege()
      this.#adopted = this.#mirror.scan()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#lastScanMs = this.#clock.now()
    if (this.#adopted > 0) {
      const text = `adopted ${this.#adopted} routes of an earlier run; kept until synchronised`
      this.#journal.tell('fib.adopted', 'info', text, { routes: this.#adopted })
    }
    this.#armSafetyScan()
    this.#soon()
  }

  async close(): Promise<void> {
    if (this.#phase !== 'running') {
      this.#phase = 'closed'
      return
    }
    this.#phase = 'closed'
    for (const timer of [this.#turn, this.#wake?.timer, this.#scan, this.#safety]) timer?.cancel()
    this.#prompter.close()
    this.#kernel.close()
    this.#endWithdrawal(new Error('the kernel writer was closed before all routes were withdrawn'))
  }

  async withdrawAll(): Promise<void> {
    if (this.#phase !== 'running') throw new Error(`the kernel writer is ${this.#phase}`)
    this.#state.withdrawing = true
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.scattered()) table.enqueue(row)
    }
    this.#soon()
    await new Promise<void>((resolve, reject) => this.#withdrawal.push({ resolve, reject }))
  }

  configure(settings: FibSettings): void {
    const before = this.#state.settings
    const moved = this.#state.setSettings(settings)
    if (settings.maxPaths !== before.maxPaths) this.#queueSets(this.#state.nextHops.relead().sets)
    if (moved || settings.install !== before.install) {
      this.#queueAll()
      this.#state.nextHops.touchAll()
    }
    // Routes of others in a table nobody looked at so far.
    if (settings.table !== before.table) this.#requestScan('the table changed')
    this.#armSafetyScan()
    this.#soon()
  }

  change(changes: WantedChanges): void {
    const { nextHops, tables } = this.#state
    const table = tables[changes.family === 'ipv4-unicast' ? 4 : 6]
    const { words } = table.index
    for (const set of changes.sets) if (nextHops.define(set)) this.#queueSets(new Set([set.id]))
    for (let index = 0; index < changes.count; index++) {
      const at = index * words
      const length = changes.lengths[index]!
      const wanted = changes.nextHopSets[index]!
      if (wanted === 0 && table.index.find(changes.addresses, at, length) < 0) continue
      // Counted before the row is made: an unknown set must not leave half a row behind.
      if (wanted !== 0) nextHops.count(wanted, 1)
      const row = table.insert(changes.addresses, at, length)
      const before = table.sets[row]!
      if (before !== 0) nextHops.count(before, -1)
      table.sets[row] = wanted
      if (wanted !== 0) table.clear(row, rowFlags.stale)
      nextHops.touch(table.family, changes.addresses, at, length)
      table.enqueue(row)
    }
    this.#soon()
  }

  blackholes(prefixes: readonly string[]): void {
    const rows = new Map<RouteTable, Set<number>>(
      families.map((family) => [this.#state.tables[family], new Set<number>()]),
    )
    for (const text of prefixes) {
      const prefix = parsePrefix(text)
      if (prefix === null) throw new RangeError(`blackhole ${text}: not a prefix (10.0.0.0/24)`)
      const table = this.#state.tables[prefix.family]
      rows.get(table)?.add(table.insert(prefix.words, 0, prefix.length))
    }
    for (const [table, wanted] of rows) {
      for (const row of table.rows()) {
        if (wanted.has(row) === table.has(row, rowFlags.blackhole)) continue
        if (wanted.has(row)) table.set(row, rowFlags.blackhole)
        else table.clear(row, rowFlags.blackhole)
        if (wanted.has(row)) table.clear(row, rowFlags.stale)
        const { addresses, lengths, words } = table.index
        this.#state.nextHops.touch(table.family, addresses, row * words, lengths[row]!)
        table.enqueue(row)
      }
    }
    this.#soon()
  }

  synchronised(): void {
    if (this.#state.synchronised) return
    this.#state.synchronised = true
    let stale = 0
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.scattered()) {
        if (!table.has(row, rowFlags.stale)) continue
        stale++
        table.enqueue(row)
      }
    }
    if (stale > 0) {
      const text = `sweeping ${stale} routes of an earlier run that nobody wants any more`
      this.#journal.tell('fib.swept', 'info', text, { routes: stale })
    }
    this.#soon()
  }

  track(nextHop: string): void {
    this.#state.nextHops.track(nextHop)
    this.#soon()
  }

  untrack(nextHop: string): void {
    this.#state.nextHops.untrack(nextHop)
  }

  onResolution(listener: (resolutions: readonly Resolution[]) => void): void {
    this.#resolutionListeners.push(listener)
  }

  onEvent(listener: (event: FibEvent) => void): void {
    this.#journal.listen(listener)
  }

  async status(): Promise<FibStatus> {
    return this.#views.status(this.#adopted)
  }

  async routes(page: { after: string | null; limit: number }): Promise<readonly FibRouteView[]> {
    return this.#views.routes(page)
  }

  async lookup(prefix: string): Promise<FibLookup> {
    return this.#views.lookup(prefix)
  }

  async difference(): Promise<readonly FibDifference[]> {
    if (this.#phase !== 'running') throw new Error(`the kernel writer is ${this.#phase}`)
    return this.#views.difference()
  }

  /** A turn as soon as the event loop comes round. Nothing happens before `start`. */
  #soon(): void {
    if (this.#turn !== null || this.#phase !== 'running') return
    this.#turn = this.#clock.schedule(0, () => {
      this.#turn = null
      if (this.#phase === 'running') this.#work()
    })
  }

  #work(): void {
    this.#kernel.drain()
    if (this.#scanDue) this.#rescan()
    this.#settle()
    if (this.#writer.ready) this.#writer.write()
    this.#journal.turn()
    this.#checkWithdrawal()
    this.#armWake()
    if (this.#writer.ready || this.#state.nextHops.pending) this.#soon()
  }

  #settle(): void {
    const { sets, resolutions, touched } = this.#state.nextHops.settle()
    if (sets.size > 0) this.#queueSets(sets)
    if (touched) {
      for (const family of families) {
        const table = this.#state.tables[family]
        for (const row of this.#state.nextHops.coveringRows(table)) table.enqueue(row)
      }
    }
    if (resolutions.length === 0) return
    for (const { nextHop, reachable, reason } of resolutions) {
      const text = `next hop ${nextHop} ${reachable ? 'is reachable' : 'is unreachable'}: ${reason}`
      this.#journal.tell('fib.nexthop', reachable ? 'debug' : 'warn', text, { nextHop, reachable })
    }
    for (const listener of this.#resolutionListeners) listener(resolutions)
  }

  #queueSets(sets: ReadonlySet<number>): void {
    if (sets.size === 0) return
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.rows()) if (sets.has(table.sets[row]!)) table.enqueue(row)
    }
  }

  #queueAll(): void {
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.rows()) table.enqueue(row)
    }
  }

  #overflowed(): void {
    this.#journal.counters.overflows++
    const text = 'the kernel dropped notifications (ENOBUFS); reading its table again'
    this.#journal.tell('fib.overflow', 'warn', text)
    this.#requestScan('notifications were dropped')
  }

  /** A full scan, soon, but never one after the other. */
  #requestScan(reason: string): void {
    if (this.#scan !== null || this.#scanDue || this.#phase !== 'running') return
    this.#journal.tell('fib.overflow', 'debug', `a scan is due: ${reason}`)
    const gapMs = Math.min(scanRetryMaxMs, scanGapMs * 2 ** Math.min(this.#scanFailures, 10))
    const earliestMs = Math.max(this.#clock.now() + scanSettleMs, this.#lastScanMs + gapMs)
    this.#scan = this.#clock.schedule(Math.ceil(earliestMs - this.#clock.now()), () => {
      this.#scan = null
      this.#scanDue = true
      this.#soon()
    })
  }

  #rescan(): void {
    this.#scanDue = false
    try {
      this.#mirror.scan()
      this.#scanFailures = 0
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#scanFailures++
      this.#lastScanMs = this.#clock.now()
      this.#journal.counters.errors++
      this.#journal.tell('fib.error', 'error', `the kernel's table can't be read: ${error.message}`)
      this.#requestScan('the last scan failed')
      return
    }
    this.#lastScanMs = this.#clock.now()
    // What was notified during the dump is newer than the dump.
    this.#kernel.drain()
    this.#writer.resume()
  }

  #armWake(): void {
    const dueMs = this.#writer.nextDueMs
    if (this.#wake !== null && this.#wake.dueMs <= dueMs) return
    this.#wake?.timer.cancel()
    this.#wake = null
    if (dueMs === Number.POSITIVE_INFINITY) return
    const waitMs = Math.max(1, Math.ceil(dueMs - this.#clock.now()))
    const timer = this.#clock.schedule(waitMs, () => {
      this.#wake = null
      this.#writer.wake(false)
      this.#soon()
    })
    this.#wake = { timer, dueMs }
  }

  #armSafetyScan(): void {
    this.#safety?.cancel()
    this.#safety = null
    const { scanSeconds } = this.#state.settings
    if (scanSeconds === null || this.#phase !== 'running') return
    this.#safety = this.#clock.schedule(scanSeconds * 1000, () => {
      this.#requestScan('the regular safety scan')
      this.#armSafetyScan()
    })
  }

  #checkWithdrawal(): void {
    if (this.#withdrawal.length === 0 || this.#writer.queued > 0) return
    if (this.#state.installed() === 0) this.#endWithdrawal(null)
    else if (this.#writer.retrying > 0) {
      const left = this.#state.installed()
      this.#endWithdrawal(new Error(`${left} routes could not be withdrawn; see the events`))
    }
  }

  #endWithdrawal(error: Error | null): void {
    for (const waiter of this.#withdrawal) {
      if (error === null) waiter.resolve()
      else waiter.reject(error)
    }
    this.#withdrawal = []
  }
}
