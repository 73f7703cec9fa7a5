/**
 * `npm run fuzz -- --seconds N --seed S`: mutated messages until the time is over, or a finding.
 * `--messages N` ends it after so many instead; `--index N` and `--episode N` replay one finding.
 */
import { parseArgs } from 'node:util'
import { type Finding, runCampaign, runEpisode, runOffline } from './campaign.ts'
import { replayOption, watch } from './watchdog.ts'

const block = 200_000
const batches = 1000
/** Blocks until caches and compiled code have settled, and what the heap may grow after that. */
const settledBlocks = 3
const growthMibMax = 24

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    messages: { type: 'string', default: '1e12' },
    index: { type: 'string' },
    episode: { type: 'string' },
  },
})
const seed = numberOf('seed')
const { progress, close } = watch(seed)
const at = (now: number): void => {
  progress[0] = now
}

process.exitCode =
  values.index !== undefined || values.episode !== undefined ? await replay() : await campaign()
close()

async function replay(): Promise<number> {
  const finding =
    values.index !== undefined
      ? runOffline({ seed, at }, numberOf('index'), numberOf('index') + 1, new Map())
      : (await runEpisode({ seed, batches, at }, numberOf('episode'))).finding
  if (finding === null) console.log('nothing was found there')
  else tell(finding)
  return finding === null ? 0 : 1
}

async function campaign(): Promise<number> {
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  const limit = numberOf('seconds')
  console.log(`seed ${seed}`)
  const report = await runCampaign({
    seed,
    messages: numberOf('messages'),
    block,
    batches,
    enough: () => seconds() >= limit,
    at,
  })
  const total = report.offline + report.live
  for (const [outcome, count] of [...report.outcomes].sort()) {
    console.log(`${String(count).padStart(12)}  ${outcome}`)
  }
  console.log(
    `${total} messages in ${seconds().toFixed(0)} s, ${Math.round(total / seconds())} a second: ` +
      `${report.offline} offline, ${report.live} over ${report.sessions} live sessions`,
  )
  const growth = (report.heapMib.at(-1) ?? 0) - (report.heapMib[settledBlocks] ?? Infinity)
  const [first = 0] = report.heapMib
  const last = report.heapMib.at(-1) ?? 0
  console.log(`heap after collection: ${first.toFixed(1)} MiB first, ${last.toFixed(1)} MiB last`)
  if (report.finding !== null) tell(report.finding)
  else if (growth > growthMibMax) console.error(`the heap grew by ${growth.toFixed(1)} MiB`)
  return report.finding !== null || growth > growthMibMax ? 1 : 0
}

function tell({ progress: where, target, error }: Finding): void {
  console.error(`found by "${target}":`, error)
  console.error(`replay: npm run fuzz -- --seed ${seed} ${replayOption(where)}`)
}

function numberOf(name: 'seconds' | 'seed' | 'messages' | 'index' | 'episode'): number {
  const number = Number(values[name])
  if (Number.isFinite(number) && number >= 0) return number
  console.error(`--${name} takes a number, not "${values[name]}"`)
  process.exit(2)
}
