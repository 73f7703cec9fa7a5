/**
 * The cluster store over HTTP: what is watched follows from what is known, no accident of the API
 * server loses the last state, and requests are bounded. Tests wait for the snapshot they want.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Clock } from '../../bgp/types.ts'
import { createApiClient } from '../../src/cluster/api-client.ts'
import { StateFile } from '../../src/cluster/state-file.ts'
import { ClusterStore } from '../../src/cluster/store.ts'
import type { Snapshot } from '../../src/config/folder.ts'
import { waitUntil } from '../network/wait.ts'
import { FakeApiServer } from './fake-api-server.ts'

t.setTimeout(60_000)

/** Time runs twenty times faster for whoever waits, so that back-off is not waited for. */
const clock: Clock = {
  now: () => performance.now() * 20,
  wall: () => Date.now(),
  schedule: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds / 20)
    return { cancel: () => clearTimeout(timer) }
  },
}
const own = ['bgpconfigurations', 'bgppeers', 'bgpfilters'].map((one) => `routelet.io/v1/${one}`)
const nodes = '/api/v1/nodes'
const peers = '/apis/routelet.io/v1/bgppeers'
const configurations = '/apis/routelet.io/v1/bgpconfigurations'
const secrets = '/api/v1/namespaces/routelet-system/secrets'

const node = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  metadata: { name, labels },
  spec: { podCIDRs: ['10.1.0.0/24'] },
  status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }], images: [{}] },
})
const peer = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { peerIP: '10.0.0.254', asNumber: 65000, ...spec },
})
const configuration = (spec: object) => ({
  metadata: { name: 'default' },
  spec: { nodeToNodeMeshEnabled: false, ...spec },
})

const names = (snapshot: Snapshot) => snapshot.resources.bgpPeers.map(({ name }) => name)
const nodeNames = (snapshot: Snapshot) => snapshot.resources.nodes.map(({ name }) => name)
const reasons = (snapshot: Snapshot) => snapshot.problems.map(({ reason }) => reason)

function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-state-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A store that runs, and a way to wait until its newest snapshot is as wanted. */
async function watchCluster(t: Test, server: FakeApiServer, stateDir: string | null = null) {
  const client = await createApiClient(server.kubeconfig)
  const state = stateDir === null ? null : new StateFile(stateDir, 'n1')
  const store = new ClusterStore('n1', { client, clock, random: () => 0.5, state })
  t.teardown(() => store.close())
  let newest = await store.start()
  const first = newest
  let count = 1
  store.onSnapshot((snapshot) => {
    newest = snapshot
    count += 1
  })
  const until = (caption: string, wanted: (snapshot: Snapshot) => boolean) =>
    waitUntil(
      caption,
      () => newest,
      (seen) => wanted(seen),
      20,
    )
  return { store, first, until, client, count: () => count }
}

async function standardCluster(t: Test, served = own): Promise<FakeApiServer> {
  const server = await FakeApiServer.start(t, served)
  server.put(nodes, node('n1', { rack: 'a' }))
  server.put(configurations, configuration({}))
  server.put(peers, peer('tor'))
  return server
}

t.test('what a cluster holds is there at the start, and what changes follows', async (t) => {
  const server = await standardCluster(t)
  server.put(peers, peer('b'))
  server.put(peers, peer('c'))
  const { until } = await watchCluster(t, server)
  const first = await until('all pages', (seen) => names(seen).join() === 'b,c,tor')
  t.same(nodeNames(first), ['n1'])
  t.same(first.problems, [])
  server.put(peers, peer('d'))
  await until('the new peer', (seen) => names(seen).includes('d'))
  server.remove(peers, 'tor')
  await until('the deletion', (seen) => !names(seen).includes('tor'))
})

t.test('only what is needed is watched', async (t) => {
  const server = await standardCluster(t)
  server.put(nodes, node('n2', { rack: 'a', role: 'reflector' }))
  server.put(nodes, node('n3'))
  const { until } = await watchCluster(t, server)
  t.equal(server.count(/services|endpointslices|secrets|pods/), 0, 'nothing that has no use')
  t.equal(server.count(/GET \/api\/v1\/nodes\?(?!.*fieldSelector=metadata.name%3Dn1)/), 0)
  server.put(peers, { ...peer('rr'), spec: { peerSelector: "role == 'reflector'" } } as never)
  await until('the reflector', (seen) => nodeNames(seen).join() === 'n1,n2')
  t.ok(server.count(/nodes\?.*labelSelector=role%3Dreflector/) > 0, 'by its label')
  server.put(configurations, configuration({ serviceClusterIPs: [{ cidr: '10.96.0.0/12' }] }))
  server.put('/api/v1/services', { metadata: { name: 's', namespace: 'default' } })
  await until('services', ({ resources }) => resources.services.length === 1)
  server.put(configurations, configuration({ nodeToNodeMeshEnabled: true }))
  await until('the mesh', (seen) => nodeNames(seen).join() === 'n1,n2,n3')
})

