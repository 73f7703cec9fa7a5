/**
 * The policy itself, cell by cell, and then as a whole: random wants, random kernels, random others;
 * carried out on a kernel, the operations must yield the wants and leave the others alone.
 */
import fc from 'fast-check'
import t from 'tap'
import { delta, type Have, type Operation } from '../../fib/delta.ts'
import type { MemoryKernel, MemoryRoute } from '../../fib/memory.ts'
import type { FibSettings } from '../../fib/types.ts'
import {
  changes,
  type KernelVariant,
  memoryScene,
  type Scene,
  seed,
  set,
  settings,
  writerOver,
} from './scene.ts'

t.comment(`fast-check seed ${seed}`)
const absent: Have = { way: 0, mark: 'same', held: false, kept: false }
const there: Have = { ...absent, way: 5 }

t.test('each situation has its one operation', async (t) => {
  const table: readonly [caption: string, target: number, have: Have, operation: Operation][] = [
    ['nothing wanted, nothing there', 0, absent, 'none'],
    ['wanted and absent', 5, absent, 'add'],
    ['wanted and there', 5, there, 'none'],
    ['wanted otherwise', 6, there, 'replace'],
    ['no longer wanted', 0, there, 'remove'],
    ['stale, while that is spared', 0, { ...there, kept: true }, 'none'],
    ['stale but wanted otherwise', 6, { ...there, kept: true }, 'replace'],
    ['somebody else holds the key', 5, { ...absent, held: true }, 'conflict'],
    ['somebody else holds a key nobody wants', 0, { ...absent, held: true }, 'none'],
    ['under another protocol number', 5, { ...there, mark: 'protocol' }, 'replace'],
    ['under another table or metric', 5, { ...there, mark: 'key' }, 'move'],
    ['the place to move to is held', 5, { ...there, mark: 'key', held: true }, 'conflict'],
    ['under another mark, and unwanted', 0, { ...there, mark: 'key' }, 'remove'],
  ]
  for (const [caption, target, have, operation] of table) {
    t.equal(delta(target, have), operation, caption)
  }
})

/** A few prefixes of both families, so that everything collides. */
const prefixes = [
  '10.1.0.0/24',
  '10.1.0.0/25',
  '10.2.0.0/16',
  '172.16.0.0/12',
  'fd01::/48',
  'fd01::/64',
]
const gateways = ['10.0.0.2', '10.0.1.2', '10.0.0.3']
const sets = [
  set(1, ['10.0.0.2']),
  set(2, ['10.0.1.2', '10.0.0.3']),
  set(3, ['fd00::2']),
  set(4, ['fd00::2', 'fd00::3']),
  set(5, ['10.0.0.2', '10.0.1.2']),
  set(6, ['10.0.0.2', '10.0.0.3', '10.0.1.2']),
  set(7, ['fd00::3']),
  set(8, ['fd00::2', 'fd00::3', 'fd00::4'], ['fd00::9']),
  set(9, ['10.0.1.2']),
]
/** Sets that a prefix may want, by its family; 0: none. */
const choices = { 4: [0, 1, 2, 5, 6, 9], 6: [0, 3, 4, 7, 8, 8] } as const

const prefix = fc.constantFrom(...prefixes)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('want' as const), prefix, set: fc.nat({ max: 5 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('foreign', 'unforeign'),
      prefix,
      metric: fc.constantFrom(0, 50, 2179),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('delete ours', 'change ours'), prefix }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('remove an object' as const), which: fc.nat() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('dead', 'alive') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('blackholes' as const),
      prefixes: fc.uniqueArray(prefix),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'down',
        'up',
        'overflow',
        'lose',
        'restart',
        'objects off',
        'objects auto',
      ),
    }),
  },
)

/** Kernels: before 5.3, and since then with nexthop_compat_mode either way. */
const variant = fc.constantFrom<KernelVariant>(
  { nexthopSupport: false },
  { compatMode: false },
  { compatMode: true },
)

interface Run {
  scene: Scene
  readonly wants: Map<string, number>
  readonly foreign: Map<string, string>
  blackholes: readonly string[]
  eth1: boolean
  /** What somebody declared dead, and didn't take back. */
  dead: boolean
  settings: FibSettings
}

t.test(
  'whatever happens, the kernel ends up with what is wanted, and others keep theirs',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), variant, async (steps, kernel) => {
        const run: Run = {
          scene: memoryScene({}, kernel),
          wants: new Map(),
          foreign: new Map(),
          blackholes: [],
          eth1: true,
          dead: false,
          settings,
        }
        await run.scene.fib.start()
        run.scene.fib.synchronised()
        for (const one of steps) {
          await carryOut(run, one)
          checkForeign(run)
        }
        // Long enough for every scan, retry and back-off; not for a next hop that is dead by word.
        run.scene.pass(100_000)
        checkForeign(run)
        checkOurs(run)
        run.dead = false
        run.scene.pass(500_000)
        checkForeign(run)
        checkOurs(run)
        checkObjects(run)
      }),
      { seed, numRuns: 2000 },
    )
  },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

