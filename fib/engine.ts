/**
 * The kernel writer, put together. It works in turns: hear what the kernel has to say, resolve next
 * hops anew where that matters, change nexthop groups, tell listeners, then write one batch of
 * routes. Turns are short, so that changes of intent and of the network are taken in between any two
 * batches, and the newest wins.
 *
 * It owns a route by its mark (table, protocol, metric) and touches nothing else. This file is long
 * because every part is made and called here, and nowhere else.
 */
import { type Family, parsePrefix } from './address.ts'
import { Channel } from './channel.ts'
import { Dumper } from './dumper.ts'
import { GroupWriter } from './group-writer.ts'
import { HostRoutes } from './host-routes.ts'
import { Intruders } from './intruders.ts'
import { Journal } from './journal.ts'
import { Litter } from './litter.ts'
import { Mirror } from './mirror.ts'
import { NexthopMirror } from './nexthop-mirror.ts'
import type { Clock, Kernel, Timer } from './port.ts'
import { Prompter } from './prompter.ts'
import { ownAddressReason } from './resolver.ts'
import { RuleKeeper } from './rule-keeper.ts'
import { Scans } from './scans.ts'
import { families, State } from './state.ts'
import { type RouteTable, rowFlags } from './table.ts'
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
} from './types.ts'
import { Views } from './views.ts'
import { Withdrawal } from './withdrawal.ts'
import { Writer } from './writer.ts'

export class Engine implements Fib {
  readonly #kernel: Kernel
  readonly #clock: Clock
  readonly #state: State
  readonly #hosts: HostRoutes
  readonly #journal = new Journal()
  readonly #prompter: Prompter
  readonly #writer: Writer
  readonly #nexthops: NexthopMirror
  readonly #groupWriter: GroupWriter
  readonly #mirror: Mirror
  readonly #scans: Scans
  readonly #rules: RuleKeeper
  readonly #views: Views
  readonly #resolutionListeners: ((resolutions: readonly Resolution[]) => void)[] = []
  #phase: 'built' | 'running' | 'closed' = 'built'
  #adopted: Readonly<Record<Family, number>> = { 4: 0, 6: 0 }
  #turn: Timer | null = null
  #wake: { readonly timer: Timer; readonly dueMs: number } | null = null
  readonly #withdrawal = new Withdrawal()

