/**
 * Brings the kernel's nexthop objects to what is wanted, before any route is written: a turn's batch
 * takes dead next hops out of every group first, and what a route names is there before the route.
 * What was refused is tried again with back-off; the routes lead their plain way meanwhile.
 */
import type { Channel } from './channel.ts'
import type { Groups } from './groups.ts'
import type { Journal } from './journal.ts'
import type { Litter } from './litter.ts'
import type { ErrorMessage } from './netlink.ts'
import { NexthopBatch, type ObjectRequest } from './nexthop-message.ts'
import type { NexthopMirror } from './nexthop-mirror.ts'
import { errnos } from './numbers.ts'
import { type Clock, type Kernel, KernelError, type Timer } from './port.ts'
import { describeRefusal, isAbsent, isUnknown, isUnknownTable } from './refusal.ts'
import { batchRoutesMax } from './request.ts'
import type { State } from './state.ts'

/** Plans made in a turn: the first may run into ids that turn out to be taken. */
const roundsMax = 4
/** Between two looks for objects that nothing needs. */
const collectMs = 1_000

export interface GroupWriterParts {
  readonly state: State
  readonly channel: Channel
  readonly kernel: Kernel
  readonly clock: Clock
  readonly journal: Journal
  readonly mirror: NexthopMirror
  readonly litter: Litter
  /** Replies were lost: nothing is believed until the tables have been read. */
  readonly lost: (error: KernelError) => void
  readonly soon: () => void
}

export class GroupWriter {
  readonly #parts: GroupWriterParts
  readonly #groups: Groups
  readonly #batch = new NexthopBatch()
  /** The kernel has carried out at least one request: it knows objects indeed. */
  #proven = false
  #collection: Timer | null = null
  #collectDue = false

  constructor(parts: GroupWriterParts) {
    this.#parts = parts
    this.#groups = parts.state.groups
  }

  /** Finds out whether this kernel knows nexthop objects. Throws KernelError. */
  begin(): void {
    const { mirror, state } = this.#parts
    try {
      mirror.read()
    } catch (error) {
      if (!isUnknownTable(error)) throw error
      if (state.settings.nexthops !== 'Off') this.#tellPlain(error.code)
    }
    // An earlier run may have left objects that nothing names.
    this.collectLater()
  }

  close(): void {
    this.#collection?.cancel()
    this.#collection = null
  }

  /** Sends what is to be sent now. True when something was. */
  write(): boolean {
    let wrote = false
    for (let round = 0; round < roundsMax; round++) {
      const requests = this.#groups.plan(this.#parts.clock.now())
      if (requests.length === 0) break
      wrote = true
      if (!this.#send(requests, (request, error) => this.#answered(request, error))) break
    }
    if (wrote) this.collectLater()
    return wrote
  }

  /** Objects may have lost their last use: they are looked for after a while. */
  collectLater(): void {
    this.#collection ??= this.#parts.clock.schedule(collectMs, () => {
      this.#collection = null
      this.#collectDue = true
      this.#parts.soon()
    })
  }

  /** Removes what has been needless long enough; with `all`, what is needless now. */
  collect(all: boolean): void {
    if (!all && !this.#collectDue) return
    this.#collectDue = false
    const { litter } = this.#parts
    const requests = litter.collect(all)
    if (requests.length > 0) {
      this.#send(requests, (request, error) => this.#collected(request, error))
    }
    if (litter.pending) this.collectLater()
  }

  /** False when replies were lost, or when the kernel must be asked what it has. */
  #send(
    requests: readonly ObjectRequest[],
    answered: (request: ObjectRequest, error: ErrorMessage | null) => void,
  ): boolean {
    const { channel, kernel, state, lost } = this.#parts
    const { protocol } = state.settings
    const countMax = Math.min(batchRoutesMax, kernel.repliesMax)
    let at = 0
    let refused = false
    while (at < requests.length) {
      this.#batch.clear()
      const start = at
      const first = channel.next()
      let last = first
      for (let sequence = first; ; sequence = last = channel.next()) {
        this.#batch.add(sequence, protocol, requests[at++]!)
        const next = requests[at]
        if (next === undefined || at - start >= countMax || !this.#batch.fits(next)) break
      }
      this.#batch.seal()
      const errors = new Map<number, ErrorMessage>()
      try {
        const { bytes, length } = this.#batch
        channel.exchange(bytes, length, first, last, (number, error) =>
          errors.set((number - first) >>> 0, error),
        )
      } catch (error) {
        if (!(error instanceof KernelError)) throw error
        lost(error)
        return false
      }
      for (let index = start; index < at; index++) {
        answered(requests[index]!, errors.get(index - start) ?? null)
      }
      if (errors.size > 0) refused = true
    }
    // Who was refused may have a wrong picture: the next plan is made on the right one.
    if (refused) {
      this.#parts.mirror.doubt()
      this.#parts.mirror.recheck()
    }
    return true
  }

  #answered(request: ObjectRequest, error: ErrorMessage | null): void {
    const { clock, journal, mirror, state } = this.#parts
    if (error === null || (request.operation === 'remove' && isAbsent(error))) {
      this.#proven = true
      if (request.operation === 'remove') journal.counters.objectsRemoved++
      else journal.counters.objectsWritten++
      const text = request.operation === 'remove' ? this.#obituary(request.id) : null
      const routes = mirror.dropRoutes(this.#groups.done(request))
      if (text !== null) {
        journal.tell('fib.nexthop', 'warn', `${text}, and of ${routes} routes`, { routes })
      }
      return
    }
    // The rest of a batch of which the first was enough to know.
    if (!this.#groups.supported) return
    if (!this.#proven && isUnknown(error)) {
      this.#groups.supported = false
      this.#tellPlain(describeRefusal(error))
    } else if (error.errno === errnos.exists) {
      this.#groups.giveUp(request.id)
    } else if (this.#groups.refused(request, clock.now())) {
      journal.countError(error.errno)
      const what = request.operation === 'hop' ? ` ${request.gateway}` : ''
      const text = `${request.operation} nexthop object ${request.id}${what}: ${describeRefusal(error)}`
      journal.tell('fib.error', 'error', text, { nexthop: request.id })
    }
    state.nextHops.touchAll()
  }

  /** This kernel has no nexthop objects: said once. */
  #tellPlain(reason: string): void {
    const text = `this kernel has no nexthop objects (${reason}): routes carry their next hops`
    this.#parts.journal.tell('fib.nexthop', 'info', text)
  }

  #collected(request: ObjectRequest, error: ErrorMessage | null): void {
    if (error !== null && !(request.operation === 'remove' && isAbsent(error))) {
      this.#parts.journal.countError(error.errno)
      const text = `removing nexthop object ${request.id}: ${describeRefusal(error)}`
      this.#parts.journal.tell('fib.error', 'error', text)
      return
    }
    this.#parts.journal.counters.objectsRemoved++
    this.#groups.collected(request.id)
    this.#parts.mirror.dropRoutes(this.#parts.state.nexthops.forget(request.id))
  }

  /** What is said of a dead hop that was taken out. */
  #obituary(id: number): string {
    const { nexthops, resolver, view } = this.#parts.state
    const hop = nexthops.get(id)
    const dead = hop === undefined || resolver.isDead(hop)
    let groups = 0
    for (const { members } of nexthops.objects()) if (members.includes(id)) groups++
    const where = hop === undefined ? `${id}` : `${hop.gateway} at ${view.nameOf(hop.interface)}`
    const why = dead ? 'is dead' : 'is left before its routes are withdrawn'
    return `${where} ${why}: taken out of ${groups} groups`
  }
}
