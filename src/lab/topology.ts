/**
 * The lab on paper: from a few options to every namespace, link, address and BGP neighbour of a
 * small data centre. Pure, so that the same options always give the same network, and tables can
 * hold it.
 *
 *   tor         two racks, each an L3 segment of its switch; node `n1` in rack 1, `n2` in rack 2, …
 *   mesh        the switches bridge one L2 segment, on which all nodes and both switches live
 *   reflector   as mesh; `n1` and `n2` reflect
 *
 * Address plan (R: number of the rack or switch, I: number of the node, P: 11 or 12):
 *
 *   10.240.R.0/24, fd42:240:R::/64      segment of rack R: switch .1, nodes .10+I
 *   10.240.10.0/24, fd42:240:10::/64    the one L2 segment: switches .R, nodes .10+I
 *   10.240.255.0/30, fd42:240:255::/64  link between the switches
 *   10.240.100.I/32, fd42:240:100::I    loopback of node I, its address when it is dual-homed
 *   10.250.0.R/32, fd42:250::R/128      loopback of switch R, announced by it
 *   10.244.I.0/24, fd42:244:I::/64      pods of node I: .P
 */
import type { TopologyOptions } from './options.ts'

export interface Plan {
  readonly options: TopologyOptions
  readonly switches: readonly SwitchPlan[]
  readonly nodes: readonly NodePlan[]
  readonly namespaces: readonly NamespacePlan[]
  readonly links: readonly LinkPlan[]
}

/** An address in each family; with or without prefix length, as the field says. */
export interface Pair {
  readonly ipv4: string
  readonly ipv6: string
}

export interface SwitchPlan {
  readonly name: string
  readonly number: number
  readonly asn: number
  readonly routerId: string
  /** Prefixes (/32 and /128) it announces. */
  readonly loopback: Pair
  /** With prefix length, on the segment of its rack. */
  readonly address: Pair
  readonly neighbours: readonly NeighbourPlan[]
}

export interface NeighbourPlan {
  readonly name: string
  readonly asn: number
  readonly address: Pair
}

export interface NodePlan {
  readonly name: string
  readonly number: number
  /** 1 or 2. */
  readonly rack: number
  readonly asn: number
  readonly clusterId: string | null
  /** The node's own address, with prefix length. */
  readonly address: Pair
  readonly podCidr: Pair
  readonly pods: readonly PodPlan[]
}

export interface PodPlan {
  /** Also the name of its namespace. */
  readonly name: string
  readonly node: string
  readonly address: Pair
}

export interface NamespacePlan {
  /** Short: the lab puts its own prefix in front. */
  readonly name: string
  readonly kind: 'switch' | 'node' | 'pod'
  readonly interfaces: readonly InterfacePlan[]
  readonly routes: readonly RoutePlan[]
}

export interface InterfacePlan {
  readonly name: string
  /** A veth comes from a link of the plan, `lo` is there, a bridge is made. */
  readonly kind: 'loopback' | 'bridge' | 'veth'
  readonly addresses: readonly AddressPlan[]
  readonly bridge?: string
  readonly mac?: string
}

export interface AddressPlan {
  readonly prefix: string
  readonly scope: 'global' | 'link'
}

export interface RoutePlan {
  readonly prefix: string
  readonly via: string | null
  readonly interface: string
}

/** A veth pair; the first end's namespace makes it. */
export interface LinkPlan {
  readonly ends: readonly [LinkEnd, LinkEnd]
}

export interface LinkEnd {
  readonly namespace: string
  readonly interface: string
}

/** AS of the cluster where no node has its own: Calico's default. */
export const CLUSTER_ASN = 64512
const FIRST_NODE_ASN = 64600
const FIRST_SWITCH_ASN = 65100
const CLUSTER_ID = '244.0.0.1'
const PODS_PER_NODE = 2

/** As Calico does it: the same next hop and MAC at every pod's host side. */
const POD_GATEWAY: Pair = { ipv4: '169.254.1.1', ipv6: 'fe80::ecee:eeff:feee:eeee' }
const POD_GATEWAY_MAC = 'ee:ee:ee:ee:ee:ee'
const SHARED_SEGMENT = 10
const BRIDGE = 'rack'

