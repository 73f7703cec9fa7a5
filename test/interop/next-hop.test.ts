/**
 * A node without an IPv4 address on its link: one IPv6 session carries both families, IPv4 prefixes
 * have IPv6 next hops both ways (RFC 8950), and the kernel forwards IPv4 by them.
 */
import t from 'tap'
import { Agent, Manifests } from '../network/agent.ts'
import { Capture } from '../network/capture.ts'
import { routesOf } from '../network/kernel.ts'
import { missing, Network } from '../network/namespaces.ts'
import { startRouter } from '../network/router.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { bgpConfiguration, bgpPeer, clusterAsn, kinds, manifest, switchAsn } from './site.ts'

t.setTimeout(240_000)

const own = 'fd99:0:0:1::2'
const gateway = 'fd99:0:0:1::1'
const outside = '198.51.100.0/24'
const pods = '10.244.1.0/24'
const pod = '10.244.1.10'

for (const { kind, name, programs } of kinds) {
  const skip = await missing('ping', 'tshark', 'dumpcap', ...programs)

  t.test(`${name} over IPv6 alone: IPv4 routes by IPv6 next hops`, { skip }, async (t) => {
    const network = new Network(t)
    const fabric = await network.namespace('switch')
    const node = await network.namespace('n1')
    await network.link(
      { namespace: fabric, interface: 'port1', addresses: [`${gateway}/64`] },
      { namespace: node, interface: 'eth0', addresses: [`${own}/64`] },
    )
    await fabric.address('lo', '198.51.100.1/32')
    await node.address('lo', `${pod}/32`)
    const capture = await Capture.start(node, 'eth0')
    const tor = await startRouter(kind, fabric, {
      asn: switchAsn,
      routerId: '198.51.100.1',
      announce: [outside],
      neighbours: [
        {
          ...{ name: 'n1v6', local: gateway, address: own, asn: clusterAsn },
          ...{ families: ['ipv4', 'ipv6'], extendedNextHop: true },
        },
      ],
    })
    const manifests = new Manifests(`${network.folder}/manifests`, { all: resources() })
    const agent = await Agent.start(node, { node: 'n1', manifests })
    const { capabilities } = await agent.established('tor')
    t.ok(
      capabilities.remote.some((one) => /extended next hop/i.test(one)),
      'both offer it',
    )
    await waitUntil(
      'the kernel to hold the IPv4 route',
      () => routesOf(node, '-4'),
      (seen) => seen.join() === [`${outside} via ${gateway}`, `blackhole ${pods}`].join(),
    )
    t.pass('an IPv4 route by an IPv6 gateway')
    await waitUntil(
      `the switch to learn ${pods}`,
      () => tor.learned('n1v6'),
      (seen) => seen.join() === pods,
    )
    t.equal(await tor.nextHop(pods), own, 'by the address of the session')
    await waitFor('a ping from a pod', () => node.pings('198.51.100.1', pod))
    t.pass('and IPv4 flows both ways')
    t.same((await agent.stop()).code, 0)
    await capture.stop()
    t.same(await capture.malformed(own), [], 'tshark finds no fault in what we sent')
  })
}

function resources(): string {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', annotations: { 'projectcalico.org/IPv6Address': `${own}/64` } },
    spec: { podCIDRs: [pods] },
  }
  const peer = bgpPeer('tor', {
    ...{ peerIP: gateway, asNumber: switchAsn },
    families: ['ipv4-unicast', 'ipv6-unicast'],
  })
  return manifest(node, bgpConfiguration(), peer)
}
