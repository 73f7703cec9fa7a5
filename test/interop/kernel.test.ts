/**
 * The kernel's table under an agent that is killed, restarted, meddled with and stopped: learned
 * routes stay, come back and never vanish in between, and nobody else's are touched. The safety scan
 * is off throughout, so what is repaired is repaired by the kernel's notifications.
 */
import t from 'tap'
import type { FibStatus } from '../../fib/types.ts'
import { Agent } from '../network/agent.ts'
import { ourRoutes, watchRoutes } from '../network/kernel.ts'
import { missing } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import {
  buildSite,
  expectedRoutes,
  manifest,
  type NodeSite,
  outside,
  type Site,
  startSwitch,
  switchPeers,
} from './site.ts'

t.setTimeout(240_000)

const skip = await missing('bird', 'birdc')

t.test('SIGKILL leaves the routes, and a new agent adopts them', { skip }, async (t) => {
  const { node, start, routed } = await runningNode(t)
  const before = await start()
  await routed()
  const monitor = await watchRoutes(node.namespace)
  const ending = await before.stop('SIGKILL')
  t.equal(ending.signal, 'SIGKILL')
  t.same(await ourRoutes(node.namespace), expectedRoutes(node), 'the routes outlive the agent')

  const after = await start()
  for (const peer of ['n1-tor4', 'n1-tor6']) await after.established(peer, 60)
  const status = await waitUntil(
    'every route to be wanted again and none to be stale',
    () => after.get<FibStatus>('/v1/fib/status'),
    (seen) => seen.stale === 0 && seen.installed === expectedRoutes(node).length,
    60,
  )
  t.equal(status.adopted, expectedRoutes(node).length, 'all of them were adopted')
  t.equal(status.counters.deleted, 0, 'none was deleted')
  t.same(await ourRoutes(node.namespace), expectedRoutes(node))
  const vanished = monitor.stdout
    .split('\n')
    .filter((line) => line.startsWith('Deleted') && line.includes('proto 179'))
  t.same(vanished, [], 'no route disappeared at any moment')
  await after.stop()
})

t.test('routes of a peer that is gone are swept after a restart', { skip }, async (t) => {
  const { site, node, start, routed } = await runningNode(t)
  const before = await start()
  await routed()
  await before.stop('SIGKILL')
  site.manifests.write('tor', manifest(...switchPeers(node).slice(0, 1)))
  const after = await start()
  await waitUntil(
    'the IPv6 route, which nobody announces now, to be swept',
    () => ourRoutes(node.namespace),
    (seen) => seen.join() === expectedRoutes(node, [outside[0]]).join(),
    60,
  )
  t.pass('what the remaining peer announces stayed')
  await after.stop()
})

t.test('a route of ours deleted by hand comes back by event', { skip }, async (t) => {
  const { node, start, routed } = await runningNode(t)
  const agent = await start()
  await routed()
  const monitor = await watchRoutes(node.namespace)
  for (const [index, prefix] of [...outside, ...node.podCidrs].entries()) {
    const family = prefix.includes(':') ? '-6' : '-4'
    const kind = index < outside.length ? 'unicast' : 'blackhole'
    await node.namespace.ip(family, 'route', 'delete', kind, prefix, 'proto', '179')
    await waitFor(`ip monitor to see ${prefix} go`, () =>
      monitor.stdout.split('\n').some((line) => line.includes('Deleted') && line.includes(prefix)),
    )
    await waitUntil(
      `${prefix} to come back`,
      () => ourRoutes(node.namespace),
      (seen) => seen.join() === expectedRoutes(node).join(),
    )
    t.pass(`${prefix} came back`)
  }
  const { counters, settings } = await agent.get<FibStatus>('/v1/fib/status')
  t.equal(settings.scanSeconds, null, 'the scan was off')
  t.ok(counters.repairs >= 4, `repairs counted: ${counters.repairs}`)
  await agent.stop()
})

t.test('routes of others are left alone, whatever they are', { skip }, async (t) => {
  const { node, start, routed } = await runningNode(t)
  const [gateway4, gateway6] = node.gateways
  const { namespace } = node
  // Before the agent: the very key it will want. While it runs: its prefix with another metric, and
  // a prefix of its own kind with our metric and another protocol.
  const [wanted] = outside
  await namespace.ip('route', 'add', 'blackhole', wanted, 'proto', 'static', 'metric', '2179')
  const agent = await start()
  const [, ...rest] = expectedRoutes(node)
  await routed(rest)
  await namespace.ip('route', 'add', outside[1], 'via', gateway6, 'proto', 'static', 'metric', '50')
  await namespace.ip('route', 'add', '10.77.0.0/16', 'via', gateway4, 'metric', '2179')
  const foreign = async () =>
    Promise.all(
      [
        ['-4', 'route', 'show', wanted],
        ['-6', 'route', 'show', outside[1], 'proto', 'static'],
        ['-4', 'route', 'show', '10.77.0.0/16'],
      ].map((words) => namespace.ip(...words)),
    )
  const mine = await foreign()
  t.ok(
    mine.every((text) => text.trim() !== ''),
    'the foreign routes are there',
  )
  const status = await waitUntil(
    'the conflict to be reported',
    () => agent.get<FibStatus>('/v1/fib/status'),
    (seen) => seen.conflicts === 1,
  )
  t.equal(status.failed, 0, 'and to be no failure that is retried')
  t.same(await foreign(), mine)

  await namespace.ip('route', 'delete', 'blackhole', wanted, 'proto', 'static', 'metric', '2179')
  await routed()
  t.pass('when the foreign route goes, ours takes its place')
  const others = mine.slice(1)
  t.same((await foreign()).slice(1), others)
  t.equal((await agent.stop()).code, 0)
  t.same((await foreign()).slice(1), others, 'and stopping leaves them too')
  t.same(await ourRoutes(namespace), expectedRoutes(node), 'as it leaves our own, by default')
})

interface Running {
  readonly site: Site
  readonly node: NodeSite
  start(): Promise<Agent>
  /** Waits for the kernel to hold exactly these of ours. */
  routed(expected?: readonly string[]): Promise<void>
}

/** A site whose switch runs BIRD; the agent isn't started yet. */
async function runningNode(t: Parameters<typeof buildSite>[0]): Promise<Running> {
  const site = await buildSite(t)
  const [node] = site.nodes
  if (!node) throw new Error('the site has a node')
  site.manifests.write('tor', manifest(...switchPeers(node)))
  await startSwitch(site, 'bird')
  return {
    site,
    node,
    start: () => Agent.start(node.namespace, { node: node.name, manifests: site.manifests }),
    routed: async (expected = expectedRoutes(node)) => {
      await waitUntil(
        'the kernel to hold our routes',
        () => ourRoutes(node.namespace),
        (seen) => seen.join() === expected.join(),
        60,
      )
    },
  }
}
