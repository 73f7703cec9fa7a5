/**
 * The kernel's nexthop objects as we see them, ours and those of others: by dump, by notification,
 * and by what it acknowledged of our own requests. Routes that name an object lead where it leads at
 * this moment, so nothing has to be told to them when it changes.
 */
import type { NexthopObject } from './nexthop-message.ts'
import type { Leg } from './request.ts'

const noLegs: readonly Leg[] = []

export class NexthopView {
  /** Ids that routes of others name: such objects are never removed, whoever made them. */
  readonly usedByOthers = new Set<number>()
  /** Counts changes. */
  version = 0
  #objects = new Map<number, NexthopObject>()
  /** Legs of the objects asked for since the last change. */
  readonly #legs = new Map<number, readonly Leg[]>()

  get(id: number): NexthopObject | undefined {
    return this.#objects.get(id)
  }

  has(id: number): boolean {
    return this.#objects.has(id)
  }

  objects(): IterableIterator<NexthopObject> {
    return this.#objects.values()
  }

  /** Where a route leads that names this object; nowhere when there is none. */
  legsOf(id: number): readonly Leg[] {
    const known = this.#legs.get(id)
    if (known !== undefined) return known
    const legs = this.#resolve(id)
    this.#legs.set(id, legs)
    return legs
  }

  learn(object: NexthopObject): void {
    this.#objects.set(object.id, object)
    this.#changed()
  }

  /**
   * An object is gone, and by the kernel's rules it left its groups, and groups left empty are gone as
   * well. Gives every id that went.
   */
  forget(id: number): number[] {
    if (!this.#objects.delete(id)) return []
    this.#changed()
    const gone = [id]
    for (const group of this.#objects.values()) {
      if (!group.members.includes(id)) continue
      const members = group.members.filter((member) => member !== id)
      if (members.length > 0) {
        this.#objects.set(group.id, { ...group, members })
      } else {
        this.#objects.delete(group.id)
        gone.push(group.id)
      }
    }
    return gone
  }

  /** Takes a whole dump over; gives the ids that are no longer there. */
  replaceAll(objects: readonly NexthopObject[]): number[] {
    const before = this.#objects
    this.#objects = new Map(objects.map((object) => [object.id, object]))
    this.#changed()
    return [...before.keys()].filter((id) => !this.#objects.has(id))
  }

  #changed(): void {
    this.version++
    this.#legs.clear()
  }

  #resolve(id: number): readonly Leg[] {
    const object = this.#objects.get(id)
    if (object === undefined || object.blackhole) return noLegs
    if (object.members.length === 0) return [legOf(object)]
    // Linux allows no groups within groups.
    return object.members
      .map((member) => this.#objects.get(member))
      .filter((member) => member !== undefined && !member.blackhole)
      .map((member) => legOf(member!))
  }
}

function legOf(object: NexthopObject): Leg {
  return { interface: object.interface, gateway: object.gateway }
}
