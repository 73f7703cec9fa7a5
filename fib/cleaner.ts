/**
 * Removes what an agent of this kind left in the kernel, without an agent: routes by table, metric and
 * protocol, and nexthop objects by protocol and the ids of ours. Removing an object removes the routes
 * that name it, whoever made them; so one that anything else rests on is kept, and told.
 */
import { type Family, formatPrefix } from './address.ts'
import { Channel } from './channel.ts'
import { Dumper } from './dumper.ts'
import { type ErrorMessage, RouteMessage, readRoute } from './netlink.ts'
import { isOwnId } from './nexthop-ids.ts'
import { NexthopBatch, type NexthopObject, readNexthop } from './nexthop-message.ts'
import { errnos, messageTypes } from './numbers.ts'
import { type Kernel, KernelError } from './port.ts'
import { describeRefusal, isAbsent, isUnknownTable } from './refusal.ts'
import { batchRoutesMax, type Mark, RouteBatch } from './request.ts'

const families: readonly Family[] = [4, 6]
/** Refusals told in words. */
const refusalsMax = 20

/** What is ours: the marks in the tables given. */
export interface Belongings {
  readonly tables: readonly number[]
  readonly protocol: number
  readonly metric: number
}

export interface LeftRoute {
  readonly family: Family
  readonly words: Uint32Array
  readonly length: number
  readonly mark: Mark
}

export interface LeftNexthop {
  readonly id: number
  readonly kind: 'hop' | 'group'
  /** Why it must stay; null: it can go. */
  readonly kept: string | null
}

export interface Leftovers {
  readonly routes: readonly LeftRoute[]
  /** Groups first: a hop goes after the groups that hold it. */
  readonly nexthops: readonly LeftNexthop[]
}

export interface Removal {
  readonly removed: number
  /** In words, at most 20. */
  readonly refusals: readonly string[]
}

