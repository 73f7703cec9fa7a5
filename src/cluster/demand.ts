/**
 * Which objects of the cluster an agent needs, from those it has: a pure function, asked again with
 * every change until its answer stays. It starts with the own Node and the BGP resources; those say
 * whether other Nodes, Services or Secrets matter. On a node that peers with reflectors the answer
 * doesn't grow with the cluster.
 */
import { parseEndpoint } from '../config/address.ts'
import { compareText } from '../config/problem.ts'
import type { BgpPeerResource, ResourceSet } from '../config/resources.ts'
import type { BgpPeerSpec } from '../config/schema/bgp-peer.ts'
import { toLabelSelector } from '../intent/label-selector.ts'
import { addressOf, type NodeFacts, surveyNodes } from '../intent/node.ts'
import { inform, warn } from '../intent/problem.ts'
import { parseSelector } from '../intent/selector.ts'
import { serviceLists } from '../intent/services.ts'
import { type Settings, settleConfiguration } from '../intent/settings.ts'
import type { Problem } from '../intent/types.ts'
import { groupsOf, makeSource, type Served, type Source } from './sources.ts'

export interface Standpoint {
  readonly node: string
  /** Where Secrets are looked for. */
  readonly namespace: string
  /** null: the API server hasn't said yet. */
  readonly served: Served | null
  /** What is known so far; null: not even the own Node and the BGP resources. */
  readonly resources: ResourceSet | null
}

export interface Demand {
  readonly sources: readonly Source[]
  readonly problems: readonly Problem[]
}

/** With more selectors one watch of all Nodes is cheaper than one for each. */
export const nodeSelectorsMax = 8

export function deriveDemand(standpoint: Standpoint): Demand {
  const { node, resources, namespace } = standpoint
  const served = standpoint.served ?? new Set()
  const basics = [
    makeSource('v1', 'Node', { fieldSelector: `metadata.name=${node}` }),
    ...(['BGPConfiguration', 'BGPPeer', 'BGPFilter'] as const).flatMap((kind) =>
      groupsOf(kind, served).map((group) => makeSource(group, kind)),
    ),
  ]
  // The defaults ask for a mesh: before the configuration is known they'd watch the whole cluster.
  if (resources === null) return { sources: basics, problems: [] }
  const settings = settleConfiguration(resources, node)
  const own = surveyNodes(onlyOwn(resources, node)).byName.get(node) ?? null
  const nodes = own === null ? nobody : deriveNodes(own, settings, resources)
  const sources = [
    ...basics,
    ...calicoSources(node, resources, served),
    ...nodes.sources,
    ...workloadSources(own, resources),
    ...serviceSources(settings),
    ...secretNames(own, settings, resources).map((name) =>
      makeSource('v1', 'Secret', {
        namespace,
        fieldSelector: `metadata.name=${name}`,
        emptiness: 'usual',
      }),
    ),
  ]
  const isKnown = standpoint.served === null || groupsOf('BGPPeer', served).length > 0
  const missing = isKnown ? [] : [notInstalled()]
  const unique = new Map(sources.map((source) => [source.key, source]))
  return { sources: [...unique.values()], problems: [...nodes.problems, ...missing] }
}

function onlyOwn(resources: ResourceSet, node: string): ResourceSet {
  const isOwn = ({ name }: { readonly name: string }) => name === node
  return {
    ...resources,
    nodes: resources.nodes.filter(isOwn),
    calicoNodes: resources.calicoNodes.filter(isOwn),
  }
}

function notInstalled(): Problem {
  const message = 'the API server knows no BGPPeer, of no group'
  return warn('KindNotServed', 'Kubernetes', message, 'kubectl apply -k deploy/crds')
}

/** Where Calico manages addresses: its blocks and pools, and the pods of this node. */
function calicoSources(node: string, resources: ResourceSet, served: Served): Source[] {
  const ofNodes = served.has('projectcalico.org/v3/nodes')
    ? [makeSource('projectcalico.org/v3', 'Node')]
    : []
  const pools = groupsOf('IPPool', served).map((group) => makeSource(group, 'IPPool'))
  const blocks = groupsOf('BlockAffinity', served).map((group) =>
    makeSource(group, 'BlockAffinity'),
  )
  const inUse = resources.blockAffinities.length + resources.ipPools.length > 0
  return [...ofNodes, ...pools, ...blocks, ...(inUse ? [podsOf(node)] : [])]
}

