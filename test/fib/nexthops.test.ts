/**
 * Nexthop objects and groups over a kernel in memory: which are made, how many messages a failover
 * takes, what happens where there are none, and that nobody is led astray meanwhile. What the real
 * kernel makes of them is nexthops-kernel.test.ts.
 */
import t from 'tap'
import type { MemoryKernel } from '../../fib/memory.ts'
import { changes, memoryScene, type Scene, set, writerOver } from './scene.ts'

const tor0 = set(1, ['10.0.0.2'])
const tor1 = set(2, ['10.0.1.2'])
const both = set(3, ['10.0.0.2', '10.0.1.2'])
const three = set(4, ['10.0.0.2', '10.0.0.3', '10.0.1.2'])
const both6 = set(5, ['fd00::2', 'fd00::3'])
const sets = [tor0, tor1, both, three, both6]

const hop0 = 1_790_000_000
const group0 = 1_791_000_000

async function started(scene: Scene): Promise<Scene> {
  await scene.fib.start()
  scene.settle()
  return scene
}

/** A hundred IPv4 routes that want the set. */
function hundred(id: number, first = 0) {
  const rows = Array.from({ length: 100 }, (_, row) => [`20.${first + row}.0.0/16`, id] as const)
  return changes(rows, sets)
}

async function installed(id: number): Promise<Scene> {
  const scene = await started(memoryScene())
  scene.fib.change(hundred(id))
  scene.settle()
  forgetLogs(scene.kernel)
  return scene
}

function forgetLogs(kernel: MemoryKernel): void {
  kernel.log.length = 0
  kernel.objectLog.length = 0
}

/** Where all hundred lead; an error when they don't agree. */
function leads(scene: Scene): string {
  const ways = new Set(scene.ours().map((line) => line.slice(line.indexOf(' ') + 1)))
  t.equal(ways.size, 1)
  return `${scene.ours().length} ${[...ways].join()}`
}

const objects = (scene: Scene) =>
  scene.kernel.nexthops
    .objects()
    .map(({ id, gateway, members }) => `${id} ${gateway ?? members.join('+')}`)

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

t.test('objects go when nothing has named them for a while', async (t) => {
  const scene = await installed(3)
  scene.fib.change(hundred(0))
  scene.settle()
  t.same(scene.ours(), [])
  scene.pass(1500)
  t.equal(objects(scene).length, 3, 'not at once: the set may come back')
  scene.pass(20_000)
  t.same(objects(scene), [])
  t.same(scene.kernel.objectLog, [`remove ${group0}`, `remove ${hop0}`, `remove ${hop0 + 1}`])
})

t.test('an object that somebody else names is never removed', async (t) => {
  for (const compatMode of [true, false]) {
    const scene = await started(memoryScene({}, { compatMode }))
    scene.fib.change(hundred(3))
    scene.settle()
    const theirs = { prefix: '40.0.0.0/8', table: 99, protocol: 4, metric: 5, type: 1, legs: [] }
    scene.kernel.put({ ...theirs, nexthop: group0 })
    scene.settle()
    scene.fib.dead?.('10.0.0.2')
    scene.settle()
    t.equal(leads(scene), '101 10.0.1.2@3'.replace('101', '100'))
    t.same(scene.kernel.objectLog.at(-1), `group ${group0}`, 'a dead hop is taken out of the group')
    scene.fib.change(hundred(0))
    scene.settle()
    scene.pass(60_000)
    t.ok(scene.kernel.routes.has('40.0.0.0/8 99 5'))
    t.ok(scene.kernel.nexthops.has(group0))
  }
})

t.test('withdrawing everything takes the objects along, at once', async (t) => {
  const scene = await installed(3)
  scene.fib.change(changes([['30.0.0.0/8', 1]]))
  scene.settle()
  const withdrawn = scene.fib.withdrawAll()
  scene.settle()
  await withdrawn
  t.same(objects(scene), [])
  t.match(scene.kernel.log.slice(-1), [/remove/])
})

t.test('a restart takes groups over: nothing is written', async (t) => {
  for (const compatMode of [true, false]) {
    const first = await started(memoryScene({}, { compatMode }))
    first.fib.change(hundred(3))
    first.fib.change(changes([['fd01::/48', 5]]))
    first.settle()
    await first.fib.close()
    forgetLogs(first.kernel)
    const scene = await started(writerOver(first.kernel))
    t.match(await scene.fib.status(), {
      adopted: 101,
      adoptedFamilies: ['ipv4-unicast', 'ipv6-unicast'],
    })
    scene.fib.change(hundred(3))
    scene.fib.change(changes([['fd01::/48', 5]]))
    scene.settle()
    scene.fib.synchronised()
    scene.pass(60_000)
    t.same([...scene.kernel.log, ...scene.kernel.objectLog], [], `compat ${compatMode}`)
    t.match(await scene.fib.status(), { installed: 101, stale: 0 })
    scene.fib.dead?.('10.0.0.2')
    scene.settle()
    t.equal(scene.kernel.objectLog.length, 1, 'and they are changed in place as ever')
  }
})

t.test('objects that an earlier run left without routes are removed', async (t) => {
  const first = await installed(3)
  await first.fib.close()
  for (const [key, route] of first.kernel.routes) {
    if (route.protocol === 179) first.kernel.routes.delete(key)
  }
  const scene = await started(writerOver(first.kernel))
  scene.pass(30_000)
  t.same(objects(scene), [])
})

