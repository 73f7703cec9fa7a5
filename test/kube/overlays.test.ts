/**
 * The overlays of deploy/ from end to end: applied to a real API server, their agents run with what
 * the DaemonSet gives them, real CNI plugins attach pods by the configuration that the agents wrote,
 * and switches of others carry pods' and Services' traffic. What a site must add to an overlay is
 * in its row. The overlay for Calico has a test of its own (migrate.test.ts).
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { pluginFolder } from '../network/cni.ts'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { findBinaries } from './binaries.ts'
import { ControlPlane } from './control-plane.ts'
import { makePlaneSpace, planeAddress } from './plane-space.ts'
import { connect, makeService, serve } from './service.ts'
import {
  buildSite,
  outsideAddresses,
  podCidrsOf,
  racks,
  type SitePlan,
  untilKnown,
} from './site.ts'
import { complaintsOf } from './told.ts'

t.setTimeout(400_000)

interface Scene extends SitePlan {
  readonly overlay: string
  /** How many sessions each node has, by name. */
  readonly sessions: Readonly<Record<string, number>>
  /** What the site adds: objects, and what it changes in the BGPConfiguration. */
  readonly objects: string
  readonly changes: readonly object[]
}

const ranges = [{ cidr: '10.96.0.0/12' }, { cidr: 'fd00:10:96::/112' }]
const switchPeer = (name: string, selector: string, address: string, asn: number) =>
  `---\napiVersion: routelet.io/v1\nkind: BGPPeer\nmetadata: {name: ${name}}\n` +
  `spec: {nodeSelector: "${selector}", peerIP: "${address}", asNumber: ${asn}, ` +
  'numAllowedLocalASNumbers: 1}\n'
const edges =
  switchPeer('edge', 'all()', racks.a.ipv4, racks.a.asn) +
  switchPeer('edge-v6', 'all()', racks.a.ipv6, racks.a.asn)
const advertise = { op: 'add', path: '/spec/serviceClusterIPs', value: ranges }

const scenes: readonly Scene[] = [
  {
    overlay: 'tor',
    switches: { a: 'frr', b: 'bird' },
    nodes: [
      { name: 'n1', rack: 'a', labels: 'rack: a' },
      { name: 'n2', rack: 'b', labels: 'rack: b' },
    ],
    sessions: { n1: 2, n2: 2 },
    objects:
      switchPeer('rack-a-v6', "rack == 'a'", racks.a.ipv6, racks.a.asn) +
      switchPeer('rack-b-v6', "rack == 'b'", racks.b.ipv6, racks.b.asn),
    changes: [{ op: 'add', path: '/spec/serviceClusterIPs/-', value: ranges[1] }],
  },
  {
    overlay: 'mesh',
    switches: { a: 'frr' },
    nodes: [
      { name: 'n1', rack: 'a' },
      { name: 'n2', rack: 'a' },
      { name: 'n3', rack: 'a' },
    ],
    sessions: { n1: 6, n2: 6, n3: 6 },
    objects: edges,
    changes: [advertise],
  },
  {
    overlay: 'reflector',
    switches: { a: 'bird' },
    nodes: [
      {
        name: 'n1',
        rack: 'a',
        labels: '"routelet.io/reflector": ""',
        annotations: '"routelet.io/RouteReflectorClusterID": 244.0.0.1',
      },
      { name: 'n2', rack: 'a' },
      { name: 'n3', rack: 'a' },
    ],
    sessions: { n1: 6, n2: 4, n3: 4 },
    objects: edges,
    changes: [advertise],
  },
]

const binaries = findBinaries()
const lack = await missing('bird', 'vtysh', 'nft', 'setpriv')
const plugins = pluginFolder === undefined && 'needs the CNI plugins (containernetworking-plugins)'
// Asked for by name (`npm run test:kube`), so what is missing is a failure, not a skip.
const why = typeof binaries === 'string' ? binaries : lack || plugins
if (typeof binaries === 'string' || why !== false) t.fail(String(why))
else await testOverlays(t, binaries)