function podsOf(node: string): Source {
  const here = { fieldSelector: `spec.nodeName=${node}`, emptiness: 'usual' } as const
  return makeSource('v1', 'Pod', here)
}

/** The node's pods, where a BGPPeer of it peers with workloads. */
function workloadSources(own: NodeFacts | null, { bgpPeers }: ResourceSet): Source[] {
  if (own === null) return []
  const wants = ({ body: { spec } }: BgpPeerResource) =>
    spec.localWorkloadSelector !== undefined && selects(spec, own)
  return bgpPeers.some(wants) ? [podsOf(own.name)] : []
}

function serviceSources({ spec }: Settings): Source[] {
  if (serviceLists.every((list) => spec[list].length === 0)) return []
  return [makeSource('v1', 'Service'), makeSource('discovery.k8s.io/v1', 'EndpointSlice')]
}

const nobody: Demand = { sources: [], problems: [] }

/** The Nodes this one may have sessions with, by the selectors in use where they can be put so. */
function deriveNodes(own: NodeFacts, settings: Settings, resources: ResourceSet): Demand {
  const everybody = { sources: [makeSource('v1', 'Node')], problems: [] }
  if (settings.spec.nodeToNodeMeshEnabled && own.clusterId === null) return everybody
  const selectors = new Set<string>()
  const names = new Set<string>()
  for (const peer of resources.bgpPeers) {
    const { spec } = peer.body
    if (spec.peerSelector !== undefined && selects(spec, own)) {
      const selector = toLabelSelector(parseSelector(spec.peerSelector))
      if (selector === null) return { ...everybody, problems: [full(peer, 'peerSelector')] }
      selectors.add(selector)
    }
    if (!mirrors(spec, own, settings)) continue
    if (spec.nodeSelector !== undefined) {
      const selector = toLabelSelector(parseSelector(spec.nodeSelector))
      if (selector === null) return { ...everybody, problems: [full(peer, 'nodeSelector')] }
      selectors.add(selector)
    } else if (spec.node !== undefined) {
      if (spec.node !== own.name) names.add(spec.node)
    } else {
      return everybody
    }
  }
  if (selectors.has('') || selectors.size + names.size > nodeSelectorsMax) return everybody
  const byLabel = [...selectors].map((labelSelector) => makeSource('v1', 'Node', { labelSelector }))
  const byName = [...names].map((name) =>
    makeSource('v1', 'Node', { fieldSelector: `metadata.name=${name}` }),
  )
  return { sources: [...byLabel, ...byName], problems: [] }
}

function full(peer: BgpPeerResource, field: 'peerSelector' | 'nodeSelector'): Problem {
  const message =
    `spec.${field} can't be put as a label selector, so every Node of the cluster is watched: ` +
    `${peer.body.spec[field]}`
  const remedy = 'use ==, !=, in, not in and has(), joined by &&'
  return inform('SelectorNeedsFullWatch', `BGPPeer/${peer.name}`, message, remedy)
}

function selects(spec: BgpPeerSpec, own: NodeFacts): boolean {
  if (spec.nodeSelector !== undefined) return parseSelector(spec.nodeSelector).matches(own.labels)
  return spec.node === undefined || spec.node === own.name
}

/** Whether a BGPPeer makes sessions of other nodes with this one. */
function mirrors(spec: BgpPeerSpec, own: NodeFacts, { spec: configured }: Settings): boolean {
  if (spec.reversePeering === 'Manual') return false
  if (spec.peerSelector !== undefined) return parseSelector(spec.peerSelector).matches(own.labels)
  const endpoint = spec.peerIP === undefined ? null : parseEndpoint(spec.peerIP)
  if (endpoint === null || !endpoint.ok) return false
  if (spec.asNumber !== (own.asn ?? configured.asNumber)) return false
  const { address } = endpoint.value
  return address.text === addressOf(own, address.family)
}

/** Names of the Secrets that sessions of this node take their keys from. */
function secretNames(
  own: NodeFacts | null,
  settings: Settings,
  { bgpPeers }: ResourceSet,
): readonly string[] {
  if (own === null) return []
  const names = bgpPeers
    .map(({ body: { spec } }) => spec)
    .filter((spec) => selects(spec, own) || mirrors(spec, own, settings))
    .map(({ password }) => password?.secretKeyRef.name)
  const { nodeToNodeMeshEnabled, nodeMeshPassword } = settings.spec
  if (nodeToNodeMeshEnabled) names.push(nodeMeshPassword?.secretKeyRef.name)
  return [...new Set(names.filter((name) => name !== undefined))].sort(compareText)
}
