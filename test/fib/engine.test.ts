/**
 * The kernel writer against a kernel in memory, for what the real one can't be made to do on
 * command: refusals, lost replies, dropped notifications, fights. Time stands still but for `pass`.
 */
import t from 'tap'
import { KernelError } from '../../fib/index.ts'
import type { MemoryKernel } from '../../fib/memory.ts'
import { changes, memoryScene, type Scene, set, writerOver } from './scene.ts'

const gateway = set(1, ['10.0.0.2'], ['10.0.0.2'])
const other = set(2, ['10.0.1.2'])
const route = '10.1.0.0/24'

async function started(scene: Scene): Promise<Scene> {
  await scene.fib.start()
  scene.settle()
  return scene
}

/** One route of ours, installed. */
async function installed(): Promise<Scene> {
  const scene = await started(memoryScene())
  scene.fib.change(changes([[route, 1]], [gateway, other]))
  scene.settle()
  return scene
}

function foreign(kernel: MemoryKernel, prefix: string, protocol = 4, metric = 2179): void {
  const legs = [{ interface: 3, gateway: '10.0.1.9' }]
  kernel.put({ prefix, table: 254, protocol, metric, type: 1, legs })
}

const kinds = (scene: Scene) => scene.events.map((event) => event.kind)

t.test('building opens nothing, and what is said before the start is done after it', async (t) => {
  const scene = memoryScene()
  scene.fib.change(changes([[route, 1]], [gateway]))
  scene.fib.track('10.0.0.2')
  scene.settle()
  t.same(scene.kernel.log, [])
  await started(scene)
  t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2'])
  t.match(scene.resolutions, [{ nextHop: '10.0.0.2', reachable: true, onLink: true }])
  await t.rejects(scene.fib.start(), /running/)
  await scene.fib.close()
  await scene.fib.close()
  t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2'], 'closing leaves the routes')
})

t.test('of many changes to a prefix only the newest reaches the kernel', async (t) => {
  const scene = await started(memoryScene())
  for (let round = 0; round < 5; round++) {
    scene.fib.change(changes([[route, 1]], [gateway, other]))
    scene.fib.change(changes([[route, 0]]))
  }
  scene.fib.change(changes([[route, 2]]))
  scene.settle()
  t.same(scene.kernel.log, ['add 10.1.0.0/24'])
  t.same(scene.ours(), ['10.1.0.0/24 10.0.1.2@3'])
  t.match(await scene.fib.status(), { wanted: 1, installed: 1 })
})

t.test('a refused route is retried with back-off, and told once', async (t) => {
  const scene = await started(memoryScene())
  scene.kernel.refuse = (operation) => (operation === 'add' ? 101 : 0)
  scene.fib.change(changes([[route, 1]], [gateway]))
  let attempts = 0
  const counting = scene.kernel.refuse
  scene.kernel.refuse = (operation, prefix) => {
    attempts++
    return counting(operation, prefix)
  }
  scene.settle()
  t.match((await scene.fib.lookup(route)).wanted, { status: 'failed', reason: /ENETUNREACH/ })
  scene.pass(60_000)
  t.ok(attempts >= 6 && attempts <= 12, `${attempts} attempts in a minute`)
  t.equal(kinds(scene).filter((kind) => kind === 'fib.error').length, 1)
  scene.kernel.refuse = () => 0
  scene.pass(60_000)
  t.match((await scene.fib.lookup(route)).wanted, { status: 'installed', reason: null })
})

t.test(
  'a refused route is tried at once when its next hop changes or a link comes up',
  async (t) => {
    const scene = await started(memoryScene())
    scene.kernel.refuse = () => 113
    scene.fib.change(
      changes(
        [
          [route, 1],
          ['10.2.0.0/24', 1],
        ],
        [gateway, other],
      ),
    )
    scene.settle()
    scene.kernel.refuse = () => 0
    scene.fib.change(changes([[route, 2]]))
    scene.settle()
    t.same(scene.ours(), ['10.1.0.0/24 10.0.1.2@3'])
    scene.kernel.setLink({ index: 4, name: 'eth2', up: true, running: true })
    scene.settle()
    t.same(scene.ours(), ['10.1.0.0/24 10.0.1.2@3', '10.2.0.0/24 10.0.0.2@2'])
  },
)

