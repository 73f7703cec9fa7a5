/**
 * From queued rows to kernel requests: one batch a turn, its replies sorted out by sequence number,
 * refusals retried by errno with back-off. A key that others keep taking away is put back ever more
 * slowly, so two writers never fight in a loop.
 */
import type { Family } from './address.ts'
import type { Channel } from './channel.ts'
import type { Operation } from './delta.ts'
import type { Journal } from './journal.ts'
import type { ErrorMessage } from './netlink.ts'
import { errnoNames, errnos, messageFlags, protocolNames, routeTypes } from './numbers.ts'
import { type Clock, type Kernel, KernelError } from './port.ts'
import { describeRefusal, isAbsent } from './refusal.ts'
import { batchRoutesMax, RouteBatch } from './request.ts'
import { Retries, type Retry } from './retries.ts'
import { families, type State } from './state.ts'
import { type RouteTable, rowFlags } from './table.ts'
import { blackholeWay, noWay } from './way.ts'

/** Rows looked at in a turn, most of which need nothing. */
const rowsPerTurn = 16_384
const retryMs = 250
const retryMaxMs = 30_000
/** A row left in peace so long is repaired at once again. */
const repairQuietSeconds = 60
const repairMaxMs = 60_000

/** A route that moved to another mark: what is left to remove. */
interface Leftover {
  readonly family: Family
  readonly words: Uint32Array
  readonly length: number
  readonly mark: number
}

/** A request of the batch under way; the records are reused from batch to batch. */
interface Sent {
  table: RouteTable
  row: number
  operation: Operation
  target: number
  /** Set when the request removes what a moved route left behind; the rest has no meaning then. */
  leftover: Leftover | null
}

export class Writer {
  readonly #state: State
  readonly #channel: Channel
  readonly #kernel: Kernel
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #requestScan: (reason: string) => void
  readonly #batch: RouteBatch = new RouteBatch()
  readonly #retries: Retries
  #leftovers: Leftover[] = []
  readonly #sent: Sent[] = []
  #sentCount = 0
  #firstSequence = 0
  /** Replies were lost: nothing is written until the table has been read again. */
  #suspended = false

  constructor(
    state: State,
    channel: Channel,
    kernel: Kernel,
    clock: Clock,
    journal: Journal,
    requestScan: (reason: string) => void,
  ) {
    this.#state = state
    this.#channel = channel
    this.#kernel = kernel
    this.#clock = clock
    this.#journal = journal
    this.#retries = new Retries(state.tables)
    this.#requestScan = requestScan
  }

  get queued(): number {
    const { tables } = this.#state
    return tables[4].queued + tables[6].queued + this.#leftovers.length
  }

  /** Whether a turn would find something to do. */
  get ready(): boolean {
    return !this.#suspended && this.queued > 0
  }

  /** When the next retry is due, in milliseconds of the clock; infinite without one. */
  get nextDueMs(): number {
    return this.#retries.nextDueMs
  }

  /** Replies were lost, and the tables have not been read since. */
  get suspended(): boolean {
    return this.#suspended
  }

  get retrying(): number {
    return this.#retries.size
  }

  /** What keeps a row waiting, or null. */
  retryOf(table: RouteTable, row: number): Retry | null {
    return this.#retries.get(table, row) ?? null
  }

