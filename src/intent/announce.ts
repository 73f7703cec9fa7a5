/**
 * What a node says of itself, and what it never believes from others: its pod CIDRs and the
 * cluster's service ranges.
 */
import type { Announcement, RefusedRange } from '../../bgp/types.ts'
import { coversPrefix, knownPrefix } from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { BgpConfigurationSpec } from '../config/schema/bgp-configuration.ts'
import { findWellKnownCommunity } from '../config/schema/leaf.ts'
import type { NodeFacts } from './node.ts'

export function deriveAnnouncements(own: NodeFacts, spec: BgpConfigurationSpec): Announcement[] {
  return sortUnique(own.podCidrs).map((prefix) => ({
    prefix,
    reason: `pod CIDR of node ${own.name}`,
    communities: findCommunities(prefix, spec),
  }))
}

/** The part of a pod CIDR that no pod has is unreachable; a single host needs no aggregate. */
export function deriveBlackholes(own: NodeFacts): string[] {
  return sortUnique(own.podCidrs).filter((text) => {
    const { family, length } = knownPrefix(text)
    return length < (family === 4 ? 32 : 128)
  })
}

export function deriveRefused(own: NodeFacts, spec: BgpConfigurationSpec): RefusedRange[] {
  const ranges = [
    ['service range (serviceClusterIPs)', spec.serviceClusterIPs],
    ['service range (serviceExternalIPs)', spec.serviceExternalIPs],
    ['service range (serviceLoadBalancerIPs)', spec.serviceLoadBalancerIPs],
  ] as const
  const refused = new Map<string, RefusedRange>()
  const refuse = (prefix: string, reason: string) => {
    if (!refused.has(prefix)) refused.set(prefix, { prefix, match: 'covered', reason })
  }
  for (const cidr of own.podCidrs) refuse(cidr, 'own pod CIDR')
  for (const [reason, entries] of ranges) for (const { cidr } of entries) refuse(cidr, reason)
  return [...refused.values()].sort((a, b) => compareText(a.prefix, b.prefix))
}

/** Those of every prefixAdvertisement that covers the prefix, as Calico adds them. */
function findCommunities(prefix: string, spec: BgpConfigurationSpec): string[] {
  const values = new Map(spec.communities.map(({ name, value }) => [name, value]))
  const covering = spec.prefixAdvertisements.filter(({ cidr }) =>
    coversPrefix(knownPrefix(cidr), knownPrefix(prefix)),
  )
  const named = covering.flatMap(({ communities }) => communities)
  return sortUnique(named.map((name) => values.get(name) ?? findWellKnownCommunity(name) ?? name))
}

function sortUnique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort(compareText)
}