export class Cleaner {
  readonly #kernel: Kernel
  readonly #channel: Channel
  readonly #dumper: Dumper

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#channel = new Channel(kernel)
    // A dump that was interrupted three times is good enough to ask again later.
    this.#dumper = new Dumper(this.#channel, () => {})
  }

  /** @throws KernelError */
  open(): void {
    this.#kernel.open({ notified() {}, overflowed() {}, failed() {} })
  }

  close(): void {
    this.#kernel.close()
  }

  /** Looks, and changes nothing. @throws KernelError */
  find(ours: Belongings): Leftovers {
    const routes: LeftRoute[] = []
    /** Nexthop objects that other routes than these name. */
    const used = new Set<number>()
    for (const family of families) {
      const seen = new Set<string>()
      this.#visitRoutes(family, (route) => {
        if (!isOurs(route, ours)) {
          if (route.nexthop !== 0) used.add(route.nexthop)
          return
        }
        const { protocol, table, metric, length } = route
        const words = route.destination.slice(0, family === 4 ? 1 : 4)
        // An interrupted dump is read again from the start.
        const key = `${words.join()} ${length} ${table}`
        if (seen.has(key)) return
        seen.add(key)
        routes.push({ family, words, length, mark: { table, protocol, metric } })
      })
    }
    return { routes, nexthops: judge(this.#readNexthops(), ours.protocol, used) }
  }

  /** @throws KernelError without the privilege to change routes, or when replies are lost */
  removeRoutes(routes: readonly LeftRoute[]): Removal {
    const batch = new RouteBatch()
    return this.#remove(routes, nameOf, {
      add: (sequence, { family, mark, words, length }) =>
        batch.remove(sequence, family, mark, words, 0, length),
      fits: () => batch.fits(0),
      batch,
    })
  }

  /** @throws KernelError as `removeRoutes` */
  removeNexthops(nexthops: readonly LeftNexthop[]): Removal {
    const batch = new NexthopBatch()
    const request = (id: number) => ({ operation: 'remove', id }) as const
    const going = nexthops.filter(({ kept }) => kept === null)
    return this.#remove(going, ({ id }) => `nexthop ${id}`, {
      add: (sequence, { id }) => batch.add(sequence, 0, request(id)),
      fits: ({ id }) => batch.fits(request(id)),
      batch,
    })
  }

  #remove<T>(
    items: readonly T[],
    nameOf: (item: T) => string,
    writer: {
      readonly add: (sequence: number, item: T) => void
      readonly fits: (item: T) => boolean
      readonly batch: RouteBatch | NexthopBatch
    },
  ): Removal {
    const { batch } = writer
    const countMax = Math.min(batchRoutesMax, this.#kernel.repliesMax)
    const refusals: string[] = []
    let removed = 0
    for (let at = 0; at < items.length; ) {
      batch.clear()
      const start = at
      const first = this.#channel.next()
      let last = first
      for (let sequence = first; ; sequence = last = this.#channel.next()) {
        writer.add(sequence, items[at++]!)
        const next = items[at]
        if (next === undefined || at - start >= countMax || !writer.fits(next)) break
      }
      batch.seal()
      const errors = this.#exchange(batch, first, last)
      removed += at - start - errors.size
      for (const [index, error] of errors) {
        // Gone meanwhile: that is what was wanted.
        if (isAbsent(error) || refusals.length >= refusalsMax) continue
        refusals.push(`${nameOf(items[start + index]!)}: ${describeRefusal(error)}`)
      }
    }
    return { removed, refusals }
  }

  #exchange(
    batch: RouteBatch | NexthopBatch,
    first: number,
    last: number,
  ): ReadonlyMap<number, ErrorMessage> {
    const errors = new Map<number, ErrorMessage>()
    this.#channel.exchange(batch.bytes, batch.length, first, last, (number, error) => {
      if (error.errno === errnos.perm) {
        const remedy = 'it needs CAP_NET_ADMIN: run as root'
        throw new KernelError('removing what is left in the kernel', error.errno, remedy)
      }
      errors.set((number - first) >>> 0, error)
    })
    return errors
  }

  #visitRoutes(family: Family, visit: (route: RouteMessage) => void): void {
    const route = new RouteMessage()
    this.#dumper.dump('reading routes', messageTypes.getRoute, family, (view, start, end) => {
      if (readRoute(view, start, end, route) && !route.cloned && route.tos === 0) visit(route)
    })
  }

  /** None where the kernel has no such thing. */
  #readNexthops(): NexthopObject[] {
    const objects = new Map<number, NexthopObject>()
    try {
      this.#dumper.dump('reading nexthops', messageTypes.getNexthop, null, (view, start, end) => {
        const object = readNexthop(view, start, end)
        if (object !== null) objects.set(object.id, object)
      })
    } catch (error) {
      if (!isUnknownTable(error)) throw error
    }
    return [...objects.values()]
  }
}

/** `10.0.0.0/24`. */
export function prefixOf({ family, words, length }: LeftRoute): string {
  return formatPrefix(family, words, 0, length)
}

function nameOf(route: LeftRoute): string {
  return `${prefixOf(route)} table ${route.mark.table}`
}

function isOurs(route: RouteMessage, { tables, protocol, metric }: Belongings): boolean {
  return route.protocol === protocol && route.metric === metric && tables.includes(route.table)
}

/** Our objects, groups first, each with what keeps it. */
function judge(
  objects: readonly NexthopObject[],
  protocol: number,
  used: ReadonlySet<number>,
): LeftNexthop[] {
  const isOurObject = (object: NexthopObject) => object.protocol === protocol && isOwnId(object.id)
  const own = objects.filter(isOurObject)
  const groups = own.filter(({ members }) => members.length > 0)
  const hops = own.filter(({ members }) => members.length === 0)
  const foreign = objects.filter((object) => !isOurObject(object))
  const holders = [...foreign, ...groups.filter(({ id }) => used.has(id))]
  const held = new Set(holders.flatMap(({ members }) => members))
  return [...groups, ...hops].map((object) => {
    const { id, members } = object
    const reason = used.has(id)
      ? 'another route names it'
      : held.has(id)
        ? 'a group that stays holds it'
        : null
    return { id, kind: members.length > 0 ? 'group' : 'hop', kept: reason }
  })
}
