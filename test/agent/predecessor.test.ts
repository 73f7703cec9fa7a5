/** Another routing daemon that spoke for this node until now is known by its blackholes alone. */
import t from 'tap'
import type { Happening } from '../../src/event-log.ts'
import { inheritFamilies } from '../../src/predecessor.ts'
import { memoryScene } from '../fib/scene.ts'

const aggregates = ['10.244.1.0/26', 'fd42::/122']
const blackhole = 6
const unicast = 1

interface Left {
  readonly prefix: string
  readonly protocol: number
  readonly type: number
}

async function inherit(left: readonly Left[]) {
  const { kernel, fib, settle } = memoryScene()
  for (const { prefix, protocol, type } of left) {
    const legs = type === unicast ? [{ interface: 2, gateway: '10.0.0.2' }] : []
    kernel.put({ prefix, table: 254, protocol, metric: 32, type, legs })
  }
  await fib.start()
  settle()
  const told: Happening[] = []
  const families = await inheritFamilies(fib, aggregates, { add: (event) => told.push(event) })
  return { families, told: told.map(({ text }) => text) }
}

t.test('what a predecessor is known by', async (t) => {
  const [four = '', six = ''] = aggregates
  const table: readonly [string, readonly Left[], readonly string[]][] = [
    ['nothing', [], []],
    ['a blackhole of BIRD', [{ prefix: four, protocol: 12, type: blackhole }], ['ipv4-unicast']],
    [
      'one in each family',
      [four, six].map((prefix) => ({ prefix, protocol: 12, type: blackhole })),
      ['ipv4-unicast', 'ipv6-unicast'],
    ],
    ['one of FRR', [{ prefix: six, protocol: 186, type: blackhole }], ['ipv6-unicast']],
    [
      'a blackhole of Felix, who speaks no BGP',
      [{ prefix: four, protocol: 80, type: blackhole }],
      [],
    ],
    ['a route of BIRD that is none', [{ prefix: four, protocol: 12, type: unicast }], []],
    ['for another block', [{ prefix: '10.244.2.0/26', protocol: 12, type: blackhole }], []],
    ['our own, of an earlier run', [{ prefix: four, protocol: 179, type: blackhole }], []],
  ]
  for (const [caption, left, families] of table) {
    t.same((await inherit(left)).families, families, caption)
  }
})

t.test('it is told once, by name', async (t) => {
  const { told } = await inherit(
    aggregates.map((prefix) => ({ prefix, protocol: 12, type: blackhole })),
  )
  t.same(told, ['takes over from bird (12), whose routes stay: to peers this is a restart'])
})
