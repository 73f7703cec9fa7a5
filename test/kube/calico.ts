/**
 * What a cluster that runs Calico has on its nodes and in its API server, as far as routes are
 * concerned: its kinds and objects, BIRD with the configuration that Calico makes for it, its CNI
 * configuration. ptp and host-local stand for Calico's own plugins.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { Bird } from '../network/bird.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Kubelet } from './kubelet.ts'
import { addressesOf, type NodePlan, nodesAsn, racks } from './site.ts'

const group = 'crd.projectcalico.org'
export const calicoFile = '10-calico.conflist'
export const serviceRanges = ['10.96.0.0/16', 'fd00:10:96::/112'] as const

/** Kind and plural; all of them are cluster-wide. */
const kinds = [
  ['BGPConfiguration', 'bgpconfigurations'],
  ['BGPPeer', 'bgppeers'],
  ['BGPFilter', 'bgpfilters'],
  ['IPPool', 'ippools'],
  ['BlockAffinity', 'blockaffinities'],
] as const

/** The blocks that Calico's IPAM has given a node. */
export function blocksOf({ name }: NodePlan): readonly [string, string] {
  const number = Number(name.slice(1))
  return [`10.244.${number}.0/26`, `fd00:10:244:${number}::/122`]
}

/** A node as Calico has it: without pod CIDRs of Kubernetes, its addresses in annotations. */
export function calicoNode(name: string): NodePlan {
  const [ipv4, ipv6] = addressesOf({ name, rack: 'a' })
  const annotations = `projectcalico.org/IPv4Address: ${ipv4}/25, projectcalico.org/IPv6Address: "${ipv6}/64"`
  return { name, rack: 'a', annotations, podCidrs: [] }
}

/** Kinds, and a mesh whose nodes all peer with the switch. */
export async function installCalico(
  plane: ControlPlane,
  nodes: readonly NodePlan[],
): Promise<void> {
  await plane.apply('calico-kinds', kinds.map(kindOf).join(''))
  await plane.untilKindsServed()
  const ranges = serviceRanges.map((cidr) => `{cidr: "${cidr}"}`).join(', ')
  const mesh = `{asNumber: ${nodesAsn}, nodeToNodeMeshEnabled: true, serviceClusterIPs: [${ranges}]}`
  const toSwitch = (address: string) => `{peerIP: "${address}", asNumber: ${racks.a.asn}}`
  const affinities = nodes.flatMap((node) =>
    blocksOf(node).map((cidr, index) => {
      const spec = `{cidr: "${cidr}", node: ${node.name}, state: confirmed, deleted: "false"}`
      return object('BlockAffinity', `${node.name}-${index}`, spec)
    }),
  )
  const objects = [
    object('BGPConfiguration', 'default', mesh),
    object('BGPPeer', 'switch', toSwitch(racks.a.ipv4)),
    object('BGPPeer', 'switch-v6', toSwitch(racks.a.ipv6)),
    object('IPPool', 'ipv4', '{cidr: 10.244.0.0/16, blockSize: 26}'),
    object('IPPool', 'ipv6', '{cidr: "fd00:10:244::/48", blockSize: 122}'),
    ...affinities,
  ]
  await plane.apply('calico-objects', objects.join(''))
}

/** The node's CNI configuration, which isn't ours. */
export function writeCalicoCni(kubelet: Kubelet, node: NodePlan): string {
  const ranges = blocksOf(node).map((subnet) => [{ subnet }])
  const routes = ['0.0.0.0/0', '::/0'].map((dst) => ({ dst }))
  const plugins = [{ type: 'ptp', ipam: { type: 'host-local', ranges, routes } }]
  const text = JSON.stringify({ cniVersion: '1.0.0', name: 'k8s-pod-network', plugins })
  writeFileSync(path.join(kubelet.hostPath('/etc/cni/net.d'), calicoFile), text)
  return text
}

/** BIRD as calico-node runs it on a node, in a mesh with the others. */
export function startCalico(
  { namespace }: Kubelet,
  node: NodePlan,
  nodes: readonly NodePlan[],
): Promise<Bird> {
  const others = nodes.filter(({ name }) => name !== node.name)
  const [routerId] = addressesOf(node)
  const sessions = (['ipv4', 'ipv6'] as const).flatMap((family, index) => {
    const local = addressesOf(node)[index] ?? ''
    const mesh = others.map((other) =>
      session(`${other.name}_${family}`, {
        family,
        local,
        remote: addressesOf(other)[index] ?? '',
        asn: nodesAsn,
      }),
    )
    return [
      ...mesh,
      session(`switch_${family}`, { family, local, remote: racks.a[family], asn: racks.a.asn }),
    ]
  })
  const tables = (['ipv4', 'ipv6'] as const).map((family, index) => {
    const own = [blocksOf(node)[index], serviceRanges[index]]
    const kernel = `protocol kernel { learn; persist; scan time 2; graceful restart; merge paths on;`
    return [
      `${kernel} ${family} { import all; export where source ~ [RTS_STATIC, RTS_BGP] && net !~ [${serviceRanges[index]}]; }; }`,
      `protocol static { ${family}; ${own.map((cidr) => `route ${cidr} blackhole;`).join(' ')} }`,
    ].join('\n')
  })
  const direct = 'protocol direct { ipv4; ipv6; interface -"veth*", "*"; }'
  const head = `router id ${routerId};\nprotocol device { scan time 2; }\n${direct}`
  return Bird.start(namespace, [head, ...tables, ...sessions, ''].join('\n'))
}

interface Session {
  readonly family: 'ipv4' | 'ipv6'
  readonly local: string
  readonly remote: string
  readonly asn: number
}

function session(name: string, { family, local, remote, asn }: Session): string {
  return [
    `protocol bgp ${name} {`,
    `  local ${local} as ${nodesAsn}; neighbor ${remote} as ${asn};`,
    '  multihop; graceful restart; connect delay time 2; connect retry time 5; error wait time 5, 30;',
    `  ${family} { gateway recursive; import all; export where source = RTS_STATIC; add paths on; };`,
    '}',
  ].join('\n')
}

function object(kind: string, name: string, spec: string): string {
  return `---\napiVersion: ${group}/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`
}

/** Calico's own definitions of the v1 group check as little. */
function kindOf([kind, plural]: (typeof kinds)[number]): string {
  const names = `{kind: ${kind}, listKind: ${kind}List, plural: ${plural}, singular: ${kind.toLowerCase()}}`
  const schema = 'openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}'
  const version = `{name: v1, served: true, storage: true, schema: {${schema}}}`
  return (
    '---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n' +
    `metadata: {name: ${plural}.${group}}\n` +
    `spec: {group: ${group}, scope: Cluster, names: ${names}, versions: [${version}]}\n`
  )
}