t.test('start fails with one clear error when routes may not be changed', async (t) => {
  const scene = memoryScene()
  scene.kernel.refuse = () => 1
  await t.rejects(scene.fib.start(), {
    name: 'KernelError',
    code: 'EPERM',
    message: /CAP_NET_ADMIN/,
  })
  const watcher = memoryScene({ install: 'None' })
  watcher.kernel.refuse = () => 1
  await t.resolves(watcher.fib.start(), 'who installs nothing needs no privilege')
})

t.test('lost replies: nothing is believed until the table was read again', async (t) => {
  const scene = await started(memoryScene({ nexthops: 'Off' }))
  scene.kernel.losingReplies = true
  scene.fib.change(
    changes(
      [
        [route, 1],
        ['10.2.0.0/24', 1],
      ],
      [gateway],
    ),
  )
  scene.settle()
  t.match(await scene.fib.status(), { installed: 0, pending: 2 })
  t.match(kinds(scene), ['fib.error', 'fib.overflow'])
  const written = scene.kernel.log.length
  scene.kernel.losingReplies = false
  scene.pass(2000)
  t.match(await scene.fib.status(), { installed: 2, pending: 0, counters: { scans: 2 } })
  t.equal(scene.kernel.log.length, written, 'the scan showed that both were there')
})

t.test('a kernel that can not be read is asked ever more seldom', async (t) => {
  const scene = await installed()
  scene.kernel.losingReplies = true
  scene.kernel.overflow()
  scene.pass(120_000)
  const errors = kinds(scene).filter((kind) => kind === 'fib.error').length
  t.ok(errors >= 4 && errors <= 12, `${errors} failed scans in two minutes`)
  scene.kernel.losingReplies = false
  scene.kernel.take(route, 254, 2179)
  scene.pass(60_000)
  t.match(await scene.fib.status(), { installed: 1 })
})

t.test('dropped notifications lead to one scan, and to what was missed', async (t) => {
  const scene = await installed()
  scene.kernel.take(route, 254, 2179)
  for (let times = 0; times < 50; times++) scene.kernel.overflow()
  scene.pass(900)
  scene.pass(200)
  t.match(await scene.fib.status(), { installed: 1, counters: { scans: 2, overflows: 50 } })
  t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2'])
})

t.test('EEXIST from a route nobody told of becomes a conflict, not a loop', async (t) => {
  const scene = await started(memoryScene())
  foreign(scene.kernel, route)
  scene.kernel.overflow()
  scene.fib.change(changes([[route, 1]], [gateway]))
  let attempts = 0
  scene.kernel.refuse = () => {
    attempts++
    return 0
  }
  scene.settle()
  scene.pass(10_000)
  t.match((await scene.fib.lookup(route)).wanted, { status: 'conflict', reason: /static/ })
  t.equal(attempts, 1)
  scene.pass(600_000)
  t.equal(attempts, 1, 'it is not tried again')
  scene.kernel.take(route, 254, 2179)
  scene.settle()
  t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2'])
})

t.test('EEXIST from a route of our own that was overlooked adopts it', async (t) => {
  const scene = await started(memoryScene())
  const legs = [{ interface: 2, gateway: '10.0.0.2' }]
  scene.kernel.put({ prefix: route, table: 254, protocol: 179, metric: 2179, type: 1, legs })
  scene.kernel.overflow()
  scene.fib.change(changes([[route, 1]], [gateway]))
  scene.settle()
  scene.pass(5000)
  t.match(await scene.fib.status(), { installed: 1, failed: 0 })
})

t.test('a foreign route put in the place of ours is left alone and reported', async (t) => {
  const scene = await installed()
  foreign(scene.kernel, route)
  scene.settle()
  scene.pass(600_000)
  t.match((await scene.fib.lookup(route)).wanted, { status: 'conflict' })
  t.same(scene.ours(), [])
  t.equal(kinds(scene).filter((kind) => kind === 'fib.conflict').length, 1)
  scene.fib.change(changes([[route, 0]]))
  scene.settle()
  t.ok(scene.kernel.routes.has(`${route} 254 2179`))
})