t.test('routes of a version without objects are replaced in place', async (t) => {
  const first = await started(memoryScene({ nexthops: 'Off' }))
  first.fib.change(hundred(3))
  first.settle()
  t.same(objects(first), [])
  await first.fib.close()
  forgetLogs(first.kernel)
  const scene = await started(writerOver(first.kernel))
  scene.fib.change(hundred(3))
  scene.settle()
  t.equal(scene.kernel.log.length, 100)
  t.ok(scene.kernel.log.every((line) => line.startsWith('replace ')))
  t.match(await scene.fib.status(), { installed: 100, objects: { mode: 'objects', groups: 1 } })
})

t.test('a kernel without nexthop objects: plain routes, and one line that says so', async (t) => {
  const scene = await started(memoryScene({}, { nexthopSupport: false }))
  scene.fib.change(hundred(3))
  scene.settle()
  scene.fib.dead?.('10.0.0.2')
  scene.settle()
  t.equal(leads(scene), '100 10.0.1.2@3')
  t.match(await scene.fib.status(), { installed: 100, objects: { mode: 'plain', groups: 0 } })
  const lines = scene.events.filter((event) => event.text.includes('no nexthop objects'))
  t.match(lines, [{ level: 'info', text: /EOPNOTSUPP/ }])
  t.equal(lines.length, 1)
})

t.test('a kernel that only refuses them when asked to make one', async (t) => {
  const scene = memoryScene()
  scene.kernel.refuseObject = () => 22
  await started(scene)
  scene.fib.change(hundred(3))
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  t.match(await scene.fib.status(), { failed: 0, objects: { mode: 'plain' } })
  t.equal(scene.events.filter((event) => event.text.includes('no nexthop objects')).length, 1)
})

t.test('switched off and on again, routes change in place and objects go', async (t) => {
  const scene = await installed(3)
  const { settings } = await scene.fib.status()
  scene.fib.configure({ ...settings, nexthops: 'Off' })
  scene.settle()
  t.equal(scene.kernel.log.filter((line) => line.startsWith('replace ')).length, 100)
  scene.pass(30_000)
  t.same(objects(scene), [])
  scene.fib.configure({ ...settings, nexthops: 'Auto' })
  scene.settle()
  t.equal(scene.kernel.log.length, 200)
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  t.equal(objects(scene).length, 3)
})

t.test('where an object is refused, its routes are plain until it is not', async (t) => {
  const scene = await installed(1)
  scene.kernel.refuseObject = (operation) => (operation === 'group' ? 12 : 0)
  scene.fib.change(changes([['30.0.0.0/8', 3]]))
  scene.settle()
  t.match(scene.kernel.routes.get('30.0.0.0/8 254 2179'), { legs: [{}, {}], nexthop: undefined })
  scene.pass(100_000)
  const errors = scene.events.filter((event) => event.kind === 'fib.error')
  t.match(errors, [{ text: /group nexthop object .*ENOMEM/ }])
  t.equal(errors.length, 1, 'told once')
  scene.kernel.refuseObject = () => 0
  scene.pass(60_000)
  t.match(scene.kernel.routes.get('30.0.0.0/8 254 2179'), { nexthop: /^1791/ })
})

t.test('another protocol number makes other objects, and moves routes in place', async (t) => {
  const scene = await installed(3)
  const { settings } = await scene.fib.status()
  scene.fib.configure({ ...settings, protocol: 200 })
  scene.settle()
  t.ok(scene.kernel.log.every((line) => line.startsWith('replace ')))
  t.equal(scene.kernel.list(200).length, 100)
  scene.pass(30_000)
  t.ok(scene.kernel.nexthops.objects().every((object) => object.protocol === 200))
  t.equal(objects(scene).length, 3)
})

t.test('objects that others remove or change are set right, ever more slowly', async (t) => {
  const scene = await installed(3)
  scene.kernel.takeNexthop(group0)
  t.same(scene.ours(), [], 'its routes went with it in silence')
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  t.match(scene.events.at(-1), { kind: 'fib.repaired', text: /1791000000.*100 routes/ })
  scene.kernel.takeNexthop(hop0)
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3', 'plain meanwhile, if need be')
  let fights = 0
  for (let tenth = 0; tenth < 600; tenth++) {
    const hop = scene.kernel.nexthops.objects().find(({ gateway }) => gateway === '10.0.0.2')
    if (hop !== undefined) {
      scene.kernel.takeNexthop(hop.id)
      fights++
    }
    scene.pass(100)
  }
  t.ok(fights >= 3 && fights <= 12, `${fights} repairs in a minute of fighting`)
  scene.pass(60_000)
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  scene.pass(30_000)
  t.match(await scene.fib.status(), { installed: 100, objects: { hops: 2, groups: 1 } })
})

t.test('ids that others hold are left to them', async (t) => {
  const scene = memoryScene()
  const theirs = { protocol: 4, interface: 3, gateway: '10.0.1.9', blackhole: false, members: [] }
  scene.kernel.putNexthop({ ...theirs, id: hop0 })
  await started(scene)
  // Nobody told of these two.
  scene.kernel.nexthops.put({ ...theirs, id: hop0 + 1 })
  scene.kernel.nexthops.put({ ...theirs, id: group0 })
  scene.fib.change(hundred(3))
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  t.match(await scene.fib.status(), { installed: 100, objects: { hops: 2, groups: 1 } })
  for (const id of [hop0, hop0 + 1, group0]) t.equal(scene.kernel.nexthops.get(id)?.protocol, 4)
  t.equal(scene.events.filter((event) => event.kind === 'fib.error').length, 0)
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

t.test('replies about objects that were lost lead to a scan, and to no error', async (t) => {
  const scene = await started(memoryScene())
  scene.kernel.losingReplies = true
  scene.fib.change(hundred(3))
  scene.settle()
  scene.kernel.losingReplies = false
  scene.pass(5000)
  t.match(await scene.fib.status(), { installed: 100, objects: { hops: 2, groups: 1 } })
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
