/**
 * An agent through its life: manifests that come, go and can't be carried out, its own Node, what it
 * says while it starts, and what a stop leaves behind.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { RestartMarker } from '../../src/restart-marker.ts'
import { FakeClock } from '../bgp/clock.ts'
import { waitUntil } from '../network/wait.ts'
import {
  configuration,
  node,
  ownAddress,
  peer,
  podCidr,
  reasons,
  type Scene,
  stage,
  started,
} from './scene.ts'

const other = '10.2.0.0/24'
const portTaken = 1790

const announced = ({ agent }: Scene) => agent.intent?.announcements.map(({ prefix }) => prefix)

function occupy({ network }: Scene, port: number) {
  return network
    .host(ownAddress)
    .listen({ address: null, family: 4, port, backlog: 1 }, (incoming) => incoming.reject())
}

t.test('a start says what it is at, and is not ready', async (t) => {
  const scene = stage(node())
  t.match(scene.agent.ready(), { ok: false, reason: 'starting: reading the manifests' })
  t.ok(scene.agent.healthy().ok)
  await scene.agent.start()
  t.match(scene.agent.ready(), { ok: true, reason: null }, 'nobody is waited for')
  await scene.agent.close()
})

t.test('a change that cannot be carried out is a condition, and what was stays', async (t) => {
  const scene = await started(node())
  const { agent, clock, network } = scene
  const squatter = await occupy(scene, portTaken)
  scene.write(node(other) + configuration(`{listenPort: ${portTaken}}`))
  await waitUntil(
    'the change to be refused',
    () => reasons(agent),
    (seen) => seen.includes('ChangeRefused'),
  )
  t.match(agent.problems[0], { severity: 'error', message: /1790: the port is in use/ })
  t.match(agent.healthy(), { ok: true, reason: null }, 'no probe has anything to complain of')
  t.same(announced(scene), [podCidr])
  t.match(agent.intent?.listen, [{ port: 179 }])
  await t.rejects(occupy(scene, 179), { code: 'EADDRINUSE' }, 'it listens where it did')

  clock.advance(30_000)
  clock.advance(30_000)
  const told = agent.events.after(0, 100).filter(({ text }) => text.includes('port is in use'))
  t.equal(told.length, 1, 'it is news once')

  squatter.close()
  await waitUntil(
    'the change to be carried out once the port is free',
    () => {
      clock.advance(30_000)
      return reasons(agent)
    },
    (seen) => !seen.includes('ChangeRefused'),
  )
  t.same(announced(scene), [other])
  t.match(agent.intent?.listen, [{ port: portTaken }])
  await t.resolves(
    network.host(ownAddress).listen({ address: null, family: 4, port: 179, backlog: 1 }, () => {}),
    'the old port is free',
  )
  await agent.close()
})

t.test('a refused change goes with the manifest that asked for it', async (t) => {
  const scene = await started(node())
  await occupy(scene, portTaken)
  scene.write(node() + configuration(`{listenPort: ${portTaken}}`))
  await waitUntil(
    'the change to be refused',
    () => reasons(scene.agent),
    (seen) => seen.includes('ChangeRefused'),
  )
  scene.write(node())
  await waitUntil(
    'the condition to go',
    () => reasons(scene.agent),
    (seen) => seen.length === 0,
  )
  t.match(scene.agent.intent?.listen, [{ port: 179 }])
  await scene.agent.close()
})

t.test('an own Node that is absent at the start is waited for', async (t) => {
  const scene = await started(configuration('{asNumber: 65001}'))
  const { agent } = scene
  t.same(reasons(agent), ['NodeAbsent'])
  t.match(agent.ready(), { ok: false, reason: 'waiting for the manifest of Node n1' })
  scene.clock.advance(3600_000)
  scene.write(node() + peer)
  await waitUntil(
    'the node to be taken up',
    () => announced(scene),
    (seen) => seen?.join() === podCidr,
  )
  t.same(reasons(agent), [])
  t.equal(agent.ready().ok, false, 'the time before does not count as waiting for its peers')
  await agent.close()
})

t.test('an own Node that goes takes its announcements along, and says so', async (t) => {
  const scene = await started(node() + peer)
  const { agent, clock } = scene
  const paths = () => {
    clock.advance(1000)
    return agent.speaker.views.explain(podCidr).paths.length
  }
  t.equal(paths(), 1)
  scene.write(peer)
  await waitUntil('the announcement to go', paths, (seen) => seen === 0)
  t.same(reasons(agent), ['NodeAbsent'])
  t.ok(agent.intent?.node, 'what it was is remembered')
  scene.write(node() + peer)
  await waitUntil('the announcement to come back', paths, (seen) => seen === 1)
  t.same(reasons(agent), [])
  await agent.close()
})

t.test('what a stop leaves behind', async (t) => {
  for (const { onStop, going = false, nodeGone = false, forGood } of [
    { onStop: 'KeepRoutes', going: true, nodeGone: true, forGood: false },
    { onStop: 'Withdraw', forGood: true },
    { onStop: 'Auto', forGood: false },
    { onStop: 'Auto', going: true, forGood: true },
    { onStop: 'Auto', nodeGone: true, forGood: true },
  ]) {
    const caption = `${onStop}${going ? ', the host goes down' : ''}${nodeGone ? ', no Node' : ''}`
    const folder = t.testdir()
    const { marker } = markerIn(folder)
    const settings = configuration(`{onStop: ${onStop}}`)
    const scene = await started(node() + settings, { marker, hostIsStopping: async () => going })
    if (nodeGone) {
      scene.write(settings)
      await waitUntil(
        'the Node to go',
        () => reasons(scene.agent),
        (seen) => seen.includes('NodeAbsent'),
      )
    }
    await scene.agent.close()
    t.equal(existsSync(path.join(folder, 'restart.json')), !forGood, caption)
  }
})

t.test('without kernel routes, the mark in the state folder tells of a restart', async (t) => {
  const all = ['ipv4-unicast', 'ipv6-unicast']
  const { epoch } = new FakeClock()
  for (const { caption, mark, forwarding } of [
    { caption: 'a first start', mark: null, forwarding: [] },
    { caption: 'just before', mark: { bootId: 'this', at: epoch - 10_000 }, forwarding: all },
    {
      caption: 'peers wait no more',
      mark: { bootId: 'this', at: epoch - 121_000 },
      forwarding: [],
    },
    { caption: 'another boot', mark: { bootId: 'that', at: epoch - 10_000 }, forwarding: [] },
  ]) {
    const folder = t.testdir(mark === null ? {} : { 'restart.json': JSON.stringify(mark) })
    const { marker, complaints } = markerIn(folder)
    const { agent, clock } = await started(node() + peer, { marker })
    const restarting = forwarding.length > 0
    t.match(agent.speaker.restart, { restarting, forwarding }, caption)
    t.same(complaints, [])
    t.match(JSON.parse(readFileSync(path.join(folder, 'restart.json'), 'utf8')), {
      bootId: 'this',
      at: epoch,
    })
    clock.advance(61_000)
    t.equal(agent.speaker.restart.restarting, false, 'peers are not kept waiting for ever')
    await agent.close()
  }
})

/** A marker in a boot called `this`. */
function markerIn(folder: string): { marker: RestartMarker; complaints: string[] } {
  const bootIdFile = path.join(folder, 'boot_id')
  writeFileSync(bootIdFile, 'this\n')
  const complaints: string[] = []
  const report = (text: string) => void complaints.push(text)
  return {
    marker: new RestartMarker(folder, { clock: new FakeClock(), report, bootIdFile }),
    complaints,
  }
}
