/**
 * What guarding a service range is good for, packet by packet: a switch that sends the range to the
 * node, a node whose default route leads to the switch, and kube-proxy's DNAT as nft writes it.
 */
import t from 'tap'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { startWriter } from './scene.ts'

const skip = await missing('nft', 'ping')

/** What kube-proxy does for one service, and a count of what arrives for an address nobody serves. */
const nft = `table ip proxy {
  chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.10 dnat to 10.244.1.5; }
  chain out { type nat hook output priority -100; ip daddr 10.96.0.10 dnat to 10.244.1.5; }
  chain count { type filter hook prerouting priority -300; ip daddr 10.96.9.9 counter; }
}
`

async function arrived(node: Namespace): Promise<number> {
  const text = await node.must('nft', ['list', 'chain', 'ip', 'proxy', 'count'])
  return Number(/packets (\d+)/.exec(text)?.[1])
}

t.test('a packet to an unserved service address ends at the node', { skip }, async (t) => {
  const network = new Network(t)
  const node = await network.namespace('node')
  const tor = await network.namespace('tor')
  const pod = await network.namespace('pod')
  const client = await network.namespace('client')
  await network.link(
    { namespace: node, interface: 'e0', addresses: ['192.0.2.1/24'] },
    { namespace: tor, interface: 'e0', addresses: ['192.0.2.2/24'] },
  )
  await network.link(
    { namespace: client, interface: 'e0', addresses: ['198.51.100.9/24'] },
    { namespace: tor, interface: 'e1', addresses: ['198.51.100.1/24'] },
  )
  await network.link(
    { namespace: node, interface: 'pod0', addresses: ['10.244.1.1/24'] },
    { namespace: pod, interface: 'eth0', addresses: ['10.244.1.5/24'] },
  )
  await node.ip('route', 'add', 'default', 'via', '192.0.2.2')
  await client.ip('route', 'add', 'default', 'via', '198.51.100.1')
  await pod.ip('route', 'add', 'default', 'via', '10.244.1.1')
  await tor.ip('route', 'add', '10.96.0.0/16', 'via', '192.0.2.1')
  await tor.ip('route', 'add', '10.244.1.0/24', 'via', '192.0.2.1')
  await node.must('nft', ['-f', node.write('nft', nft)])

  t.notOk(await client.pings('10.96.9.9'), 'nobody answers')
  const bounced = await arrived(node)
  t.ok(bounced > 10, `unguarded, one packet came to the node ${bounced} times`)

  const { fib } = await startWriter(t, node)
  fib.guard({ prefixes: ['10.96.0.0/16'], action: 'drop' })
  await waitUntil(
    'the rules',
    () => fib.status(),
    ({ rules }) => rules?.installed === 2,
  )
  t.notOk(await client.pings('10.96.9.9'))
  t.equal((await arrived(node)) - bounced, 1, 'guarded, one packet is one packet')
  t.notOk(await pod.pings('10.96.9.9'))
  t.equal((await arrived(node)) - bounced, 2, 'and one from a pod as well')
  t.ok(await client.pings('10.96.0.10'), 'a served address answers from outside')
  t.ok(await node.pings('10.96.0.10'), 'and from the host itself')
  t.ok(await pod.pings('198.51.100.9'), 'what is no service is forwarded as ever')
})