t.test('a selector without words in the API server watches all, and says so', async (t) => {
  const server = await standardCluster(t)
  server.put(nodes, node('n2', { role: 'reflector' }))
  const spec = { peerSelector: "role starts with 'refl'" }
  server.put(peers, { ...peer('rr'), spec } as never)
  const { until } = await watchCluster(t, server)
  const all = await until('all Nodes', (seen) => nodeNames(seen).join() === 'n1,n2')
  t.same(reasons(all), ['SelectorNeedsFullWatch'])
})

t.test('a peer is not told of before its Secret', async (t) => {
  const server = await standardCluster(t)
  const { until } = await watchCluster(t, server)
  const seen: (readonly [number, number])[] = []
  server.put(secrets, { metadata: { name: 'keys' }, data: { tor: 'c2VjcmV0' } } as never)
  server.put(peers, peer('tor', { password: { secretKeyRef: { name: 'keys', key: 'tor' } } }))
  await until('the secret', ({ resources }) => {
    const wants = resources.bgpPeers.filter(({ body }) => body.spec.password !== undefined)
    seen.push([wants.length, resources.secrets.length])
    return resources.secrets.length === 1
  })
  t.notOk(seen.some(([wants, secrets]) => wants === 1 && secrets === 0))
  t.ok(server.count(/secrets\?.*fieldSelector=metadata.name%3Dkeys/) > 0, 'by its name')
})

t.test('heartbeats of a Node give no snapshot', async (t) => {
  const server = await standardCluster(t)
  const { until, count } = await watchCluster(t, server)
  await until('the beginning', (seen) => names(seen).length === 1)
  const before = count()
  for (let beat = 0; beat < 5; beat++) server.put(nodes, node('n1', { rack: 'a' }))
  server.put(peers, peer('last'))
  await until('what came after them', (seen) => names(seen).includes('last'))
  t.equal(count(), before + 1)
})

t.test('an API server that is away loses nothing, and returns', async (t) => {
  const server = await standardCluster(t)
  const { until } = await watchCluster(t, server)
  await server.stop()
  const away = await until('the word', (seen) => reasons(seen).includes('ApiServerAway'))
  t.same(names(away), ['tor'])
  await server.restart()
  server.put(peers, peer('new'))
  const back = await until('the return', (seen) => names(seen).includes('new'))
  await until('no trouble', (seen) => seen.problems.length === 0)
  t.same(names(back), ['new', 'tor'])
})

t.test('compacted history is listed anew', async (t) => {
  const server = await standardCluster(t)
  const { until, count } = await watchCluster(t, server)
  await until('the beginning', (seen) => names(seen).length === 1)
  const before = count()
  const lists = server.count(/bgppeers\?(?!.*watch)/)
  server.compact()
  server.put(peers, peer('new'))
  await until('the new peer', (seen) => names(seen).includes('new'))
  t.ok(server.count(/bgppeers\?(?!.*watch)/) > lists)
  t.equal(count(), before + 1, 'and is no trouble worth a snapshot')
})

t.test('lists that turned empty are not believed', async (t) => {
  const server = await standardCluster(t)
  const { until } = await watchCluster(t, server)
  server.lose(peers)
  server.compact()
  const kept = await until('the word', (seen) => reasons(seen).includes('ListTurnedEmpty'))
  t.same(names(kept), ['tor'])
  server.put(peers, peer('new'))
  const after = await until('a new beginning', (seen) => names(seen).includes('new'))
  t.same(names(after), ['new'])
  t.same(after.problems, [])
})

