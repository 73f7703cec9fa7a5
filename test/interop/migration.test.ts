/**
 * The ways of docs/migrating.md, step by step, under traffic. Two nodes of a Calico cluster without
 * overlay run BIRD as Calico's confd configures it: a mesh, a switch as global peer, the own blocks
 * as blackholes, learned routes in the kernel under BIRD's mark, and Felix's host routes to pods. One
 * after the other they are moved to routelet, and back, while their pods ping each other. And two
 * nodes with the static routes of flannel's host-gw are moved to a mesh and back.
 *
 * Not one packet may be lost, and no route of others may change.
 */
import t, { type Test } from 'tap'
import { type Flow, startFlow } from '../lab/traffic.ts'
import { Agent, command, Manifests } from '../network/agent.ts'
import { Bird } from '../network/bird.ts'
import { ourRoutes, routesOf } from '../network/kernel.ts'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { manifest } from './site.ts'

t.setTimeout(240_000)
const skip = await missing('bird', 'birdc', 'ping')

const clusterAsn = 64512
const switchAsn = 65001
const families = [4, 6] as const
type Family = (typeof families)[number]

interface Place {
  readonly name: string
  readonly namespace: Namespace
  readonly pod: Namespace
  readonly address: Record<Family, string>
  /** Calico's block of the node, or its pod CIDR. */
  readonly block: Record<Family, string>
  readonly podAddress: Record<Family, string>
}

interface Cluster {
  readonly network: Network
  readonly fabric: Namespace
  readonly nodes: readonly [Place, Place]
}

const gateway: Record<Family, string> = { 4: '10.99.0.254', 6: 'fd99::fe' }
/** Routing protocol number. */
const ours = '179'
const bits: Record<Family, number> = { 4: 26, 6: 122 }

/** Two nodes and a switch on one segment; a pod at each, with the routes that Felix makes. */
async function build(t: Test): Promise<Cluster> {
  const network = new Network(t)
  const fabric = await network.namespace('switch')
  await fabric.ip('link', 'add', 'br0', 'type', 'bridge')
  await fabric.address('br0', `${gateway[4]}/24`)
  await fabric.address('br0', `${gateway[6]}/64`)
  await fabric.ip('link', 'set', 'br0', 'up')
  const one = await buildNode(network, fabric, 1)
  const two = await buildNode(network, fabric, 2)
  return { network, fabric, nodes: [one, two] }
}

/** Pods ping each other in both directions and families, from now on. */
async function startFlows(t: Test, { nodes: [one, two] }: Cluster): Promise<readonly Flow[]> {
  const flows = families.flatMap((family) => [
    startFlow(one.pod.name, `pod1 v${family}`, two.podAddress[family]),
    startFlow(two.pod.name, `pod2 v${family}`, one.podAddress[family]),
  ])
  t.teardown(async () => {
    for (const flow of flows) await flow.stop()
  })
  for (const flow of flows) await flow.goOn(5)
  return flows
}