  /**
   * Asks for something harmless that needs the privilege to change routes: the removal of a route
   * that can't be there. Throws KernelError when that is refused.
   */
  checkPrivilege(): void {
    const mark = { ...this.#state.markOf(this.#state.mark), metric: 0xffff_fffe }
    const sequence = this.#channel.next()
    const batch = new RouteBatch()
    batch.remove(sequence, 4, mark, Uint32Array.of(0), 0, 0)
    batch.seal()
    this.#channel.exchange(batch.bytes, batch.length, sequence, sequence, (_number, error) => {
      if (error.errno === errnos.perm) {
        const remedy = 'it needs CAP_NET_ADMIN: run as root, or with --fib none'
        throw new KernelError('changing routes', error.errno, remedy)
      }
    })
  }

  /** Replies were lost: nothing is written before `resume`. */
  suspend(error: KernelError): void {
    this.#suspended = true
    this.#journal.countError(error.errno)
    this.#journal.tell('fib.error', 'error', `replies to changes were lost: ${error.message}`)
    this.#requestScan('replies were lost')
  }

  resume(): void {
    this.#suspended = false
  }

  /** Remembers to remove what a route of ours under an older mark left behind. */
  leave(table: RouteTable, row: number, mark: number): void {
    const { addresses, lengths, words } = table.index
    this.#leftovers.push({
      family: table.family,
      words: addresses.slice(row * words, (row + 1) * words),
      length: lengths[row]!,
      mark,
    })
  }

  /**
   * The kernel lost or changed a row by somebody else's doing: it is looked at again, at once the
   * first time, later and later when it goes on.
   */
  repair(table: RouteTable, row: number): void {
    const nowMs = this.#clock.now()
    const second = Math.floor(nowMs / 1000)
    if (second - table.repairedAt[row]! > repairQuietSeconds) table.repairs[row] = 0
    const repairs = table.repairs[row]!
    table.repairedAt[row] = second
    table.repairs[row] = Math.min(repairs + 1, 255)
    if (repairs === 0) {
      table.enqueue(row)
      return
    }
    const waitMs = Math.min(repairMaxMs, 1000 * 2 ** (repairs - 1))
    this.#retries.put(table, row, {
      attempts: 0,
      errno: 0,
      sinceMs: this.#retries.get(table, row)?.sinceMs ?? nowMs,
      dueMs: nowMs + waitMs,
      reason: `somebody else keeps changing it; put back every ${Math.ceil(waitMs / 1000)} s`,
      target: table.targets[row]!,
    })
  }

  /** Puts every refused row that is due, or all of them, into the queue. */
  wake(all: boolean): void {
    this.#retries.wake(this.#clock.now(), all)
  }

  /** Fills one batch from the queues, sends it, and takes note of what the kernel did. */
  write(): void {
    if (this.#suspended) return
    this.#batch.clear()
    this.#sentCount = 0
    let looks = rowsPerTurn
    for (const family of families) looks = this.#take(this.#state.tables[family], looks)
    this.#takeLeftovers()
    if (this.#batch.count > 0) this.#transact()
  }

  #take(table: RouteTable, looks: number): number {
    let left = looks
    while (left > 0) {
      const row = table.dequeue()
      if (row < 0) break
      left--
      if (!this.#prepare(table, row)) {
        table.requeue(row)
        break
      }
    }
    return left
  }

  /** Decides on one row and writes its request; false when the batch is full. */
  #prepare(table: RouteTable, row: number): boolean {
    const target = this.#state.target(table, row)
    const operation = this.#state.operation(table, row, target)
    table.targets[row] = target
    if (operation === 'conflict') {
      this.#conflict(table, row)
      return true
    }
    table.clear(row, rowFlags.conflict)
    if (operation === 'none') {
      this.#settled(table, row)
      return true
    }
    const retry = this.#retries.get(table, row)
    const waits = retry !== undefined && retry.dueMs > this.#clock.now()
    if (waits && retry.target === target) return true
    const legs = this.#state.ways.encoded(target, table.family)
    if (!this.#fits(legs.length)) return false
    this.#encode(table, row, operation, target, legs)
    return true
  }

  #fits(legBytes: number): boolean {
    const countMax = Math.min(batchRoutesMax, this.#kernel.repliesMax)
    return this.#batch.count < countMax && this.#batch.fits(legBytes)
  }

  #encode(
    table: RouteTable,
    row: number,
    operation: Operation,
    target: number,
    legs: Uint8Array,
  ): void {
    const { addresses, lengths, words } = table.index
    const sequence = this.#record(table, row, operation, target, null)
    table.sequences[row] = sequence
    const at = row * words
    const length = lengths[row]!
    if (operation === 'remove') {
      const mark = this.#state.markOf(table.marks[row]!)
      this.#batch.remove(sequence, table.family, mark, addresses, at, length)
      return
    }
    const mark = this.#state.markOf(this.#state.mark)
    const type = target === blackholeWay ? routeTypes.blackhole : routeTypes.unicast
    const how = operation === 'replace' ? messageFlags.replace : messageFlags.excl
    const flags = messageFlags.create | how
    this.#batch.add(flags, type, sequence, table.family, mark, addresses, at, length, legs)
  }

  #takeLeftovers(): void {
    let taken = 0
    for (const leftover of this.#leftovers) {
      if (!this.#fits(0)) break
      taken++
      const { family, words, length } = leftover
      const table = this.#state.tables[family]
      const sequence = this.#record(table, -1, 'remove', noWay, leftover)
      this.#batch.remove(sequence, family, this.#state.markOf(leftover.mark), words, 0, length)
    }
    if (taken > 0) this.#leftovers = this.#leftovers.slice(taken)
  }

  #record(
    table: RouteTable,
    row: number,
    operation: Operation,
    target: number,
    leftover: Leftover | null,
  ): number {
    const sequence = this.#channel.next()
    if (this.#sentCount === 0) this.#firstSequence = sequence
    const sent = this.#sent[this.#sentCount++]
    if (sent === undefined) {
      this.#sent.push({ table, row, operation, target, leftover })
    } else {
      sent.table = table
      sent.row = row
      sent.operation = operation
      sent.target = target
      sent.leftover = leftover
    }
    return sequence
  }

  #transact(): void {
    this.#batch.seal()
    const first = this.#firstSequence
    const last = (first + this.#sentCount - 1) >>> 0
    const errors = new Map<number, ErrorMessage>()
    try {
      this.#channel.exchange(this.#batch.bytes, this.#batch.length, first, last, (number, error) =>
        errors.set((number - first) >>> 0, error),
      )
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#lose(error)
      return
    }
    for (let index = 0; index < this.#sentCount; index++) {
      this.#answered(this.#sent[index]!, (first + index) >>> 0, errors.get(index))
    }
  }

  #answered(sent: Sent, sequence: number, error: ErrorMessage | undefined): void {
    if (sent.leftover !== null) this.#leftoverDone(error)
    else if (sent.table.sequences[sent.row] !== sequence) return
    else if (error === undefined || (sent.operation === 'remove' && isAbsent(error)))
      this.#done(sent)
    else this.#refused(sent, error)
  }

  /** Nobody knows what became of the batch: the kernel's table is read before anything else. */
  #lose(error: KernelError): void {
    for (const sent of this.#sent.slice(0, this.#sentCount)) {
      if (sent.leftover === null) sent.table.enqueue(sent.row)
      else this.#leftovers.push(sent.leftover)
    }
    this.suspend(error)
  }

  #done(sent: Sent): void {
    const { table, row, operation, target } = sent
    const { counters } = this.#journal
    if (operation === 'remove') {
      counters.deleted++
      table.hold(row, noWay)
      if (table.has(row, rowFlags.stale)) this.#swept(table, row)
    } else {
      if (operation === 'move') this.leave(table, row, table.marks[row]!)
      if (operation === 'replace') counters.replaced++
      else counters.added++
      table.hold(row, target)
      table.marks[row] = this.#state.mark
    }
    table.clear(row, rowFlags.stale)
    this.#settled(table, row)
  }

  /** Next hops may have resolved through the stale route until now. */
  #swept(table: RouteTable, row: number): void {
    const { addresses, lengths, words } = table.index
    this.#journal.counters.swept++
    this.#state.nextHops.touch(table.family, addresses, row * words, lengths[row]!)
  }

  #settled(table: RouteTable, row: number): void {
    this.#retries.delete(table, row)
    table.release(row)
  }

  #refused(sent: Sent, error: ErrorMessage): void {
    const { table, row, target } = sent
    const { errno } = error
    const prefix = this.#state.prefixText(table, row)
    const before = this.#retries.get(table, row)
    const attempts = (before?.attempts ?? 0) + 1
    const reason = describeRefusal(error)
    const unknown = errno === errnos.exists
    this.#journal.countError(errno)
    if (unknown) this.#requestScan(`an unknown route holds ${prefix}`)
    if (attempts === 1) {
      const data = { prefix, errno: errnoNames[errno] ?? errno }
      this.#journal.tell('fib.error', 'error', `${sent.operation} ${prefix}: ${reason}`, data)
    }
    // The scan tells whose route that is, and hastens whatever waits; asking before is no use.
    const nowMs = this.#clock.now()
    const backOffMs = Math.min(retryMaxMs, retryMs * 2 ** Math.min(attempts, 16))
    const dueMs = nowMs + (unknown ? retryMaxMs : backOffMs)
    const sinceMs = attempts === 1 ? nowMs : before!.sinceMs
    this.#retries.put(table, row, { attempts, errno, sinceMs, dueMs, reason, target })
  }

  #leftoverDone(error: ErrorMessage | undefined): void {
    if (error === undefined) {
      this.#journal.counters.deleted++
    } else if (!isAbsent(error)) {
      this.#journal.countError(error.errno)
      this.#journal.tell('fib.error', 'error', `removing a moved route: ${describeRefusal(error)}`)
    }
  }

  #conflict(table: RouteTable, row: number): void {
    this.#retries.delete(table, row)
    if (table.has(row, rowFlags.conflict)) return
    table.set(row, rowFlags.conflict)
    const prefix = this.#state.prefixText(table, row)
    const holder = this.#state.holder(table, row)
    const protocol = protocolNames[holder?.protocol ?? 0] ?? String(holder?.protocol)
    const { metric } = this.#state.settings
    const text = `${prefix} is held by a route of ${protocol} with metric ${metric}; left alone`
    this.#journal.tell('fib.conflict', 'warn', text, { prefix, protocol })
  }
}
