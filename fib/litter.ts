/**
 * Nexthop objects of ours that nothing needs any more. Linux removes the routes of an object along
 * with it, IPv4 without a word; so an object goes only when no wanted set rests on it, no route we
 * know names it and no group holds it, and only when that was so for two rounds.
 */
import type { Family } from './address.ts'
import type { Groups } from './groups.ts'
import type { ObjectRequest } from './nexthop-message.ts'
import type { NexthopView } from './nexthop-view.ts'
import type { Ways } from './way.ts'

export class Litter {
  readonly #groups: Groups
  readonly #view: NexthopView
  readonly #ways: Ways
  readonly #uses: (family: Family, way: number) => number
  /** Needless at the last round. */
  #suspects: ReadonlySet<number> = new Set()

  constructor(
    groups: Groups,
    view: NexthopView,
    ways: Ways,
    uses: (family: Family, way: number) => number,
  ) {
    this.#groups = groups
    this.#view = view
    this.#ways = ways
    this.#uses = uses
  }

  /** Whether something was needless at the last round. */
  get pending(): boolean {
    return this.#suspects.size > 0
  }

  /** Removals of what was needless at the last round too; with `all`, of what is needless now. */
  collect(all: boolean): ObjectRequest[] {
    const needed = this.#groups.neededIds()
    const needless = new Set<number>()
    // Groups come first: a hop that only needless groups hold is needless.
    for (const { id } of this.#groups.ids.own()) {
      const named = this.#ways
        .allThrough(id)
        .some((way) => this.#uses(4, way) + this.#uses(6, way) > 0)
      const spared = needed.has(id) || named || this.#view.usedByOthers.has(id)
      if (!spared && this.#isHeldOnlyBy(id, needless)) needless.add(id)
    }
    const going = [...needless].filter((id) => all || this.#suspects.has(id))
    for (const id of going) needless.delete(id)
    this.#suspects = needless
    return going.map((id) => ({ operation: 'remove', id }))
  }

  #isHeldOnlyBy(hop: number, groups: ReadonlySet<number>): boolean {
    for (const { id, members } of this.#view.objects()) {
      if (members.includes(hop) && !groups.has(id)) return false
    }
    return true
  }
}
