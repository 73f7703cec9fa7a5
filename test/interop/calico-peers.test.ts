/**
 * Two of Calico's peerings that need more than an address on the link: a peer behind a gateway
 * (`reachableBy`), which no other route leads to, and a peer that is a workload of the node itself
 * (`localWorkloadSelector`), a nested cluster that announces its own pods. BIRD is at the other end.
 */
import t from 'tap'
import type { NodeView } from '../../api/views.ts'
import { Agent, Manifests } from '../network/agent.ts'
import { Bird } from '../network/bird.ts'
import { routesOf } from '../network/kernel.ts'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { bgpConfiguration, bgpPeer, clusterAsn, manifest, switchAsn } from './site.ts'

t.setTimeout(240_000)
const skip = await missing('bird', 'birdc')

const own = '10.99.1.2'
const podCidr = '10.244.1.0/24'
const theirAsn = 65401

const nodeObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1', annotations: { 'projectcalico.org/IPv4Address': `${own}/24` } },
  spec: { podCIDRs: [podCidr] },
}

interface BirdSession {
  readonly local: string
  readonly asn: number
  readonly neighbour: string
  readonly announce: string
}

const birdConfig = ({ local, asn, neighbour, announce }: BirdSession) => `
router id ${local};
protocol device { scan time 1; }
protocol static { ipv4; route ${announce} blackhole; }
protocol bgp node {
  local ${local} as ${asn};
  neighbor ${neighbour} as ${clusterAsn};
  multihop; connect delay time 1; connect retry time 2; error wait time 1, 4;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`

const hasRoutes = (node: Namespace, routes: readonly string[]) =>
  waitUntil(
    `the kernel to hold ${routes.join(' and ') || 'nothing learned'}`,
    () => routesOf(node, '-4'),
    (seen) => seen.join() === [...routes, `blackhole ${podCidr}`].join(),
  )

t.test('a peer behind a gateway is reached by a host route of ours', { skip }, async (t) => {
  const network = new Network(t)
  const [node, gateway, tor] = [
    await network.namespace('n1'),
    await network.namespace('gateway'),
    await network.namespace('tor'),
  ]
  await network.link(
    { namespace: gateway, interface: 'inside', addresses: ['10.99.1.1/24'] },
    { namespace: node, interface: 'eth0', addresses: [`${own}/24`] },
  )
  await network.link(
    { namespace: gateway, interface: 'outside', addresses: ['10.98.0.1/30'] },
    { namespace: tor, interface: 'uplink', addresses: ['10.98.0.2/30'] },
  )
  const peer = '10.9.9.9'
  await tor.address('lo', `${peer}/32`)
  await tor.ip('route', 'add', '10.99.1.0/24', 'via', '10.98.0.1')
  await gateway.ip('route', 'add', peer, 'via', '10.98.0.2')
  const session = { local: peer, asn: switchAsn, neighbour: own, announce: '198.51.100.0/24' }
  await Bird.start(tor, birdConfig(session))
  t.match(await node.ip('route', 'get', own), /local/)
  await t.rejects(node.ip('route', 'get', peer), /unreachable/, 'nothing else leads there')
  const spec = { peerIP: peer, asNumber: switchAsn, reachableBy: '10.99.1.1' }
  const manifests = new Manifests(`${network.folder}/manifests`, {
    base: manifest(nodeObject, bgpConfiguration()),
    tor: manifest(bgpPeer('tor', spec)),
  })
  const agent = await Agent.start(node, { node: 'n1', manifests })
  await agent.established('tor')
  await hasRoutes(node, [`${peer}/32 via 10.99.1.1`, '198.51.100.0/24 via 10.99.1.1'])
  t.pass('and what it announces leads the same way')

  manifests.write('tor', manifest(bgpPeer('tor', { ...spec, reachableBy: '10.1.2.3' })))
  await hasRoutes(node, [])
  t.match(await agent.cli('status'), /GatewayNotOnLink|its gateway 10\.1\.2\.3 is not on link/)
  manifests.write('tor', manifest(bgpPeer('tor', spec)))
  await agent.established('tor')
  await hasRoutes(node, [`${peer}/32 via 10.99.1.1`, '198.51.100.0/24 via 10.99.1.1'])
  manifests.remove('tor')
  await hasRoutes(node, [])
  t.equal((await agent.stop()).code, 0)
})

t.test('a workload of the node announces its own pods', { skip }, async (t) => {
  const network = new Network(t)
  const [node, pod] = [await network.namespace('n1'), await network.namespace('vm')]
  await network.link(
    { namespace: node, interface: 'eth0', addresses: [`${own}/24`] },
    { namespace: await network.namespace('switch'), interface: 'port', addresses: [] },
  )
  const address = '10.244.1.10'
  // As Felix makes it: the address that workloads peer with stands at their interface.
  const peering = '169.254.0.179'
  await network.link(
    { namespace: node, interface: 'cali1', addresses: [`${peering}/32`] },
    { namespace: pod, interface: 'eth0', addresses: [`${address}/32`] },
  )
  await node.ip('route', 'add', address, 'dev', 'cali1', 'scope', 'link')
  await pod.ip('route', 'add', peering, 'dev', 'eth0', 'scope', 'link')
  await pod.ip('route', 'add', 'default', 'via', peering)
  const block = '10.123.0.0/26'
  const session = { local: address, asn: theirAsn, neighbour: peering, announce: block }
  await Bird.start(pod, birdConfig(session))
  const podObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'vm', namespace: 'vms', labels: { color: 'red' } },
    spec: { nodeName: 'n1' },
    status: { phase: 'Running', podIPs: [{ ip: address }] },
  }
  const cidr = { matchOperator: 'In', cidr: '10.123.0.0/16' }
  const filter = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPFilter',
    metadata: { name: 'child' },
    spec: { importV4: [{ action: 'Accept', ...cidr }, { action: 'Reject' }] },
  }
  const peer = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPPeer',
    metadata: { name: 'vm' },
    spec: { localWorkloadSelector: "color == 'red'", asNumber: theirAsn, filters: ['child'] },
  }
  const configuration = bgpConfiguration({ localWorkloadPeeringIPV4: peering })
  const manifests = new Manifests(`${network.folder}/manifests`, {
    base: manifest(nodeObject, configuration, filter, peer),
  })
  const agent = await Agent.start(node, { node: 'n1', manifests })
  t.same(await agent.peers(), [], 'nobody is there yet')
  await waitUntil(
    'readiness, for which no workload is waited',
    () => agent.get<NodeView>('/v1/node'),
    ({ ready }) => ready,
  )
  manifests.write('pod', manifest(podObject))
  await waitUntil(
    'the session',
    () => agent.peers(),
    ([one]) => one?.name === `vm.${address}.v4` && one.state === 'Established',
  )
  await hasRoutes(node, [`${block} via ${address}`])
  t.pass('its pods are reached through it')
  manifests.remove('pod')
  await hasRoutes(node, [])
  t.same(await agent.peers(), [], 'and when it goes, so does the peer')
  t.equal((await agent.stop()).code, 0)
})