async function carryOut(run: Run, one: Step): Promise<void> {
  const { kernel, fib } = run.scene
  switch (one.do) {
    case 'want': {
      const id = choices[one.prefix.includes(':') ? 6 : 4][one.set]!
      run.wants.set(one.prefix, id)
      fib.change(changes([[one.prefix, id]], sets))
      return
    }
    case 'foreign': {
      const gateway = one.prefix.includes(':') ? 'fd00::9' : '10.0.0.9'
      const legs = [{ interface: 2, gateway }]
      const route = {
        prefix: one.prefix,
        table: 254,
        protocol: 4,
        metric: one.metric,
        type: 1,
        legs,
      }
      kernel.put(route)
      run.foreign.set(`${one.prefix} 254 ${one.metric}`, gateway)
      run.scene.settle()
      return
    }
    case 'unforeign':
      if (run.foreign.delete(`${one.prefix} 254 ${one.metric}`))
        kernel.take(one.prefix, 254, one.metric)
      return
    case 'delete ours':
      if (ours(kernel, one.prefix)) kernel.take(one.prefix, 254, 2179)
      return
    case 'change ours': {
      const route = ours(kernel, one.prefix)
      if (route) kernel.put({ ...withoutObject(route), type: 6, legs: [] })
      return
    }
    case 'blackholes':
      run.blackholes = one.prefixes
      fib.blackholes(one.prefixes)
      return
    case 'down':
    case 'up':
      run.eth1 = one.do === 'up'
      kernel.setLink({ index: 3, name: 'eth1', up: run.eth1, running: run.eth1 })
      if (run.eth1)
        kernel.put({
          prefix: '10.0.1.0/24',
          table: 254,
          protocol: 2,
          metric: 0,
          type: 1,
          legs: [{ interface: 3, gateway: null }],
        })
      return
    case 'overflow':
      kernel.overflow()
      return
    case 'lose':
      kernel.losingReplies = true
      run.scene.settle()
      kernel.losingReplies = false
      return
    case 'restart': {
      await fib.close()
      run.dead = false
      run.scene = writerOver(kernel, run.settings)
      await run.scene.fib.start()
      for (const [text, id] of run.wants) run.scene.fib.change(changes([[text, id]], sets))
      run.scene.fib.blackholes(run.blackholes)
      run.scene.fib.synchronised()
      return
    }
    case 'remove an object': {
      const objects = kernel.nexthops.objects()
      const object = objects[one.which % Math.max(1, objects.length)]
      if (object) kernel.takeNexthop(object.id)
      return
    }
    case 'dead':
      // Known only where it is in use, and forgotten with its last use.
      fib.track(gateways[0]!)
      run.scene.settle()
      fib.dead?.(gateways[0]!)
      run.dead = true
      return
    case 'alive':
      fib.alive?.(gateways[0]!)
      run.dead = false
      return
    case 'objects off':
    case 'objects auto':
      run.settings = { ...run.settings, nexthops: one.do === 'objects off' ? 'Off' : 'Auto' }
      fib.configure(run.settings)
      return
    case 'settle':
      run.scene.settle()
  }
}

function ours(kernel: MemoryKernel, text: string) {
  const route = kernel.routes.get(`${text} 254 2179`)
  return route?.protocol === 179 ? route : undefined
}

function checkForeign(run: Run): void {
  const { routes } = run.scene.kernel
  for (const [key, gateway] of run.foreign) {
    const route = routes.get(key)
    if (route?.protocol !== 4 || route.legs[0]?.gateway !== gateway) {
      throw new Error(`the foreign route ${key} was touched`)
    }
  }
  const theirs = [...routes.values()].filter((route) => route.protocol === 4)
  if (theirs.length !== run.foreign.size) throw new Error('a foreign route came from nowhere')
}

function checkOurs(run: Run): void {
  const wanted: string[] = []
  for (const text of prefixes) {
    if (run.foreign.has(`${text} 254 2179`)) continue
    if (run.blackholes.includes(text)) {
      wanted.push(`${text} type 6`)
      continue
    }
    const id = run.wants.get(text) ?? 0
    const hops = sets.find((one) => one.id === id)?.nextHops ?? []
    const legs = hops
      .filter((hop) => (run.eth1 || hop !== gateways[1]) && !(run.dead && hop === gateways[0]))
      .map((hop) => `${hop}@${hop === gateways[1] ? 3 : 2}`)
      .sort((a, b) => (a.at(-1)! < b.at(-1)! ? -1 : a.at(-1)! > b.at(-1)! ? 1 : a < b ? -1 : 1))
    if (legs.length > 0) wanted.push(`${text} ${legs.join(' ')}`)
  }
  const seen = run.scene.ours().join('\n')
  if (seen !== wanted.sort().join('\n')) {
    throw new Error(`wanted\n${wanted.join('\n')}\nbut the kernel holds\n${seen}`)
  }
}

/** Nothing is left over, and every route of ours names an object where there are such. */
function checkObjects(run: Run): void {
  const { kernel } = run.scene
  const objects = kernel.nexthops.objects()
  const named = new Set([...kernel.routes.values()].map((route) => route.nexthop))
  const members = new Set(objects.flatMap((object) => object.members))
  // A set stays at hand while a prefix wants it, though a blackhole or another's route is in force.
  const wanted = new Set(run.wants.values())
  const hops = sets.flatMap((one) => (wanted.has(one.id) ? one.nextHops : []))
  for (const { id } of objects) {
    const leads = kernel.nexthops.legsOf(id).some((leg) => hops.includes(leg.gateway ?? ''))
    if (!named.has(id) && !members.has(id) && !leads) throw new Error(`nothing needs object ${id}`)
  }
  const active = kernel.nexthopSupport && run.settings.nexthops !== 'Off'
  for (const route of kernel.routes.values()) {
    if (route.protocol !== 179 || route.type !== 1) continue
    if ((route.nexthop !== undefined) !== active) {
      throw new Error(`${route.prefix} ${active ? 'names no' : 'names a'} nexthop object`)
    }
  }
}

function withoutObject(route: MemoryRoute): MemoryRoute {
  const { nexthop: _nexthop, ...rest } = route
  return rest
}
