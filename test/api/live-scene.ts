/**
 * An agent with everything the API can show: a switch that is up and announces both families, one that
 * isn't there, a filter and communities, routes and nexthop objects in a kernel of its own, and one
 * prefix that another program holds. Both agents are the built command, in namespaces.
 *
 *   n1      10.83.0.1/24, fd83::1/64 on eth0; pods 10.84.1.0/24 and fd84:0:0:1::/64
 *   tor     10.83.0.2/24, fd83::2/64 on eth0; pods 10.84.2.0/24 and fd84:0:0:2::/64, service ranges
 */
import type { NodeView } from '../../api/views.ts'
import { Agent, Manifests } from '../network/agent.ts'
import { Network, type Scope } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'

export const up = 'tor'
export const gone = 'tor-b'
export const learned = '10.84.2.0/24'
export const own = '10.84.1.0/24'
/** Announced by the switch, and held by another program in the node's kernel. */
export const contested = '10.85.7.0/24'
const rangesCount = 12

const addressesOf = { n1: ['10.83.0.1', 'fd83::1'], tor: ['10.83.0.2', 'fd83::2'] } as const

export interface LiveScene {
  readonly agent: Agent
  /** Of the API. */
  readonly socket: string
}

export async function startLiveScene(scope: Scope): Promise<LiveScene> {
  const network = new Network(scope)
  const [node, tor] = [await network.namespace('n1'), await network.namespace('tor')]
  const end = (name: keyof typeof addressesOf) =>
    addressesOf[name].map((address) => `${address}/${address.includes(':') ? 64 : 24}`)
  await network.link(
    { namespace: node, interface: 'eth0', addresses: end('n1') },
    { namespace: tor, interface: 'eth0', addresses: end('tor') },
  )
  await node.ip('route', 'add', 'blackhole', contested, 'metric', '2179', 'proto', 'static')

  const ranges = Array.from({ length: rangesCount }, (_, index) => `10.85.${index}.0/24`)
  const torManifests = new Manifests(`${network.folder}/tor`, {
    all: manifest(
      nodeOf('tor', 65001, 2),
      configuration({
        serviceClusterIPs: ranges.map((cidr) => ({ cidr })),
        communities: [{ name: 'rack', value: '65001:7' }],
        prefixAdvertisements: [{ cidr: '10.85.0.0/16', communities: ['rack', '65001:1:2'] }],
      }),
      ours('BGPPeer', 'n1', { peerIP: addressesOf.n1[0], asNumber: 64512, families }),
    ),
  })
  const manifests = new Manifests(`${network.folder}/n1`, {
    all: manifest(
      nodeOf('n1', 64512, 1),
      configuration(),
      ours('BGPFilter', 'not-all', {
        importV4: [{ cidr: '10.85.3.0/24', matchOperator: 'Equal', action: 'Reject' }],
        exportV4: [{ cidr: '10.84.0.0/16', matchOperator: 'In', action: 'Accept' }],
      }),
      ours('BGPPeer', up, {
        peerIP: addressesOf.tor[0],
        asNumber: 65001,
        families,
        filters: ['not-all'],
      }),
      ours('BGPPeer', gone, { peerIP: '10.83.0.9', asNumber: 65001 }),
    ),
  })
  await Agent.start(tor, { node: 'tor', manifests: torManifests })
  const agent = await Agent.start(node, { node: 'n1', manifests })
  await agent.established(up)
  await waitUntil(
    'the kernel to hold what the switch announces',
    () => agent.get<NodeView>('/v1/node'),
    ({ fib }) => fib.installed >= rangesCount + 2 && fib.conflicts === 1 && fib.pending === 0,
  )
  return { agent, socket: `${node.files}.sock` }
}

const families = ['ipv4-unicast', 'ipv6-unicast']

/** JSON is YAML. */
function manifest(...resources: readonly object[]): string {
  return resources.map((resource) => JSON.stringify(resource)).join('\n---\n')
}

function ours(kind: string, name: string, spec: object): object {
  return { apiVersion: 'routelet.io/v1', kind, metadata: { name }, spec }
}

function configuration(spec: object = {}): object {
  return ours('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false, ...spec })
}

function nodeOf(name: keyof typeof addressesOf, asn: number, number: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, annotations: { 'routelet.io/ASNumber': String(asn) } },
    spec: { podCIDRs: [`10.84.${number}.0/24`, `fd84:0:0:${number}::/64`] },
    status: {
      addresses: addressesOf[name].map((address) => ({ type: 'InternalIP', address })),
    },
  }
}