t.test('refusals are told, and asked again slowly', async (t) => {
  const server = await standardCluster(t)
  server.refuse('/apis/routelet.io/v1/bgpfilters', 403)
  const { until } = await watchCluster(t, server)
  const first = await until('the rest', (seen) => names(seen).join() === 'tor')
  t.same(reasons(first), ['WatchRefused'])
  t.match(first.problems[0]?.message, /403 as ordered/)
  server.allow('/apis/routelet.io/v1/bgpfilters')
  await until('rights', (seen) => seen.problems.length === 0)
})

t.test('a server that is overloaded is left alone for as long as it asks', async (t) => {
  const server = await standardCluster(t)
  const { until } = await watchCluster(t, server)
  await until('the beginning', (seen) => names(seen).length === 1)
  server.refuse(peers, 429, 60)
  const before = server.count(/bgppeers/)
  // Its 60 s are 3 s here; without them the back-off alone gives tens of requests.
  await waitUntil(
    'the first refusal',
    () => server.count(/bgppeers/),
    (now) => now > before,
  )
  server.put(peers, peer('new'))
  server.put(configurations, configuration({ asNumber: 65111 }))
  await until('other kinds go on', ({ resources }) =>
    resources.bgpConfigurations.some(({ body }) => body.spec.asNumber === 65111),
  )
  t.equal(server.count(/bgppeers/), before + 1)
  server.allow(peers)
  await until('the peer', (seen) => names(seen).includes('new'))
})

t.test('a node that boots while the server is away uses its state file', async (t) => {
  const server = await standardCluster(t)
  server.put(secrets, { metadata: { name: 'keys' }, data: { tor: 'c2VjcmV0' } } as never)
  server.put(peers, peer('tor', { password: { secretKeyRef: { name: 'keys', key: 'tor' } } }))
  const folder = makeFolder(t)
  const file = join(folder, 'cluster.json')
  const before = await watchCluster(t, server, folder)
  const known = await before.until('the key', ({ resources }) => resources.secrets.length === 1)
  await waitUntil(
    'the file',
    () => statSync(file),
    (stat) => stat.size > 0,
  )
  t.equal(statSync(file).mode & 0o777, 0o600, 'it holds keys')
  before.store.close()
  await server.stop()
  const { first, until } = await watchCluster(t, server, folder)
  t.same(names(first), ['tor'])
  t.same(first.resources, known.resources)
  t.same(reasons(first), ['ApiServerAway'])
  await server.restart()
  server.put(peers, peer('new'))
  await until('the return', (seen) => names(seen).join() === 'new,tor')
})

t.test('a state file that is damaged or of another node is not used', async (t) => {
  const folder = makeFolder(t)
  const file = join(folder, 'cluster.json')
  const state = new StateFile(folder, 'n1')
  t.equal(await state.read(), null, 'none yet')
  await state.write({ served: own, objects: { [peers]: [peer('tor')] } })
  t.same(await state.read(), { served: own, objects: { [peers]: [peer('tor')] } })
  await t.rejects(new StateFile(folder, 'n2').read(), /it is of node n1/)
  const whole = readFileSync(file, 'utf8')
  for (const [caption, text, words] of [
    ['cut off', whole.slice(0, -10), /it is damaged/],
    ['a bit flipped', whole.replace('tor', 'tos'), /it is damaged/],
    ['a later version', whole.replace('"version":1', '"version":2'), /it has version 2, this is 1/],
    ['something else', 'hello\n', /it is no state of a cluster/],
    ['empty', '', /it is no state of a cluster/],
  ] as const) {
    writeFileSync(file, text)
    await t.rejects(state.read(), words, caption)
  }
})

t.test("Calico's groups are read as they are served", async (t) => {
  const crd = ['crd.projectcalico.org/v1/bgppeers', 'crd.projectcalico.org/v1/ippools']
  const server = await FakeApiServer.start(t, crd)
  server.put(nodes, node('n1'))
  server.put('/apis/crd.projectcalico.org/v1/bgppeers', peer('theirs'))
  const { until } = await watchCluster(t, server)
  await until('their peer', (seen) => names(seen).join() === 'theirs')
  t.equal(server.count(/pods/), 0, 'Calico manages no addresses yet')
})

t.test('a cluster without our kinds says what to install', async (t) => {
  const server = await FakeApiServer.start(t, [])
  server.put(nodes, node('n1'))
  const { until } = await watchCluster(t, server)
  const seen = await until('the word', (snapshot) => reasons(snapshot).includes('KindNotServed'))
  t.same(nodeNames(seen), ['n1'])
})
