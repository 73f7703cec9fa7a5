/** Resolution over a kernel in memory: each rule of `ip route get`, and what we add to it. */
import t from 'tap'
import type { MemoryKernel } from '../../fib/memory.ts'
import { changes, memoryScene, type Scene, set, settings, writerOver } from './scene.ts'

interface ForeignRoute {
  readonly prefix: string
  readonly via?: string
  readonly dev?: number
  readonly metric?: number
  readonly type?: number
  readonly table?: number
  readonly protocol?: number
}

function put(kernel: MemoryKernel, route: ForeignRoute): void {
  const { prefix, via = null, dev = 2, metric = 0, type = 1, table = 254, protocol = 4 } = route
  const legs = type === 1 || type === 2 ? [{ interface: dev, gateway: via }] : []
  kernel.put({ prefix, table, protocol, metric, type, legs })
}

async function answerFor(scene: Scene, hop: string) {
  scene.fib.track(hop)
  scene.settle()
  const status = await scene.fib.status()
  return status.nextHops.find((one) => one.nextHop === hop)!
}

t.test('one route at a time', async (t) => {
  const table: readonly [caption: string, hop: string, routes: ForeignRoute[], reason: string][] = [
    ['on link', '10.0.0.7', [], 'on link at eth0'],
    ['nothing', '192.0.2.1', [], 'no route'],
    ['not an address', 'tor', [], 'not an IP address'],
    [
      'own address',
      '10.0.0.1',
      [{ prefix: '10.0.0.1/32', type: 2, table: 255 }],
      'an address of this node',
    ],
    [
      'broadcast',
      '10.0.0.255',
      [{ prefix: '10.0.0.255/32', type: 3, table: 255 }],
      'broadcast 10.0.0.255/32 proto static',
    ],
    [
      'default',
      '192.0.2.1',
      [{ prefix: '0.0.0.0/0', via: '10.0.0.2' }],
      'via 10.0.0.2 at eth0 (0.0.0.0/0 proto static)',
    ],
    [
      'longest wins',
      '192.0.2.1',
      [
        { prefix: '192.0.2.0/24', via: '10.0.0.3', metric: 9 },
        { prefix: '192.0.0.0/16', via: '10.0.0.4' },
      ],
      'via 10.0.0.3 at eth0 (192.0.2.0/24 proto static)',
    ],
    [
      'lowest metric wins',
      '192.0.2.1',
      [
        { prefix: '0.0.0.0/0', via: '10.0.0.3', metric: 9 },
        { prefix: '0.0.0.0/0', via: '10.0.0.4', metric: 8, protocol: 12 },
      ],
      'via 10.0.0.4 at eth0 (0.0.0.0/0 proto bird)',
    ],
    [
      'blackhole',
      '192.0.2.1',
      [{ prefix: '192.0.2.0/24', type: 6 }],
      'blackhole 192.0.2.0/24 proto static',
    ],
    [
      'throw leaves the table',
      '192.0.2.1',
      [
        { prefix: '192.0.2.0/24', type: 9 },
        { prefix: '0.0.0.0/0', via: '10.0.0.2' },
      ],
      'no route',
    ],
    [
      'another table is not asked',
      '192.0.2.1',
      [{ prefix: '0.0.0.0/0', via: '10.0.0.2', table: 77 }],
      'no route',
    ],
    [
      'a gone interface',
      '192.0.2.1',
      [{ prefix: '0.0.0.0/0', via: '10.9.0.2', dev: 99 }],
      'interface 99 is gone',
    ],
    [
      'a route straight to a device',
      '192.0.2.1',
      [{ prefix: '0.0.0.0/0', dev: 3 }],
      'on link at eth1',
    ],
    [
      'IPv6',
      'fd77::1',
      [{ prefix: '::/0', via: 'fe80::9', metric: 1024, protocol: 9 }],
      'via fe80::9 at eth0 (::/0 proto ra)',
    ],
    ['link-local', 'fe80::9%eth1', [], 'on link at eth1'],
    ['link-local without interface', 'fe80::9', [], 'a link-local address without an interface'],
    ['link-local of no interface', 'fe80::9%eth7', [], 'there is no interface eth7'],
  ]
  for (const [caption, hop, routes, reason] of table) {
    const scene = memoryScene()
    for (const route of routes) put(scene.kernel, route)
    await scene.fib.start()
    t.equal((await answerFor(scene, hop)).reason, reason, caption)
  }
})

