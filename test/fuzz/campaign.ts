/**
 * A run of the fuzzer: messages offline by index, and between them episodes over a live session.
 * Everything follows from the seed; the outcome is counted by class, and the heap is looked at while
 * it runs, since what grows by a little a message ends a node after a month.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LiveFuzz } from './live.ts'
import { Random } from './random.ts'
import { type Target, targets } from './targets.ts'

export interface CampaignOptions {
  readonly seed: number
  /** Messages offline at most. */
  readonly messages: number
  /** Offline messages between two live episodes. */
  readonly block: number
  /** Batches of a live episode. */
  readonly batches: number
  /** Asked after every block. */
  readonly enough: () => boolean
  /** Told what is at work: an index, or -1 - episode. */
  readonly at: (progress: number) => void
}

export interface Finding {
  /** As CampaignOptions.at was told. */
  readonly progress: number
  readonly target: string
  readonly error: unknown
}

export interface CampaignReport {
  readonly offline: number
  readonly live: number
  readonly sessions: number
  readonly outcomes: ReadonlyMap<string, number>
  /** Used heap after a full collection, in MiB, block by block. */
  readonly heapMib: readonly number[]
  readonly finding: Finding | null
}

const random = new Random()
const weights = targets.reduce((sum, { weight }) => sum + weight, 0)

/** The target of one index, with chance set up for it. */
export function targetOf(seed: number, index: number): { target: Target; random: Random } {
  random.restart(seed, index)
  let at = random.below(weights)
  const target = targets.find(({ weight }) => {
    at -= weight
    return at < 0
  }) as Target
  return { target, random }
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const outcomes = new Map<string, number>()
  const heapMib: number[] = []
  let offline = 0
  let live = 0
  let sessions = 0
  let finding: Finding | null = null
  for (let episode = 0; finding === null && offline < options.messages; episode++) {
    const end = Math.min(offline + options.block, options.messages)
    finding = runOffline(options, offline, end, outcomes)
    offline = finding === null ? end : finding.progress
    if (finding !== null) break
    const played = await runEpisode(options, episode)
    live += played.messages
    sessions += played.sessions
    finding = played.finding
    heapMib.push(usedHeapMib())
    if (options.enough()) break
  }
  return { offline, live, sessions, outcomes, heapMib, finding }
}

/** Runs the indexes `[from, to)`. */
export function runOffline(
  { seed, at }: Pick<CampaignOptions, 'seed' | 'at'>,
  from: number,
  to: number,
  outcomes: Map<string, number>,
): Finding | null {
  for (let index = from; index < to; index++) {
    at(index)
    const { target, random: chance } = targetOf(seed, index)
    try {
      const outcome = `${target.name}: ${target.run(chance)}`
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    } catch (error) {
      return { progress: index, target: target.name, error }
    }
  }
  return null
}

/** Plays one episode over a live session. */
export async function runEpisode(
  { seed, batches, at }: Pick<CampaignOptions, 'seed' | 'batches' | 'at'>,
  episode: number,
): Promise<{ messages: number; sessions: number; finding: Finding | null }> {
  const progress = -1 - episode
  at(progress)
  const fuzz = new LiveFuzz(seed, episode)
  try {
    await fuzz.start()
    for (let batch = 1; batch <= batches; batch++) {
      fuzz.step(batch)
      if (batch % 100 === 0) fuzz.check()
    }
    await fuzz.stop()
    return { messages: fuzz.messages, sessions: fuzz.sessions, finding: null }
  } catch (error) {
    return { messages: 0, sessions: 0, finding: { progress, target: 'live session', error } }
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function usedHeapMib(): number {
  collect()
  return process.memoryUsage().heapUsed / 1024 / 1024
}
