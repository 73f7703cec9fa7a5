/**
 * An API server that is away, slow or refuses, while pods of a mesh send to each other: no route of
 * an agent goes, no packet is lost, requests stay bounded, and a change is heard afterwards.
 * `ROUTELET_OUTAGE_SECONDS=120` makes the outage of the first row as long as a restart of a control
 * plane may take; the default is for CI.
 */
import t, { type Test } from 'tap'
import { type Flow, requestsPerSecond, startFlow } from '../lab/traffic.ts'
import type { Agent } from '../network/agent.ts'
import { pluginFolder } from '../network/cni.ts'
import { ourRoutes, watchRoutes } from '../network/kernel.ts'
import { type Daemon, missing, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { findBinaries } from './binaries.ts'
import { ControlPlane } from './control-plane.ts'
import type { Order } from './gateway.ts'
import { makePlaneSpace, planeAddress } from './plane-space.ts'
import { buildSite, racks } from './site.ts'
import { reasonsOf } from './told.ts'

t.setTimeout(470_000)

const stoppedSeconds = Number(process.env['ROUTELET_OUTAGE_SECONDS'] ?? 5)
const shortSeconds = 5
const agentsCount = 2
/** Own Node and all Nodes are two watches of one path. */
const watchesOfPath = 2
/** The steps of the back-off (src/cluster/pace.ts) to its longest pause, and some of a start. */
const triesAtOnce = 10
const secondsBetween = 10

interface Outage {
  readonly caption: string
  readonly seconds: number
  /** What agents say of it; null: nothing, it is bearable. */
  readonly word: string | null
  readonly begin: (plane: ControlPlane) => Promise<void>
  readonly end: (plane: ControlPlane) => Promise<void>
}

const ordered = (order: Order) => (plane: ControlPlane) => plane.order({ ...order })
const pass = ordered({ path: '', status: null })

const outages: readonly Outage[] = [
  {
    caption: 'stopped, and started with its history compacted',
    seconds: stoppedSeconds,
    word: 'ApiServerAway',
    begin: (plane) => plane.stopServer(),
    end: async (plane) => {
      await plane.compact()
      await plane.startServer()
    },
  },
  {
    caption: 'so slow that every answer takes seconds',
    seconds: shortSeconds,
    word: null,
    begin: ordered({ path: '', status: null, delayMs: 3_000 }),
    end: pass,
  },
  {
    caption: 'refusing everything (403)',
    seconds: shortSeconds,
    word: 'WatchRefused',
    begin: ordered({ path: '', status: 403 }),
    end: pass,
  },
  {
    caption: 'overloaded (429 with Retry-After)',
    seconds: shortSeconds,
    word: 'ApiServerAway',
    begin: ordered({ path: '', status: 429, retryAfter: 2 }),
    end: pass,
  },
]

/** The other node's pods in both families, and what the switch has: its rack, and what lies outside. */
const learnedOf = ['10.244.', 'fd00:10:244:', '192.0.2.0/25 ', '203.0.113.0/24 '] as const

const binaries = findBinaries()
const lack = await missing('vtysh', 'setpriv')
const plugins = pluginFolder === undefined && 'needs the CNI plugins (containernetworking-plugins)'
// Asked for by name (`npm run test:kube`), so what is missing is a failure, not a skip.
const why = typeof binaries === 'string' ? binaries : lack || plugins
if (typeof binaries === 'string' || why !== false) t.fail(String(why))
else await t.test('a mesh lives through it', (t) => testOutages(t, binaries))

async function testOutages(t: Test, tools: Exclude<typeof binaries, string>): Promise<void> {
  const network = new Network(t)
  const space = await makePlaneSpace(network)
  const plane = await ControlPlane.start(space, tools, planeAddress)
  await plane.installKinds()
  await plane.kubectl('apply', '--server-side', '-k', 'deploy/overlays/mesh')
  await plane.apply('edge', edge('at first'))
  const nodes = [
    { name: 'n1', rack: 'a' },
    { name: 'n2', rack: 'a' },
  ] as const
  const site = await buildSite(network, { space, plane }, { switches: { a: 'frr' }, nodes })
  const spaces = site.kubelets.map(({ namespace }) => namespace)
  const agents = await Promise.all(site.kubelets.map((kubelet) => kubelet.run()))
  for (const agent of agents) await untilDescribed(agent, 'at first')
  const pods = []
  for (const kubelet of site.kubelets) {
    const pod = await network.namespace(`pod-${kubelet.name}`)
    pods.push({ pod, addresses: await kubelet.attach(pod) })
  }
  const [from, to] = pods
  if (from === undefined || to === undefined) throw new Error('there are no pods')
  const routes = await Promise.all(spaces.map((space) => waitForRoutes(() => ourRoutes(space))))
  const monitors = await Promise.all(spaces.map(watchRoutes))
  const flows = to.addresses.map((address) => startFlow(from.pod.name, 'n1', address))

  for (const outage of outages) {
    await t.test(`an API server that is ${outage.caption}`, async (t) => {
      for (const flow of flows) await flow.goOn(requestsPerSecond)
      const before = await plane.tally()
      await outage.begin(plane)
      const { word } = outage
      if (word !== null) for (const agent of agents) await untilSaid(agent, word, true)
      await hold(flows, outage.seconds)
      const { requests } = await plane.tally()
      const most = agentsCount * watchesOfPath * (triesAtOnce + outage.seconds / secondsBetween)
      for (const [path, count] of Object.entries(requests)) {
        const asked = count - (before.requests[path] ?? 0)
        t.ok(asked <= most, `${path}: ${asked} requests, at most ${most}`)
      }
      await outage.end(plane)
      await plane.apply('edge', edge(outage.caption))
      for (const agent of agents) await untilDescribed(agent, outage.caption)
      if (word !== null) for (const agent of agents) await untilSaid(agent, word, false)
      t.same(await Promise.all(spaces.map(ourRoutes)), routes, 'the routes are those of before')
      t.same(monitors.flatMap(deletionsOf), [], 'and none was away in between')
    })
  }
  for (const flow of flows) {
    await flow.stop()
    t.same(flow.count().gaps, [], `${flow.name}: ${flow.count().received} answers, no gap`)
  }
}

function edge(description: string): string {
  const spec = { peerIP: racks.a.ipv4, asNumber: racks.a.asn, description }
  const identity = { apiVersion: 'routelet.io/v1', kind: 'BGPPeer', metadata: { name: 'edge' } }
  return JSON.stringify({ ...identity, spec })
}

/** Until an agent has heard of a change of the object `edge`. */
async function untilDescribed(agent: Agent, description: string): Promise<void> {
  await waitUntil(
    `the peer "${description}"`,
    () => agent.peers(),
    (peers) =>
      peers.length === 3 &&
      peers.every(({ state }) => state === 'Established') &&
      peers.some((peer) => peer.description === description),
    150,
  )
}

async function untilSaid(agent: Agent, word: string, said: boolean): Promise<void> {
  await waitUntil(
    `${said ? '' : 'the end of '}the word ${word}`,
    () => reasonsOf(agent),
    (seen) => seen.includes(word) === said,
    150,
  )
}

/** As long as it takes for so many answers: the outage is measured in traffic. */
async function hold(flows: readonly Flow[], seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left -= secondsBetween) {
    const answers = Math.min(left, secondsBetween) * requestsPerSecond
    await Promise.all(flows.map((flow) => flow.goOn(answers)))
  }
}

function waitForRoutes(look: () => Promise<string[]>): Promise<string[]> {
  return waitUntil('the routes', look, (seen) => {
    const learned = seen.filter((route) => route.includes(' via '))
    return learnedOf.every((start) => learned.some((one) => one.startsWith(start)))
  })
}

function deletionsOf({ stdout }: Daemon): string[] {
  return stdout.split('\n').filter((line) => line.startsWith('Deleted') && / proto 179 /.test(line))
}
