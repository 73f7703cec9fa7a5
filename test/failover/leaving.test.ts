/**
 * When a session ends, the kernel leaves its peer before the routes are withdrawn one by one, and is
 * told when they have been: over whole sessions on one fake clock, and then what the kernel writer
 * makes of it. Nothing but a withdrawal under way makes a next hop avoided, and nobody's last way is.
 */
import t from 'tap'
import {
  announcing,
  buildSite,
  connect,
  endOfRib,
  type Line,
  plainCapabilities,
  range,
  restartCapability,
  type Site,
  settle,
  stranger,
} from '../bgp/hardening/scene.ts'
import { message } from '../bgp/session/scene.ts'
import { both, forgetLogs, group0, hop0, hundred, installed, leads } from '../fib/nexthop-scene.ts'
import { changes, type Scene, set } from '../fib/scene.ts'

const numbers = range(1000, 1020)
const plain = {}
const restarting = { capabilities: [...plainCapabilities, restartCapability()] }

type End = (site: Site & { readonly line: Line }) => Promise<void> | void

t.test('what the kernel writer is told when a session ends', async (t) => {
  const first = [`${stranger} avoided`, `${numbers.length} routes`, `${stranger} as usual`]
  const withdrawn = [`${numbers.length} routes`]
  const table: readonly [caption: string, open: object, end: End, told: readonly string[]][] = [
    ['TCP closes', plain, ({ line }) => line.connection.destroy(), first],
    ['TCP closes under graceful restart', restarting, ({ line }) => line.connection.destroy(), []],
    ['a NOTIFICATION comes', plain, ({ line }) => line.say(message(3, '0604')), first],
    ['a NOTIFICATION goes', plain, ({ line }) => line.say(message(9)), first],
    [
      'the hold timer expires',
      plain,
      ({ clock }) => void clock.advance(91_000),
      [`${stranger} dead`, ...withdrawn],
    ],
    ['shut down here', plain, ({ router }) => void router.speaker.shutdown('stranger'), withdrawn],
    ['reset here', plain, ({ router }) => void router.speaker.reset('stranger'), withdrawn],
  ]
  for (const [caption, open, end, told] of table) {
    const site = await buildSite()
    const line = connect(site, open)
    line.say(announcing({ numbers }), endOfRib)
    site.clock.advance(100)
    site.router.orders.length = 0
    await settle(site, end({ ...site, line }))
    site.clock.advance(100)
    t.same(site.router.orders, told, caption)
  }
})

t.test('a peer that is back at once is avoided no longer than its old routes', async (t) => {
  const site = await buildSite()
  const line = connect(site, plain)
  line.say(announcing({ numbers }), endOfRib)
  site.clock.advance(100)
  line.connection.destroy()
  connect(site, plain).say(announcing({ numbers }), endOfRib)
  site.clock.advance(1000)
  t.match(site.router.view('stranger'), { state: 'Established' })
  const last = site.router.orders.filter((order) => order.startsWith(`${stranger} a`)).at(-1)
  t.equal(last, `${stranger} as usual`)
})

t.test(
  'an avoided next hop is left in one message, and lodgers stay when it is over',
  async (t) => {
    const scene = await installed(3)
    scene.fib.change(changes([['30.0.0.0/8', 8]], [set(8, ['10.0.0.2'], ['10.0.1.9'])]))
    scene.fib.track('10.0.0.2')
    scene.settle()
    forgetLogs(scene.kernel)
    const resolved = scene.resolutions.length
    scene.fib.avoid?.('10.0.0.2', true)
    scene.settle()
    t.same(scene.kernel.objectLog, [`group ${group0}`], 'one message for a hundred routes')
    t.same(scene.kernel.log, [])
    t.match(scene.ours().at(-1), '30.0.0.0/8 10.0.0.2@2', 'a third party’s only way stays')
    t.equal(scene.ours().filter((line) => line.endsWith(' 10.0.1.2@3')).length, 100)
    t.equal(scene.resolutions.length, resolved, 'it is as reachable as before')
    t.same(await scene.fib.difference(), [])

    scene.fib.change(hundred(2))
    scene.fib.avoid?.('10.0.0.2', false)
    scene.settle()
    t.same(scene.kernel.log, [], 'no route was written for the withdrawal')
    t.match(await scene.fib.status(), { installed: 101, pending: 0 })

    scene.fib.change(hundred(3))
    scene.settle()
    t.equal(scene.ours().filter((line) => line.endsWith(' 10.0.0.2@2 10.0.1.2@3')).length, 100)
  },
)

t.test('an avoided next hop is taken back …', async (t) => {
  const table: readonly [caption: string, wayBack: (scene: Scene) => void][] = [
    ['when it is said to be over', ({ fib }) => fib.avoid?.('10.0.0.2', false)],
    ['after two minutes, if nobody says so', ({ pass }) => pass(120_000)],
  ]
  for (const [caption, wayBack] of table) {
    const scene = await installed(3)
    scene.fib.avoid?.('10.0.0.2', true)
    scene.fib.avoid?.('10.0.0.2', true)
    scene.settle()
    t.equal(leads(scene), '100 10.0.1.2@3')
    // Replacing the group would have the kernel notify every route, with nexthop_compat_mode.
    t.same(scene.kernel.objectLog, [`remove ${hop0}`], 'removing the hop is the shortest message')
    wayBack(scene)
    scene.settle()
    t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3', caption)
  }
})

t.test('where all next hops of a set are avoided, nothing changes', async (t) => {
  const scene = await installed(3)
  for (const nextHop of both.nextHops) scene.fib.avoid?.(nextHop, true)
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
  scene.fib.avoid?.('10.9.9.9', true)
  scene.fib.avoid?.('nonsense', true)
  scene.settle()
  t.equal(leads(scene), '100 10.0.0.2@2 10.0.1.2@3')
})

t.test(
  'an avoided next hop that is dead as well stays dead when the withdrawal is over',
  async (t) => {
    const scene = await installed(3)
    scene.fib.avoid?.('10.0.0.2', true)
    scene.fib.dead?.('10.0.0.2')
    scene.settle()
    scene.fib.avoid?.('10.0.0.2', false)
    scene.settle()
    t.equal(leads(scene), '100 10.0.1.2@3')
  },
)
