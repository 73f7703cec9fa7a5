/**
 * Which routes moved when a peer or a next hop went or came: one event for each burst of changes that
 * follows one, with the first prefixes by name. Nothing is told of changes without such a cause: a
 * busy table would bury the log.
 */

import type { EventView } from '../api/views.ts'
import type { Clock, RouteChanges, Timer } from '../bgp/types.ts'
import type { EventLog } from './event-log.ts'
import { FirstPrefixes } from './first-prefixes.ts'
import { joinWords } from './intent/problem.ts'

/** Prefixes that one event names; the others are counted. */
export const movesNamedMax = 100
/** Named in the event's sentence; all of them are in its data. */
const movesToldMax = 6
/** Causes named in one event. */
const causesMax = 4
/** Sets of next hops whose members are remembered; a prefix that uses a forgotten one is named bare. */
const setsMax = 4096
/** A burst is over when nothing has changed for this long, or at the latest after the other. */
const quietMs = 1000
const burstMsMax = 30_000

interface CauseKind {
  /** Something went, or came: what follows the one is never told as following the other. */
  readonly loss: boolean
  /** In words about `peer` or the event's own; null: it is none. */
  readonly say: (event: EventView) => string | null
}

/** What sets routes in motion, by the kind of event. */
const causes: Readonly<Record<string, CauseKind>> = {
  'peer.down': { loss: true, say: ({ peer }) => `${peer} went down` },
  'peer.established': { loss: false, say: ({ peer }) => `${peer} came up` },
  'peer.restart': { loss: true, say: ({ peer }) => `the restart of ${peer}` },
  'fib.nexthop': { loss: true, say: ({ level, text }) => (level === 'warn' ? text : null) },
}

/** Where a route leads, and whom it was learned from: the names of peers, or their addresses. */
interface Destination {
  readonly nextHops: readonly string[]
  readonly peers: readonly string[]
}

/** What is known of a peer here. */
interface Named {
  readonly name: string
  /** null: of a range. */
  readonly address: string | null
}

const unknownDestination: Destination = { nextHops: [], peers: [] }

/** Next hops that became unreachable for one reason: those of peers by name, the others counted. */
interface Outage {
  readonly peers: Set<string>
  readonly others: Set<string>
}

interface Burst {
  readonly loss: boolean
  readonly peers: Set<string | null>
  readonly causes: Set<string>
  /** By the reason, such as "link eth0 has no carrier". */
  readonly outages: Map<string, Outage>
  readonly begunMs: number
  /** When something last belonged to it. */
  newestMs: number
  readonly named: FirstPrefixes
  /** Where each of those named leads now; null: no longer wanted. */
  readonly destinations: (Destination | null)[]
  /** Changes of prefixes beyond those named. */
  readonly unnamed: { changed: number; gone: number }
  timer: Timer
}

export class RouteMoves {
  readonly #clock: Clock
  readonly #events: EventLog
  readonly #peers: () => readonly Named[] | undefined
  readonly #sets = new Map<number, Destination>()
  readonly #unsubscribe: () => void
  #burst: Burst | null = null

  /** @param peers Those of the configuration in force; their addresses are told as names. */
  constructor(clock: Clock, events: EventLog, peers: () => readonly Named[] | undefined) {
    this.#clock = clock
    this.#events = events
    this.#peers = peers
    this.#unsubscribe = events.subscribe((event) => this.#happened(event))
  }

  /**
   * The changes on their way to the kernel writer, before its thread takes their memory. Constant work
   * where nothing has happened, and else a few numbers read a row: a whole table comes through here when
   * a peer comes up.
   */
  note(changes: RouteChanges): void {
    for (const { id, nextHops, peers } of changes.sets) {
      this.#sets.set(id, { nextHops, peers })
      // A number is never used again, so the oldest are the least likely to be asked for.
      if (this.#sets.size > setsMax) this.#sets.delete(this.#sets.keys().next().value as number)
    }
    const burst = this.#burst
    if (burst === null || changes.count === 0) return
    const { named, destinations, unnamed } = burst
    const { count, nextHopSets } = changes
    let others = count
    let gone = 0
    for (let row = 0; row < count; row++) if (nextHopSets[row] === 0) gone++
    for (let row = named.nextRow(changes, 0); row < count; row = named.nextRow(changes, row + 1)) {
      const place = named.placeOf(changes, row)
      if (place < 0) continue
      const set = nextHopSets[row] as number
      // The newest row of a prefix holds.
      destinations[place] = set === 0 ? null : (this.#sets.get(set) ?? unknownDestination)
      others--
      if (set === 0) gone--
    }
    unnamed.gone += gone
    unnamed.changed += others - gone
    burst.newestMs = this.#clock.now()
  }

  close(): void {
    this.#unsubscribe()
    this.#burst?.timer.cancel()
    this.#burst = null
  }

  #happened(event: EventView): void {
    const { loss = false, say } = causes[event.kind] ?? {}
    const cause = say?.(event) ?? null
    if (cause === null) return
    if (this.#burst !== null && this.#burst.loss !== loss) {
      this.#burst.timer.cancel()
      this.#tell()
    }
    this.#burst ??= this.#begin(loss)
    this.#burst.newestMs = this.#clock.now()
    const { causes: told, peers } = this.#burst
    const { nextHop, reason } = event.data ?? {}
    if (typeof nextHop === 'string' && typeof reason === 'string') {
      const peer = this.#outage(this.#burst, nextHop, reason)
      if (peer !== null) peers.add(peer)
      return
    }
    peers.add(event.peer)
    if (told.size < causesMax) told.add(cause)
  }

  /** @returns the peer that is this next hop, or null */
  #outage({ outages }: Burst, nextHop: string, reason: string): string | null {
    const known = outages.get(reason)
    const outage = known ?? { peers: new Set(), others: new Set() }
    if (known === undefined && outages.size < causesMax) outages.set(reason, outage)
    const peer = this.#nameOf(nextHop)
    if (peer === null) outage.others.add(nextHop)
    else outage.peers.add(peer)
    return peer
  }

