/**
 * A small data centre: racks, each with a switch (FRR or BIRD) that all its nodes hang on, switches
 * that know each other, and a client outside, behind the first. Every node also has a cable to the
 * control plane that carries no traffic of pods. One rack alone is the flat network of a mesh.
 */
import type { Namespace, Network } from '../network/namespaces.ts'
import { type Neighbour, type Router, type RouterKind, startRouter } from '../network/router.ts'
import { waitUntil } from '../network/wait.ts'
import type { ControlPlane } from './control-plane.ts'
import { Kubelet } from './kubelet.ts'

export const nodesAsn = 64_512
export const outsideAddresses = ['203.0.113.2', '2001:db8:c::2'] as const
const outsidePrefixes = ['203.0.113.0/24', '2001:db8:c::/64']

/** As the overlay `tor` has them. */
export const racks = {
  a: {
    asn: 65_001,
    ipv4: '192.0.2.1',
    ipv6: '2001:db8:a::1',
    host: 10,
    between: ['198.51.100.0', '2001:db8:f::'],
  },
  b: {
    asn: 65_002,
    ipv4: '192.0.2.129',
    ipv6: '2001:db8:b::1',
    host: 138,
    between: ['198.51.100.1', '2001:db8:f::1'],
  },
} as const

export type RackName = keyof typeof racks

export interface NodePlan {
  /** `n1`: the number gives it its addresses. */
  readonly name: string
  readonly rack: RackName
  /** Inside the braces of YAML. */
  readonly labels?: string
  readonly annotations?: string
  /** Those that Kubernetes gave it; default `podCidrsOf`. */
  readonly podCidrs?: readonly string[]
}

export interface SitePlan {
  /** Software of each rack's switch. */
  readonly switches: Readonly<Partial<Record<RackName, RouterKind>>>
  readonly nodes: readonly NodePlan[]
}

export interface Site {
  readonly network: Network
  readonly kubelets: readonly Kubelet[]
  readonly routers: readonly Router[]
  readonly outside: Namespace
}

/** Both addresses of a node, without lengths. */
export function addressesOf({ name, rack }: NodePlan): readonly [string, string] {
  const number = Number(name.slice(1))
  return [`192.0.2.${racks[rack].host + number}`, `2001:db8:${rack}::${racks[rack].host + number}`]
}

