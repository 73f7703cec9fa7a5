/**
 * All update groups of a speaker: found by what their members are to be told (RFC 4271 §3.2), made
 * with their first member and dissolved with their last.
 */
import type { Export } from './profile.ts'
import { type ExportPolicy, groupKey } from './rib/export.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import { type GroupPorts, UpdateGroup } from './rib/update-group.ts'
import type { FamilyName } from './types.ts'

export class UpdateGroups implements Iterable<UpdateGroup> {
  readonly #ribs: ReadonlyMap<FamilyName, FamilyRib>
  readonly #ports: GroupPorts
  readonly #byKey = new Map<string, UpdateGroup>()
  #made = 0

  constructor(ribs: ReadonlyMap<FamilyName, FamilyRib>, ports: GroupPorts) {
    this.#ribs = ribs
    this.#ports = ports
  }

  [Symbol.iterator](): Iterator<UpdateGroup> {
    return this.#byKey.values()
  }

  /** The group of peers that are told this; one that was just made has no member yet. */
  find({ profile, self }: Export, policy: ExportPolicy | null): UpdateGroup {
    const key = groupKey(profile, policy)
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const rib = this.#ribs.get(profile.family) as FamilyRib
    const group = new UpdateGroup(++this.#made, profile, self, policy, rib, this.#ports)
    this.#byKey.set(key, group)
    rib.listeners.add(group)
    return group
  }

  /** A member goes from one to another, or is told another next hop in the same. */
  move(member: number, from: UpdateGroup, to: UpdateGroup, self: Uint8Array): void {
    const moving = from.part(member)
    if (moving !== null) to.adopt(member, moving, self)
    if (from.memberCount === 0) this.#dissolve(from)
  }

  leave(member: number, group: UpdateGroup): void {
    group.leave(member)
    if (group.memberCount === 0) this.#dissolve(group)
  }

  #dissolve(group: UpdateGroup): void {
    this.#byKey.delete(group.key)
    this.#ribs.get(group.family)?.listeners.delete(group)
    group.dissolve()
  }
}