  /** A dynamic neighbour has no name of its own. */
  #nameOf(address: string): string | null {
    return this.#peers()?.find((peer) => peer.address === address)?.name ?? null
  }

  #begin(loss: boolean): Burst {
    const now = this.#clock.now()
    const burst: Burst = {
      loss,
      peers: new Set(),
      causes: new Set(),
      outages: new Map(),
      begunMs: now,
      newestMs: now,
      named: new FirstPrefixes(movesNamedMax),
      destinations: [],
      unnamed: { changed: 0, gone: 0 },
      timer: this.#clock.schedule(quietMs, () => this.#look(burst)),
    }
    return burst
  }

  /** Tells of the burst when it is over: a hundred sessions that end at once set one timer. */
  #look(burst: Burst): void {
    const over = Math.min(burst.newestMs + quietMs, burst.begunMs + burstMsMax)
    const left = over - this.#clock.now()
    if (left <= 0) this.#tell()
    else burst.timer = this.#clock.schedule(left, () => this.#look(burst))
  }

  #tell(): void {
    const burst = this.#burst
    this.#burst = null
    if (burst === null || burst.named.count === 0) return
    const [peer = null] = burst.peers.size === 1 ? burst.peers : []
    const routes = burst.named.inOrder().map((place) => {
      const to = burst.destinations[place] ?? null
      return {
        prefix: burst.named.format(place),
        nextHops: to === null ? null : to.nextHops,
        peers: to === null ? [] : to.peers.map((address) => this.#nameOf(address) ?? address),
      }
    })
    const named = routes.filter(({ nextHops }) => nextHops !== null).length
    const changed = named + burst.unnamed.changed
    const gone = routes.length - named + burst.unnamed.gone
    const cause = [...[...burst.outages].map(formatOutage), ...burst.causes].join('; ')
    this.#events.add({
      kind: 'routes.moved',
      level: 'info',
      peer,
      text: `after ${cause}: ${countsOf(changed, gone)}: ${sentenceOf(routes, changed + gone)}`,
      data: { cause, changed, gone, routes },
    })
  }
}

/** Peers of an outage that an event names; a link may take thousands along. */
const peersNamedMax = 16

function formatOutage([reason, { peers, others }]: [string, Outage]): string {
  if (peers.size === 0 && others.size === 1) {
    return `next hop ${[...others].join()} became unreachable (${reason})`
  }
  const rest =
    peers.size === 0 ? 'next hops' : others.size === 1 ? 'other next hop' : 'other next hops'
  const named = [...peers].slice(0, peersNamedMax)
  const unnamed = peers.size - named.length
  const who = [
    ...named,
    ...(unnamed > 0 ? [`${unnamed} other peers`] : []),
    ...(others.size > 0 ? [`${others.size} ${rest}`] : []),
  ]
  return `${joinWords(who)} became unreachable (${reason})`
}

function countsOf(changed: number, gone: number): string {
  const parts = [
    ...(changed > 0 ? [`${changed} ${changed === 1 ? 'route' : 'routes'} moved`] : []),
    ...(gone > 0 ? [`${gone} gone`] : []),
  ]
  return parts.join(', ')
}

function sentenceOf(
  routes: readonly {
    prefix: string
    nextHops: readonly string[] | null
    peers: readonly string[]
  }[],
  all: number,
): string {
  const told = routes.slice(0, movesToldMax).map(({ prefix, nextHops, peers }) => {
    if (nextHops === null) return `${prefix} gone`
    if (nextHops.length === 0) return prefix
    const from = peers.length === 0 ? '' : ` (${peers.join(', ')})`
    return `${prefix} now via ${nextHops.join(', ')}${from}`
  })
  const more = all - told.length
  return told.join('; ') + (more > 0 ? `; and ${more} more` : '')
}
