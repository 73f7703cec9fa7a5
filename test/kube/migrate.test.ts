/**
 * The overlay `migrate-from-calico` and the page about it (docs/migrating.md), step by step with a
 * real API server: a node goes from Calico's BIRD to the agent of the DaemonSet and back, its pods
 * are reached throughout, and nothing of Calico's is touched. How many packets that costs is
 * measured in test/interop/migration.test.ts.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { startFlow } from '../lab/traffic.ts'
import { type Agent, command } from '../network/agent.ts'
import { pluginFolder } from '../network/cni.ts'
import { ourRoutes, routesOf } from '../network/kernel.ts'
import { missing, Network } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { findBinaries } from './binaries.ts'
import {
  blocksOf,
  calicoFile,
  calicoNode,
  installCalico,
  serviceRanges,
  startCalico,
  writeCalicoCni,
} from './calico.ts'
import { ControlPlane } from './control-plane.ts'
import type { Kubelet } from './kubelet.ts'
import { makePlaneSpace, planeAddress } from './plane-space.ts'
import { connect, makeService, serve } from './service.ts'
import { buildSite, outsideAddresses, untilKnown } from './site.ts'

t.setTimeout(280_000)

const nodes = [calicoNode('n1'), calicoNode('n2')] as const
const binaries = findBinaries()
const lack = await missing('bird', 'vtysh', 'nft', 'setpriv')
const plugins = pluginFolder === undefined && 'needs the CNI plugins (containernetworking-plugins)'
// Asked for by name (`npm run test:kube`), so what is missing is a failure, not a skip.
const why = typeof binaries === 'string' ? binaries : lack || plugins
if (typeof binaries === 'string' || why !== false) t.fail(String(why))
else await testMigration(t, binaries)

async function testMigration(t: Test, tools: Exclude<typeof binaries, string>): Promise<void> {
  const network = new Network(t)
  const space = await makePlaneSpace(network)
  const plane = await ControlPlane.start(space, tools, planeAddress)
  await plane.installKinds()
  await installCalico(plane, nodes)
  await plane.kubectl('apply', '--server-side', '-k', 'deploy/overlays/migrate-from-calico')
  const site = await buildSite(network, { space, plane }, { switches: { a: 'frr' }, nodes })
  const { kubelets, outside } = site
  const [one, two] = kubelets as readonly [Kubelet, Kubelet]
  const texts = nodes.map((node, index) => writeCalicoCni(kubelets[index] ?? one, node))
  const birds = [await startCalico(one, nodes[0], nodes), await startCalico(two, nodes[1], nodes)]
  const [first, second] = [await network.namespace('pod1'), await network.namespace('pod2')]
  const addresses = [await one.attach(first), await two.attach(second)] as const
  serve(second, 'pod 2')

  const reached = async (t: Test, caption: string) => {
    for (const [from, targets] of [
      [first, addresses[1]],
      [second, addresses[0]],
      [outside, [...addresses[0], ...addresses[1]]],
      [first, outsideAddresses],
      [second, outsideAddresses],
    ] as const) {
      for (const address of targets) {
        const way = `${caption}: ${from.label} to ${address}`
        t.ok(await waitFor(way, () => from.pings(address)), way)
      }
    }
  }
  const flows = () => [
    startFlow(outside.name, 'outside', addresses[0][0] ?? ''),
    startFlow(first.name, 'pod1', addresses[1][0] ?? ''),
    startFlow(first.name, 'pod1', addresses[1][1] ?? ''),
  ]

  await t.test('with Calico', async (t) => {
    for (const router of site.routers) {
      await untilKnown(router, [...nodes.flatMap((node) => [...blocksOf(node)]), ...serviceRanges])
    }
    await reached(t, 'Calico')
    t.notOk(await one.isChosen(), 'no node is chosen yet')
  })

  const agents: Agent[] = []
  await t.test('one node after the other goes over', async (t) => {
    for (const [index, kubelet] of kubelets.entries()) {
      const going = flows()
      for (const flow of going) await flow.goOn(20)
      // A calico-node that is deleted takes BIRD with it as SIGKILL does.
      await birds[index]?.daemon.stop('SIGKILL')
      await plane.kubectl('label', 'node', kubelet.name, 'routelet.io/bgp=routelet')
      t.ok(await kubelet.isChosen(), `${kubelet.name} is chosen by its label`)
      const agent = await kubelet.run()
      agents.push(agent)
      await healthy(agent)
      await kubelet.namespace.ip('route', 'flush', 'proto', 'bird')
      await kubelet.namespace.ip('-6', 'route', 'flush', 'proto', 'bird')
      for (const flow of going) await flow.goOn(20)
      for (const flow of going) {
        await flow.stop()
        const { sent, received } = flow.count()
        t.comment(`${kubelet.name} goes over, ${flow.name}: ${received} of ${sent} answered`)
      }
      await reached(t, `${kubelet.name} has gone over`)
      t.same(kubelet.cniFiles(), [calicoFile])
      const file = path.join(kubelet.hostPath('/etc/cni/net.d'), calicoFile)
      t.equal(readFileSync(file, 'utf8'), texts[index], "Calico's CNI file is as it was")
    }
    const served = await makeService(plane, kubelets, addresses[1])
    for (const address of served) {
      t.equal(await waitFor(address, () => connect(outside, address)), 'pod 2', address)
    }
  })

  await t.test('and back', async (t) => {
    await plane.kubectl('label', 'node', 'n1', 'routelet.io/bgp-')
    t.notOk(await one.isChosen())
    t.same(await agents[0]?.stop(), { code: 0, signal: null })
    t.not((await ourRoutes(one.namespace)).length, 0, 'the routes are still there')
    const bird = await startCalico(one, nodes[0], nodes)
    await waitUntil(
      "the switch's session with BIRD",
      () => bird.state('switch_ipv4'),
      (state) => state === 'Established',
    )
    await waitUntil(
      'routes of BIRD',
      () => routesOf(one.namespace, '-4', 'bird'),
      (seen) => seen.some((route) => route.startsWith(blocksOf(nodes[1])[0])),
    )
    await one.namespace.must(process.execPath, [command, 'cleanup'])
    t.same(await ourRoutes(one.namespace), [], 'nothing of ours is left')
    await reached(t, 'n1 has gone back')
  })
}

/** As `routelet status` says it. */
async function healthy(agent: Agent): Promise<void> {
  await waitUntil(
    'all sessions of the agent',
    () => agent.peers(),
    (peers) => peers.length === 4 && peers.every(({ state }) => state === 'Established'),
    60,
  )
}
