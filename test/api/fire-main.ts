/**
 * The figures of docs/api.md: `node dist/test/api/fire-main.js [PREFIXES [SECONDS [QUESTIONS_PER_SECOND]]]`.
 * Needs root, for its network namespaces, and a machine with nothing else to do.
 */
import type { Outcome } from '../bench/load/job.ts'
import { runFire } from './fire.ts'

const [prefixes = 1_000_000, secondsMin = 60, questionsPerSecond = 200] = process.argv
  .slice(2)
  .map(Number)

const { inPeace, beside, underFire, barrage, loopDelay } = await runFire({
  prefixes,
  questionsPerSecond,
  secondsMin,
  questionsMin: 0,
  importsInPeace: 3,
  importsBeside: 3,
})

const seconds = (outcomes: readonly Outcome[]) =>
  outcomes
    .map(({ failure, measures }) => failure ?? measures['right.seconds']?.toFixed(2) ?? '?')
    .join(' ')
const lost = [...inPeace, ...beside, ...underFire].reduce(
  (sum, one) => sum + one.counters.sessionsLost,
  0,
)
const ms = (value: number) => value.toFixed(1)
console.log(`imports of ${prefixes} prefixes, seconds until the sink had every route:
  in peace    ${seconds(inPeace)}
  beside one  ${seconds(beside)}
  under fire  ${seconds(underFire)}
sessions lost: ${lost}
loop delay over the last minute, ms: p50 ${ms(loopDelay.p50)}, p99 ${ms(loopDelay.p99)}, max ${ms(loopDelay.max)}
questions: ${barrage.asked} asked, ${barrage.givenUp} given up; by status ${JSON.stringify(barrage.statuses)}
events streamed: ${barrage.events}
${barrage.complaints.join('\n')}`)
for (const { question, answers, p50Ms, p99Ms, maxMs } of barrage.tallies) {
  console.log(
    `${question.padEnd(28)} ${String(answers).padStart(6)}   p50 ${ms(p50Ms)}   p99 ${ms(p99Ms)}   max ${ms(maxMs)} ms`,
  )
}