export function planTopology(options: TopologyOptions): Plan {
  const nodes = range(options.nodes).map((number) => planNode(options, number))
  const switches = range(2).map((number) => planSwitch(options, number, nodes))
  return {
    options,
    switches,
    nodes,
    namespaces: [
      ...switches.map((device) => switchNamespace(options, device, nodes)),
      ...nodes.flatMap((node) => [nodeNamespace(options, node), ...node.pods.map(podNamespace)]),
    ],
    links: [
      { ends: [end('tor1', trunkPort()), end('tor2', trunkPort())] },
      ...nodes.flatMap((node) => nodeLinks(options, node)),
    ],
  }
}

/** What every node must have learned for all pods to reach each other, and over how many ways. */
export function expectedRoutes(plan: Plan, node: NodePlan): { prefix: string; paths: number }[] {
  const paths = plan.options.dual ? 2 : 1
  const others = plan.nodes.filter((other) => other !== node)
  return [
    ...others
      .flatMap(({ podCidr }) => [podCidr.ipv4, podCidr.ipv6])
      .map((p) => withPaths(p, paths)),
    ...plan.switches
      .flatMap(({ loopback }) => [loopback.ipv4, loopback.ipv6])
      .map((p) => withPaths(p, 1)),
  ]
}

/** `10.0.0.1/24` → `10.0.0.1`. */
export function addressOf(prefix: string): string {
  return prefix.replace(/\/\d+$/, '')
}

function withPaths(prefix: string, paths: number): { prefix: string; paths: number } {
  return { prefix, paths }
}

function planNode(options: TopologyOptions, number: number): NodePlan {
  const name = `n${number}`
  const rack = 2 - (number % 2)
  const ownAsn = options.topology === 'tor' && !options.sameAs
  return {
    name,
    number,
    rack,
    asn: ownAsn ? FIRST_NODE_ASN + number : CLUSTER_ASN,
    clusterId: options.topology === 'reflector' && number <= 2 ? CLUSTER_ID : null,
    address: options.dual
      ? { ipv4: `10.240.100.${number}/32`, ipv6: `fd42:240:100::${number}/128` }
      : onSegment(options, rack, 10 + number),
    podCidr: { ipv4: `10.244.${number}.0/24`, ipv6: `fd42:244:${number}::/64` },
    pods: range(PODS_PER_NODE).map((pod) => ({
      name: `${name}-p${pod}`,
      node: name,
      address: { ipv4: `10.244.${number}.${10 + pod}`, ipv6: `fd42:244:${number}::${10 + pod}` },
    })),
  }
}

function planSwitch(
  options: TopologyOptions,
  number: number,
  nodes: readonly NodePlan[],
): SwitchPlan {
  const other = 3 - number
  const attached = options.dual ? nodes : nodes.filter((node) => node.rack === number)
  return {
    name: `tor${number}`,
    number,
    asn: FIRST_SWITCH_ASN + number,
    routerId: `10.250.0.${number}`,
    loopback: { ipv4: `10.250.0.${number}/32`, ipv6: `fd42:250::${number}/128` },
    address: onSegment(options, number, isRouted(options) ? 1 : number),
    neighbours: [
      {
        name: `tor${other}`,
        asn: FIRST_SWITCH_ASN + other,
        address: withoutLength(
          isRouted(options) ? onTrunk(other) : onSegment(options, other, other),
        ),
      },
      ...attached.map((node) => ({
        name: node.name,
        asn: node.asn,
        address: withoutLength(onSegment(options, number, 10 + node.number)),
      })),
    ],
  }
}

function switchNamespace(
  options: TopologyOptions,
  device: SwitchPlan,
  nodes: readonly NodePlan[],
): NamespacePlan {
  const attached = options.dual ? nodes : nodes.filter((node) => node.rack === device.number)
  return {
    name: device.name,
    kind: 'switch',
    interfaces: [
      { name: 'lo', kind: 'loopback', addresses: global(device.loopback) },
      { name: BRIDGE, kind: 'bridge', addresses: global(device.address) },
      isRouted(options)
        ? { name: trunkPort(), kind: 'veth', addresses: global(onTrunk(device.number)) }
        : { name: trunkPort(), kind: 'veth', addresses: [], bridge: BRIDGE },
      ...attached.map(
        (node): InterfacePlan => ({
          name: node.name,
          kind: 'veth',
          addresses: [],
          bridge: BRIDGE,
        }),
      ),
    ],
    routes: [],
  }
}