  constructor(settings: FibSettings, kernel: Kernel, clock: Clock) {
    this.#kernel = kernel
    this.#clock = clock
    this.#state = new State(settings, (index, gateway) => this.#prompter.doubt(index, gateway))
    const state = this.#state
    this.#hosts = new HostRoutes(state)
    const journal = this.#journal
    const channel = new Channel(kernel)
    const soon = () => this.#soon()
    this.#scans = new Scans(clock, journal, soon)
    const requestScan = (reason: string) => this.#scans.request(reason)
    const dumper = new Dumper(channel, requestScan)
    this.#prompter = new Prompter(state, channel, clock, journal, soon)
    this.#writer = new Writer(state, channel, kernel, clock, journal, requestScan)
    this.#nexthops = new NexthopMirror(state, dumper, clock, journal, requestScan)
    const protocol = () => state.settings.protocol
    const writes = () => state.settings.install === 'All' && !state.withdrawing
    this.#rules = new RuleKeeper({ channel, dumper, kernel, clock, journal, protocol, writes })
    this.#groupWriter = new GroupWriter({
      state,
      channel,
      kernel,
      clock,
      journal,
      mirror: this.#nexthops,
      litter: new Litter(state.groups, state.nexthops, state.ways, (family, way) =>
        state.tables[family].uses(way),
      ),
      lost: (error) => this.#writer.suspend(error),
      soon,
    })
    const intruders = new Intruders()
    const { nexthops, writer } = { nexthops: this.#nexthops, writer: this.#writer }
    const common = { state, nexthops, writer, journal, clock, intruders }
    this.#mirror = new Mirror({ ...common, dumper, kernel, requestScan })
    this.#views = new Views({ ...common, mirror: this.#mirror })
  }

  async start(): Promise<void> {
    if (this.#phase !== 'built') throw new Error(`the kernel writer is ${this.#phase}`)
    this.#kernel.open({
      notified: (bytes, length) => {
        this.#mirror.notified(bytes, length)
        this.#rules.notified(bytes, length)
        this.#soon()
      },
      overflowed: () => this.#overflowed(),
      failed: (error) => {
        this.#journal.tell('fib.error', 'error', error.message)
        this.#scans.request(error.message)
      },
    })
    this.#phase = 'running'
    try {
      if (this.#state.settings.install === 'All') this.#writer.checkPrivilege()
      this.#groupWriter.begin()
      this.#adopted = this.#mirror.scan()
      this.#rules.refresh()
      this.#rules.scan()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#scans.made()
    const adopted = this.#adopted[4] + this.#adopted[6]
    if (adopted > 0) {
      const text = `adopted ${adopted} routes of an earlier run; kept until synchronised`
      this.#journal.tell('fib.adopted', 'info', text, { routes: adopted })
    }
    this.#scans.repeat(this.#state.settings.scanSeconds)
    this.#soon()
  }

  async close(): Promise<void> {
    if (this.#phase !== 'running') {
      this.#phase = 'closed'
      return
    }
    this.#phase = 'closed'
    for (const timer of [this.#turn, this.#wake?.timer]) timer?.cancel()
    this.#scans.close()
    this.#groupWriter.close()
    this.#prompter.close()
    this.#kernel.close()
    this.#withdrawal.end(new Error('the kernel writer was closed before all routes were withdrawn'))
  }

  async withdrawAll(): Promise<void> {
    if (this.#phase !== 'running') throw new Error(`the kernel writer is ${this.#phase}`)
    this.#state.withdrawing = true
    this.#state.groups.withdrawing = true
    this.#rules.refresh()
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of table.scattered()) table.enqueue(row)
    }
    this.#soon()
    await this.#withdrawal.wait()
  }

  configure(settings: FibSettings): void {
    const before = this.#state.settings
    const moved = this.#state.setSettings(settings)
    this.#rules.refresh()
    const { groups, nextHops } = this.#state
    if (settings.protocol !== before.protocol) groups.renounce()
    else if (settings.nexthops !== before.nexthops) groups.touchAll()
    // The way of every set is made anew; what moves is queued with the next turn.
    nextHops.relead()
    if (moved || settings.install !== before.install) {
      this.#queueAll()
      this.#state.nextHops.touchAll()
    }
    // Routes of others in a table nobody looked at so far.
    if (this.#phase === 'running') {
      if (settings.table !== before.table) this.#scans.request('the table changed')
      this.#scans.repeat(settings.scanSeconds)
    }
    this.#soon()
  }

  change(changes: WantedChanges): void {
    const { nextHops, tables } = this.#state
    const { addresses, count, family, lengths, nextHopSets, sets } = changes
    const table = tables[family === 'ipv4-unicast' ? 4 : 6]
    const { index } = table
    for (const set of sets) if (nextHops.define(set)) this.#queueSets(new Set([set.id]))
    index.reserve(count)
    for (let row = 0; row < count; row++) {
      this.#want(table, addresses, row * index.words, lengths[row]!, nextHopSets[row]!)
    }
    this.#soon()
  }

  /** One route: apart from the loop, so that it is compiled early in the first large change. */
  #want(table: RouteTable, words: Uint32Array, at: number, length: number, set: number): void {
    const { nextHops } = this.#state
    if (this.#hosts.takes(table, words, at, length, set)) return
    if (set === 0 && table.index.find(words, at, length) < 0) return
    // Counted before the row is made: an unknown set must not leave half a row behind.
    if (set !== 0) nextHops.count(set, table.family, 1)
    const row = table.insert(words, at, length)
    const before = table.sets[row]!
    if (before !== 0) nextHops.count(before, table.family, -1)
    table.sets[row] = set
    if (set !== 0) table.clear(row, rowFlags.stale)
    nextHops.touch(table.family, words, at, length)
    table.enqueue(row)
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

  hosts(routes: readonly HostRoute[]): void {
    this.#hosts.want(routes)
    this.#soon()
  }

  guard(guard: Guard): void {
    this.#rules.guard(guard)
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

  dead(nextHop: string): void {
    if (this.#state.nextHops.condemn(nextHop, this.#clock.now())) this.#soon()
  }

  alive(nextHop: string): void {
    if (this.#state.nextHops.acquit(nextHop)) this.#soon()
  }

  avoid(nextHop: string, avoided: boolean): void {
    if (this.#state.nextHops.avoid(nextHop, avoided, this.#clock.now())) this.#soon()
  }

  onResolution(listener: (resolutions: readonly Resolution[]) => void): void {
    this.#resolutionListeners.push(listener)
  }

  onEvent(listener: (event: FibEvent) => void): void {
    this.#journal.listen(listener)
  }

  async status(): Promise<FibStatus> {
    return { ...this.#views.status(this.#adopted), rules: this.#rules.status() }
  }

  async routes(page: { after: string | null; limit: number }): Promise<readonly FibRouteView[]> {
    return this.#views.routes(page)
  }

  async lookup(prefix: string): Promise<FibLookup> {
    return this.#views.lookup(prefix)
  }

  async nexthops(): Promise<readonly FibNexthop[]> {
    return this.#views.objects()
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
    this.#rescan()
    this.#nexthops.recheck()
    this.#expire()
    if (this.#state.refreshSources()) this.#queueAll()
    this.#settle()
    if (this.#writer.ready) {
      this.#writer.write()
      // The last route may have left an object.
      this.#groupWriter.collectLater()
    }
    this.#rules.write()
    if (this.#writer.queued === 0 && !this.#scans.pending) this.#groupWriter.collect(false)
    this.#journal.turn()
    this.#checkWithdrawal()
    this.#armWake()
    if (this.#writer.ready || this.#state.nextHops.pending || this.#rules.pending) this.#soon()
  }

  /** Ends what was said of next hops too long ago. */
  #expire(): void {
    const { nextHops, view } = this.#state
    const nowMs = this.#clock.now()
    if (view.expireVerdicts(nowMs)) nextHops.touchAll()
    nextHops.expireAvoided(nowMs)
  }

  #rescan(): void {
    const scan = () => {
      this.#mirror.scan()
      this.#rules.scan()
    }
    if (!this.#scans.run(scan)) return
    // What was notified during the dump is newer than the dump.
    this.#kernel.drain()
    this.#writer.resume()
  }

  /** Resolves anew, and changes groups before anybody is told: packets come first. */
  #settle(): void {
    const { groups, nextHops } = this.#state
    const { resolutions, touched } = nextHops.settle()
    // What the kernel removed along with a group it tells at once: before routes are written again.
    if (!this.#writer.suspended && this.#groupWriter.write()) this.#kernel.drain()
    this.#queueSets(nextHops.retarget())
    if (groups.takeShaken() && this.#state.lodging) this.#queueLodgers()
    if (touched) {
      for (const family of families) {
        const table = this.#state.tables[family]
        for (const row of this.#state.nextHops.coveringRows(table)) table.enqueue(row)
      }
    }
    if (resolutions.length === 0) return
    for (const { nextHop, reachable, reason } of resolutions) {
      const text = `next hop ${nextHop} ${reachable ? 'is reachable' : 'is unreachable'}: ${reason}`
      const level = reachable || reason === ownAddressReason ? 'debug' : 'warn'
      this.#journal.tell('fib.nexthop', level, text, { nextHop, reachable, reason })
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

  #queueLodgers(): void {
    for (const family of families) {
      const table = this.#state.tables[family]
      for (const row of this.#state.lodgers(table)) table.enqueue(row)
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
    this.#scans.request('notifications were dropped')
  }

  #armWake(): void {
    const { groups, nextHops, view } = this.#state
    const nowMs = this.#clock.now()
    const groupsDueMs = groups.nextDueMs(nowMs)
    const { nextDueMs: rulesDueMs } = this.#rules
    const hopsDueMs = Math.min(view.verdictDueMs, nextHops.avoidedDueMs)
    const dueMs = Math.min(this.#writer.nextDueMs, groupsDueMs, hopsDueMs, rulesDueMs)
    if (this.#wake !== null && this.#wake.dueMs <= dueMs) return
    this.#wake?.timer.cancel()
    this.#wake = null
    if (dueMs === Number.POSITIVE_INFINITY) return
    const waitMs = Math.max(1, Math.ceil(dueMs - nowMs))
    const timer = this.#clock.schedule(waitMs, () => {
      this.#wake = null
      this.#writer.wake(false)
      this.#rules.wake()
      this.#soon()
    })
    this.#wake = { timer, dueMs }
  }

  #checkWithdrawal(): void {
    if (!this.#withdrawal.awaited || this.#writer.queued > 0) return
    if (this.#rules.pending) return
    if (this.#state.installed() === 0) {
      this.#groupWriter.collect(true)
      this.#withdrawal.end(null)
    } else if (this.#writer.retrying > 0) {
      const left = this.#state.installed()
      this.#withdrawal.end(new Error(`${left} routes could not be withdrawn; see the events`))
    }
  }
}
