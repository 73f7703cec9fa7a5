/**
 * The life of nexthop objects over a kernel in memory: adoption, removal of what nobody needs, kernels
 * without them, refusals, and other programs that meddle.
 */
import t from 'tap'
import {
  forgetLogs,
  group0,
  hop0,
  hundred,
  installed,
  leads,
  objects,
  started,
} from './nexthop-scene.ts'
import { changes, memoryScene, writerOver } from './scene.ts'

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

t.test('objects go, however long they have been there before their last route left', async (t) => {
  const scene = await installed(3)
  scene.pass(60_000)
  scene.fib.change(hundred(0))
  scene.settle()
  scene.pass(20_000)
  t.same(objects(scene), [])
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

t.test('replies about objects that were lost lead to a scan, and to no error', async (t) => {
  const scene = await started(memoryScene())
  scene.kernel.losingReplies = true
  scene.fib.change(hundred(3))
  scene.settle()
  scene.kernel.losingReplies = false
  scene.pass(5000)
  t.match(await scene.fib.status(), { installed: 100, objects: { hops: 2, groups: 1 } })
})
