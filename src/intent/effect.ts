/**
 * What is set and does nothing, or not what its name promises, where it stands: each such field
 * becomes a condition with a reason code, so that nobody waits for an effect that won't come.
 */
import type { BgpConfigurationResource, BgpPeerResource, ResourceSet } from '../config/resources.ts'
import type { BgpConfigurationSpec } from '../config/schema/bgp-configuration.ts'
import type { BgpPeerSpec } from '../config/schema/bgp-peer.ts'
import type { Peering } from './peering.ts'
import { inform, warn } from './problem.ts'
import type { Problem } from './types.ts'

/** Fields of BGPConfiguration that concern only how Calico itself is built. */
export const withoutEffect: readonly (readonly [keyof BgpConfigurationSpec, string])[] = [
  ['ignoredInterfaces', 'routes of interfaces are never learned, so there are none to ignore'],
  [
    'programClusterRoutes',
    'learned routes are written with a protocol number and metric of their own beside those of ' +
      'Felix; fib.install says whether',
  ],
]

export function findIdleSettings({ bgpConfigurations }: ResourceSet): Problem[] {
  return bgpConfigurations.flatMap((resource) => [
    ...withoutEffect
      .filter(([field]) => isSaid(resource.written[field]))
      .map(([field, why]) => {
        const message = `spec.${field} has no effect: ${why}`
        return inform('NoEffect', subjectOf('BGPConfiguration', resource), message, 'remove it')
      }),
    ...findUnusedCommunities(resource),
  ])
}

function isSaid(value: unknown): boolean {
  return value !== undefined && !(Array.isArray(value) && value.length === 0)
}

function findUnusedCommunities(resource: BgpConfigurationResource): Problem[] {
  const { communities, prefixAdvertisements } = resource.body.spec
  const used = new Set(prefixAdvertisements.flatMap((one) => one.communities))
  return communities
    .filter(({ name }) => !used.has(name))
    .map(({ name }) => {
      const message = `spec.communities: no prefixAdvertisement names ${name}`
      return inform('UnusedCommunity', subjectOf('BGPConfiguration', resource), message)
    })
}

export function findUnusedFilters({ bgpFilters, bgpPeers }: ResourceSet): Problem[] {
  const used = new Set(bgpPeers.flatMap(({ body }) => body.spec.filters))
  return bgpFilters
    .filter(({ name }) => !used.has(name))
    .map(({ name }) => inform('UnusedFilter', `BGPFilter/${name}`, 'no BGPPeer names it'))
}

interface PeerRule {
  readonly reason: string
  readonly severity: 'info' | 'warning'
  readonly applies: (
    spec: BgpPeerSpec,
    session: { internal: boolean; reflects: boolean },
  ) => boolean
  readonly message: string
  readonly remedy: string
}

/** What doesn't fit the sessions that came of a BGPPeer. */
const peerRules: readonly PeerRule[] = [
  {
    reason: 'NoEffect',
    severity: 'info',
    applies: ({ keepOriginalNextHop }, { internal }) => keepOriginalNextHop && internal,
    message: 'keepOriginalNextHop has no effect on iBGP, where the next hop is kept anyway',
    remedy: 'remove it',
  },
  {
    reason: 'NoEffect',
    severity: 'warning',
    applies: ({ routeReflectorClient }, { internal }) => routeReflectorClient === true && !internal,
    message: 'routeReflectorClient has no effect on eBGP: routes are reflected within one AS',
    remedy: 'remove it, or correct the AS numbers',
  },
  {
    reason: 'NoEffect',
    severity: 'info',
    applies: ({ asOverride }, { internal }) => asOverride && internal,
    message: "asOverride has no effect on iBGP: the peer's AS is the own one",
    remedy: 'remove it',
  },
  {
    reason: 'NoEffect',
    severity: 'info',
    applies: ({ ebgpMultihop }, { internal }) => ebgpMultihop !== undefined && internal,
    message: 'ebgpMultihop has no effect on iBGP, which is multihop anyway',
    remedy: 'remove it',
  },
  {
    reason: 'NextHopSelfReflects',
    severity: 'warning',
    applies: ({ nextHopMode }, { internal, reflects }) =>
      nextHopMode === 'Self' && internal && reflects,
    message:
      'nextHopMode: Self rewrites reflected routes too: their traffic comes through this node',
    remedy: 'use Auto, unless the reflector is meant to forward',
  },
]

/** @param reflects Whether the node has a cluster id. */
export function findIdlePeerFields(peerings: readonly Peering[], reflects: boolean): Problem[] {
  const found = new Map<string, Problem>()
  for (const { source, scope, asn, localAsn } of peerings) {
    if (source === null || scope === 'reverse') continue
    const { spec } = source.body
    for (const { applies, reason, severity, message, remedy } of peerRules) {
      if (!applies(spec, { internal: asn === localAsn, reflects })) continue
      const subject = subjectOf('BGPPeer', source)
      found.set(`${subject} ${message}`, { reason, severity, subject, message, remedy })
    }
  }
  return [...found.values()]
}

/** A BGPPeer that this node has, and that names peers, and still gives no session. */
export function reportNobody(peer: BgpPeerResource): Problem {
  const message = `peerSelector ${peer.body.spec.peerSelector} selects no other node`
  const remedy = 'label the nodes it is meant for, or correct the selector'
  return warn('PeerSelectsNobody', subjectOf('BGPPeer', peer), message, remedy)
}

function subjectOf(kind: string, { name }: { readonly name: string }): string {
  return `${kind}/${name}`
}