async function buildNode(network: Network, fabric: Namespace, number: number): Promise<Place> {
  const namespace = await network.namespace(`n${number}`)
  const pod = await network.namespace(`pod${number}`)
  const address = { 4: `10.99.0.${number}`, 6: `fd99::${number}` }
  const podAddress = { 4: `10.244.${number}.10`, 6: `fd42:0:0:${number}::10` }
  const block = {
    4: `10.244.${number}.0/${bits[4]}`,
    6: `fd42:0:0:${number}::/${bits[6]}`,
  }
  const port = `port${number}`
  await network.link(
    { namespace: fabric, interface: port, addresses: [] },
    { namespace, interface: 'eth0', addresses: [`${address[4]}/24`, `${address[6]}/64`] },
  )
  await fabric.ip('link', 'set', port, 'master', 'br0')
  await network.link(
    { namespace, interface: 'cali1', addresses: ['169.254.1.1/32', 'fe80::1/64'] },
    {
      namespace: pod,
      interface: 'eth0',
      addresses: [`${podAddress[4]}/32`, `${podAddress[6]}/128`],
    },
  )
  await pod.ip('route', 'add', '169.254.1.1', 'dev', 'eth0', 'scope', 'link')
  await pod.ip('route', 'add', 'default', 'via', '169.254.1.1', 'dev', 'eth0')
  await pod.ip('-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'eth0')
  await namespace.ip(
    'route',
    'add',
    podAddress[4],
    'dev',
    'cali1',
    'scope',
    'link',
    'proto',
    'boot',
  )
  await namespace.ip('-6', 'route', 'add', podAddress[6], 'dev', 'cali1', 'proto', 'boot')
  return { name: `n${number}`, namespace, pod, address, block, podAddress }
}

/** BIRD as Calico's confd configures it, in the words of BIRD 2; its pauses are shorter. */
function calicoBird(own: Place, other: Place): string {
  // The order of the addresses as text says who dials.
  const passive = other.address[4] > own.address[4]
  const perFamily = families.map((family) => {
    const net = `ipv${family}`
    const session = (name: string, address: string, asn: number, more = '') => `
protocol bgp ${name}${family} {
  local ${own.address[family]} as ${clusterAsn};
  neighbor ${address} as ${asn};
  ${more} multihop; graceful restart on;
  connect delay time 1; connect retry time 2; error wait time 2, 8;
  ${net} { import all; export filter export${family}; add paths on; };
}`
    return `
filter export${family} {
  if (source = RTS_STATIC) && (net = ${own.block[family]}) then accept;
  if net ~ [ ${own.block[family]}{${bits[family]}, ${family === 4 ? 32 : 128}} ] then reject;
  if source = RTS_BGP && net ~ [ ${family === 4 ? '10.244.0.0/16+' : 'fd42::/32+'} ] then accept;
  reject;
}
protocol static aggregates${family} { ${net}; route ${own.block[family]} blackhole; }
protocol kernel kernel${family} {
  learn; persist; scan time 2; graceful restart on; merge paths on;
  ${net} { import all; export where source ~ [ RTS_STATIC, RTS_BGP ]; };
}
${session('Mesh', other.address[family], clusterAsn, passive ? 'passive on;' : '')}
${session('Global', gateway[family], switchAsn)}`
  })
  const direct = 'protocol direct { interface -"cali*", "*"; ipv4; ipv6; }'
  return `router id ${own.address[4]};\nprotocol device { scan time 2; }\n${direct}\n${perFamily.join('')}\n`
}

function switchBird(nodes: readonly Place[]): string {
  const sessions = nodes.flatMap((node) =>
    families.map(
      (family) => `
protocol bgp ${node.name}v${family} {
  local ${gateway[family]} as ${switchAsn};
  neighbor ${node.address[family]} as ${clusterAsn};
  multihop; graceful restart on; connect delay time 1; connect retry time 2;
  ipv${family} { import all; export none; };
}`,
    ),
  )
  return `router id ${gateway[4]};\nprotocol device {}\n${sessions.join('')}\n`
}

/** The cluster's objects as `kubectl get -o yaml` has them: Calico's own, unchanged. */
function calicoObjects(nodes: readonly Place[]): string {
  const crd = 'crd.projectcalico.org/v1'
  return manifest(
    ...nodes.map((node) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: node.name,
        annotations: {
          'projectcalico.org/IPv4Address': `${node.address[4]}/24`,
          'projectcalico.org/IPv6Address': `${node.address[6]}/64`,
        },
      },
      spec: {},
    })),
    ...nodes.flatMap((node) =>
      families.map((family) => ({
        apiVersion: crd,
        kind: 'BlockAffinity',
        metadata: { name: `${node.name}-v${family}` },
        spec: {
          ...{ cidr: node.block[family], node: node.name, type: 'host' },
          ...{ state: 'confirmed', deleted: 'false' },
        },
      })),
    ),
    ...families.map((family) => ({
      apiVersion: crd,
      kind: 'IPPool',
      metadata: { name: `pool-v${family}` },
      spec: { cidr: family === 4 ? '10.244.0.0/16' : 'fd42::/32', ipipMode: 'Never' },
    })),
    ...families.map((family) => ({
      apiVersion: crd,
      kind: 'BGPPeer',
      metadata: { name: `tor-v${family}` },
      spec: { peerIP: gateway[family], asNumber: switchAsn },
    })),
  )
}

/** Every kernel route of a node but those with the given marks. */
async function routesBut(node: Place, ...marks: readonly string[]): Promise<string[]> {
  const lines: string[] = []
  for (const family of ['-4', '-6']) {
    lines.push(...(await node.namespace.ip(family, 'route', 'show')).split('\n'))
  }
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && marks.every((mark) => !line.includes(`proto ${mark} `)))
    .sort()
}

/** Waits until a node has routes to the other one's block under this mark. */
function reaches(node: Place, other: Place, mark: string): Promise<readonly string[]> {
  return waitUntil(
    `${node.name} to have routes of ${mark} to ${other.name}`,
    async () => [
      ...(await routesOf(node.namespace, '-4', mark)),
      ...(await routesOf(node.namespace, '-6', mark)),
    ],
    (routes) =>
      families.every((family) =>
        routes.includes(`${other.block[family]} via ${other.address[family]}`),
      ),
    60,
  )
}

function settled(agent: Agent, sessions: number): Promise<unknown> {
  return waitUntil(
    'all sessions and their End-of-RIBs',
    () => agent.peers(),
    (peers) =>
      peers.length === sessions &&
      peers.every(
        ({ state, families: carried }) =>
          state === 'Established' && carried.every((one) => one.endOfRibReceived),
      ),
    60,
  )
}

async function unharmed(t: Test, flows: readonly Flow[], step: string): Promise<void> {
  for (const flow of flows) await flow.goOn(20)
  for (const flow of flows) {
    const { sent, gaps } = flow.count()
    t.same(gaps, [], `${step}: ${flow.name}, nothing of ${sent} lost`)
  }
}

