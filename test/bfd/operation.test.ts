/**
 * BFD at work, against BIRD and FRR in namespaces of the real kernel: what happens around a session
 * when timers change, daemons restart, interfaces come and go, and the main thread is busy.
 */
import t from 'tap'
import { Bird } from '../network/bird.ts'
import { missing } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { Bfdd } from './bfdd.ts'
import { birdBfd, buildLink, frrBfd, type ObservedBfd, startBfd, timers } from './scene.ts'

t.setTimeout(240_000)
const skip = await missing('bird', 'vtysh', 'nft')

const toTor = { name: 'tor', ...timers, remoteAddress: '192.0.2.2' }
const birdConfig = birdBfd('neighbor 192.0.2.1 dev "eth0";')
const frrConfig = frrBfd('peer 192.0.2.1 interface eth0')

t.test(
  'a main thread that is blocked again and again takes no session down',
  { skip },
  async (t) => {
    const { node, tor } = await buildLink(t)
    const bird = await Bird.start(tor.namespace, birdConfig)
    const bfd = await startBfd(t, node)
    bfd.want([{ ...toTor, transmitMs: 50, receiveMs: 50 }])
    await bfd.state('tor', 'Up')
    await waitUntil(
      'a detection time of 300 ms at most',
      () => bfd.bfd.views(),
      ([view]) => (view?.detectionMs ?? Infinity) <= 300,
    )
    const before = await packetsOf(bfd)
    for (let times = 0; times < 10; times++) {
      block(200)
      // Lets messages through, so that a failure would be told.
      await new Promise((resolve) => setImmediate(resolve))
    }
    const after = await packetsOf(bfd, before.received)
    t.equal(bfd.failures('tor'), 0)
    t.equal(bfd.last('tor')?.state, 'Up')
    t.ok(after.sent > before.sent, 'it went on sending')
    t.equal((await tor.birdSession(bird)).state, 'Up')
  },
)

t.test(
  'new timers are negotiated with BIRD and FRR, the session staying up',
  { skip },
  async (t) => {
    for (const kind of ['bird', 'frr'] as const) {
      const { node, tor } = await buildLink(t)
      const bird = kind === 'bird' ? await Bird.start(tor.namespace, birdConfig) : null
      const bfdd = kind === 'frr' ? await Bfdd.start(tor.namespace, frrConfig) : null
      const bfd = await startBfd(t, node)
      bfd.want([toTor])
      await bfd.state('tor', 'Up')
      for (const receiveMs of [400, 150]) {
        bfd.want([{ ...toTor, receiveMs, transmitMs: receiveMs }])
        if (bird !== null) {
          await waitUntil(
            `BIRD to send every ${receiveMs} ms`,
            () => tor.birdSession(bird),
            (seen) => seen.intervalSeconds === receiveMs / 1000,
          )
        }
        if (bfdd !== null) {
          await waitUntil(
            `FRR to know of ${receiveMs} ms`,
            () => bfdd.peer('up'),
            (seen) => seen['remote-receive-interval'] === receiveMs,
          )
        }
        await waitUntil(
          'our side to have agreed',
          () => bfd.bfd.views()[0],
          (view) => view?.transmitMs === receiveMs && view.detectionMs === 3 * receiveMs,
        )
      }
      t.equal(bfd.failures('tor'), 0, kind)
      t.equal(bfd.states.filter((one) => one.state === 'Up').length, 1, kind)
    }
  },
)

t.test('timers the remote changes are followed, its Poll answered', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const bfdd = await Bfdd.start(tor.namespace, frrConfig)
  const bfd = await startBfd(t, node)
  bfd.want([toTor])
  await bfd.state('tor', 'Up')
  const commands = ['bfd', 'peer 192.0.2.1 interface eth0']
  await bfdd.configure(...commands, 'transmit-interval 250', 'receive-interval 350')
  await waitUntil(
    'the timers agreed',
    () => bfd.bfd.views()[0],
    (view) => view?.transmitMs === 350 && view.detectionMs === 750,
  )
  t.equal(bfd.failures('tor'), 0)
})

t.test('a remote shut down by its operator has not failed', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const bfdd = await Bfdd.start(tor.namespace, frrConfig)
  const bfd = await startBfd(t, node)
  bfd.want([toTor])
  await bfd.state('tor', 'Up')
  await bfdd.configure('bfd', 'peer 192.0.2.1 interface eth0', 'shutdown')
  await bfd.state('tor', 'Down')
  t.match(bfd.last('tor'), { failed: false, remoteState: 'AdminDown' })
  await bfdd.configure('bfd', 'peer 192.0.2.1 interface eth0', 'no shutdown')
  await bfd.state('tor', 'Up')
})

t.test('when we end, the remote hears that we were told to', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const bfdd = await Bfdd.start(tor.namespace, frrConfig)
  const bfd = await startBfd(t, node)
  bfd.want([toTor])
  await bfd.state('tor', 'Up')
  await bfdd.peer('up')
  await bfd.bfd.close()
  t.match(await bfdd.peer('down'), { 'remote-diagnostic': /administratively down/ })
})

