/**
 * BFD against BIRD and FRR: every kind of path either of them knows, in namespaces of the real kernel,
 * with the packets dropped by nft, and with the main thread too busy to help.
 */
import t from 'tap'
import type { BfdSessionConfig } from '../../bgp/bfd/index.ts'
import { Bird } from '../network/bird.ts'
import { missing } from '../network/namespaces.ts'
import { Bfdd } from './bfdd.ts'
import { birdBfd, buildLink, frrBfd, startBfd, timers } from './scene.ts'

t.setTimeout(240_000)
const skip = await missing('bird', 'vtysh', 'nft')

interface Row {
  readonly caption: string
  readonly wanted: Omit<BfdSessionConfig, 'name'>
  /** The same path as the other side configures it. */
  readonly bird: string
  readonly frr: string
}

const rows: readonly Row[] = [
  {
    caption: 'IPv4, single hop',
    wanted: { ...timers, remoteAddress: '192.0.2.2' },
    bird: 'neighbor 192.0.2.1 dev "eth0";',
    frr: 'peer 192.0.2.1 interface eth0',
  },
  {
    caption: 'IPv4, single hop, from a given address on a given interface',
    wanted: {
      ...timers,
      remoteAddress: '192.0.2.2',
      localAddress: '192.0.2.1',
      interface: 'eth0',
    },
    bird: 'neighbor 192.0.2.1 dev "eth0" local 192.0.2.2;',
    frr: 'peer 192.0.2.1 local-address 192.0.2.2 interface eth0',
  },
  {
    caption: 'IPv6, single hop',
    wanted: { ...timers, remoteAddress: '2001:db8::2' },
    bird: 'neighbor 2001:db8::1 dev "eth0";',
    frr: 'peer 2001:db8::1 local-address 2001:db8::2 interface eth0',
  },
  {
    caption: 'IPv6, link-local',
    wanted: { ...timers, remoteAddress: 'fe80::2%eth0', localAddress: 'fe80::1' },
    bird: 'neighbor fe80::1 dev "eth0" local fe80::2;',
    frr: 'peer fe80::1 local-address fe80::2 interface eth0',
  },
  {
    caption: 'IPv4, multihop',
    wanted: {
      ...timers,
      remoteAddress: '198.51.100.2',
      localAddress: '198.51.100.1',
      multihop: true,
    },
    bird: 'neighbor 198.51.100.1 local 198.51.100.2 multihop yes;',
    frr: 'peer 198.51.100.1 multihop local-address 198.51.100.2',
  },
  {
    caption: 'IPv6, multihop',
    wanted: {
      ...timers,
      remoteAddress: '2001:db8:2::2',
      localAddress: '2001:db8:1::1',
      multihop: true,
    },
    bird: 'neighbor 2001:db8:1::1 local 2001:db8:2::2 multihop yes;',
    frr: 'peer 2001:db8:1::1 multihop local-address 2001:db8:2::2',
  },
]

for (const { caption, wanted, bird: birdText, frr: frrText } of rows) {
  t.test(`with BIRD: ${caption}`, { skip }, async (t) => {
    const { node, tor } = await buildLink(t)
    const bird = await Bird.start(tor.namespace, birdBfd(birdText))
    const bfd = await startBfd(t, node)
    bfd.want([{ name: 'tor', ...wanted }])
    await bfd.state('tor', 'Up')
    const seen = await tor.birdSession(bird)
    t.equal(seen.state, 'Up')
    await tor.silence()
    await bfd.state('tor', 'Down')
    t.match(bfd.last('tor'), { failed: true, diagnostic: 'Control Detection Time Expired' })
    await tor.birdSession(bird, 'Down')
    await tor.speak()
    await bfd.state('tor', 'Up')
    await tor.birdSession(bird, 'Up')
  })

  t.test(`with FRR: ${caption}`, { skip }, async (t) => {
    const { node, tor } = await buildLink(t)
    const bfdd = await Bfdd.start(tor.namespace, frrBfd(frrText))
    const bfd = await startBfd(t, node)
    bfd.want([{ name: 'tor', ...wanted }])
    await bfd.state('tor', 'Up')
    const peer = await bfdd.peer('up')
    t.equal(peer['remote-receive-interval'], timers.receiveMs)
    await tor.silence()
    await bfd.state('tor', 'Down')
    t.match(bfd.last('tor'), { failed: true, diagnostic: 'Control Detection Time Expired' })
    await bfdd.peer('down')
    await tor.speak()
    await bfd.state('tor', 'Up')
    await bfdd.peer('up')
  })
}
