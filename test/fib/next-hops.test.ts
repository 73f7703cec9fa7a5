/**
 * Next hops against the real Linux kernel: links, cables, gateways and routes come and go in a
 * namespace of its own, and `ip` shows what became of ours. Safety scans are off throughout.
 */
import t from 'tap'
import { ourRoutes } from '../network/kernel.ts'
import { cannotBuildNetworks } from '../network/namespaces.ts'
import { waitFor, waitUntil } from '../network/wait.ts'
import { becomes, changes, realNetwork, set, startWriter } from './scene.ts'

const skip = cannotBuildNetworks

const tor0 = set(1, ['10.0.0.2'], ['10.0.0.2'])
const both = set(2, ['10.0.0.2', '10.0.1.2'])
const tor0v6 = set(3, ['fd00::2'], ['fd00::2'])
const bothV6 = set(4, ['fd00::2', 'fd00:0:0:1::2'])

t.test('a link going down moves routes to the next hops left, and back', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  await node.must('sysctl', ['-qw', 'net.ipv6.conf.e0.keep_addr_on_down=1'])
  const { fib, resolutions } = await startWriter(t, node)
  fib.track('10.0.0.2')
  fib.change(
    changes(
      [
        ['10.1.0.0/24', 1],
        ['10.2.0.0/24', 2],
      ],
      [tor0, both],
    ),
  )
  fib.change(
    changes(
      [
        ['fd01::/48', 3],
        ['fd02::/48', 4],
      ],
      [tor0v6, bothV6],
    ),
  )
  const whole = [
    '10.1.0.0/24 via 10.0.0.2',
    '10.2.0.0/24 via 10.0.0.2, 10.0.1.2',
    'fd01::/48 via fd00::2',
    'fd02::/48 via fd00:0:0:1::2, fd00::2',
  ]
  await becomes(node, 'four routes', whole)
  t.match(resolutions.get('10.0.0.2'), { reachable: true, onLink: true, metric: 0 })

  await node.ip('link', 'set', 'e0', 'down')
  await becomes(node, 'what is left', ['10.2.0.0/24 via 10.0.1.2', 'fd02::/48 via fd00:0:0:1::2'])
  await waitFor('the loss', () => resolutions.get('10.0.0.2')?.reachable === false)
  t.match(
    await waitUntil(
      'two lost',
      () => fib.status(),
      (s) => s.unresolved === 2,
    ),
    {
      installed: 2,
      failed: 0,
    },
  )
  await node.ip('link', 'set', 'e0', 'up')
  await becomes(node, 'all of it back', whole)
  await waitFor('the return', () => resolutions.get('10.0.0.2')?.reachable)
  t.same(await fib.difference(), [])

  await node.ip('link', 'del', 'e0')
  await becomes(node, 'what is left', ['10.2.0.0/24 via 10.0.1.2', 'fd02::/48 via fd00:0:0:1::2'])
})

t.test('the cable pulled at the far end counts as down', { skip }, async (t) => {
  const { node, far } = await realNetwork(t)
  const { fib } = await startWriter(t, node)
  fib.change(changes([['10.2.0.0/24', 2]], [both]))
  await becomes(node, 'both legs', ['10.2.0.0/24 via 10.0.0.2, 10.0.1.2'])
  await far.ip('link', 'set', 'e0', 'down')
  await becomes(node, 'one leg', ['10.2.0.0/24 via 10.0.1.2'])
  t.match(await fib.lookup('10.2.0.0/24'), {
    resolutions: [{ reachable: false, reason: 'link e0 has no carrier' }, { reachable: true }],
  })
})

