/**
 * Nexthop objects and groups over a kernel in memory: which are made, how many messages a failover
 * takes, and that nobody is led astray meanwhile. How they begin, end and are fought over is
 * nexthops-life.test.ts; what the real kernel makes of them, nexthops-kernel.test.ts.
 */
import t from 'tap'
import {
  both,
  forgetLogs,
  group0,
  hop0,
  hundred,
  installed,
  leads,
  objects,
  started,
} from './nexthop-scene.ts'
import { changes, memoryScene, type Scene, set } from './scene.ts'

t.test('one hop for each gateway, one group for each set, shared by all routes', async (t) => {
  const scene = await started(memoryScene())
  scene.fib.change(hundred(3))
  scene.fib.change(changes([['30.0.0.0/8', 4]]))
  scene.fib.change(changes([['fd01::/48', 5]]))
  scene.fib.change(changes([['31.0.0.0/8', 9]], [set(9, both.nextHops, ['10.0.0.2'])]))
  scene.settle()
  t.same(objects(scene), [
    `${hop0} 10.0.0.2`,
    `${hop0 + 1} 10.0.1.2`,
    `${hop0 + 2} 10.0.0.3`,
    `${hop0 + 3} fd00::2`,
    `${hop0 + 4} fd00::3`,
    `${group0} ${hop0}+${hop0 + 1}`,
    `${group0 + 1} ${hop0}+${hop0 + 1}+${hop0 + 2}`,
    `${group0 + 2} ${hop0 + 3}+${hop0 + 4}`,
  ])
  const named = [...scene.kernel.routes.values()].map((route) => route.nexthop)
  t.equal(named.filter((id) => id === group0).length, 101)
  t.match(await scene.fib.status(), {
    installed: 103,
    objects: { mode: 'objects', hops: 5, groups: 3 },
  })
  t.same(await scene.fib.difference(), [])
})

t.test('a single next hop on link needs no group; one behind a route has one', async (t) => {
  const scene = await started(memoryScene())
  const behind = set(8, ['192.0.2.1'])
  const legs = [{ interface: 3, gateway: '10.0.1.2' }]
  const way = { prefix: '192.0.2.0/24', table: 254, protocol: 4, metric: 0, type: 1, legs }
  scene.kernel.put(way)
  scene.fib.change(hundred(1))
  scene.fib.change(changes([['30.0.0.0/8', 8]], [behind]))
  scene.settle()
  t.same(objects(scene), [`${hop0} 10.0.0.2`, `${hop0 + 1} 10.0.1.2`, `${group0} ${hop0 + 1}`])
  forgetLogs(scene.kernel)
  scene.kernel.put({ ...way, legs: [{ interface: 2, gateway: '10.0.0.3' }] })
  scene.settle()
  t.same(scene.kernel.log, [], 'and no route has to change when that route does')
  t.match(scene.ours().at(-1), '30.0.0.0/8 10.0.0.3@2')
})

t.test('a next hop that dies is one message, and what BGP then withdraws is none', async (t) => {
  const ways: readonly [caption: string, die: (scene: Scene) => void][] = [
    ['declared dead by its session', (scene) => scene.fib.dead?.('10.0.0.2')],
    ['its neighbour entry FAILED', (scene) => scene.kernel.setNeighbour(2, '10.0.0.2', 0x20)],
  ]
  for (const [caption, die] of ways) {
    const scene = await installed(3)
    scene.fib.change(changes([['30.0.0.0/8', 4]]))
    scene.settle()
    forgetLogs(scene.kernel)
    const told: string[] = []
    scene.fib.onResolution(() => told.push(...scene.kernel.objectLog))
    scene.fib.track('10.0.0.2')
    scene.settle()
    die(scene)
    scene.settle()
    t.same(scene.kernel.objectLog, [`remove ${hop0}`], caption)
    t.same(scene.kernel.log, [], 'no route was touched')
    t.same(told, [`remove ${hop0}`], 'and BGP was told after the kernel')
    t.match(scene.ours(), ['20.0.0.0/16 10.0.1.2@3'])
    t.same(await scene.fib.difference(), [])

    scene.fib.change(hundred(2))
    scene.fib.change(changes([['30.0.0.0/8', 0]]))
    scene.settle()
    t.same(scene.kernel.log, ['remove 30.0.0.0/8'], 'routes of the survivor stay as they are')
    t.equal(leads(scene), '100 10.0.1.2@3')
    t.match(await scene.fib.status(), { installed: 100, pending: 0 })
  }
})

