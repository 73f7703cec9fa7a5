/** A short run of the fuzzer, always the same, and that the fuzzer itself finds and replays. */
import t from 'tap'
import { runCampaign, runOffline, targetOf } from './campaign.ts'
import { targets } from './targets.ts'

const { RL_SEED = '20260817' } = process.env
const seed = Number(RL_SEED)
const messages = 60_000

t.test(`mutated messages do no harm, offline and live (seed ${seed})`, async (t) => {
  const report = await runCampaign({
    seed,
    messages,
    block: messages / 2,
    batches: 100,
    enough: () => false,
    at: () => {},
  })
  if (report.finding !== null) t.comment(report.finding)
  t.equal(report.finding, null)
  t.equal(report.offline, messages)
  t.ok(report.live > 1000, `${report.live} messages over ${report.sessions} live sessions`)
  const met = new Set([...report.outcomes.keys()].map((outcome) => outcome.split(':')[0]))
  t.same(
    targets.map(({ name }) => name).filter((name) => !met.has(name)),
    [],
    'every target had its turn',
  )
  for (const outcome of [
    'update: announced',
    'update: treated as withdrawn',
    'update: attribute discarded',
    'update: reset update/invalidNetwork',
    'open: accepted',
  ]) {
    t.ok((report.outcomes.get(outcome) ?? 0) > 100, `${outcome}: it gets deep`)
  }
})

t.test('an index is the same message whatever came before it', async (t) => {
  const alone = new Map<string, number>()
  const among = new Map<string, number>()
  const options = { seed, at: () => {} }
  for (const index of [700, 20, 3]) runOffline(options, index, index + 1, alone)
  runOffline(options, 0, 2000, new Map())
  for (const index of [3, 20, 700]) runOffline(options, index, index + 1, among)
  t.same([...alone].sort(), [...among].sort())
  t.equal(targetOf(seed, 20).random.word(), targetOf(seed, 20).random.word())
})