t.test('next hops resolve through routes of others and of our own', { skip }, async (t) => {
  const { node } = await realNetwork(t)
  const { fib, resolutions } = await startWriter(t, node)
  for (const hop of ['10.20.0.9', '192.0.2.7', '10.0.0.1']) fib.track(hop)
  fib.change(changes([['10.30.0.0/24', 5]], [set(5, ['10.20.0.9'])]))
  await waitFor('no route', () => resolutions.get('10.20.0.9')?.reason === 'no route')
  t.match(resolutions.get('10.0.0.1'), { reachable: false, reason: 'an address of this node' })

  fib.change(changes([['10.20.0.0/24', 1]], [tor0]))
  await becomes(node, 'the recursion', ['10.20.0.0/24 via 10.0.0.2', '10.30.0.0/24 via 10.0.0.2'])
  t.match(resolutions.get('10.20.0.9'), {
    reachable: true,
    onLink: false,
    metric: 2179,
    gateways: [{ interface: 'e0', gateway: '10.0.0.2' }],
    reason: 'via 10.0.0.2 at e0 (10.20.0.0/24 of our own)',
  })
  await node.ip(...'route add default via 10.0.1.2 proto static metric 5'.split(' '))
  await waitFor('the default route', () => resolutions.get('192.0.2.7')?.reachable)
  t.equal(resolutions.get('192.0.2.7')?.reason, 'via 10.0.1.2 at e1 (0.0.0.0/0 proto static)')
  fib.change(changes([['10.20.0.0/24', 0]]))
  await becomes(node, 'the default route to take over', ['10.30.0.0/24 via 10.0.1.2'])
  await node.ip('route', 'del', 'default')
  await becomes(node, 'nothing left', [])
})

/** What one family's routes are called, where the rule against captures is put to the test. */
const captures = [
  {
    family: '-4',
    onLink: ['10.0.0.0/24', '10.0.0.2'],
    uplink: '10.0.1.2',
    own: ['10.50.0.0/16', '10.50.0.1'],
    peer: ['10.60.0.0/16', '10.60.0.1'],
    host: '10.60.0.1/32',
    behind: '10.70.0.0/16',
    all: '0.0.0.0/0',
  },
  {
    family: '-6',
    onLink: ['fd00::/64', 'fd00::2'],
    uplink: 'fd00:0:0:1::2',
    own: ['fd50::/32', 'fd50::1'],
    peer: ['fd60::/32', 'fd60::1'],
    host: 'fd60::1/128',
    behind: 'fd70::/32',
    all: '::/0',
  },
] as const

t.test('a route that would capture its own next hop or peer is refused', { skip }, async (t) => {
  for (const { family, onLink, uplink, own, peer, host, behind, all } of captures) {
    const { node } = await realNetwork(t)
    const route = (words: string) => node.ip(family, 'route', ...words.split(' '))
    await route(`add default via ${uplink} proto static metric 5`)
    const { fib } = await startWriter(t, node)
    const sets = [
      set(1, [own[1]]),
      set(2, [onLink[1]], [peer[1]]),
      set(3, [onLink[1]], [onLink[1]]),
    ]
    const wanted = [
      [own[0], 1],
      [peer[0], 2],
      [behind, 1],
      [onLink[0], 3],
      [all, 1],
    ] as const
    fib.change(changes(wanted, sets))
    await becomes(node, 'those that capture nothing', [
      `${behind} via ${uplink}`,
      `${onLink[0]} via ${onLink[1]}`,
      `default/32 via ${uplink}`,
    ])
    t.match((await fib.lookup(own[0])).wanted, {
      status: 'unresolved',
      reason: 'its own next hop would resolve through it',
    })
    t.match((await fib.lookup(peer[0])).wanted, {
      status: 'unresolved',
      reason: 'the peer it came from would be reached through it',
    })
    await route(`add ${host} via ${uplink} proto static`)
    await waitFor('the peer with a route of its own', async () =>
      (await ourRoutes(node)).includes(`${peer[0]} via ${onLink[1]}`),
    )
  }
})

t.test('a gateway that stops answering is dead until it answers again', { skip }, async (t) => {
  const { node, far } = await realNetwork(t)
  const { fib, resolutions } = await startWriter(t, node)
  fib.track('10.0.0.9')
  fib.change(changes([['10.1.0.0/24', 1]], [set(1, ['10.0.0.9', '10.0.1.2'])]))
  await becomes(node, 'both legs', ['10.1.0.0/24 via 10.0.0.9, 10.0.1.2'])
  // Nobody has that address: the kernel asks three times and gives up.
  await node.run('ping', ['-c', '1', '-W', '1', '10.0.0.9'])
  await becomes(node, 'the silent leg to go', ['10.1.0.0/24 via 10.0.1.2'])
  t.match(resolutions.get('10.0.0.9'), {
    reachable: false,
    reason: "10.0.0.9 at e0 doesn't answer",
  })
  await far.ip('address', 'add', '10.0.0.9/24', 'dev', 'e0')
  await becomes(node, 'it to be noticed', ['10.1.0.0/24 via 10.0.0.9, 10.0.1.2'])
})