t.test('the table we write is asked before main', async (t) => {
  const scene = memoryScene({ table: 77 })
  put(scene.kernel, { prefix: '192.0.2.0/24', via: '10.0.0.3', table: 77 })
  put(scene.kernel, { prefix: '0.0.0.0/0', via: '10.0.0.2' })
  await scene.fib.start()
  t.match((await answerFor(scene, '192.0.2.1')).reason, /10\.0\.0\.3/)
  t.match((await answerFor(scene, '198.51.100.1')).reason, /10\.0\.0\.2/)
})

t.test('every change that matters is told once, any other not at all', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  scene.fib.track('192.0.2.1')
  const told = () => scene.resolutions.splice(0).map((one) => `${one.nextHop} ${one.reachable}`)
  scene.settle()
  t.same(told(), ['192.0.2.1 false'])
  put(scene.kernel, { prefix: '198.51.100.0/24', via: '10.0.0.2' })
  scene.settle()
  t.same(told(), [])
  put(scene.kernel, { prefix: '0.0.0.0/0', via: '10.0.0.2' })
  scene.settle()
  t.same(told(), ['192.0.2.1 true'])
  scene.fib.track('192.0.2.1')
  scene.settle()
  t.same(told(), [], 'tracked twice')
  scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: false })
  scene.settle()
  t.same(told(), ['192.0.2.1 false'])
  scene.fib.untrack('192.0.2.1')
  scene.fib.untrack('192.0.2.1')
  scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: true })
  scene.settle()
  t.same(told(), [], 'no longer tracked')
  t.same((await scene.fib.status()).nextHops, [])
})

t.test('a chain of our own routes is followed, a circle of them is not', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  const sets = [set(1, ['10.20.0.1']), set(2, ['10.30.0.1']), set(3, ['10.0.0.2'])]
  scene.fib.change(
    changes(
      [
        ['10.30.0.0/16', 1],
        ['10.20.0.0/16', 2],
      ],
      sets,
    ),
  )
  scene.settle()
  t.same(scene.ours(), [], 'each through the other')
  scene.fib.change(
    changes([
      ['10.20.0.0/16', 3],
      ['10.40.0.0/16', 2],
    ]),
  )
  scene.settle()
  t.same(scene.ours(), [
    '10.20.0.0/16 10.0.0.2@2',
    '10.30.0.0/16 10.0.0.2@2',
    '10.40.0.0/16 10.0.0.2@2',
  ])
  scene.fib.change(changes([['10.20.0.0/16', 0]]))
  scene.settle()
  t.same(scene.ours(), [], 'the chain falls with its first link')
})

t.test(
  'refusal rests on the routes of others alone, so no order of arrival can make it flap',
  async (t) => {
    const capture = set(1, ['10.0.0.2'], ['192.0.2.1'])
    const plain = set(2, ['10.0.0.3'])
    for (const order of [
      ['192.0.0.0/16', '0.0.0.0/0'],
      ['0.0.0.0/0', '192.0.0.0/16'],
    ]) {
      const scene = memoryScene()
      put(scene.kernel, { prefix: '0.0.0.0/0', via: '10.0.1.2', dev: 3, metric: 5 })
      await scene.fib.start()
      for (const prefix of order) {
        scene.fib.change(changes([[prefix, prefix === '0.0.0.0/0' ? 2 : 1]], [capture, plain]))
        scene.settle()
      }
      t.same(scene.ours(), ['0.0.0.0/0 10.0.0.3@2'])
      put(scene.kernel, { prefix: '192.0.2.1/32', via: '10.0.1.2', dev: 3 })
      scene.settle()
      t.same(scene.ours(), ['0.0.0.0/0 10.0.0.3@2', '192.0.0.0/16 10.0.0.2@2'])
      scene.kernel.take('192.0.2.1/32', 254, 0)
      scene.settle()
      t.same(scene.ours(), ['0.0.0.0/0 10.0.0.3@2'])
    }
  },
)

