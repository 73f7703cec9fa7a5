/**
 * The load generator, a process of its own inside the namespace of the players:
 * `node generator.js '{"scenario":"cluster",…}'`. The job comes as its only argument (job.ts), the
 * outcome goes to standard output as one line of JSON. A scenario that fails is an outcome too; any
 * other end has a non-zero exit code.
 */

import { playFanIn, playFeed, playPulse, pulseHoldSeconds } from './feeds.ts'
import type { Job, Measures, Outcome } from './job.ts'
import { Load, OutOfTime, PhaseFailure } from './load.ts'
import { playAnycast, playChurn, playCluster } from './scenarios.ts'
import { Universe } from './universe.ts'
import { measureUsage } from './usage.ts'
import { parseAddress } from './wire.ts'

const job: Job = JSON.parse(process.argv[2] ?? '')
process.stdout.write(`${JSON.stringify(await play(job))}\n`)
process.exit()

async function play(job: Job): Promise<Outcome> {
  const mixed = ['feed', 'pulse', 'fan-in'].includes(job.scenario)
  const universe = new Universe(mixed, parseAddress(job.playerBase))
  const load = new Load(job, universe, job.scenario === 'pulse' ? pulseHoldSeconds : undefined)
  const measures: Measures = {}
  let failure: PhaseFailure | null = null
  try {
    await playScenario(load, job, measures)
    // Of the whole; of a part they would look like less.
    const { cpuSeconds, peakBytes } = measureUsage(job.pids)
    Object.assign(measures, { cpuSeconds, peakBytes })
  } catch (error) {
    if (!(error instanceof PhaseFailure)) throw error
    failure = error
  }
  const verdict = judge(load)
  const outOfTime = failure instanceof OutOfTime && verdict === null
  load.close()
  return {
    failure: verdict ?? failure?.message ?? null,
    outOfTime,
    measures: verdict === null ? measures : {},
    counters: load.counters,
  }
}

function playScenario(load: Load, job: Job, into: Measures): Promise<void> {
  switch (job.scenario) {
    case 'cluster':
      return playCluster(load, job, into)
    case 'feed':
      return playFeed(load, job, into)
    case 'pulse':
      return playPulse(load, job, into)
    case 'fan-in':
      return playFanIn(load, job, into)
    case 'churn':
      return playChurn(load, job, into)
    case 'anycast':
      return playAnycast(load, job, into)
  }
}

/** Right tables aren't all: what came on the way must have been right too. */
function judge({ counters, job }: Load): string | null {
  const { malformed, foreign, reflectionFaults, reflectionsChecked, prefixes } = counters
  if (malformed > 0) return `${malformed} malformed messages`
  if (foreign > 0) return `${foreign} prefixes or next hops that nobody announced`
  if (!job.reflects) return null
  if (reflectionFaults > 0) {
    return `${reflectionFaults} of ${reflectionsChecked} routes without the right ORIGINATOR_ID and CLUSTER_LIST`
  }
  return prefixes > 0 && reflectionsChecked === 0 ? 'no reflected route was looked at' : null
}
