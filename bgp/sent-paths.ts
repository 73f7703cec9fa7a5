/**
 * Which paths of a prefix a peer is told where it takes several (RFC 7911), and why each of the
 * others isn't among them. Cold code: it goes through the choice of the update group in words.
 */
import { multipathRules, rules } from './rib/decide.ts'
import { judge, verdict, verdictText } from './rib/export.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import type { UpdateGroup } from './rib/update-group.ts'
import type { AdvertisedPathView } from './types.ts'

/** Places told of at most; ranking a path costs a decision. */
const ranksMax = 64

/** The choice, as one decision after the other leaves it: they share their scratch columns. */
interface Choice {
  readonly ranked: readonly number[]
  readonly multipath: readonly number[]
  readonly lost: ReturnType<FamilyRib['decision']['explain']>
}

/** In the order of the decision process, unusable ones last; empty where one path is sent. */
export function sentPaths(
  member: number,
  group: UpdateGroup,
  rib: FamilyRib,
  prefix: number,
): AdvertisedPathView[] {
  if (group.profile.addPath === null) return []
  const { decision, paths, peers } = rib
  const head = rib.head[prefix] as number
  decision.rank(head, ranksMax)
  const ranked = [...decision.ranked.subarray(0, decision.rankedCount)]
  decision.run(head, true)
  const multipath = [...decision.multipath.subarray(0, decision.multipathCount)]
  const choice = { ranked, multipath, lost: decision.explain(head) }
  const views: AdvertisedPathView[] = []
  for (let path = head; path !== 0; path = paths.next[path] as number) {
    const rank = ranked.indexOf(path) + 1
    const sent = paths.peer[path] !== member && announces(group, prefix, path)
    views.push({
      peer: peers.names[paths.peer[path] as number] as string,
      pathId: paths.pathId[path] as number,
      rank: rank === 0 ? null : rank,
      sentAs: sent ? path : null,
      reason: sent ? 'sent' : whyNot(member, group, rib, path, choice),
    })
  }
  const place = ({ rank }: AdvertisedPathView): number => rank ?? ranksMax + 1
  return views.sort((a, b) => place(a) - place(b))
}

function announces({ out }: UpdateGroup, prefix: number, path: number): boolean {
  for (let entry = out.first(prefix); entry !== 0; entry = out.next(entry)) {
    if (out.pathIdOf(entry) === path) return true
  }
  return false
}

function whyNot(
  member: number,
  group: UpdateGroup,
  rib: FamilyRib,
  path: number,
  choice: Choice,
): string {
  if (rib.paths.peer[path] === member) return 'it came from this peer: it is never sent back'
  if (!rib.usable(path)) return 'it is not usable'
  const passed = passedOver(group, rib, path, choice)
  if (passed !== null) return passed
  const outcome = judge(group.profile, rib, path)
  if (outcome !== verdict.send) return verdictText[outcome] as string
  return group.policy === null ? 'about to be announced' : 'rejected by a filter'
}

/** Why the mode of the group doesn't choose the path, or null when it does. */
function passedOver(
  { profile }: UpdateGroup,
  rib: FamilyRib,
  path: number,
  { ranked, multipath, lost }: Choice,
): string | null {
  const { mode, limit } = profile.addPath as NonNullable<typeof profile.addPath>
  const most = limit ?? Number.POSITIVE_INFINITY
  const beyond = `addPaths.sendLimit: only the best ${limit} are sent`
  if (mode !== 'Multipath') {
    const place = ranked.indexOf(path)
    return limit !== null && (place === -1 || place >= most) ? beyond : null
  }
  const place = multipath.indexOf(path)
  if (place !== -1) return place < most ? null : beyond
  const rule = lost.get(path)
  if (rule !== undefined && rules.indexOf(rule) < multipathRules) {
    return `not in the ECMP set, lost by: ${rule.name} (${rule.rfc})`
  }
  const { paths, attributes } = rib
  const nextHop = attributes.nextHop[paths.attributes[path] as number]
  const twin = multipath.some((each) => {
    return attributes.nextHop[paths.attributes[each] as number] === nextHop
  })
  return twin
    ? 'not in the ECMP set: a better path has the same next hop'
    : 'not in the ECMP set: it has fib.maxPaths, or takes no other neighbour AS'
}
