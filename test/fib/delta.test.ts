/**
 * The policy itself, cell by cell, and then as a whole: random wants, random kernels, random others;
 * carried out on a kernel, the operations must yield the wants and leave the others alone.
 */
import fc from 'fast-check'
import t from 'tap'
import { delta, type Have, type Operation } from '../../fib/delta.ts'
import type { MemoryKernel } from '../../fib/memory.ts'
import { changes, memoryScene, type Scene, seed, set, settings, writerOver } from './scene.ts'

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
]

const prefix = fc.constantFrom(...prefixes)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('want' as const), prefix, set: fc.nat({ max: 2 }) }),
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
    arbitrary: fc.record({
      do: fc.constant('blackholes' as const),
      prefixes: fc.uniqueArray(prefix),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('down', 'up', 'overflow', 'lose', 'restart', 'settle'),
    }),
  },
)

interface Run {
  scene: Scene
  readonly wants: Map<string, number>
  readonly foreign: Map<string, string>
  blackholes: readonly string[]
  eth1: boolean
}

t.test(
  'whatever happens, the kernel ends up with what is wanted, and others keep theirs',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const run: Run = {
          scene: memoryScene(),
          wants: new Map(),
          foreign: new Map(),
          blackholes: [],
          eth1: true,
        }
        await run.scene.fib.start()
        run.scene.fib.synchronised()
        for (const one of steps) {
          await carryOut(run, one)
          checkForeign(run)
        }
        // Long enough for every scan, retry and back-off.
        run.scene.pass(600_000)
        checkForeign(run)
        checkOurs(run)
      }),
      { seed, numRuns: 300 },
    )
  },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

async function carryOut(run: Run, one: Step): Promise<void> {
  const { kernel, fib } = run.scene
  switch (one.do) {
    case 'want': {
      const id = one.set === 0 ? 0 : one.set + (one.prefix.includes(':') ? 2 : 0)
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
      if (route) kernel.put({ ...route, type: 6, legs: [] })
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
      run.scene = writerOver(kernel, settings)
      await run.scene.fib.start()
      for (const [text, id] of run.wants) run.scene.fib.change(changes([[text, id]], sets))
      run.scene.fib.blackholes(run.blackholes)
      run.scene.fib.synchronised()
      return
    }
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
      .filter((hop) => run.eth1 || hop !== gateways[1])
      .map((hop) => `${hop}@${hop === gateways[1] ? 3 : 2}`)
      .sort((a, b) => (a.at(-1)! < b.at(-1)! ? -1 : a.at(-1)! > b.at(-1)! ? 1 : a < b ? -1 : 1))
    if (legs.length > 0) wanted.push(`${text} ${legs.join(' ')}`)
  }
  const seen = run.scene.ours().join('\n')
  if (seen !== wanted.sort().join('\n')) {
    throw new Error(`wanted\n${wanted.join('\n')}\nbut the kernel holds\n${seen}`)
  }
}
