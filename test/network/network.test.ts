/**
 * The test equipment itself: that BIRD and FRR, configured from one description, understand each
 * other in a network made here (so that a failure against routelet is routelet's), and that nothing
 * of such a network is left behind, even when the test that made it is killed.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import t from 'tap'
import { Capture } from './capture.ts'
import { routesOf, watchRoutes } from './kernel.ts'
import { missing, Network } from './namespaces.ts'
import { startRouter } from './router.ts'
import { waitFor, waitUntil } from './wait.ts'

t.setTimeout(120_000)
const skip = await missing('bird', 'vtysh', 'tshark', 'dumpcap', 'ping')

t.test('BIRD and FRR exchange routes of both families, with a key', { skip }, async (t) => {
  const network = new Network(t)
  const [left, right] = [await network.namespace('bird'), await network.namespace('frr')]
  await network.link(
    { namespace: left, interface: 'eth0', addresses: ['192.0.2.1/30', '2001:db8::1/64'] },
    { namespace: right, interface: 'eth0', addresses: ['192.0.2.2/30', '2001:db8::2/64'] },
  )
  await left.address('lo', '198.51.100.1/32')
  const capture = await Capture.start(left, 'eth0')
  const routes = await watchRoutes(left)
  const password = 'one-for-both'
  const bird = await startRouter('bird', left, {
    asn: 65001,
    routerId: '192.0.2.1',
    announce: ['198.51.100.0/24', '2001:db8:1::/48'],
    neighbours: [
      { name: 'r4', local: '192.0.2.1', address: '192.0.2.2', asn: 65002, password },
      { name: 'r6', local: '2001:db8::1', address: '2001:db8::2', asn: 65002, password },
    ],
  })
  const frr = await startRouter('frr', right, {
    asn: 65002,
    routerId: '192.0.2.2',
    announce: ['203.0.113.0/24', '2001:db8:2::/48'],
    neighbours: [
      { name: 'l4', local: '192.0.2.2', address: '192.0.2.1', asn: 65001, password },
      { name: 'l6', local: '2001:db8::2', address: '2001:db8::1', asn: 65001, password },
    ],
  })
  for (const session of ['r4', 'r6']) await bird.established(session)
  for (const session of ['l4', 'l6']) await frr.established(session)
  const learned = async () => [
    ...(await bird.learned('r4')),
    ...(await bird.learned('r6')),
    ...(await frr.learned('l4')),
    ...(await frr.learned('l6')),
  ]
  const expected = ['203.0.113.0/24', '2001:db8:2::/48', '198.51.100.0/24', '2001:db8:1::/48']
  await waitUntil('all four prefixes', learned, (seen) => seen.join() === expected.join())
  t.equal(await bird.asPath('203.0.113.0/24'), '65002')
  t.equal(await frr.asPath('2001:db8:1::/48'), '65001')
  t.equal(await bird.nextHop('2001:db8:2::/48'), '2001:db8::2')
  t.equal(await frr.nextHop('198.51.100.0/24'), '192.0.2.1')
  await waitUntil(
    "BIRD's kernel",
    () => routesOf(left, '-4', 'bird'),
    (seen) => seen.includes('203.0.113.0/24 via 192.0.2.2'),
  )
  await waitFor('ip monitor to have seen it', () => routes.stdout.includes('203.0.113.0/24'))
  await waitFor('a ping over what was learned', () => right.pings('198.51.100.1'))
  await capture.stop()
  t.same(await capture.malformed('192.0.2.1'), [])
  t.same(await capture.malformed('2001:db8::2'), [])
  const updates = await capture.rows('bgp.type == 2', ['bgp.nlri_prefix'])
  t.ok(updates.flat().join().includes('198.51.100.0'), 'the capture holds the announcements')
})

t.test('a capture marks what is malformed, and who sent it', { skip }, async (t) => {
  const network = new Network(t)
  const [left, right] = [await network.namespace('left'), await network.namespace('right')]
  await network.link(
    { namespace: left, interface: 'eth0', addresses: ['192.0.2.1/30'] },
    { namespace: right, interface: 'eth0', addresses: ['192.0.2.2/30'] },
  )
  const capture = await Capture.start(left, 'eth0')
  const sink = right.start(process.execPath, ['-e', sinkProgram])
  await waitFor('a listener', () => sink.stdout.includes('listening'))
  // An UPDATE whose withdrawn routes are longer than itself.
  await left.must(process.execPath, ['-e', senderProgram, `${'ff'.repeat(16)}001702ffff0000`])
  await waitFor('it to arrive', () => sink.stdout.includes('23 bytes'))
  await capture.stop()
  t.equal((await capture.malformed('192.0.2.1')).length, 1)
  t.same(await capture.malformed('192.0.2.2'), [])
})

t.test('nothing of a network outlives its test', { skip }, async (t) => {
  const network = new Network(t)
  const namespace = await network.namespace('scratch')
  const daemon = namespace.start('sleep', ['1000'])
  t.same(leftovers(namespace.name, network.folder), [namespace.name, network.folder])
  await network.close()
  t.same(leftovers(namespace.name, network.folder), [])
  t.equal((await daemon.ended).signal, 'SIGKILL')
})

t.test('nor a process that is killed', { skip }, async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', scratchProgram])
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const built = await waitFor('a process to build a network', () => said.includes('\n') && said)
  const { name, folder } = JSON.parse(built) as { name: string; folder: string }
  t.same(leftovers(name, folder), [name, folder])
  child.kill('SIGKILL')
  await waitUntil(
    'its network to be gone',
    () => leftovers(name, folder),
    (left) => left.length === 0,
  )
})

t.test('a wait that fails says what it waited for and what it saw last', async (t) => {
  const never = () => {
    throw new Error('still Active')
  }
  const message = 'waited 0 s for Established; last seen: still Active'
  await t.rejects(waitFor('Established', never, 0), { message })
})

const sinkProgram = `
  require('net').createServer((socket) => {
    socket.on('data', (bytes) => console.log(bytes.length + ' bytes'))
  }).listen(179, () => console.log('listening'))
`
const senderProgram = `
  const socket = require('net').connect(179, '192.0.2.2')
  socket.end(Buffer.from(process.argv[1], 'hex'))
`

/** Builds, tells what, and waits to be killed. */
const scratchProgram = `
  import { Network } from ${JSON.stringify(new URL('./namespaces.js', import.meta.url).href)}
  const network = new Network({ teardown() {} })
  const namespace = await network.namespace('scratch')
  namespace.start('sleep', ['1000'])
  console.log(JSON.stringify({ name: namespace.name, folder: network.folder }))
  setInterval(() => {}, 1000)
`

function leftovers(name: string, folder: string): string[] {
  return [
    ...(readdirSync('/run/netns').includes(name) ? [name] : []),
    ...(existsSync(folder) ? [folder] : []),
  ]
}
