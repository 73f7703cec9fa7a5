/**
 * The small site that most tests here play on: a switch of somebody else's and one or two nodes of
 * ours, each on a link of its own to the switch, both families.
 *
 *   node I   10.99.I.2/24, fd99:I::2/64 on eth0; pods 10.244.I.0/24 and fd42:I::/64, one of them on lo
 *   switch   10.99.I.1/24, fd99:I::1/64 on portI; 198.51.100.0/24 and 2001:db8:1::/48 behind it
 *
 * The agents are told by manifests, the switch by the configuration of its kind.
 */
import { Manifests } from '../network/agent.ts'
import { type Namespace, Network, type Scope } from '../network/namespaces.ts'
import { type Neighbour, type Router, type RouterKind, startRouter } from '../network/router.ts'

export const clusterAsn = 64512
export const switchAsn = 65001
/** What the switch announces. */
export const outside = ['198.51.100.0/24', '2001:db8:1::/48'] as const
/** Addresses inside that answer pings. */
export const outsideHosts = ['198.51.100.1', '2001:db8:1::1'] as const

export const kinds: readonly { kind: RouterKind; name: string; programs: readonly string[] }[] = [
  { kind: 'bird', name: 'BIRD', programs: ['bird', 'birdc'] },
  { kind: 'frr', name: 'FRR', programs: ['vtysh'] },
]

export interface NodeSite {
  readonly name: string
  readonly number: number
  readonly namespace: Namespace
  readonly asn: number
  readonly podCidrs: readonly [string, string]
  /** A pod's address in each family. */
  readonly pods: readonly [string, string]
  readonly addresses: readonly [string, string]
  /** The switch, as seen from this node. */
  readonly gateways: readonly [string, string]
}

export interface Site {
  readonly network: Network
  readonly fabric: Namespace
  readonly nodes: readonly NodeSite[]
  readonly manifests: Manifests
}

/** Namespaces, links and manifests; nothing speaks BGP yet. Node I has AS 64511 + I. */
export async function buildSite(scope: Scope, nodeCount = 1): Promise<Site> {
  const network = new Network(scope)
  const fabric = await network.namespace('switch')
  for (const host of outsideHosts) await fabric.address('lo', withLength(host))
  const nodes: NodeSite[] = []
  for (let number = 1; number <= nodeCount; number++) {
    nodes.push(await buildNode(network, fabric, number))
  }
  const manifests = new Manifests(`${network.folder}/manifests`, {
    bgp: manifest(bgpConfiguration()),
    ...Object.fromEntries(nodes.map((node) => [node.name, manifest(nodeResource(node))])),
  })
  return { network, fabric, nodes, manifests }
}

async function buildNode(network: Network, fabric: Namespace, number: number): Promise<NodeSite> {
  const name = `n${number}`
  const namespace = await network.namespace(name)
  const node: NodeSite = {
    name,
    number,
    namespace,
    asn: clusterAsn - 1 + number,
    podCidrs: [`10.244.${number}.0/24`, `fd42:0:0:${number}::/64`],
    pods: [`10.244.${number}.10`, `fd42:0:0:${number}::10`],
    addresses: [`10.99.${number}.2`, `fd99:0:0:${number}::2`],
    gateways: [`10.99.${number}.1`, `fd99:0:0:${number}::1`],
  }
  const [gateway4, gateway6] = node.gateways
  const [address4, address6] = node.addresses
  await network.link(
    {
      namespace: fabric,
      interface: `port${number}`,
      addresses: [`${gateway4}/24`, `${gateway6}/64`],
    },
    { namespace, interface: 'eth0', addresses: [`${address4}/24`, `${address6}/64`] },
  )
  for (const pod of node.pods) await namespace.address('lo', withLength(pod))
  return node
}

function withLength(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`
}

/** The switch with a session a family to every node. */
export function startSwitch(site: Site, kind: RouterKind, password?: string): Promise<Router> {
  return startRouter(kind, site.fabric, {
    asn: switchAsn,
    routerId: '198.51.100.1',
    announce: outside,
    neighbours: site.nodes.flatMap((node) => sessions(node, password)),
  })
}

/** Named `n1v4`, `n1v6`. */
function sessions(node: NodeSite, password?: string): Neighbour[] {
  return node.addresses.map((address, index) => ({
    name: `${node.name}v${address.includes(':') ? 6 : 4}`,
    local: node.gateways[index] ?? '',
    address,
    asn: node.asn,
    ...(password === undefined ? {} : { password }),
  }))
}

/** The switch's sessions as a node sees them: `n1-tor4`, `n1-tor6`. */
export function switchPeers(node: NodeSite, spec: object = {}): object[] {
  return node.gateways.map((peerIP) =>
    bgpPeer(`${node.name}-tor${peerIP.includes(':') ? 6 : 4}`, {
      node: node.name,
      peerIP,
      asNumber: switchAsn,
      ...spec,
    }),
  )
}

/** What our protocol number must mark on a node that has learned all of it from the switch. */
export function expectedRoutes(node: NodeSite, learned: readonly string[] = outside): string[] {
  const [gateway4, gateway6] = node.gateways
  const [pods4, pods6] = node.podCidrs
  const via = (family: 4 | 6) =>
    learned
      .filter((prefix) => prefix.includes(':') === (family === 6))
      .map((prefix) => `${prefix} via ${family === 4 ? gateway4 : gateway6}`)
  return [...[...via(4), `blackhole ${pods4}`].sort(), ...[...via(6), `blackhole ${pods6}`].sort()]
}

/** Documents of one manifest file; JSON is YAML. */
export function manifest(...resources: readonly object[]): string {
  return resources.map((resource) => JSON.stringify(resource, null, 2)).join('\n---\n')
}

export function nodeResource(node: NodeSite, annotations: Record<string, string> = {}): object {
  const [address4, address6] = node.addresses
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node.name,
      annotations: {
        'projectcalico.org/IPv4Address': `${address4}/24`,
        'projectcalico.org/IPv6Address': `${address6}/64`,
        'projectcalico.org/ASNumber': String(node.asn),
        ...annotations,
      },
    },
    spec: { podCIDR: node.podCidrs[0], podCIDRs: node.podCidrs },
    status: { addresses: node.addresses.map((address) => ({ type: 'InternalIP', address })) },
  }
}

/** No mesh, and no safety scan: what is repaired is repaired by events. */
export function bgpConfiguration(spec: object = {}): object {
  return {
    apiVersion: 'routelet.io/v1',
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec: {
      asNumber: clusterAsn,
      nodeToNodeMeshEnabled: false,
      fib: { scanInterval: '0s' },
      ...spec,
    },
  }
}

export function bgpPeer(name: string, spec: object): object {
  return { apiVersion: 'routelet.io/v1', kind: 'BGPPeer', metadata: { name }, spec }
}

/** A Secret `bgp` with the key `tor`, and the reference to it. */
export function secret(password: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bgp', namespace: 'kube-system' },
    stringData: { tor: password },
  }
}
export const secretReference = { password: { secretKeyRef: { name: 'bgp', key: 'tor' } } }