t.test(
  'a default route is refused only if it is better than the one its peer is reached by',
  async (t) => {
    for (const [metric, refused] of [
      [3000, true],
      [50, false],
    ] as const) {
      const scene = memoryScene()
      put(scene.kernel, { prefix: '0.0.0.0/0', via: '10.0.1.2', dev: 3, metric })
      await scene.fib.start()
      scene.fib.change(changes([['0.0.0.0/0', 1]], [set(1, ['10.0.0.2'], ['192.0.2.1'])]))
      scene.settle()
      t.equal(scene.ours().length, refused ? 0 : 1, `foreign metric ${metric}`)
    }
  },
)

t.test('after a restart, routes that hang on a stale one keep their next hop', async (t) => {
  const first = memoryScene()
  await first.fib.start()
  const rack = set(1, ['10.0.0.2'])
  const node = set(2, ['10.20.0.11'])
  first.fib.change(
    changes(
      [
        ['10.20.0.0/24', 1],
        ['10.244.3.0/24', 2],
      ],
      [rack, node],
    ),
  )
  first.settle()
  await first.fib.close()
  const scene = writerOver(first.kernel, settings)
  scene.kernel.log.length = 0
  await scene.fib.start()
  scene.fib.track('10.20.0.11')
  scene.fib.change(changes([['10.244.3.0/24', 2]], [node]))
  scene.settle()
  t.match(scene.resolutions, [{ reachable: true, reason: /10\.20\.0\.0\/24 of an earlier run/ }])
  t.same(scene.kernel.log, [], 'nothing is touched')
  scene.fib.synchronised()
  scene.settle()
  t.same(scene.ours(), [], 'swept, and what hung on it with it')
  t.equal(scene.resolutions.at(-1)?.reachable, false)
})

t.test('IPv6 routes take no IPv4 next hop, and say so by staying unresolved', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  scene.fib.change(changes([['fd01::/48', 1]], [set(1, ['10.0.0.2'])]))
  scene.settle()
  t.match((await scene.fib.lookup('fd01::/48')).wanted, { status: 'unresolved' })
})

t.test('one leg of an IPv6 multipath route of others can go', async (t) => {
  const scene = memoryScene()
  const legs = [
    { interface: 2, gateway: 'fd00::2' },
    { interface: 2, gateway: 'fd00::3' },
  ]
  const route = { prefix: 'fd50::/48', table: 254, protocol: 4, metric: 1024, type: 1 }
  scene.kernel.put({ ...route, legs })
  await scene.fib.start()
  t.equal((await answerFor(scene, 'fd50::1')).gateways.length, 2)
  // What the kernel notifies for one leg: a DELROUTE that names only that leg.
  scene.kernel.routes.set('fd50::/48 254 1024', { ...route, legs: legs.slice(1) })
  scene.kernel.take('fd50::/48', 254, 1024)
  scene.settle()
  const answer = await answerFor(scene, 'fd50::1')
  t.same(answer.gateways, [{ interface: 'eth0', gateway: 'fd00::2' }])
})

t.test('a renamed interface is followed by its new name', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  t.equal((await answerFor(scene, '10.0.1.9')).reason, 'on link at eth1')
  scene.kernel.setLink({ index: 3, name: 'up1', up: true, running: true })
  scene.settle()
  t.equal((await answerFor(scene, '10.0.1.9')).reason, 'on link at up1')
})
