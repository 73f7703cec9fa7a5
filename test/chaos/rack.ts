/**
 * The network that chaos is made in: a node with a pod, two switches, and another pod far behind both.
 *
 *   pod ── node ─eth1── switch 1 ─far0─ far     pods 10.244.1.10 and 10.244.2.10, fd42:0:0:N::10
 *            ├──eth2── switch 2 ─far0─┤       links 10.99.S.0/24 below the switches, 10.98.S.0/24 above
 *            └──mgmt0──────────────────┘       10.97.0.0/24: nothing of ours goes there
 *
 * The node's routes come from the switches by BGP, the switches' routes to the node's pod too; what
 * lies above the switches is static. So whatever happens to packets happens at the node, or at a
 * switch that has lost its session with it.
 */
import { Manifests } from '../network/agent.ts'
import { type Namespace, Network, type Scope } from '../network/namespaces.ts'
import { Switch } from './switch.ts'
import type { Pod } from './traffic.ts'

export const clusterAsn = 64512
export const podCidrs = ['10.244.1.0/24', 'fd42:0:0:1::/64'] as const
/** Where the far pod lives: announced by both switches. */
export const farCidrs = ['10.244.2.0/24', 'fd42:0:0:2::/64'] as const
/** Gateways of routes that are nobody's business but their owners'. */
export const managementGateways = ['10.97.0.1', 'fd97::1'] as const

export interface RackOptions {
  /** What the switches announce beside the far pods: both the same, and each for itself. */
  readonly shared?: readonly string[]
  readonly alone?: readonly [readonly string[], readonly string[]]
  /** Default true. */
  readonly gracefulRestart?: boolean
  /** Default true: the switches take the node's routes into their kernels. */
  readonly learn?: boolean
  readonly bfdMs?: number
  /** The switches' sessions wait for `Switch.begin`. */
  readonly waiting?: boolean
  /** IPv4 addresses that the far pod has instead of its own; the switches know the way. */
  readonly targets?: readonly string[]
  /** Default both. */
  readonly families?: readonly (4 | 6)[]
}

export interface Rack {
  readonly network: Network
  readonly node: Namespace
  readonly pod: Pod
  readonly far: Pod
  readonly switches: readonly [Switch, Switch]
  readonly manifests: Manifests
}

/** Everything but the agent is there, and the switches run. */
export async function buildRack(scope: Scope, options: RackOptions = {}): Promise<Rack> {
  const network = new Network(scope)
  const make = (label: string) => network.namespace(label)
  const [pod, node, far] = [await make('pod'), await make('node'), await make('far')]
  await network.link(
    { namespace: pod, interface: 'eth0', addresses: ['10.244.1.10/24', 'fd42:0:0:1::10/64'] },
    { namespace: node, interface: 'pod0', addresses: ['10.244.1.1/24', 'fd42:0:0:1::1/64'] },
  )
  await pod.ip('route', 'add', 'default', 'via', '10.244.1.1')
  await pod.ip('-6', 'route', 'add', 'default', 'via', 'fd42:0:0:1::1')
  await network.link(
    { namespace: node, interface: 'mgmt0', addresses: ['10.97.0.2/24', 'fd97::2/64'] },
    { namespace: far, interface: 'mgmt0', addresses: ['10.97.0.1/24', 'fd97::1/64'] },
  )
  for (const address of ['10.244.2.10/32', 'fd42:0:0:2::10/128']) await far.address('lo', address)
  for (const target of options.targets ?? []) await far.address('lo', `${target}/32`)
  const switches = [
    await Switch.build(network, node, far, 1, options),
    await Switch.build(network, node, far, 2, options),
  ] as const
  for (const [family, cidr] of [
    ['-4', podCidrs[0]],
    ['-6', podCidrs[1]],
  ] as const) {
    const hops = switches.flatMap(({ above }) => ['nexthop', 'via', above[family]])
    await far.ip(family, 'route', 'add', cidr, ...hops)
  }
  // Flows, not pairs of addresses, are what is spread: each stream then uses every way.
  const hashing = ['net.ipv4.fib_multipath_hash_policy=1', 'net.ipv6.fib_multipath_hash_policy=1']
  for (const router of [node, far]) await router.must('sysctl', ['-qw', ...hashing])
  await Promise.all(switches.map((one) => one.start()))
  const manifests = new Manifests(`${network.folder}/manifests`, { rack: rackManifest(options) })
  const families = options.families ?? [4, 6]
  const of = (addresses: readonly [string, string]) =>
    families.map((family) => addresses[family === 4 ? 0 : 1])
  return {
    network,
    node,
    switches,
    manifests,
    pod: { namespace: pod, addresses: of(['10.244.1.10', 'fd42:0:0:1::10']) },
    far: { namespace: far, addresses: options.targets ?? of(['10.244.2.10', 'fd42:0:0:2::10']) },
  }
}

/** The safety scan is off: what is repaired is repaired by events. */
function rackManifest({ bfdMs = 100, families = [4, 6] }: RackOptions): string {
  const addresses = ['10.99.1.2', 'fd99:0:0:1::2']
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'node',
      annotations: {
        'projectcalico.org/IPv4Address': `${addresses[0]}/24`,
        'projectcalico.org/IPv6Address': `${addresses[1]}/64`,
      },
    },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  }
  const configuration = {
    apiVersion: 'routelet.io/v1',
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec: {
      asNumber: clusterAsn,
      nodeToNodeMeshEnabled: false,
      fib: { scanInterval: '0s' },
    },
  }
  const peers = [1, 2].flatMap((number) =>
    families.map((family) => ({
      apiVersion: 'routelet.io/v1',
      kind: 'BGPPeer',
      metadata: { name: `s${number}v${family}` },
      spec: {
        node: 'node',
        peerIP: family === 4 ? `10.99.${number}.1` : `fd99:0:0:${number}::1`,
        asNumber: 65_000 + number,
        sourceAddress: 'None',
        connectRetryTime: '1s',
        bfd: { transmitInterval: `${bfdMs}ms`, receiveInterval: `${bfdMs}ms` },
      },
    })),
  )
  return [node, configuration, ...peers].map((one) => JSON.stringify(one, null, 2)).join('\n---\n')
}
