/**
 * Hops of ours that are dead and that nobody wants any more. Removing one takes it out of every group
 * in a single message, in no time whatever nexthop_compat_mode is, and takes the routes along that
 * have no other next hop.
 */
import type { NexthopIds } from './nexthop-ids.ts'
import type { NexthopView } from './nexthop-view.ts'
import type { Leg } from './request.ts'

/** Their ids. `needed`: the objects that wanted sets rest on. */
export function findDeadHops(
  ids: NexthopIds,
  view: NexthopView,
  isDead: (leg: Leg) => boolean,
  needed: () => ReadonlySet<number>,
): Set<number> {
  const dead = ids.own().filter((object) => object.members.length === 0 && isDead(object))
  if (dead.length === 0) return new Set()
  const spared = needed()
  return new Set(
    dead.map(({ id }) => id).filter((id) => !spared.has(id) && !isShared(id, ids, view)),
  )
}

/** Whether routes or groups of others rest on this hop. */
function isShared(hop: number, ids: NexthopIds, view: NexthopView): boolean {
  if (view.usedByOthers.has(hop)) return true
  for (const object of view.objects()) {
    if (!object.members.includes(hop)) continue
    if (view.usedByOthers.has(object.id) || !ids.isOwn(object)) return true
  }
  return false
}
