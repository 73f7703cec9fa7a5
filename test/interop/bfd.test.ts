/**
 * BFD tied to a session (RFC 9384): two nodes on one link, a hold time of 90 s, and a link that
 * falls silent without going down. Only BFD can notice; the session ends with its reason, and the
 * kernel sends nothing that way any more.
 */
import t from 'tap'
import { Agent, Manifests } from '../network/agent.ts'
import { ourRoutes } from '../network/kernel.ts'
import { missing, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { bgpPeer, manifest } from './site.ts'

t.setTimeout(240_000)

const skip = await missing('nft')

function node(number: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: `n${number}`,
      annotations: {
        'projectcalico.org/IPv4Address': `10.98.0.${number}/24`,
        'projectcalico.org/ASNumber': `${64600 + number}`,
      },
    },
    spec: { podCIDRs: [`10.244.${number}.0/24`] },
  }
}

function towards(from: number, to: number): object {
  return bgpPeer(`to-n${to}`, {
    node: `n${from}`,
    peerIP: `10.98.0.${to}`,
    asNumber: 64600 + to,
    reversePeering: 'Manual',
    bfd: { transmitInterval: '50ms', receiveInterval: '50ms', multiplier: 3 },
  })
}

t.test('a silent link is left by BFD long before the hold timer', { skip }, async (t) => {
  const network = new Network(t)
  const [left, right] = [await network.namespace('n1'), await network.namespace('n2')]
  await network.link(
    { namespace: left, interface: 'eth0', addresses: ['10.98.0.1/24'] },
    { namespace: right, interface: 'eth0', addresses: ['10.98.0.2/24'] },
  )
  const manifests = new Manifests(`${network.folder}/manifests`, {
    all: manifest(
      {
        apiVersion: 'routelet.io/v1',
        kind: 'BGPConfiguration',
        metadata: { name: 'default' },
        spec: { nodeToNodeMeshEnabled: false },
      },
      node(1),
      node(2),
      towards(1, 2),
      towards(2, 1),
    ),
  })
  const first = await Agent.start(left, { node: 'n1', manifests })
  await Agent.start(right, { node: 'n2', manifests })
  await waitUntil(
    'the session and its route',
    () => ourRoutes(left),
    (routes) => routes.some((route) => route.startsWith('10.244.2.0/24 via 10.98.0.2')),
  )
  await waitUntil(
    'BFD to be up',
    () => first.events(),
    (events) => events.some(({ kind }) => kind === 'bfd.up'),
  )

  await left.must('nft', ['add table inet silence'])
  await left.must('nft', [
    'add chain inet silence in { type filter hook input priority 0; policy drop; }',
  ])

  const down = await waitUntil(
    'the session to end',
    () => first.peer('to-n2'),
    ({ state }) => state !== 'Established',
  )
  t.match(down.lastError?.text ?? down.reason, /BFD/)
  await waitUntil(
    'the kernel to leave the next hop',
    () => ourRoutes(left),
    (routes) => !routes.some((route) => route.includes('10.98.0.2')),
  )
  await left.must('nft', ['delete table inet silence'])
  await waitUntil(
    'everything to be back',
    () => ourRoutes(left),
    (routes) => routes.some((route) => route.startsWith('10.244.2.0/24 via 10.98.0.2')),
  )
  t.pass('the way is used again once it answers')
})