function nodeNamespace(options: TopologyOptions, node: NodePlan): NamespacePlan {
  const uplinks = racksOf(options, node).map(
    (rack, index): InterfacePlan => ({
      name: `eth${index}`,
      kind: 'veth',
      addresses: global(onSegment(options, rack, 10 + node.number)),
    }),
  )
  return {
    name: node.name,
    kind: 'node',
    interfaces: [
      {
        name: 'lo',
        kind: 'loopback',
        // Link scope: it answers the pods' ARP and is never chosen as a source address.
        addresses: [
          { prefix: `${POD_GATEWAY.ipv4}/32`, scope: 'link' },
          ...(options.dual ? global(node.address) : []),
        ],
      },
      ...uplinks,
      ...node.pods.map(
        (pod): InterfacePlan => ({
          name: hostSide(pod),
          kind: 'veth',
          addresses: [],
          mac: POD_GATEWAY_MAC,
        }),
      ),
    ],
    routes: node.pods.flatMap((pod) => [
      { prefix: `${pod.address.ipv4}/32`, via: null, interface: hostSide(pod) },
      { prefix: `${pod.address.ipv6}/128`, via: null, interface: hostSide(pod) },
    ]),
  }
}

function podNamespace(pod: PodPlan): NamespacePlan {
  return {
    name: pod.name,
    kind: 'pod',
    interfaces: [
      { name: 'lo', kind: 'loopback', addresses: [] },
      {
        name: 'eth0',
        kind: 'veth',
        addresses: global({ ipv4: `${pod.address.ipv4}/32`, ipv6: `${pod.address.ipv6}/128` }),
      },
    ],
    routes: [
      { prefix: `${POD_GATEWAY.ipv4}/32`, via: null, interface: 'eth0' },
      { prefix: '0.0.0.0/0', via: POD_GATEWAY.ipv4, interface: 'eth0' },
      { prefix: '::/0', via: POD_GATEWAY.ipv6, interface: 'eth0' },
    ],
  }
}

function nodeLinks(options: TopologyOptions, node: NodePlan): LinkPlan[] {
  return [
    ...racksOf(options, node).map(
      (rack, index): LinkPlan => ({
        ends: [end(node.name, `eth${index}`), end(`tor${rack}`, node.name)],
      }),
    ),
    ...node.pods.map(
      (pod): LinkPlan => ({ ends: [end(node.name, hostSide(pod)), end(pod.name, 'eth0')] }),
    ),
  ]
}

/** Racks whose switch the node is linked to, its own first. */
function racksOf(options: TopologyOptions, node: NodePlan): readonly number[] {
  return options.dual ? [node.rack, 3 - node.rack] : [node.rack]
}

function isRouted(options: TopologyOptions): boolean {
  return options.topology === 'tor'
}

/** In mesh and reflector both racks are one segment. */
function onSegment(options: TopologyOptions, rack: number, host: number): Pair {
  const segment = isRouted(options) ? rack : SHARED_SEGMENT
  return { ipv4: `10.240.${segment}.${host}/24`, ipv6: `fd42:240:${segment}::${host}/64` }
}

function onTrunk(device: number): Pair {
  return { ipv4: `10.240.255.${device}/30`, ipv6: `fd42:240:255::${device}/64` }
}

function trunkPort(): string {
  return 'trunk'
}

function hostSide(pod: PodPlan): string {
  return `cali-${pod.name}`
}

function end(namespace: string, name: string): LinkEnd {
  return { namespace, interface: name }
}

function global(pair: Pair): AddressPlan[] {
  return [
    { prefix: pair.ipv4, scope: 'global' },
    { prefix: pair.ipv6, scope: 'global' },
  ]
}

function withoutLength(pair: Pair): Pair {
  return { ipv4: addressOf(pair.ipv4), ipv6: addressOf(pair.ipv6) }
}

/** 1 … count. */
function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
