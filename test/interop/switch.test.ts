/**
 * A node behind a ToR switch (eBGP, RFC 4271) that runs BIRD or FRR: sessions with a key (RFC 2385),
 * routes both ways in both families, the kernel as judge, pings, and tshark's opinion of what we sent.
 */
import t from 'tap'
import { Agent } from '../network/agent.ts'
import { Capture } from '../network/capture.ts'
import { ourRoutes } from '../network/kernel.ts'
import { missing } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import {
  bgpConfiguration,
  buildSite,
  expectedRoutes,
  kinds,
  manifest,
  outsideHosts,
  secret,
  secretReference,
  startSwitch,
  switchAsn,
  switchPeers,
} from './site.ts'

t.setTimeout(240_000)

for (const { kind, name, programs } of kinds) {
  const skip = await missing('ping', 'tshark', 'dumpcap', ...programs)

  t.test(`${name} as switch: routes both ways, both families, with a key`, { skip }, async (t) => {
    const site = await buildSite(t)
    const [node] = site.nodes
    if (!node) throw new Error('the site has a node')
    const capture = await Capture.start(node.namespace, 'eth0')
    site.manifests.write('tor', manifest(secret('k3y'), ...switchPeers(node, secretReference)))
    // Leaving for good is told; a restart would just close TCP (RFC 4724).
    site.manifests.write('bgp', manifest(bgpConfiguration({ onStop: 'Withdraw' })))
    const tor = await startSwitch(site, kind, 'k3y')
    const agent = await Agent.start(node.namespace, { node: node.name, manifests: site.manifests })

    for (const peer of ['n1-tor4', 'n1-tor6']) {
      const view = await agent.established(peer)
      t.equal(view.asn, switchAsn)
      t.equal(view.type, 'ebgp')
      t.equal(view.reason, null)
      t.equal(view.password, true)
    }
    await waitUntil(
      'the kernel to hold what the switch announces, and our blackholes',
      () => ourRoutes(node.namespace),
      (seen) => seen.join() === expectedRoutes(node).join(),
    )
    t.pass('the kernel holds exactly what was learned, and the blackholes of our own pods')

    for (const [index, prefix] of node.podCidrs.entries()) {
      const session = ['n1v4', 'n1v6'][index] ?? ''
      await waitUntil(
        `the switch to learn ${prefix}`,
        () => tor.learned(session),
        (seen) => seen.join() === prefix,
      )
      t.equal(await tor.asPath(prefix), String(node.asn), `AS path of ${prefix}`)
      t.equal(await tor.nextHop(prefix), node.addresses[index], `next hop of ${prefix}`)
    }
    for (const [index, host] of outsideHosts.entries()) {
      await waitFor(`a ping from a pod to ${host}`, () =>
        node.namespace.pings(host, node.pods[index]),
      )
      t.pass(`a pod reaches ${host}`)
    }
    for (const peer of ['n1-tor4', 'n1-tor6']) {
      const view = await waitUntil(
        `End-of-RIB both ways with ${peer}`,
        () => agent.peer(peer),
        ({ families }) => families.every((one) => one.endOfRibReceived && one.endOfRibSent),
      )
      // FRR also sends back what it had from us, which counts as received.
      t.same(
        view.families.map(({ accepted, advertised }) => ({ accepted, advertised })),
        [{ accepted: 1, advertised: 1 }],
        `counts of ${peer}`,
      )
    }
    t.same((await agent.stop()).code, 0)
    await capture.stop()
    for (const address of node.addresses) {
      t.same(await capture.malformed(address), [], `tshark finds no fault in what ${address} sent`)
      const family = address.includes(':') ? 'ipv6' : 'ip'
      const types = await capture.rows(`${family}.src == ${address} && bgp`, ['bgp.type'])
      const sent = new Set(types.flat().flatMap((type) => type.split(',')))
      t.same([...sent].sort(), ['1', '2', '3', '4'], `${address} sent every kind of message`)
    }
  })
}