/** `10.244.1.0/24` and `fd00:10:244:1::/64` for `n1`. */
export function podCidrsOf({ name }: NodePlan): readonly [string, string] {
  const number = Number(name.slice(1))
  return [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`]
}

export async function buildSite(
  network: Network,
  { space, plane }: { readonly space: Namespace; readonly plane: ControlPlane },
  plan: SitePlan,
): Promise<Site> {
  const names = Object.keys(plan.switches) as RackName[]
  const spaces = new Map<RackName, Namespace>()
  for (const name of names) spaces.set(name, await makeSwitch(network, name))
  const spaceOf = (rack: RackName) => {
    const found = spaces.get(rack)
    if (found === undefined) throw new Error(`the plan has no switch in rack ${rack}`)
    return found
  }
  if (names.length > 1) await joinSwitches(network, spaceOf('a'), spaceOf('b'))
  const outside = await network.namespace('outside')
  await network.link(
    {
      namespace: spaceOf('a'),
      interface: 'outside',
      addresses: withLengths('203.0.113.1', '2001:db8:c::1'),
    },
    { namespace: outside, interface: 'e0', addresses: withLengths(...outsideAddresses) },
  )
  await outside.ip('route', 'add', 'default', 'via', '203.0.113.1')
  await outside.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:c::1')
  const kubelets: Kubelet[] = []
  for (const node of plan.nodes) {
    const namespace = await makeNode(network, { space, rack: spaceOf(node.rack) }, node)
    kubelets.push(new Kubelet(plane, node.name, namespace))
    await addNode(plane, node)
  }
  const routers = await Promise.all(names.map((name) => startSwitch(name, spaceOf(name), plan)))
  return { network, kubelets, routers, outside }
}

/** A switch forwards between its nodes as a bridge and to elsewhere by its routes. */
async function makeSwitch(network: Network, name: RackName): Promise<Namespace> {
  const space = await network.namespace(`tor-${name}`)
  await space.ip('link', 'add', 'br0', 'type', 'bridge')
  await space.ip('link', 'set', 'br0', 'up')
  const { ipv4, ipv6 } = racks[name]
  await space.address('br0', `${ipv4}/25`)
  await space.address('br0', `${ipv6}/64`)
  return space
}

async function joinSwitches(network: Network, a: Namespace, b: Namespace): Promise<void> {
  const end = (namespace: Namespace, rack: RackName) => {
    const [ipv4, ipv6] = racks[rack].between
    return { namespace, interface: 'spine', addresses: [`${ipv4}/31`, `${ipv6}/127`] }
  }
  await network.link(end(a, 'a'), end(b, 'b'))
}

async function makeNode(
  network: Network,
  { space, rack }: { readonly space: Namespace; readonly rack: Namespace },
  node: NodePlan,
): Promise<Namespace> {
  const namespace = await network.namespace(node.name)
  const [ipv4, ipv6] = addressesOf(node)
  await network.link(
    { namespace: rack, interface: node.name, addresses: [] },
    { namespace, interface: 'e0', addresses: [`${ipv4}/25`, `${ipv6}/64`] },
  )
  await rack.ip('link', 'set', node.name, 'master', 'br0')
  await network.link(
    { namespace: space, interface: node.name, addresses: [] },
    { namespace, interface: 'mgmt', addresses: [`10.99.0.1${node.name.slice(1)}/24`] },
  )
  await space.ip('link', 'set', node.name, 'master', 'br0')
  return namespace
}

async function addNode(plane: ControlPlane, node: NodePlan): Promise<void> {
  const { name, labels = '', annotations = '', podCidrs = podCidrsOf(node) } = node
  const metadata = `{name: ${name}, labels: {${labels}}, annotations: {${annotations}}}`
  const spec =
    podCidrs.length === 0 ? '{}' : JSON.stringify({ podCIDR: podCidrs[0], podCIDRs: podCidrs })
  await plane.apply(name, `apiVersion: v1\nkind: Node\nmetadata: ${metadata}\nspec: ${spec}\n`)
  const addresses = addressesOf(node).map((address) => ({ type: 'InternalIP', address }))
  const patch = JSON.stringify({ status: { addresses } })
  await plane.kubectl('patch', 'node', name, '--subresource=status', '--type=merge', '-p', patch)
}

function startSwitch(name: RackName, namespace: Namespace, plan: SitePlan): Promise<Router> {
  const rack = racks[name]
  const kind = plan.switches[name] ?? 'bird'
  const here = plan.nodes.filter(({ rack }) => rack === name)
  const neighbours: Neighbour[] = here.flatMap((node) => {
    const [ipv4, ipv6] = addressesOf(node)
    return [
      { name: `${node.name}v4`, local: rack.ipv4, address: ipv4, asn: nodesAsn },
      { name: `${node.name}v6`, local: rack.ipv6, address: ipv6, asn: nodesAsn },
    ]
  })
  for (const other of Object.keys(plan.switches) as RackName[]) {
    if (other === name) continue
    for (const [index, local] of rack.between.entries()) {
      const address = racks[other].between[index] ?? ''
      neighbours.push({ name: `spine${index}`, local, address, asn: racks[other].asn })
    }
  }
  const own = [`192.0.2.${name === 'a' ? 0 : 128}/25`, `2001:db8:${name}::/64`]
  return startRouter(kind, namespace, {
    asn: rack.asn,
    routerId: rack.ipv4,
    announce: name === 'a' ? [...own, ...outsidePrefixes] : own,
    neighbours,
  })
}

/** Until a switch has learned these prefixes, from whomever. */
export async function untilKnown(router: Router, prefixes: readonly string[]): Promise<void> {
  for (const prefix of prefixes) {
    await waitUntil(
      `a switch to know ${prefix}`,
      () => router.nextHop(prefix),
      (hop) => hop !== null,
    )
  }
}

function withLengths(ipv4: string, ipv6: string): readonly string[] {
  return [`${ipv4}/24`, `${ipv6}/64`]
}
