/**
 * Resources as the rest of the program sees them, wherever they came from, and the set of all that
 * are in force: sorted, without duplicates, and with one winner where several API groups hold the
 * same kind and name.
 */
import { isDeepStrictEqual } from 'node:util'
import { bgpGroups, type Collection, type Kind } from './kinds.ts'
import { type ConfigProblem, compareText, formatPlace, type Place } from './problem.ts'
import type { BgpConfigurationBody, WrittenConfigurationSpec } from './schema/bgp-configuration.ts'
import type { BgpFilterBody } from './schema/bgp-filter.ts'
import type { BgpPeerBody } from './schema/bgp-peer.ts'
import type {
  BlockAffinityBody,
  IpamBlockBody,
  IpPoolBody,
  WorkloadEndpointBody,
} from './schema/calico-ipam.ts'
import type {
  CalicoNodeBody,
  CoreNodeBody,
  EndpointSliceBody,
  PodBody,
  SecretBody,
  ServiceBody,
} from './schema/core.ts'

export interface Resource<Body, WrittenSpec = unknown> {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  /** null for kinds that have none. */
  readonly namespace: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Everything but apiVersion, kind and metadata; defaults filled in. */
  readonly body: Body
  /** The spec before defaults: what the author said. */
  readonly written: WrittenSpec
  readonly place: Place
}

export type BgpConfigurationResource = Resource<BgpConfigurationBody, WrittenConfigurationSpec>
export type BgpPeerResource = Resource<BgpPeerBody>
export type BgpFilterResource = Resource<BgpFilterBody>
export type CoreNodeResource = Resource<CoreNodeBody>
export type CalicoNodeResource = Resource<CalicoNodeBody>
export type SecretResource = Resource<SecretBody>
export type ServiceResource = Resource<ServiceBody>
export type EndpointSliceResource = Resource<EndpointSliceBody>
export type PodResource = Resource<PodBody>
export type BlockAffinityResource = Resource<BlockAffinityBody>
export type IpamBlockResource = Resource<IpamBlockBody>
export type IpPoolResource = Resource<IpPoolBody>
export type WorkloadEndpointResource = Resource<WorkloadEndpointBody>

/** Every list is sorted by name, then namespace. */
export interface ResourceSet {
  readonly bgpConfigurations: readonly BgpConfigurationResource[]
  readonly bgpPeers: readonly BgpPeerResource[]
  readonly bgpFilters: readonly BgpFilterResource[]
  readonly nodes: readonly CoreNodeResource[]
  /** `Node` of projectcalico.org/v3; adds to the core Node of that name. */
  readonly calicoNodes: readonly CalicoNodeResource[]
  readonly secrets: readonly SecretResource[]
  readonly services: readonly ServiceResource[]
  readonly endpointSlices: readonly EndpointSliceResource[]
  /** Those below are read where Calico gives the pods their addresses. */
  readonly pods: readonly PodResource[]
  readonly blockAffinities: readonly BlockAffinityResource[]
  readonly ipamBlocks: readonly IpamBlockResource[]
  readonly ipPools: readonly IpPoolResource[]
  readonly workloadEndpoints: readonly WorkloadEndpointResource[]
}

/** A resource together with the row of the kinds table that read it. */
export interface ReadResource {
  readonly kind: Kind
  readonly resource: Resource<unknown>
}

export interface Assembly {
  readonly resources: ResourceSet
  readonly problems: readonly ConfigProblem[]
}

/** `BGPPeer/rack-a`, `Secret/kube-system/keys`. */
export function subjectOf(resource: Resource<unknown>): string {
  const { kind, namespace, name } = resource
  return namespace === null ? `${kind}/${name}` : `${kind}/${namespace}/${name}`
}

/** Puts together what was read; of several with one identity the first in `read` is kept. */
export function assembleResources(read: readonly ReadResource[]): Assembly {
  const problems: ConfigProblem[] = []
  const winners = new Map<string, ReadResource>()
  for (const candidate of read) {
    const key = `${candidate.kind.collection} ${subjectOf(candidate.resource)}`
    const incumbent = winners.get(key)
    if (incumbent === undefined) {
      winners.set(key, candidate)
    } else if (candidate.resource.apiVersion === incumbent.resource.apiVersion) {
      problems.push(duplicateProblem(candidate.resource, incumbent.resource))
    } else {
      const wins = rankOf(candidate.resource) < rankOf(incumbent.resource)
      const [winner, loser] = wins ? [candidate, incumbent] : [incumbent, candidate]
      winners.set(key, winner)
      if (!isDeepStrictEqual(winner.resource.body, loser.resource.body)) {
        problems.push(shadowProblem(loser.resource, winner.resource))
      }
    }
  }
  return { resources: sortIntoSet([...winners.values()]), problems }
}

export const emptyResources: ResourceSet = sortIntoSet([])

function sortIntoSet(read: readonly ReadResource[]): ResourceSet {
  const sorted = [...read].sort(
    (a, b) =>
      compareText(a.resource.name, b.resource.name) ||
      compareText(a.resource.namespace ?? '', b.resource.namespace ?? ''),
  )
  // The kinds table read each body with the schema its collection stands for.
  const list = <T>(collection: Collection) =>
    sorted.filter(({ kind }) => kind.collection === collection).map(({ resource }) => resource as T)
  return {
    bgpConfigurations: list('bgpConfigurations'),
    bgpPeers: list('bgpPeers'),
    bgpFilters: list('bgpFilters'),
    nodes: list('nodes'),
    calicoNodes: list('calicoNodes'),
    secrets: list('secrets'),
    services: list('services'),
    endpointSlices: list('endpointSlices'),
    pods: list('pods'),
    blockAffinities: list('blockAffinities'),
    ipamBlocks: list('ipamBlocks'),
    ipPools: list('ipPools'),
    workloadEndpoints: list('workloadEndpoints'),
  }
}

function rankOf(resource: Resource<unknown>): number {
  const groups: readonly string[] = bgpGroups
  return groups.indexOf(resource.apiVersion)
}

function duplicateProblem(again: Resource<unknown>, first: Resource<unknown>): ConfigProblem {
  return {
    ...again.place,
    reason: 'Duplicate',
    severity: 'error',
    subject: subjectOf(again),
    field: '',
    message: `it is already defined at ${formatPlace(first.place)}, which stays in force`,
    remedy: 'rename or remove one of the two',
    expected: null,
    found: null,
  }
}

function shadowProblem(loser: Resource<unknown>, winner: Resource<unknown>): ConfigProblem {
  return {
    ...loser.place,
    reason: 'Shadowed',
    severity: 'warning',
    subject: subjectOf(loser),
    field: '',
    message:
      `it has no effect: the one of ${winner.apiVersion} at ${formatPlace(winner.place)} ` +
      'differs and wins',
    remedy: `remove the one of ${loser.apiVersion}`,
    expected: null,
    found: null,
  }
}
