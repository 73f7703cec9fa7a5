/**
 * BGPFilter resources → the filters of a peer, in the form the policy engine takes. A name without a
 * filter is never skipped, as Calico does: the caller keeps the session down (or the last policy in
 * force), since what the filter was meant to stop does harm.
 */
import type { FilterConfig, FilterOperation, FilterRule } from '../../bgp/policy/types.ts'
import type { BgpFilterResource } from '../config/resources.ts'
import type { FilterRule as WrittenRule } from '../config/schema/bgp-filter.ts'
import { fail, inform } from './problem.ts'
import type { Problem } from './types.ts'

export interface FilterChoice {
  /** In the order of the names; those that exist. */
  readonly filters: readonly FilterConfig[]
  /** Names without a BGPFilter. */
  readonly unknown: readonly string[]
  readonly problems: readonly Problem[]
}

/** Every BGPFilter by its name, read once for all peers that name it. */
export function readFilters(
  resources: readonly BgpFilterResource[],
): ReadonlyMap<string, FilterConfig> {
  return new Map(resources.map((resource) => [resource.name, readFilter(resource)]))
}

/** The filters that `subject` (`BGPPeer/rack-a`) names. One named twice decides once. */
export function chooseFilters(
  known: ReadonlyMap<string, FilterConfig>,
  names: readonly string[],
  subject: string,
): FilterChoice {
  const wanted = [...new Set(names)]
  const filters = wanted.flatMap((name) => known.get(name) ?? [])
  const unknown = wanted.filter((name) => !known.has(name))
  const remedy = 'create it, or correct the name'
  const problems = [
    ...unknown.map((name) =>
      fail('UnknownFilter', subject, `filters: BGPFilter ${name} does not exist`, remedy),
    ),
    ...filters.flatMap(findUnreachable),
  ]
  return { filters, unknown, problems }
}

function readFilter({ name, body: { spec } }: BgpFilterResource): FilterConfig {
  return {
    name,
    importV4: spec.importV4.map(readRule),
    exportV4: spec.exportV4.map(readRule),
    importV6: spec.importV6.map(readRule),
    exportV6: spec.exportV6.map(readRule),
  }
}

function readRule(rule: WrittenRule): FilterRule {
  const { prefixes, anyCommunity, allCommunities } = rule
  return {
    action: rule.action,
    cidr: rule.cidr ?? null,
    matchOperator: rule.matchOperator ?? null,
    prefixLength: rule.prefixLength === undefined ? null : readBounds(rule.prefixLength),
    source: rule.source ?? null,
    interface: rule.interface ?? null,
    peerType: rule.peerType ?? null,
    community: rule.communities?.values[0] ?? null,
    asPathPrefix: rule.asPathPrefix ?? null,
    priority: rule.priority ?? null,
    operations: (rule.operations ?? []).flatMap(readOperation),
    ...(prefixes && {
      prefixes: prefixes.map(({ cidr, ...bounds }) => ({ cidr, ...readBounds(bounds) })),
    }),
    ...(anyCommunity && { anyCommunity }),
    ...(allCommunities && { allCommunities }),
  }
}

interface Bounds {
  readonly min?: number | undefined
  readonly max?: number | undefined
}

function readBounds({ min = null, max = null }: { [K in keyof Bounds]: Bounds[K] | null }) {
  return { min, max }
}

/** An operation is one thing; the rules of the schema see to it. */
function readOperation(
  operation: NonNullable<WrittenRule['operations']>[number],
): readonly FilterOperation[] {
  const { addCommunity, prependASPath, setPriority, removeCommunity, replaceCommunities } =
    operation
  const { setLocalPref, setMED, setNextHop } = operation
  if (addCommunity) return [{ kind: 'addCommunity', community: addCommunity.value }]
  if (prependASPath) return [{ kind: 'prependASPath', asns: prependASPath.prefix }]
  if (setPriority) return [{ kind: 'setPriority', priority: setPriority.value }]
  if (removeCommunity) return [{ kind: 'removeCommunity', community: removeCommunity.value }]
  if (replaceCommunities) {
    return [{ kind: 'replaceCommunities', communities: replaceCommunities.values }]
  }
  if (setLocalPref) return [{ kind: 'setLocalPref', localPref: setLocalPref.value }]
  if (setMED) return [{ kind: 'setMED', med: setMED.value }]
  if (setNextHop) return [{ kind: 'setNextHop', nextHop: setNextHop.value }]
  return []
}

const lists = ['exportV4', 'importV4', 'exportV6', 'importV6'] as const

/** Rules behind one that matches every route, which is seldom meant. */
function findUnreachable(filter: FilterConfig): readonly Problem[] {
  return lists.flatMap((list) => {
    const rules = filter[list]
    const last = rules.findIndex(matchesAll)
    if (last < 0 || last === rules.length - 1) return []
    const message = `${list}[${last}] matches every route, so the rules after it are never reached`
    const remedy = 'move it to the end, or remove what follows'
    return inform('UnreachableRule', `BGPFilter/${filter.name}`, message, remedy)
  })
}

/** Whether a rule names no condition. */
function matchesAll({ action: _, operations: __, ...conditions }: FilterRule): boolean {
  return Object.values(conditions).every((condition) => condition === null)
}