t.test(
  'a link that goes down is no message at all: the kernel took it out by itself',
  async (t) => {
    const scene = await installed(3)
    scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: false })
    scene.settle()
    t.same([...scene.kernel.log, ...scene.kernel.objectLog], [])
    t.equal(leads(scene), '100 10.0.1.2@3')
    scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: true })
    scene.settle()
    t.same(scene.kernel.log, [])
    t.equal(scene.kernel.objectLog.length, 2, 'the hop is made again, the group changed in place')
    t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  },
)

t.test('a whole group that went in silence is made again, and so are its routes', async (t) => {
  for (const compatMode of [false, true]) {
    const scene = await started(memoryScene({}, { compatMode }))
    scene.fib.change(hundred(1))
    scene.fib.change(changes([['fd01::/48', 5]]))
    scene.settle()
    scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: false })
    t.same(scene.ours(), [])
    scene.settle()
    t.match(await scene.fib.status(), { installed: 0, unresolved: 101 })
    scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: true })
    scene.settle()
    t.equal(scene.ours().length, 101, `nexthop_compat_mode ${compatMode}`)
    t.match(await scene.fib.status(), { installed: 101 })
  }
})

t.test('a group whose only member dies is refilled before that goes', async (t) => {
  const scene = await started(memoryScene({ maxPaths: 1 }))
  scene.fib.change(hundred(3))
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2')
  forgetLogs(scene.kernel)
  scene.fib.dead?.('10.0.0.2')
  scene.settle()
  t.same(scene.kernel.objectLog, [`hop ${hop0 + 1}`, `group ${group0}`, `remove ${hop0}`])
  t.same(scene.kernel.log, [], 'no route was lost on the way')
  t.equal(leads(scene), '100 10.0.1.2@3')
})

t.test('a gateway stays while a living next hop is behind it', async (t) => {
  const scene = await installed(1)
  const legs = [{ interface: 2, gateway: '10.0.0.2' }]
  scene.kernel.put({ prefix: '192.0.2.0/24', table: 254, protocol: 4, metric: 0, type: 1, legs })
  scene.fib.change(changes([['30.0.0.0/8', 8]], [set(8, ['192.0.2.1'])]))
  scene.settle()
  scene.fib.dead?.('10.0.0.2')
  scene.settle()
  t.same(scene.ours(), ['30.0.0.0/8 10.0.0.2@2'], 'a dead session is no dead gateway')
  t.equal(scene.kernel.log.filter((line) => line.startsWith('remove ')).length, 100)
})

t.test('what the kernel tells late of routes that went is not held against new ones', async (t) => {
  const scene = await started(memoryScene())
  const prefixes = Array.from({ length: 50 }, (_, row) => `fd01:${(row + 1).toString(16)}::/48`)
  const want = (id: number) =>
    changes(
      prefixes.map((prefix) => [prefix, id] as const),
      [set(7, ['fd00::2']), set(8, ['fd00::3'])],
    )
  scene.fib.change(want(7))
  scene.settle()
  scene.fib.track('fd00::2')
  scene.fib.dead?.('fd00::2')
  scene.fib.change(want(8))
  scene.settle()
  scene.pass(5000)
  t.match(await scene.fib.status(), {
    installed: 50,
    counters: { errors: 0, repairs: 0, added: 100, replaced: 0 },
  })
})

t.test('routes with no other next hop go with it in one message', async (t) => {
  const scene = await installed(1)
  scene.fib.dead?.('10.0.0.2')
  scene.settle()
  t.same(scene.kernel.objectLog, [`remove ${hop0}`])
  t.same(scene.kernel.log, [])
  t.same(scene.ours(), [])
  t.match(await scene.fib.status(), { installed: 0, unresolved: 100 })
  t.match((await scene.fib.lookup('20.0.0.0/16')).wanted, { reason: /declared dead/ })
})

t.test('who is declared dead lives again …', async (t) => {
  const table: readonly [caption: string, revive: (scene: Scene) => void][] = [
    ['when that is taken back', (scene) => scene.fib.alive?.('10.0.0.2')],
    ['after two minutes', (scene) => scene.pass(120_000)],
    [
      'when its neighbour entry recovers',
      (scene) => {
        scene.kernel.setNeighbour(2, '10.0.0.2', 0x20)
        scene.settle()
        scene.kernel.setNeighbour(2, '10.0.0.2', 0x02)
      },
    ],
    [
      'when its link comes back',
      (scene) => {
        scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: false })
        scene.settle()
        scene.kernel.setLink({ index: 2, name: 'eth0', up: true, running: true })
      },
    ],
    [
      'when nobody named it for a moment',
      (scene) => {
        scene.fib.change(hundred(2))
        scene.settle()
        scene.fib.change(hundred(3))
      },
    ],
  ]
  for (const [caption, revive] of table) {
    const scene = await installed(3)
    scene.fib.dead?.('10.0.0.2')
    scene.settle()
    scene.pass(60_000)
    scene.kernel.setNeighbour(2, '10.0.0.2', 0x02)
    scene.settle()
    t.equal(leads(scene), '100 10.0.1.2@3', 'an answering neighbour proves nothing')
    revive(scene)
    scene.settle()
    t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3', caption)
  }
  const scene = await installed(3)
  scene.fib.dead?.('10.9.9.9')
  scene.fib.dead?.('nonsense')
  scene.fib.alive?.('nonsense')
  scene.settle()
  t.same(scene.kernel.objectLog, [], 'of an address that nobody names nothing follows')
})

