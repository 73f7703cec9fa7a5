/**
 * Agents as processes in namespaces, configured by a real kube-apiserver with RBAC on. The parts
 * build on each other: one control plane and two agents live through all of them.
 */
import path from 'node:path'
import t, { type Test } from 'tap'
import { Agent } from '../network/agent.ts'
import { routesOf } from '../network/kernel.ts'
import { missing, type Namespace, Network } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { findBinaries } from './binaries.ts'
import { ControlPlane } from './control-plane.ts'
import { makePlaneSpace, planeAddress } from './plane-space.ts'
import { reasonsOf } from './told.ts'

t.setTimeout(280_000)

const configuration = (spec: string) =>
  `apiVersion: routelet.io/v1\nkind: BGPConfiguration\nmetadata: {name: default}\nspec: ${spec}\n`
const peering = (spec: string) =>
  `apiVersion: routelet.io/v1\nkind: BGPPeer\nmetadata: {name: pair}\nspec: ${spec}\n`
const keys = (key: string) =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: routelet-system}\n` +
  `stringData: {pair: ${key}}\n`

interface Condition {
  readonly type: string
  readonly status: string
}

interface NodeRouting {
  readonly metadata: { readonly ownerReferences: readonly { readonly kind: string }[] }
  readonly status: {
    readonly peersEstablished: number
    readonly conditions: readonly Condition[]
  }
}

const binaries = findBinaries()
const lack = await missing()
const why = typeof binaries === 'string' ? binaries : lack
// Asked for by name (`npm run test:kube`), so what is missing is a failure, not a skip.
if (typeof binaries === 'string' || lack !== false) t.fail(String(why))
else await testCluster(t, binaries)

async function testCluster(t: Test, tools: Exclude<typeof binaries, string>): Promise<void> {
  const network = new Network(t)
  const space = await makePlaneSpace(network)
  const plane = await ControlPlane.start(space, tools, planeAddress)
  const spaces = [await makeNode(network, space, 1), await makeNode(network, space, 2)] as const
  for (const part of ['namespace', 'rights', 'admission']) {
    await plane.kubectl('apply', '-f', path.resolve(`deploy/base/${part}.yaml`))
  }
  await plane.installKinds()
  await plane.apply('configuration', configuration('{nodeToNodeMeshEnabled: true}'))
  for (const number of [1, 2]) await addNode(plane, number)
  const configs = [
    await plane.kubeconfigFor('n1', 'gateway'),
    await plane.kubeconfigFor('n2', 'tls'),
  ] as const
  const launch = (number: 1 | 2) =>
    Agent.start(spaces[number - 1] as Namespace, {
      node: `n${number}`,
      args: ['--kubernetes', '--kubeconfig', configs[number - 1] as string],
    })
  const one = await launch(1)
  let two = await launch(2)

  await t.test('the mesh comes from the objects of the cluster', async (t) => {
    await one.established('mesh.n2.v4')
    await two.established('mesh.n1.v4')
    await waitUntil(
      'the routes of the other node',
      () => routesOf(spaces[0], '-4', '179'),
      (seen) => seen.some((route) => route.startsWith('10.244.2.0/24')),
    )
    t.same(await reasonsOf(one), [])
    t.same(await reasonsOf(two), [])
  })

  await t.test('the cluster is told', async (t) => {
    const routing = await waitUntil(
      'the NodeRouting',
      () => plane.get<NodeRouting>('noderouting', 'n1'),
      ({ status }) => status?.peersEstablished === 1,
    )
    t.same(routing.metadata.ownerReferences[0]?.kind, 'Node')
    t.match(routing.status.conditions[0], { type: 'Ready', status: 'True' })
    const node = await waitUntil(
      'the condition of the Node',
      () => plane.get<{ status: { conditions?: readonly Condition[] } }>('node', 'n1'),
      ({ status }) => status.conditions?.some(({ type }) => type === 'NetworkUnavailable') === true,
    )
    t.match(node.status.conditions, [{ type: 'NetworkUnavailable', status: 'False' }])
    t.match(await plane.kubectl('get', 'noderoutings'), /NAME +AS +ROUTER ID.*\nn1 +64512/)
  })

  await t.test(
    'a changed object changes sessions live, without the Secret they wait',
    async (t) => {
      const password = '{secretKeyRef: {name: keys, key: pair}}'
      const spec = `{nodeSelector: all(), peerSelector: all(), password: ${password}}`
      await plane.apply('peer', peering(spec))
      await plane.apply('configuration', configuration('{nodeToNodeMeshEnabled: false}'))
      const down = await waitUntil(
        'the session that waits for its key',
        () => one.peers(),
        (peers) => peers.length === 1 && peers[0]?.name.startsWith('pair') === true,
      )
      t.match(down[0]?.reason, /Secret keys does not exist/)
      await plane.apply('keys', keys('first'))
      await one.established(down[0]?.name as string)
    },
  )

  await t.test("a Secret's rotation reaches both ends", async (t) => {
    await plane.apply('keys', keys('second'))
    const name = (await one.peers())[0]?.name as string
    await waitUntil('the session with the new key', () => one.peer(name), isUp)
    // A new connection is made with the keys that both have now.
    await one.cli('reset', name)
    await waitUntil(
      'a session made anew',
      () => one.peer(name),
      (peer) => isUp(peer) && peer.flaps > 0,
    )
    t.same(await reasonsOf(one), [])
  })

  await t.test(
    'an API server that is away loses no route, and a node boots without it',
    async (t) => {
      const state = `${spaces[1].files}.state/cluster.json`
      await waitFor('the state file', () => holds(spaces[1], state, 'c2Vjb25k'))
      await plane.stopServer()
      await waitUntil(
        'the word',
        () => reasonsOf(one),
        (seen) => seen.includes('ApiServerAway'),
      )
      await two.stop('SIGKILL')
      two = await launch(2)
      await waitUntil(
        'its session',
        () => two.peers(),
        (peers) => peers.some(isUp),
        60,
      )
      t.same((await two.peers()).length, 1)
      t.ok(
        (await routesOf(spaces[0], '-4', '179')).some((route) => route.startsWith('10.244.2.0/24')),
      )
      await plane.compact()
      await plane.startServer()
      await plane.apply(
        'configuration',
        configuration('{nodeToNodeMeshEnabled: false, listenPort: 179}'),
      )
      await waitUntil(
        'the return',
        () => reasonsOf(one),
        (seen) => !seen.includes('ApiServerAway'),
        60,
      )
    },
  )

  await t.test('a session that was lost is an event with its reason', async (t) => {
    const events = await waitUntil(
      'the event',
      () => plane.kubectl('get', 'events', '-o', 'wide'),
      (text) => text.includes('SessionLost'),
    )
    t.match(events, /Warning +SessionLost +node\/n1/)
  })

  await t.test('an agent may do nothing beyond', async (t) => {
    const account = '--as=system:serviceaccount:routelet-system:routelet'
    for (const [verb, what, namespace] of [
      ['list', 'secrets', 'default'],
      ['delete', 'nodes', 'default'],
      ['patch', 'bgppeers.routelet.io', 'default'],
    ] as const) {
      const args = ['auth', 'can-i', verb, what, '-n', namespace, account]
      await t.rejects(plane.kubectl(...args), `${verb} ${what}`)
    }
    const routing = 'apiVersion: routelet.io/v1\nkind: NodeRouting\nmetadata: {name: n1}\n'
    const forOthers = plane.createAs(configs[1], routing)
    await t.rejects(forOthers, /the agent of node n2 may not write for n1/)
  })
}

/** Nodes hang on the bridge of the control plane. */
async function makeNode(network: Network, plane: Namespace, number: number): Promise<Namespace> {
  const space = await network.namespace(`n${number}`)
  await network.link(
    { namespace: plane, interface: `n${number}`, addresses: [] },
    { namespace: space, interface: 'eth0', addresses: [`10.99.0.1${number}/24`] },
  )
  await plane.ip('link', 'set', `n${number}`, 'master', 'br0')
  return space
}

async function addNode(plane: ControlPlane, number: number): Promise<void> {
  const name = `n${number}`
  const spec = `{podCIDR: 10.244.${number}.0/24, podCIDRs: [10.244.${number}.0/24]}`
  await plane.apply(name, `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\nspec: ${spec}\n`)
  const addresses = [{ type: 'InternalIP', address: `10.99.0.1${number}` }]
  const patch = JSON.stringify({ status: { addresses } })
  await plane.kubectl('patch', 'node', name, '--subresource=status', '--type=merge', '-p', patch)
}

async function holds(space: Namespace, file: string, text: string): Promise<boolean> {
  return (await space.run('grep', ['-q', text, file])).code === 0
}

function isUp({ state }: { readonly state: string }): boolean {
  return state === 'Established'
}