t.test('two writers on one key: repairs slow down, and recover after a quiet minute', async (t) => {
  const scene = await installed()
  let fights = 0
  for (let tenth = 0; tenth < 600; tenth++) {
    if (scene.ours().length > 0) {
      scene.kernel.take(route, 254, 2179)
      fights++
    }
    scene.pass(100)
  }
  t.ok(fights >= 4 && fights <= 8, `${fights} repairs in a minute of fighting`)
  scene.pass(120_000)
  t.equal(scene.ours().length, 1)
  scene.kernel.take(route, 254, 2179)
  scene.settle()
  t.equal(scene.ours().length, 1, 'put back at once again')
})

t.test('our own notifications are not mistaken for interference', async (t) => {
  const scene = await installed()
  const { legs } = [...scene.kernel.routes.values()].find((one) => one.protocol === 179)!
  const ours = { prefix: '10.9.0.0/24', table: 254, protocol: 179, metric: 2179, type: 1, legs }
  scene.kernel.put(ours, scene.kernel.port)
  scene.settle()
  t.match(await scene.fib.status(), { stale: 0, counters: { repairs: 0 } })
})

t.test('a route with our mark that nobody wants goes, before and after the start', async (t) => {
  const first = await installed()
  await first.fib.close()
  const scene = await started(writerOver(first.kernel))
  t.match(await scene.fib.status(), { adopted: 1, stale: 1, installed: 0 })
  scene.pass(600_000)
  t.equal(scene.ours().length, 1, 'kept as long as nothing is synchronised')
  scene.fib.synchronised()
  scene.settle()
  t.same(scene.ours(), [])
  const legs = [{ interface: 2, gateway: '10.0.0.2' }]
  scene.kernel.put({ prefix: route, table: 254, protocol: 179, metric: 2179, type: 1, legs })
  scene.settle()
  t.same(scene.ours(), [])
})

t.test('another metric or table is not ours, whatever its protocol', async (t) => {
  const scene = await started(memoryScene())
  foreign(scene.kernel, '10.7.0.0/24', 179, 50)
  scene.fib.synchronised()
  scene.settle()
  t.same(scene.ours(), ['10.7.0.0/24 10.0.1.9@3'])
  const withdrawn = scene.fib.withdrawAll()
  scene.settle()
  await withdrawn
  t.same(scene.ours(), ['10.7.0.0/24 10.0.1.9@3'])
})

t.test('withdrawing everything waits for the kernel, and says what it could not do', async (t) => {
  const scene = await installed()
  scene.fib.blackholes(['10.9.0.0/24'])
  scene.settle()
  const withdrawn = scene.fib.withdrawAll()
  t.equal(scene.ours().length, 2)
  scene.settle()
  await withdrawn
  t.same(scene.ours(), [])
  const stuck = await installed()
  stuck.kernel.refuse = () => 16
  const failing = stuck.fib.withdrawAll()
  stuck.settle()
  await t.rejects(failing, /1 routes could not be withdrawn/)
})

t.test(
  'a settings change moves every route: the new one is there before the old one goes',
  async (t) => {
    const scene = await installed()
    const base = (await scene.fib.status()).settings
    scene.kernel.log.length = 0
    scene.fib.configure({ ...base, metric: 5 })
    scene.settle()
    t.same(scene.kernel.log, ['add 10.1.0.0/24', 'remove 10.1.0.0/24'])
    scene.fib.configure({ ...base, metric: 5, protocol: 200 })
    scene.settle()
    t.same(scene.kernel.log.slice(2), ['replace 10.1.0.0/24'])
    t.same(scene.kernel.list(200), ['10.1.0.0/24 10.0.0.2@2'])
    scene.fib.configure({ ...base, maxPaths: 1 })
    scene.fib.change(changes([['10.2.0.0/24', 3]], [set(3, ['10.0.0.2', '10.0.1.2'])]))
    scene.settle()
    t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2', '10.2.0.0/24 10.0.0.2@2'])
    scene.fib.configure({ ...base, maxPaths: 2 })
    scene.settle()
    t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2', '10.2.0.0/24 10.0.0.2@2 10.0.1.2@3'])
  },
)

t.test('the safety scan finds what no notification told, when it is on', async (t) => {
  for (const scanSeconds of [10, null]) {
    const scene = memoryScene({ scanSeconds })
    await started(scene)
    scene.fib.change(changes([[route, 1]], [gateway]))
    scene.settle()
    scene.kernel.routes.delete(`${route} 254 2179`)
    scene.pass(25_000)
    t.equal(scene.ours().length, scanSeconds === null ? 0 : 1, `scanSeconds ${scanSeconds}`)
  }
})

