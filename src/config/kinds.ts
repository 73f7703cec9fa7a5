/** The kinds that are read, the groups they may stand in, and the schema and rules of each. */
import { checkBgpConfiguration, checkBgpFilter, checkBgpPeer, type RuleFault } from './rules.ts'
import { BgpConfiguration } from './schema/bgp-configuration.ts'
import { BgpFilter } from './schema/bgp-filter.ts'
import { BgpPeer } from './schema/bgp-peer.ts'
import { BlockAffinity, IpamBlock, IpPool, WorkloadEndpoint } from './schema/calico-ipam.ts'
import { CalicoNode, CoreNode, EndpointSlice, Pod, Secret, Service } from './schema/core.ts'
import type { Schema } from './validate.ts'

export const ownGroup = 'routelet.io/v1'
/** Highest rank first: for one kind and name the first of these that has it is in force. */
export const bgpGroups = [ownGroup, 'projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const
const calicoGroups = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const

/** Where a kind goes in a ResourceSet. */
export type Collection =
  | 'nodes'
  | 'calicoNodes'
  | 'secrets'
  | 'services'
  | 'endpointSlices'
  | 'pods'
  | 'blockAffinities'
  | 'ipamBlocks'
  | 'ipPools'
  | 'workloadEndpoints'
  | 'bgpConfigurations'
  | 'bgpPeers'
  | 'bgpFilters'

/** `written` is the spec before defaults. */
type Check = (
  name: string,
  body: never,
  written: Readonly<Record<string, unknown>>,
) => readonly RuleFault[]

export interface Kind {
  readonly kind: string
  readonly collection: Collection
  readonly groups: readonly string[]
  readonly schema: Schema
  readonly namespaced: boolean
  /** Fields that the schema doesn't know: ours are checked, those of the cluster's kinds pass. */
  readonly unknownFields: 'report' | 'pass'
  /** Values never shown. */
  readonly secret: boolean
  /** Rules that span fields; called only when every field alone is right. */
  readonly check: Check | null
}

/** TypeBox types a schema by what is read; this is the same object seen as plain JSON Schema. */
export const plain = (schema: object): Schema => schema

const bgpKind = (
  kind: string,
  collection: Collection,
  schema: Schema,
  check: Kind['check'],
): Kind => ({
  kind,
  collection,
  schema,
  check,
  groups: bgpGroups,
  namespaced: false,
  unknownFields: 'report',
  secret: false,
})

const clusterKind = (
  kind: string,
  collection: Collection,
  groups: string | readonly string[],
  schema: Schema,
  namespaced: boolean,
): Kind => ({
  kind,
  collection,
  schema,
  namespaced,
  groups: typeof groups === 'string' ? [groups] : groups,
  unknownFields: 'pass',
  secret: kind === 'Secret',
  check: null,
})

export const kinds: readonly Kind[] = [
  bgpKind('BGPConfiguration', 'bgpConfigurations', plain(BgpConfiguration), checkBgpConfiguration),
  bgpKind('BGPPeer', 'bgpPeers', plain(BgpPeer), checkBgpPeer),
  bgpKind('BGPFilter', 'bgpFilters', plain(BgpFilter), checkBgpFilter),
  clusterKind('Node', 'nodes', 'v1', plain(CoreNode), false),
  clusterKind('Node', 'calicoNodes', 'projectcalico.org/v3', plain(CalicoNode), false),
  clusterKind('Secret', 'secrets', 'v1', plain(Secret), true),
  clusterKind('Service', 'services', 'v1', plain(Service), true),
  clusterKind('EndpointSlice', 'endpointSlices', 'discovery.k8s.io/v1', plain(EndpointSlice), true),
  clusterKind('Pod', 'pods', 'v1', plain(Pod), true),
  clusterKind('BlockAffinity', 'blockAffinities', calicoGroups, plain(BlockAffinity), false),
  clusterKind('IPAMBlock', 'ipamBlocks', calicoGroups, plain(IpamBlock), false),
  clusterKind('IPPool', 'ipPools', calicoGroups, plain(IpPool), false),
  clusterKind(
    'WorkloadEndpoint',
    'workloadEndpoints',
    'projectcalico.org/v3',
    plain(WorkloadEndpoint),
    true,
  ),
]

export function findKind(apiVersion: string, kind: string): Kind | null {
  return kinds.find((row) => row.kind === kind && row.groups.includes(apiVersion)) ?? null
}
