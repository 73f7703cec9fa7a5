/**
 * Questions by the hundred each second while a table comes in: no session is lost, every route arrives,
 * and every question is answered. No time is asserted; the figures are those of fire-main.ts.
 */
import t from 'tap'
import { missing } from '../network/namespaces.ts'
import { runFire } from './fire.ts'

t.setTimeout(240_000)

t.test('a table comes in under fire', { skip: await missing('ip') }, async (t) => {
  const { underFire, barrage } = await runFire({
    prefixes: 100_000,
    questionsPerSecond: 200,
    secondsMin: 0,
    questionsMin: 1000,
    importsInPeace: 0,
    importsBeside: 0,
  })
  for (const { failure, counters } of underFire) {
    t.equal(failure, null, 'the sink has every route')
    t.equal(counters.sessionsLost, 0)
    t.ok(counters.prefixes >= 100_000)
  }
  t.same(barrage.complaints, [])
  t.same(
    Object.keys(barrage.statuses).filter((status) => status !== '200' && status !== '404'),
    [],
    'nothing but answers',
  )
  t.equal(barrage.givenUp, 0)
  t.ok((barrage.statuses[200] ?? 0) > 900, `${barrage.asked} questions`)
  t.ok(barrage.events > 0, 'the stream told of the sessions meanwhile')
})
