/**
 * Running an agent: what happens when manifests come, go and break while it works, when it can't
 * start, and when it is told to stop.
 */
import t from 'tap'
import type { NodeView } from '../../api/views.ts'
import { Agent } from '../network/agent.ts'
import { ourRoutes } from '../network/kernel.ts'
import { missing } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import {
  bgpConfiguration,
  bgpPeer,
  buildSite,
  expectedRoutes,
  manifest,
  outside,
  startSwitch,
  switchPeers,
} from './site.ts'

t.setTimeout(240_000)

const skip = await missing('bird', 'birdc')

t.test("a node's manifest removed withdraws its prefixes everywhere", { skip }, async (t) => {
  const site = await buildSite(t, 2)
  const [n1, n2] = site.nodes
  if (!n1 || !n2) throw new Error('the site has two nodes')
  site.manifests.write('tor', manifest(...switchPeers(n1), ...switchPeers(n2)))
  const tor = await startSwitch(site, 'bird')
  const agents = await Promise.all(
    [n1, n2].map(({ namespace, name }) =>
      Agent.start(namespace, { node: name, manifests: site.manifests }),
    ),
  )
  await waitUntil(
    'n1 to learn the pods of n2',
    () => ourRoutes(n1.namespace),
    (seen) => seen.join() === expectedRoutes(n1, [...outside, ...n2.podCidrs]).join(),
  )
  const withN2 = expectedRoutes(n2, [...outside, ...n1.podCidrs])
  await waitUntil(
    'n2 to learn the pods of n1',
    () => ourRoutes(n2.namespace),
    (seen) => seen.join() === withN2.join(),
  )
  site.manifests.remove(n2.name)
  for (const session of ['n2v4', 'n2v6']) {
    await waitUntil(
      `the switch to forget ${session}`,
      () => tor.learned(session),
      (seen) => seen.length === 0,
    )
  }
  await waitUntil(
    'n1 to forget the pods of n2',
    () => ourRoutes(n1.namespace),
    (seen) => seen.join() === expectedRoutes(n1).join(),
  )
  t.same(await ourRoutes(n2.namespace), withN2, 'n2 itself keeps its kernel routes')
  for (const agent of agents) t.equal((await agent.stop()).code, 0)
})

t.test('a malformed manifest is refused and the running state stays', { skip }, async (t) => {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  site.manifests.write('tor', manifest(...switchPeers(node)))
  await startSwitch(site, 'bird')
  const agent = await Agent.start(node.namespace, { node: node.name, manifests: site.manifests })
  for (const peer of ['n1-tor4', 'n1-tor6']) await agent.established(peer)
  await waitUntil(
    'the kernel to hold our routes',
    () => ourRoutes(node.namespace),
    (seen) => seen.join() === expectedRoutes(node).join(),
  )
  const since = (await agent.peers()).map((peer) => peer.since)
  const broken = [
    { caption: 'no YAML', text: 'apiVersion: [', line: 1, field: /./ },
    {
      caption: 'a field of the wrong type',
      text: `apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: n1-tor4}
spec:
  peerIP: 10.99.1.1
  asNumber: many
`,
      line: 6,
      field: /asNumber/,
    },
  ]
  for (const { caption, text, line, field } of broken) {
    site.manifests.write('tor', text)
    const condition = await waitUntil(
      `a condition on ${caption}`,
      async () => {
        const { conditions } = await agent.get<NodeView>('/v1/node')
        return conditions
          .map(({ subject, message }) => `${subject} ${message}`)
          .find((words) => words.includes(`tor.yaml:${line}`))
      },
      (seen) => seen !== undefined && field.test(seen),
    )
    t.pass(`${caption}: ${condition}`)
    t.same(
      (await agent.peers()).map((peer) => peer.since),
      since,
      'no session was touched',
    )
    t.same(await ourRoutes(node.namespace), expectedRoutes(node), 'and no route')
  }
  site.manifests.write('tor', manifest(...switchPeers(node)))
  await waitUntil(
    'the conditions to go with their cause',
    async () => (await agent.get<NodeView>('/v1/node')).conditions,
    (seen) => !JSON.stringify(seen).includes('tor.yaml'),
  )
  t.equal((await agent.stop()).code, 0)
})