t.test('a BIRD killed and started anew is found again', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const first = await Bird.start(tor.namespace, birdConfig)
  const bfd = await startBfd(t, node)
  bfd.want([toTor])
  await bfd.state('tor', 'Up')
  const discriminator = bfd.bfd.views()[0]?.remoteDiscriminator
  await first.daemon.stop('SIGKILL')
  await bfd.state('tor', 'Down')
  t.match(bfd.last('tor'), { failed: true })
  const second = await Bird.start(tor.namespace, birdConfig)
  await bfd.state('tor', 'Up')
  await tor.birdSession(second, 'Up')
  await waitFor('its new discriminator', () => {
    const now = bfd.bfd.views()[0]?.remoteDiscriminator
    return now !== 0 && now !== discriminator
  })
})

t.test('an interface that goes and comes back is taken up again', { skip }, async (t) => {
  const { network, node, tor } = await buildLink(t)
  const bird = await Bird.start(tor.namespace, birdConfig)
  const bfd = await startBfd(t, node)
  bfd.want([{ ...toTor, interface: 'eth0', localAddress: '192.0.2.1' }])
  await bfd.state('tor', 'Up')
  await node.ip('link', 'delete', 'eth0')
  await bfd.state('tor', 'Down')
  await waitFor('the trouble to be shown', () => bfd.bfd.views()[0]?.problem)
  await network.link(
    { namespace: node, interface: 'eth0', addresses: ['192.0.2.1/24'] },
    { namespace: tor.namespace, interface: 'eth0', addresses: ['192.0.2.2/24'] },
  )
  await bfd.state('tor', 'Up')
  await tor.birdSession(bird, 'Up')
  t.equal(bfd.bfd.views()[0]?.problem, null)
})

t.test('several sessions of several kinds share one thread and two ports', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const neighbours = [
    'neighbor 192.0.2.1 dev "eth0";',
    'neighbor 2001:db8::1 dev "eth0";',
    'neighbor fe80::1 dev "eth0" local fe80::2;',
    'neighbor 198.51.100.1 local 198.51.100.2 multihop yes;',
  ]
  await Bird.start(tor.namespace, birdBfd(neighbours.join('\n')))
  const bfd = await startBfd(t, node)
  const multihop = { multihop: true, localAddress: '198.51.100.1' }
  bfd.want([
    toTor,
    { ...toTor, name: 'tor6', remoteAddress: '2001:db8::2' },
    { ...toTor, name: 'link', remoteAddress: 'fe80::2%eth0', localAddress: 'fe80::1' },
    { ...toTor, name: 'far', remoteAddress: '198.51.100.2', ...multihop },
  ])
  for (const name of ['tor', 'tor6', 'link', 'far']) await bfd.state(name, 'Up')
  bfd.want([toTor])
  await bfd.state('far', 'AdminDown')
  t.equal(bfd.last('tor')?.state, 'Up')
  t.same(
    (
      await waitUntil(
        'one session',
        () => bfd.bfd.views(),
        (views) => views.length === 1,
      )
    )[0]?.name,
    'tor',
  )
})

t.test(
  'a port that another daemon holds is told, and taken when it is free',
  { skip },
  async (t) => {
    const { node, tor } = await buildLink(t)
    await Bird.start(tor.namespace, birdConfig)
    const other = await Bird.start(node, birdBfd('neighbor 192.0.2.9 dev "eth0";'))
    const bfd = await startBfd(t, node)
    bfd.want([toTor])
    const view = await waitFor('the trouble', () => bfd.bfd.views().find((one) => one.problem))
    t.match(
      view.problem,
      /cannot listen on UDP port 3784: EADDRINUSE \(another BFD daemon holds it/,
    )
    await other.daemon.stop()
    await bfd.state('tor', 'Up')
  },
)

t.test('a packet that came over a router never reaches us', { skip }, async (t) => {
  const { node, tor } = await buildLink(t)
  const bfd = await startBfd(t, node)
  bfd.want([toTor])
  await waitFor('the first packet', () => bfd.bfd.views().some((view) => view.sentPackets > 0))
  const forged = '204003180000004d00000000000f4240000186a000000000'
  const forge = (ttl: number) =>
    tor.namespace.must(process.execPath, ['-e', forger, forged, String(ttl)])
  await forge(254)
  // This one comes after it and is believed: had the first been, it would have been counted.
  await forge(255)
  await bfd.state('tor', 'Init')
  await waitFor('a count', () => bfd.bfd.views().some((view) => view.receivedPackets === 1))
  t.equal(bfd.bfd.refusals().get('ttl'), undefined, 'the kernel dropped it, not we')
})

/** Sends one datagram to the node's BFD port with a TTL. */
const forger = `const [hex, ttl] = process.argv.slice(1)
const socket = require('node:dgram').createSocket('udp4')
socket.bind(49999, '192.0.2.2', () => {
  socket.setTTL(Number(ttl))
  socket.send(Buffer.from(hex, 'hex'), 3784, '192.0.2.1', () => socket.close())
})`

/** Keeps this thread busy, as a large table does. */
function block(milliseconds: number): void {
  const until = performance.now() + milliseconds
  while (performance.now() < until);
}

/** Counters as they are when more than `beyond` packets were received. */
async function packetsOf(
  bfd: ObservedBfd,
  beyond = 0,
): Promise<{ sent: number; received: number }> {
  const [view] = await waitUntil(
    'fresher counters',
    () => bfd.bfd.views(),
    ([seen]) => (seen?.receivedPackets ?? 0) > beyond,
  )
  return { sent: view!.sentPackets, received: view!.receivedPackets }
}
