/**
 * Rounds of chaos, half a minute in all, with the same seed every time unless CHAOS_SEED says otherwise;
 * `npm run chaos` is the whole. And the model that judges it, by a table.
 */
import t from 'tap'
import { cannotRun, runCampaign } from './campaign.ts'
import { buildModel, compareRoutes, expectedRoutes, type Model } from './model.ts'

t.setTimeout(280_000)

const skip = await cannotRun()
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_122)

const rows: readonly {
  readonly caption: string
  readonly change: (model: Model) => void
  readonly expected: Readonly<Record<string, string | undefined>>
}[] = [
  {
    caption: 'both switches are ways',
    change: () => undefined,
    expected: {
      '10.50.0.0/24': 'via 10.99.1.1, 10.99.2.1',
      'fd50:0:2::/48': 'via fd99:0:0:1::1, fd99:0:0:2::1',
      '10.51.0.0/24': 'via 10.99.1.1',
      '10.244.1.0/24': 'blackhole',
    },
  },
  {
    caption: 'one switch is in trouble, twice, and out of it once',
    change: ({ troubles }) => {
      troubles[1].add('unplugged').add('no address')
      troubles[1].delete('unplugged')
    },
    expected: { '10.50.0.0/24': 'via 10.99.2.1', '10.51.0.0/24': undefined },
  },
  {
    caption: 'somebody else holds our key',
    change: ({ taken }) => taken.add('10.50.0.0/24'),
    expected: { '10.50.0.0/24': undefined, '10.50.1.0/24': 'via 10.99.1.1, 10.99.2.1' },
  },
]

t.test('what the kernel should hold follows from what was done', async (t) => {
  for (const { caption, change, expected } of rows) {
    const model = buildModel(10)
    change(model)
    const routes = expectedRoutes(model)
    for (const [prefix, way] of Object.entries(expected)) {
      t.equal(routes.get(prefix), way, `${caption}: ${prefix}`)
    }
  }
  const some = new Map([['10.0.0.0/8', 'via 10.99.1.1']])
  t.same(compareRoutes(some, some), [])
  t.match(compareRoutes(some, new Map()), [/10\.0\.0\.0\/8: wanted via .*, found nothing/])
})

t.test(
  `chaos leaves the kernel right and others' routes alone (seed ${seed})`,
  { skip },
  async (t) => {
    const { rounds, steps, complaints } = await runCampaign(t, {
      seed,
      seconds: 18,
      floodRoutes: 20_000,
      tell: (line) => t.comment(line),
    })
    t.same(complaints, [], `${steps.length} steps; npm run chaos -- --seed ${seed}`)
    t.ok(rounds >= 2, `${rounds} rounds`)
  },
)
