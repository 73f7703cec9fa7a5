/**
 * A switch that comes back before its end was noticed: BIRD is killed while its farewell packets are
 * lost, so that our session looks as well as ever, and starts anew. Its new connection, with a valid
 * OPEN, is its restart (RFC 4724 §5): no waiting for the hold timer, and no route leaves the kernel.
 */
import t from 'tap'
import { Agent } from '../network/agent.ts'
import { Bird } from '../network/bird.ts'
import { watchRoutes } from '../network/kernel.ts'
import { missing } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { bgpPeer, buildSite, manifest, switchAsn } from './site.ts'

t.setTimeout(240_000)

const skip = await missing('bird', 'birdc', 'nft')

const learned = '198.51.100.0/24'
/** Long before the hold timer of 90 s. */
const returnedSeconds = 40

t.test('a switch that returns unnoticed keeps its routes, without a gap', { skip }, async (t) => {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  const [gateway] = node.gateways
  const [address] = node.addresses
  const spec = { node: node.name, peerIP: gateway, asNumber: switchAsn }
  site.manifests.write('tor', manifest(bgpPeer('tor', spec)))
  const config = `
router id 198.51.100.1;
protocol device {}
protocol static { ipv4; route ${learned} blackhole; }
protocol bgp node {
  local ${gateway} as ${switchAsn};
  neighbor ${address} as ${node.asn};
  graceful restart on;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`
  const before = await Bird.start(site.fabric, config)
  const agent = await Agent.start(node.namespace, { node: node.name, manifests: site.manifests })
  await agent.established('tor')
  const received = async () => (await agent.peer('tor')).families[0]
  await waitUntil(
    'its route and End-of-RIB',
    received,
    (family) => family?.endOfRibReceived === true,
  )
  const monitor = await watchRoutes(node.namespace)
  await site.fabric.must('nft', [
    'add table inet lost; add chain inet lost out { type filter hook output priority 0; };' +
      'add rule inet lost out tcp flags & (fin|rst) != 0 drop',
  ])
  await before.daemon.stop('SIGKILL')
  t.match(await agent.peer('tor'), { state: 'Established', flaps: 0 }, 'nobody has noticed')
  const after = await Bird.start(site.fabric, config, ['-R'])
  await waitUntil(
    'the switch to be followed to its new connection',
    () => agent.peer('tor'),
    ({ state, flaps }) => state === 'Established' && flaps === 1,
    returnedSeconds,
  )
  await waitUntil(
    'its End-of-RIB',
    received,
    (family) => family?.endOfRibReceived === true && family.received === 1,
  )
  t.equal(await after.state('node'), 'Established')
  const told = (await agent.events()).filter(({ peer }) => peer === 'tor')
  t.ok(told.some(({ text }) => /the peer connected anew: it has restarted/.test(text)))
  t.ok(told.some(({ kind, text }) => kind === 'peer.restart' && /may be restarting/.test(text)))
  t.notMatch(monitor.stdout, new RegExp(`Deleted.*${learned.replace('.', '\\.')}`))
  t.equal((await agent.stop()).code, 0)
})