async function flush(node: Place, mark: string): Promise<void> {
  for (const family of ['-4', '-6']) {
    await node.namespace.ip(family, 'route', 'flush', 'proto', mark)
  }
}

async function cleanup(node: Place): Promise<void> {
  const nobody = ['--api', '127.0.0.1:1']
  await node.namespace.must(process.execPath, [command, 'cleanup', ...nobody])
}

t.test('from Calico to routelet, and back', { skip }, async (t) => {
  const cluster = await build(t)
  const { nodes, fabric, network } = cluster
  const [one, two] = nodes
  const pairs = [[one, two] as const, [two, one] as const]
  await Bird.start(fabric, switchBird(nodes))
  const birds = new Map<Place, Bird>()
  for (const [own, other] of pairs) {
    birds.set(own, await Bird.start(own.namespace, calicoBird(own, other)))
  }
  for (const [own, other] of pairs) await reaches(own, other, 'bird')
  const flows = await startFlows(t, cluster)
  const before = new Map<Place, string[]>()
  for (const node of nodes) before.set(node, await routesBut(node, ours))
  const manifests = new Manifests(`${network.folder}/manifests`, { all: calicoObjects(nodes) })
  const agents = new Map<Place, Agent>()

  for (const [own, other] of pairs) {
    await t.test(`${own.name} moves`, async (t) => {
      // Its calico-node has no time to say farewell (terminationGracePeriodSeconds: 0).
      await birds.get(own)?.daemon.stop('SIGKILL')
      const agent = await Agent.start(own.namespace, { node: own.name, manifests })
      agents.set(own, agent)
      await settled(agent, 4)
      await reaches(own, other, ours)
      t.same(await routesBut(own, ours), before.get(own), 'beside those of BIRD, which stay')
      await unharmed(t, flows, 'side by side')
      await flush(own, 'bird')
      await unharmed(t, flows, 'alone')
    })
  }
  for (const [own, other] of pairs) {
    await t.test(`${own.name} goes back`, async (t) => {
      t.equal((await agents.get(own)?.stop())?.code, 0)
      await Bird.start(own.namespace, calicoBird(own, other), ['-R'])
      await reaches(own, other, 'bird')
      await unharmed(t, flows, 'side by side')
      await cleanup(own)
      t.same(await ourRoutes(own.namespace), [], 'nothing of ours is left')
      await unharmed(t, flows, 'alone')
    })
  }
  for (const node of nodes) {
    t.same(await routesBut(node), before.get(node), `${node.name} has the routes it had`)
  }
})

/** Nodes of a cluster whose routes flannel writes: their pod CIDRs, and the mesh by default. */
function hostGatewayObjects(nodes: readonly Place[]): string {
  return manifest(
    ...nodes.map((node) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: node.name },
      spec: { podCIDRs: families.map((family) => node.block[family]) },
      status: {
        addresses: families.map((family) => ({
          type: 'InternalIP',
          address: node.address[family],
        })),
      },
    })),
  )
}

/** What flannel's host-gw does for a node: a route to each other node's pod CIDR, as `ip` makes it. */
async function hostGateway(own: Place, other: Place, verb: 'add' | 'delete'): Promise<void> {
  for (const family of families) {
    const to = [other.block[family], 'via', other.address[family]]
    await own.namespace.ip(`-${family}`, 'route', verb, ...to, 'proto', 'boot')
  }
}

t.test("from flannel's host-gw to the mesh, and back", { skip }, async (t) => {
  const cluster = await build(t)
  const { nodes, network } = cluster
  const [one, two] = nodes
  const pairs = [[one, two] as const, [two, one] as const]
  for (const [own, other] of pairs) await hostGateway(own, other, 'add')
  const flows = await startFlows(t, cluster)
  const before = new Map<Place, string[]>()
  for (const node of nodes) before.set(node, await routesBut(node, ours))
  const manifests = new Manifests(`${network.folder}/manifests`, { all: hostGatewayObjects(nodes) })
  const agents = new Map<Place, Agent>()
  for (const node of nodes) {
    agents.set(node, await Agent.start(node.namespace, { node: node.name, manifests }))
  }
  for (const [own, other] of pairs) {
    await reaches(own, other, ours)
    t.same(await routesBut(own, ours), before.get(own), "beside flannel's, which stay")
  }
  const conditions = await agents.get(one)?.cli('status')
  t.match(conditions, /boot \(3\)/, 'which are told')
  for (const [own, other] of pairs) await hostGateway(own, other, 'delete')
  await unharmed(t, flows, "without flannel's routes")
  for (const [own, other] of pairs) await hostGateway(own, other, 'add')
  for (const node of nodes) {
    t.equal((await agents.get(node)?.stop())?.code, 0)
    await cleanup(node)
  }
  await unharmed(t, flows, 'back')
  for (const node of nodes) {
    t.same(await routesBut(node), before.get(node), `${node.name} has the routes it had`)
  }
})
