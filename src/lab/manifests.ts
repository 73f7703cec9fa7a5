/**
 * The Kubernetes manifests of a lab, made from its plan. For the default options their text lies in
 * `deploy/lab/`, where people read and change it; a test keeps both equal. Pure.
 */
import { stringify } from 'yaml'
import {
  addressOf,
  CLUSTER_ASN,
  type NodePlan,
  type Pair,
  type Plan,
  type SwitchPlan,
} from './topology.ts'

export interface Manifest {
  /** `cluster`, which all nodes read, or the name of a switch (used when it runs routelet). */
  readonly folder: string
  readonly file: string
  readonly text: string
}

export function buildManifests(plan: Plan): Manifest[] {
  return [
    ...clusterManifests(plan),
    ...plan.nodes.map((node) => nodeManifest(plan, node)),
    ...plan.switches.flatMap((device) => switchManifests(device)),
  ]
}

const families = ['ipv4', 'ipv6'] as const
const shortName = { ipv4: 'v4', ipv6: 'v6' } as const

function clusterManifests(plan: Plan): Manifest[] {
  const { topology } = plan.options
  const comment = {
    tor: 'Routed racks: nodes speak to their switches alone.',
    mesh: 'Every node speaks to every other (iBGP), and to the switch of its rack (eBGP).',
    reflector: 'No mesh: n1 and n2 reflect, and the nodes speak to them.',
  }[topology]
  const manifests = [
    manifest('cluster', 'bgp-configuration.yaml', comment, [
      {
        apiVersion: 'routelet.io/v1',
        kind: 'BGPConfiguration',
        metadata: { name: 'default' },
        spec: { asNumber: CLUSTER_ASN, nodeToNodeMeshEnabled: topology === 'mesh' },
      },
    ]),
    ...plan.switches.map((device) => rackManifest(plan, device)),
  ]
  if (topology !== 'reflector') return manifests
  return [...manifests, reflectorManifest()]
}

function rackManifest(plan: Plan, device: SwitchPlan): Manifest {
  const { dual, sameAs } = plan.options
  const name = dual ? device.name : `rack-${device.number}`
  const comment = dual
    ? `Every node speaks to ${device.name}, from the address of the link: it is not the node's own.`
    : `The nodes of rack ${device.number} speak to their switch, ${device.name}.`
  return manifest(
    'cluster',
    `${name}.yaml`,
    sameAs ? `${comment} All nodes share one AS, so it occurs in each other's paths.` : comment,
    families.map((family) => ({
      apiVersion: 'routelet.io/v1',
      kind: 'BGPPeer',
      metadata: { name: `${name}-${shortName[family]}` },
      spec: {
        nodeSelector: dual ? 'all()' : `rack == 'rack-${device.number}'`,
        peerIP: addressOf(device.address[family]),
        asNumber: device.asn,
        ...(dual ? { sourceAddress: 'None' } : {}),
        ...(sameAs ? { numAllowedLocalASNumbers: 1 } : {}),
      },
    })),
  )
}

function reflectorManifest(): Manifest {
  return manifest('cluster', 'reflectors.yaml', 'One session a family to each reflector.', [
    {
      apiVersion: 'routelet.io/v1',
      kind: 'BGPPeer',
      metadata: { name: 'reflectors' },
      spec: { nodeSelector: 'all()', peerSelector: "route-reflector == 'true'" },
    },
  ])
}

function nodeManifest(plan: Plan, node: NodePlan): Manifest {
  const reflects = node.clusterId !== null
  const place = plan.options.dual ? 'linked to both switches' : `in rack ${node.rack}`
  const own = node.asn !== CLUSTER_ASN
  return manifest(
    'cluster',
    `${node.name}.yaml`,
    `Node ${node.name}, ${place}${reflects ? ', a route reflector' : ''}.`,
    [
      nodeResource(
        node.name,
        {
          rack: `rack-${node.rack}`,
          ...(reflects ? { 'route-reflector': 'true' } : {}),
        },
        {
          ...(own ? { 'projectcalico.org/ASNumber': String(node.asn) } : {}),
          ...(node.clusterId === null
            ? {}
            : { 'projectcalico.org/RouteReflectorClusterID': node.clusterId }),
        },
        node.address,
        node.podCidr,
      ),
    ],
  )
}

function nodeResource(
  name: string,
  labels: Record<string, string>,
  annotations: Record<string, string>,
  address: Pair,
  podCidr: Pair,
): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, ...labels },
      annotations: {
        'projectcalico.org/IPv4Address': address.ipv4,
        'projectcalico.org/IPv6Address': address.ipv6,
        ...annotations,
      },
    },
    spec: { podCIDR: podCidr.ipv4, podCIDRs: [podCidr.ipv4, podCidr.ipv6] },
    status: {
      addresses: [
        { type: 'InternalIP', address: addressOf(address.ipv4) },
        { type: 'InternalIP', address: addressOf(address.ipv6) },
        { type: 'Hostname', address: name },
      ],
    },
  }
}

function switchManifests(device: SwitchPlan): Manifest[] {
  return [
    manifest(device.name, 'bgp-configuration.yaml', `Switch ${device.name} run by routelet.`, [
      {
        apiVersion: 'routelet.io/v1',
        kind: 'BGPConfiguration',
        metadata: { name: 'default' },
        spec: { asNumber: device.asn, nodeToNodeMeshEnabled: false },
      },
    ]),
    manifest(device.name, 'node.yaml', 'It announces its loopback: no pods live on a switch.', [
      nodeResource(device.name, { role: 'switch' }, {}, device.address, device.loopback),
    ]),
    manifest(
      device.name,
      'peers.yaml',
      'A switch passes on all it learns (export: All); a node would announce only its own.',
      device.neighbours.flatMap((neighbour) =>
        families.map((family) => ({
          apiVersion: 'routelet.io/v1',
          kind: 'BGPPeer',
          metadata: { name: `${neighbour.name}-${shortName[family]}` },
          spec: {
            peerIP: neighbour.address[family],
            asNumber: neighbour.asn,
            sourceAddress: 'None',
            export: 'All',
          },
        })),
      ),
    ),
  ]
}

function manifest(
  folder: string,
  file: string,
  comment: string,
  documents: readonly object[],
): Manifest {
  const body = documents.map((document) => stringify(document, { lineWidth: 100 })).join('---\n')
  return { folder, file, text: `# ${comment}\n${body}` }
}
