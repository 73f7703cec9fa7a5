/**
 * Field by field, what becomes of Calico's three resources here: the tables of docs/calico.md. The
 * types see to it that no field of the schemas is left out; a test, that what isn't enforced says so.
 */

import type { calicoConfigurationFields } from './schema/bgp-configuration.ts'
import type { FilterRule } from './schema/bgp-filter.ts'
import type { calicoPeerFields } from './schema/bgp-peer.ts'

export type Verdict = 'same' | 'better' | 'not applicable'
export type Row = readonly [verdict: Verdict, how: string]

const same = (how = ''): Row => ['same', how]
const better = (how: string): Row => ['better', how]

export const peerRows: Readonly<Record<keyof typeof calicoPeerFields, Row>> = {
  node: same(),
  nodeSelector: better('a mistake is shown with its column'),
  peerIP: better('also link-local with a zone, as in `fe80::1%eth0`'),
  asNumber: better('one that is not the AS of the node it names is the condition `AsMismatch`'),
  localASNumber: same(),
  peerSelector: better('one that selects nobody is the condition `PeerSelectsNobody`'),
  keepOriginalNextHop: better('where it has no effect, on iBGP, it says so (`NoEffect`)'),
  nextHopMode: better('`Self` on a reflector is the condition `NextHopSelfReflects`'),
  password: better(
    'a missing Secret keeps a new session down instead of peering without a key; on a running one ' +
      'the last key stays; a rotated key is changed under the session, which stays up',
  ),
  sourceAddress: same(),
  maxRestartTime: same(),
  keepaliveTime: better('`holdTime` is a field of its own; the default is a third of it'),
  numAllowedLocalASNumbers: better('`plan` and `check` warn where it is needed and missing'),
  ttlSecurity: same(),
  reachableBy: better(
    'a host route with our own mark; one whose gateway is not on link is `GatewayNotOnLink`, and two ' +
      'gateways to one peer are `GatewayDiffers`',
  ),
  filters: better(
    'a name without a BGPFilter keeps a new session down instead of being skipped; a changed filter ' +
      'is applied to what is in the table, without a reset',
  ),
  localWorkloadSelector: better(
    'one without filters is the condition `UnfilteredWorkloads`; such sessions are not waited for by ' +
      'readiness; not matched: labels of service accounts',
  ),
  reversePeering: same(),
}

export const configurationRows: Readonly<Record<keyof typeof calicoConfigurationFields, Row>> = {
  logSeverityScreen: same(),
  nodeToNodeMeshEnabled: same('with add-path between its nodes'),
  asNumber: same(),
  serviceLoadBalancerIPs: better('refused from peers as well; a reflector passes them on'),
  serviceExternalIPs: better('refused from peers as well; a reflector passes them on'),
  serviceClusterIPs: better(
    'an address is announced only if it lies in a range, for Local services too',
  ),
  serviceLoadBalancerAggregation: same(),
  communities: better('well-known names need no entry; one that nothing uses says so'),
  prefixAdvertisements: better('holds for service ranges and blocks the same way'),
  listenPort: same('also of one node; changing it resets no session'),
  nodeMeshPassword: better('as `password` of a BGPPeer'),
  nodeMeshMaxRestartTime: same(),
  bindMode: better('also of one node, and live'),
  ignoredInterfaces: [
    'not applicable',
    'routes of interfaces are never learned, so there are none to ignore',
  ],
  localWorkloadPeeringIPV4: better(
    "without it workloads peer with the node's own address; the address itself is put on the " +
      'interfaces by Felix, or by you on `lo`',
  ),
  localWorkloadPeeringIPV6: better('as for IPv4'),
  programClusterRoutes: [
    'not applicable',
    'routes have a protocol number and metric of their own, so they never fight with those of ' +
      'Felix; `fib.install` says whether there are any',
  ],
  ipv4NormalRoutePriority: better(
    'makes `localPreference` default to `Calico`: LOCAL_PREF is 2147483647 minus this',
  ),
  ipv6NormalRoutePriority: better('as for IPv4; one that differs is `RoutePriorityMismatch`'),
}

/** Fields of rules that are ours alone. */
export const ownFilterFields = ['prefixes', 'anyCommunity', 'allCommunities'] as const
type CalicoFilterField = Exclude<keyof FilterRule, (typeof ownFilterFields)[number]>

export const filterRows: Readonly<Record<CalicoFilterField, Row>> = {
  action: better('an Accept on export lifts the role rules only: communities are still added'),
  cidr: same(),
  matchOperator: same(),
  prefixLength: same(),
  source: same(),
  interface: same(),
  peerType: same(),
  communities: better('`anyCommunity` and `allCommunities` take several, and `*`'),
  asPathPrefix: same(),
  priority: same('through LOCAL_PREF'),
  operations: better('five more of our own; those of Calico are the same'),
}

/** A table of docs/calico.md, Markdown, with its head. */
export function formatTable(rows: Readonly<Record<string, Row>>): string {
  const lines = Object.entries(rows).map(
    ([field, [verdict, how]]) => `| \`${field}\` | ${verdict} | ${how.replaceAll('|', '\\|')} |`,
  )
  return ['| field | here | how |', '|---|---|---|', ...lines].join('\n')
}