t.test('a changed manifest touches only what it changes', { skip }, async (t) => {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  const [peer4, peer6] = switchPeers(node)
  if (!peer4 || !peer6) throw new Error('a node has two sessions')
  site.manifests.write('tor4', manifest(peer4))
  await startSwitch(site, 'bird')
  const agent = await Agent.start(node.namespace, { node: node.name, manifests: site.manifests })
  const { since } = await agent.established('n1-tor4')
  site.manifests.write('tor6', manifest(peer6))
  await agent.established('n1-tor6')
  t.pass('a peer added comes up without a restart')
  site.manifests.remove('tor6')
  await waitUntil(
    'a peer removed to go',
    () => agent.peers(),
    (seen) => seen.length === 1,
  )
  t.equal((await agent.peer('n1-tor4')).since, since, 'the other session stayed up throughout')
  await waitUntil(
    'its routes to go with it',
    () => ourRoutes(node.namespace),
    (seen) => seen.join() === expectedRoutes(node, [outside[0]]).join(),
  )
  await agent.stop()
})

t.test('a port in use is one clear line and exit code 2', { skip }, async (t) => {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  const squatter = node.namespace.start(process.execPath, [
    '-e',
    "require('net').createServer().listen(179, () => console.log('listening'))",
  ])
  await waitUntil(
    'another daemon on port 179',
    () => squatter.stdout,
    (seen) => seen.includes('listening'),
  )
  const agent = Agent.launch(node.namespace, { node: node.name, manifests: site.manifests })
  const { code } = await agent.daemon.ended
  t.equal(code, 2)
  const lines = agent.daemon.stderr.trim().split('\n')
  t.equal(lines.length, 1, agent.daemon.stderr)
  t.match(lines[0], /\b179\b/)
  t.match(lines[0], /in use|another/i)
})

t.test('a folder with nothing but mistakes is exit code 2 and all of them', { skip }, async (t) => {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  site.manifests.write('bgp', manifest(bgpConfiguration({ asNumber: 'many' })))
  site.manifests.write('tor', manifest(bgpPeer('tor', { peerIP: '10.99.1.500', asNumber: 0 })))
  const agent = Agent.launch(node.namespace, { node: node.name, manifests: site.manifests })
  const { code } = await agent.daemon.ended
  t.equal(code, 2, agent.output)
  for (const word of ['bgp.yaml', 'tor.yaml', 'asNumber', '10.99.1.500']) {
    t.ok(agent.output.includes(word), `the output names ${word}`)
  }
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends the agent in order`, { skip }, async (t) => {
    const site = await buildSite(t)
    const [node] = site.nodes
    if (!node) throw new Error('the site has a node')
    site.manifests.write('tor', manifest(...switchPeers(node)))
    const tor = await startSwitch(site, 'bird')
    const agent = await Agent.start(node.namespace, { node: node.name, manifests: site.manifests })
    for (const peer of ['n1-tor4', 'n1-tor6']) await agent.established(peer)
    await waitUntil(
      'the kernel to hold our routes',
      () => ourRoutes(node.namespace),
      (seen) => seen.join() === expectedRoutes(node).join(),
    )
    t.same(await agent.stop(signal), { code: 0, signal: null })
    t.same(await ourRoutes(node.namespace), expectedRoutes(node), 'its routes stay')
    for (const session of ['n1v4', 'n1v6']) {
      await waitUntil(
        'the switch to know at once',
        () => tor.state(session),
        (seen) => seen !== 'Established',
      )
    }
  })
}
