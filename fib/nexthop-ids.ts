/**
 * The numbers of our nexthop objects: two ranges of our own, one for hops and one for groups, so that
 * an object can be told by its id and protocol number alone. Linux counts the ids that it gives out
 * itself up from 1.
 */
import type { NexthopObject } from './nexthop-message.ts'
import type { NexthopView } from './nexthop-view.ts'
import type { Leg } from './request.ts'

export const hopIdFirst = 1_790_000_000
export const groupIdFirst = 1_791_000_000
/** Ids in each range. */
export const idsMax = 1_000_000

/** Whether an id lies in one of the two ranges. */
export function isOwnId(id: number): boolean {
  return id >= hopIdFirst && id < groupIdFirst + idsMax
}

export class NexthopIds {
  readonly #view: NexthopView
  readonly #isOwnProtocol: (protocol: number) => boolean
  /** Hop ids by `interface gateway`. */
  readonly #hops = new Map<string, number>()
  readonly #keys = new Map<number, string>()
  #nextHop = 0
  #nextGroup = 0

  constructor(view: NexthopView, isOwnProtocol: (protocol: number) => boolean) {
    this.#view = view
    this.#isOwnProtocol = isOwnProtocol
  }

  /** Whether an object is ours; an absent one isn't. */
  isOwn(object: NexthopObject | undefined): object is NexthopObject {
    if (object === undefined) return false
    const { id, protocol } = object
    return isOwnId(id) && this.#isOwnProtocol(protocol)
  }

  /** Our objects in the kernel, groups first. */
  own(): NexthopObject[] {
    return [...this.#view.objects()]
      .filter((object) => this.isOwn(object))
      .sort((a, b) => Math.sign(b.members.length) - Math.sign(a.members.length))
  }

  /** The id of the hop for this leg, whether it is in the kernel or not; 0 without one. */
  hop(leg: Leg): number {
    return this.#hops.get(keyOf(leg)) ?? 0
  }

  /** The same, and a new id where there is none, or where somebody took it; 0 when none is left. */
  takeHop(leg: Leg): number {
    const known = this.hop(leg)
    const taken = this.#view.has(known) && !this.isOwn(this.#view.get(known))
    if (known !== 0 && !taken) return known
    if (this.#hops.size >= idsMax) return 0
    for (;;) {
      const id = hopIdFirst + (this.#nextHop++ % idsMax)
      if (this.#view.has(id) || this.#keys.has(id)) continue
      this.adoptHop(leg, id)
      return id
    }
  }

  adoptHop(leg: Leg, id: number): void {
    const before = this.hop(leg)
    if (before !== 0) this.#keys.delete(before)
    this.#hops.set(keyOf(leg), id)
    this.#keys.set(id, keyOf(leg))
  }

  forgetHop(id: number): void {
    const key = this.#keys.get(id)
    if (key === undefined) return
    this.#keys.delete(id)
    this.#hops.delete(key)
  }

  forgetHops(): void {
    this.#hops.clear()
    this.#keys.clear()
  }

  /** An id for a group that neither the kernel nor `isTaken` knows. There are more than groups. */
  freshGroup(isTaken: (id: number) => boolean): number {
    for (;;) {
      const id = groupIdFirst + (this.#nextGroup++ % idsMax)
      if (!this.#view.has(id) && !isTaken(id)) return id
    }
  }

  /** Whether the kernel has the hop, and it leads there. */
  leads(id: number, leg: Leg): boolean {
    const object = this.#view.get(id)
    if (object === undefined || object.blackhole || object.members.length > 0) return false
    return object.interface === leg.interface && object.gateway === leg.gateway
  }
}

function keyOf(leg: Leg): string {
  return `${leg.interface} ${leg.gateway}`
}