async function testOverlays(t: Test, tools: Exclude<typeof binaries, string>): Promise<void> {
  const space = await makePlaneSpace(new Network(t))
  const plane = await ControlPlane.start(space, tools, planeAddress)
  await plane.installKinds()
  for (const scene of scenes) {
    await t.test(`${scene.overlay}: pods and Services are reached`, async (t) => {
      await runScene(t, { space, plane }, scene)
      await plane.clear()
    })
  }
}

async function runScene(
  t: Test,
  place: { readonly space: Namespace; readonly plane: ControlPlane },
  scene: Scene,
): Promise<void> {
  const { plane } = place
  const network = new Network(t)
  await plane.apply(scene.overlay, await buildOverlay(network, plane, scene))
  const site = await buildSite(network, place, scene)
  const { kubelets, outside } = site
  const agents = await Promise.all(kubelets.map((kubelet) => kubelet.run()))
  for (const [index, agent] of agents.entries()) {
    const { name } = kubelets[index] ?? { name: '' }
    await untilRouting(plane, name, scene.sessions[name] ?? 0)
    t.same(await complaintsOf(agent), [], `${name} has nothing to complain of`)
  }

  const pods: { readonly space: Namespace; readonly addresses: readonly string[] }[] = []
  for (const kubelet of kubelets) {
    const space = await network.namespace(`pod-${kubelet.name}`)
    pods.push({ space, addresses: await kubelet.attach(space) })
    serve(space, `pod of ${kubelet.name}`)
  }
  const everywhere = scene.nodes.flatMap((node) => [...podCidrsOf(node)])
  for (const router of site.routers) {
    await untilKnown(router, [...everywhere, '10.96.0.0/12', 'fd00:10:96::/112'])
  }
  const travellers = [...pods, { space: outside, addresses: outsideAddresses }]
  for (const from of travellers) {
    for (const to of travellers) {
      if (from === to) continue
      for (const address of to.addresses) {
        const way = `${from.space.label} to ${to.space.label}, ${address}`
        t.ok(await waitFor(way, () => from.space.pings(address)), way)
      }
    }
  }

  // The pod is on the last node, and the first switch hands what comes from outside to the first.
  const addresses = await makeService(plane, kubelets, pods.at(-1)?.addresses ?? [])
  for (const address of addresses) {
    const answer = await waitFor(`Service ${address}`, () => connect(outside, address))
    t.equal(answer, `pod of ${kubelets.at(-1)?.name}`, `Service ${address} from outside`)
  }
  for (const agent of agents) t.same(await agent.stop(), { code: 0, signal: null })
}

/** What a user has who copies nothing: a kustomization of his own that stands on the overlay. */
async function buildOverlay(
  network: Network,
  plane: ControlPlane,
  { overlay, objects, changes }: Scene,
): Promise<string> {
  const folder = path.join(network.folder, 'site')
  mkdirSync(folder)
  const base = path.relative(folder, path.resolve('deploy/overlays', overlay))
  writeFileSync(path.join(folder, 'site.yaml'), objects)
  const kustomization = {
    resources: [base, 'site.yaml'],
    patches: [
      { target: { kind: 'BGPConfiguration', name: 'default' }, patch: JSON.stringify(changes) },
    ],
  }
  writeFileSync(path.join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return plane.kubectl('kustomize', folder)
}

interface Conditions {
  readonly status?: {
    readonly peersEstablished?: number
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

/** Until the cluster has been told that a node routes. */
async function untilRouting(plane: ControlPlane, name: string, sessions: number): Promise<void> {
  await waitUntil(
    `${sessions} sessions of ${name}`,
    () => plane.get<Conditions>('noderouting', name),
    ({ status }) => status?.peersEstablished === sessions,
    60,
  )
  await waitUntil(
    `the network of ${name} to be called available`,
    () => plane.get<Conditions>('node', name),
    ({ status }) =>
      status?.conditions?.some(
        ({ type, status }) => type === 'NetworkUnavailable' && status === 'False',
      ) === true,
    60,
  )
}
