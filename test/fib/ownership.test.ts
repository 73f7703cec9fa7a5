/** Who else writes where we do, and routes that are never ours to make. A kernel in memory. */
import t from 'tap'
import { changes, memoryScene, type Scene, set, settings } from './scene.ts'

const gateway = set(1, ['10.0.0.2'])

async function wanting(prefixes: readonly string[]): Promise<Scene> {
  const scene = memoryScene()
  await scene.fib.start()
  scene.fib.change(
    changes(
      prefixes.map((prefix) => [prefix, 1]),
      [gateway],
    ),
  )
  scene.settle()
  return scene
}

function put({ kernel }: Scene, prefix: string, protocol: number, metric: number, port?: number) {
  const legs = [{ interface: 3, gateway: '10.0.1.9' }]
  kernel.put({ prefix, table: 254, protocol, metric, type: 1, legs }, port)
}

t.test('other programs are counted by what their routes do to ours', async (t) => {
  const scene = await wanting(['20.1.0.0/16', '20.2.0.0/16', '20.3.0.0/16', '20.4.0.0/16'])
  put(scene, '20.1.0.0/16', 12, 32)
  put(scene, '20.2.0.0/16', 12, settings.metric)
  put(scene, '20.3.0.0/16', 4, 9000)
  put(scene, '30.0.0.0/16', 11, 20)
  scene.settle()
  const { rivals, installed, conflicts } = await scene.fib.status()
  t.same(rivals, [
    {
      protocol: 12,
      name: 'bird (12)',
      holding: 1,
      winning: 1,
      resting: 0,
      prefixes: ['20.1.0.0/16', '20.2.0.0/16'],
      interfaces: ['eth1'],
    },
    {
      protocol: 4,
      name: 'static (4)',
      holding: 0,
      winning: 0,
      resting: 1,
      prefixes: ['20.3.0.0/16'],
      interfaces: ['eth1'],
    },
  ])
  t.match({ installed, conflicts }, { installed: 3, conflicts: 1 })
})

t.test('a route of ours with another metric is that of another agent', async (t) => {
  const scene = await wanting(['20.1.0.0/16'])
  put(scene, '20.1.0.0/16', 179, 50)
  scene.settle()
  t.match((await scene.fib.status()).rivals, [{ name: 'routelet (179)', winning: 1 }])
})

t.test('a program that writes with our very mark is noticed, and forgotten again', async (t) => {
  const scene = await wanting(['20.1.0.0/16'])
  put(scene, '20.1.0.0/16', 179, settings.metric, 4242)
  put(scene, '20.9.0.0/16', 179, settings.metric, 4242)
  scene.settle()
  t.same((await scene.fib.status()).intruders, [{ port: 4242, changes: 2, prefix: '20.9.0.0/16' }])
  scene.pass(301_000)
  t.same((await scene.fib.status()).intruders, [])
})

t.test('a route that somebody deletes by hand makes nobody an intruder', async (t) => {
  const scene = await wanting(['20.1.0.0/16'])
  scene.kernel.take('20.1.0.0/16', 254, settings.metric)
  scene.settle()
  t.match(await scene.fib.status(), { intruders: [], counters: { repairs: 1 } })
})

t.test('an address of this node is no route, and becomes one when it moves away', async (t) => {
  for (const [caption, prefix, hop] of [
    ['IPv4', '10.77.0.1/32', '10.0.0.2'],
    ['IPv6', 'fd77::1/128', 'fd00::2'],
  ] as const) {
    const scene = memoryScene()
    const local = { prefix, table: 255, protocol: 2, metric: 0, type: 2, legs: [] }
    scene.kernel.put(local)
    await scene.fib.start()
    scene.fib.change(changes([[prefix, 1]], [set(1, [hop])]))
    scene.settle()
    t.same(scene.ours(), [], caption)
    t.match((await scene.fib.lookup(prefix)).wanted, {
      status: 'unresolved',
      reason: 'it is an address of this node',
    })
    scene.kernel.take(prefix, 255, 0)
    scene.settle()
    t.equal(scene.ours().length, 1, `${caption}: moved away`)
    scene.kernel.put(local)
    scene.settle()
    t.same(scene.ours(), [], `${caption}: and back`)
  }
})

t.test('a refused route says its errno, for how long, and when it is tried again', async (t) => {
  const scene = memoryScene()
  scene.kernel.refuse = () => 101
  await scene.fib.start()
  scene.fib.change(changes([['20.1.0.0/16', 1]], [gateway]))
  scene.settle()
  scene.pass(600)
  const error = { errno: 'ENETUNREACH', attempts: 2, forSeconds: 1, retryInSeconds: 1 }
  t.match((await scene.fib.routes({ after: null, limit: 10 }))[0], { status: 'failed', error })
  t.match(await scene.fib.difference(), [{ prefix: '20.1.0.0/16', problem: 'missing', error }])
  t.match(await scene.fib.status(), { errors: { ENETUNREACH: 2 }, retrying: 1, failed: 1 })
  scene.kernel.refuse = () => 0
  scene.pass(1000)
  t.match(await scene.fib.routes({ after: null, limit: 10 }), [
    { status: 'installed', error: null },
  ])
  t.match(await scene.fib.status(), { errors: { ENETUNREACH: 2 }, retrying: 0 })
})

t.test('nexthop objects are listed with their members and the routes that name them', async (t) => {
  const scene = memoryScene()
  await scene.fib.start()
  const both = set(2, ['10.0.0.2', '10.0.1.2'])
  scene.fib.change(
    changes(
      [
        ['20.1.0.0/16', 1],
        ['20.2.0.0/16', 2],
        ['20.3.0.0/16', 2],
      ],
      [gateway, both],
    ),
  )
  scene.settle()
  const [group, ...hops] = await scene.fib.nexthops()
  t.match(group, {
    kind: 'group',
    routes: 2,
    gateways: [
      { interface: 'eth0', gateway: '10.0.0.2' },
      { interface: 'eth1', gateway: '10.0.1.2' },
    ],
  })
  t.same(group?.members, hops.map(({ id }) => id).sort())
  t.same(
    hops.map(({ kind, routes }) => ({ kind, routes })).sort((a, b) => b.routes - a.routes),
    [
      { kind: 'hop', routes: 1 },
      { kind: 'hop', routes: 0 },
    ],
  )
  const [route] = await scene.fib.routes({ after: '20.1.0.0/16', limit: 1 })
  t.equal(route?.nexthop, group?.id)
  t.match(await scene.fib.status(), { counters: { objectsWritten: 3, objectsRemoved: 0 } })
})