t.test('a silent gateway is asked after once a second while it is in use', async (t) => {
  const scene = await installed()
  const prompts = () => scene.kernel.log.filter((line) => line === 'prompt').length
  scene.kernel.setNeighbour(2, '10.0.0.2', 0x20)
  scene.settle()
  t.same(scene.ours(), [])
  t.match((await scene.fib.lookup(route)).wanted, {
    status: 'unresolved',
    reason: "10.0.0.2: 10.0.0.2 at eth0 doesn't answer",
  })
  scene.pass(5000)
  t.equal(prompts(), 5)
  scene.kernel.setNeighbour(2, '10.0.0.2', 0x01)
  scene.settle()
  t.same(scene.ours(), [], 'INCOMPLETE is a question, not an answer')
  scene.kernel.setNeighbour(2, '10.0.0.2', 0x02)
  scene.settle()
  t.same(scene.ours(), ['10.1.0.0/24 10.0.0.2@2'])
  const asked = prompts()
  scene.pass(5000)
  t.ok(prompts() <= asked + 1, 'and then it is left alone')
})

t.test('many refusals in one turn are told in a few lines and a sum', async (t) => {
  const scene = await started(memoryScene())
  scene.kernel.refuse = () => 22
  const rows = Array.from(
    { length: 500 },
    (_, row) => [`10.${row >> 8}.${row & 255}.0/24`, 2] as const,
  )
  scene.fib.change(changes(rows, [other]))
  scene.settle()
  const errors = scene.events.filter((event) => event.kind === 'fib.error')
  t.equal(errors.length, 21)
  t.match(errors.at(-1)?.text, 'and 480 more')
  t.match(await scene.fib.status(), { failed: 500 })
})

t.test('pages of routes follow each other in order of prefix, without gap or repeat', async (t) => {
  const scene = await started(memoryScene())
  const rows = Array.from(
    { length: 250 },
    (_, row) => [`10.7.${(row * 37) % 251}.0/24`, 1] as const,
  )
  scene.fib.change(changes(rows, [gateway]))
  scene.fib.change(changes([['fd01::/48', 9]], [set(9, ['fd00::2'])]))
  scene.settle()
  const seen: string[] = []
  for (let after: string | null = null; ; after = seen.at(-1) ?? null) {
    const page = await scene.fib.routes({ after, limit: 40 })
    if (page.length === 0) break
    seen.push(...page.map((view) => view.prefix))
  }
  t.equal(seen.length, 251)
  t.equal(new Set(seen).size, 251)
  t.equal(seen[0], '10.7.0.0/24')
  t.equal(seen[2], '10.7.2.0/24')
  t.equal(seen.at(-1), 'fd01::/48')
})

t.test(
  'a set that no route wants any longer is forgotten, so that flapping costs nothing',
  async (t) => {
    const scene = await started(memoryScene())
    scene.fib.change(changes([[route, 1]], [set(1, ['10.0.0.2'])]))
    scene.settle()
    scene.fib.change(changes([[route, 2]], [set(2, ['10.0.0.3'])]))
    scene.settle()
    t.throws(() => scene.fib.change(changes([[route, 1]])), /set 1 is not described/)
    scene.fib.change(changes([[route, 1]], [set(1, ['10.0.0.2'])]))
    scene.settle()
    t.same(scene.ours(), [`${route} 10.0.0.2@2`])
  },
)

t.test('what makes no sense is refused by name', async (t) => {
  const scene = await started(memoryScene())
  t.throws(() => scene.fib.blackholes(['10.0.0.0']), /10\.0\.0\.0: not a prefix/)
  t.throws(() => scene.fib.change(changes([[route, 99]])), /set 99 is not described/)
  await t.rejects(scene.fib.routes({ after: 'nonsense', limit: 1 }), /after nonsense: not a prefix/)
  await t.rejects(scene.fib.lookup('10.0.0.0/33'), /not a prefix/)
  t.match(await scene.fib.status(), { wanted: 0 })
  t.equal(new KernelError('x', 9999).code, 'errno 9999')
})
