/**
 * Which routes moved when a peer or a next hop went or came: one event for each burst of changes that
 * follows one, with the first prefixes by name. Nothing is told of changes without such a cause: a
 * busy table would bury the log.
 */

import type { EventView } from '../api/views.ts'
import { formatPrefix } from '../bgp/index.ts'
import type { Clock, RouteChanges, Timer } from '../bgp/types.ts'
import type { EventLog } from './event-log.ts'

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

/** What sets routes in motion, by the kind of event, in words about `peer` or the event's own. */
const causes: Readonly<Record<string, (event: EventView) => string | null>> = {
  'peer.down': ({ peer }) => `${peer} went down`,
  'peer.established': ({ peer }) => `${peer} came up`,
  'peer.restart': ({ peer }) => `the restart of ${peer}`,
  'fib.nexthop': ({ level, text }) => (level === 'warn' ? text : null),
}

interface Burst {
  readonly peers: Set<string | null>
  readonly causes: Set<string>
  readonly begunMs: number
  /** Prefix → its next hops now; null: no longer wanted; empty: not known by name. */
  readonly named: Map<string, readonly string[] | null>
  changed: number
  gone: number
  timer: Timer
}

export class RouteMoves {
  readonly #clock: Clock
  readonly #events: EventLog
  readonly #sets = new Map<number, readonly string[]>()
  readonly #unsubscribe: () => void
  #burst: Burst | null = null

  constructor(clock: Clock, events: EventLog) {
    this.#clock = clock
    this.#events = events
    this.#unsubscribe = events.subscribe((event) => this.#happened(event))
  }

  /**
   * The changes on their way to the kernel writer, before its thread takes their memory. Constant work
   * where nothing has happened.
   */
  note(changes: RouteChanges): void {
    for (const { id, nextHops } of changes.sets) {
      if (this.#sets.size < setsMax) this.#sets.set(id, nextHops)
    }
    const burst = this.#burst
    if (burst === null || changes.count === 0) return
    const { addresses, count, family, lengths, nextHopSets } = changes
    const words = family === 'ipv4-unicast' ? 1 : 4
    for (let row = 0; row < count; row++) {
      const set = nextHopSets[row] as number
      if (set === 0) burst.gone++
      else burst.changed++
      if (burst.named.size >= movesNamedMax) continue
      const prefix = formatPrefix(family, addresses, row * words, lengths[row] as number)
      burst.named.set(prefix, set === 0 ? null : (this.#sets.get(set) ?? []))
    }
    this.#waitOn(burst)
  }

  close(): void {
    this.#unsubscribe()
    this.#burst?.timer.cancel()
    this.#burst = null
  }

  #happened(event: EventView): void {
    const cause = causes[event.kind]?.(event) ?? null
    if (cause === null) return
    if (this.#burst === null) {
      this.#burst = {
        peers: new Set(),
        causes: new Set(),
        begunMs: this.#clock.now(),
        named: new Map(),
        changed: 0,
        gone: 0,
        timer: this.#clock.schedule(quietMs, () => this.#tell()),
      }
    } else {
      this.#waitOn(this.#burst)
    }
    this.#burst.peers.add(event.peer)
    if (this.#burst.causes.size < causesMax) this.#burst.causes.add(cause)
  }

  #waitOn(burst: Burst): void {
    const left = burst.begunMs + burstMsMax - this.#clock.now()
    burst.timer.cancel()
    burst.timer = this.#clock.schedule(Math.max(0, Math.min(quietMs, left)), () => this.#tell())
  }

  #tell(): void {
    const burst = this.#burst
    this.#burst = null
    if (burst === null || burst.named.size === 0) return
    const [peer = null] = burst.peers.size === 1 ? burst.peers : []
    const { changed, gone } = burst
    const routes = [...burst.named].map(([prefix, nextHops]) => ({ prefix, nextHops }))
    const cause = [...burst.causes].join('; ')
    this.#events.add({
      kind: 'routes.moved',
      level: 'info',
      peer,
      text: `after ${cause}: ${countsOf(changed, gone)}: ${sentenceOf(routes, changed + gone)}`,
      data: { cause, changed, gone, routes },
    })
  }
}

function countsOf(changed: number, gone: number): string {
  const parts = [
    ...(changed > 0 ? [`${changed} ${changed === 1 ? 'route' : 'routes'} moved`] : []),
    ...(gone > 0 ? [`${gone} gone`] : []),
  ]
  return parts.join(', ')
}

function sentenceOf(
  routes: readonly { prefix: string; nextHops: readonly string[] | null }[],
  all: number,
): string {
  const told = routes.slice(0, movesToldMax).map(({ prefix, nextHops }) => {
    if (nextHops === null) return `${prefix} gone`
    return nextHops.length === 0 ? prefix : `${prefix} now via ${nextHops.join(', ')}`
  })
  const more = all - told.length
  return told.join('; ') + (more > 0 ? `; and ${more} more` : '')
}