t.test('a group with lodgers gains nothing: its owner moves instead', async (t) => {
  const scene = await installed(3)
  scene.fib.dead?.('10.0.0.2')
  scene.settle()
  // Half of the routes are of the survivor now, and stay where they are.
  const half = Array.from({ length: 50 }, (_, row) => [`20.${row}.0.0/16`, 2] as const)
  scene.fib.change(changes(half))
  scene.settle()
  forgetLogs(scene.kernel)
  const before = scene.kernel.nexthops.get(group0)?.members
  scene.fib.alive?.('10.0.0.2')
  scene.settle()
  t.same(scene.kernel.nexthops.get(group0)?.members, before, 'the lodgers’ group stays')
  t.match(scene.kernel.objectLog, [/hop/, `group ${group0 + 1}`])
  t.equal(scene.kernel.log.length, 50, 'only routes that lead elsewhere are written')
  const survivors = scene.ours().filter((line) => line.endsWith('/16 10.0.1.2@3'))
  t.equal(survivors.length, 50)
  t.same(await scene.fib.difference(), [])
})

t.test('lodgers leave when what they really want leads elsewhere', async (t) => {
  const scene = await started(memoryScene())
  // Its two next hops become one way, so that the group of another set leads alike.
  scene.fib.change(hundred(4))
  scene.settle()
  scene.fib.dead?.('10.0.0.3')
  scene.settle()
  scene.fib.change(hundred(3))
  scene.settle()
  forgetLogs(scene.kernel)
  scene.fib.configure({ ...(await scene.fib.status()).settings, maxPaths: 1 })
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2')
})

t.test('routes of others that name only an object lead where that leads', async (t) => {
  const scene = await started(memoryScene({}, { compatMode: false }))
  const hop = { id: 7, protocol: 11, interface: 3, gateway: '10.0.1.9', blackhole: false }
  scene.kernel.putNexthop({ ...hop, members: [] })
  const zebra = { prefix: '50.0.0.0/8', table: 254, protocol: 11, metric: 20, type: 1, legs: [] }
  scene.kernel.put({ ...zebra, nexthop: 7 })
  scene.fib.track('50.0.0.1')
  const reason = async () => (await scene.fib.status()).nextHops[0]?.reason
  scene.settle()
  t.equal(await reason(), 'via 10.0.1.9 at eth1 (50.0.0.0/8 proto zebra)')
  scene.kernel.putNexthop({ ...hop, gateway: '10.0.1.8', members: [] })
  scene.settle()
  t.equal(await reason(), 'via 10.0.1.8 at eth1 (50.0.0.0/8 proto zebra)')
  scene.kernel.overflow()
  scene.pass(2000)
  t.equal(await reason(), 'via 10.0.1.8 at eth1 (50.0.0.0/8 proto zebra)')
  scene.kernel.takeNexthop(7)
  scene.settle()
  t.equal(await reason(), 'no route', 'it is gone, though no route was said to be')
  scene.kernel.putNexthop({ ...hop, members: [] })
  scene.kernel.put({ ...zebra, nexthop: 7 })
  for (const running of [false, true]) {
    scene.kernel.setLink({ index: 3, name: 'eth1', up: true, running })
    scene.settle()
  }
  t.equal(await reason(), 'no route', 'nor when it went with its link')
})

t.test('an address of this node as next hop is no cause for alarm', async (t) => {
  const scene = await started(memoryScene())
  const legs = [{ interface: 2, gateway: null }]
  const own = { prefix: '10.0.0.1/32', table: 255, protocol: 2, metric: 0, type: 2, legs }
  scene.kernel.put(own)
  scene.fib.track('10.0.0.1')
  scene.fib.track('192.0.2.1')
  scene.settle()
  t.match(
    scene.events.map(({ level, text }) => `${level} ${text}`),
    [/^debug .*an address of this node/, /^warn .*no route/],
  )
})
