/**
 * Runs questions against daemons. The daemons take turns, so that a slow minute of the machine meets
 * all of them; each run has a fresh daemon in namespaces of its own. What has its runs isn't asked
 * again, so a campaign that was interrupted goes on where it stopped.
 */
import path from 'node:path'
import { type Contender, routeletFiles } from './daemons.ts'
import type { Job, Outcome } from './load/job.ts'
import { makeJob, type Question, sizeOf } from './plan.ts'
import { questionOf, type Run } from './results.ts'
import { familyOf, Site } from './site.ts'

export interface CampaignOptions {
  readonly questions: readonly Question[]
  readonly contenders: readonly Contender[]
  /** Of each question and daemon, those in `earlier` included. */
  readonly runs: number
  readonly earlier: readonly Run[]
  /** Longest time for one run. */
  readonly timeoutSeconds: number
  /** No run is begun later than so many seconds after the start; null: they all are. */
  readonly beginSecondsMax: number | null
  /** Told of each run when it is over. */
  readonly onRun: (run: Run) => void
}

const generator = path.resolve(import.meta.dirname, 'load/generator.js')
/** The generator ends by itself in time; beyond, it hangs. */
const graceSeconds = 15

/** Gives the number of runs that there was no time to begin. */
export async function runCampaign(options: CampaignOptions): Promise<number> {
  const { questions, contenders, runs, timeoutSeconds, beginSecondsMax, onRun } = options
  const start = performance.now()
  const known = [...options.earlier]
  let left = 0
  for (const question of questions) {
    for (let round = 0; round < runs; round++) {
      for (const contender of contenders) {
        if (!isDue(contender, question, round, known)) continue
        const elapsed = (performance.now() - start) / 1000
        if (beginSecondsMax !== null && elapsed > beginSecondsMax) {
          left++
          continue
        }
        const run = await ask(contender, question, timeoutSeconds)
        known.push(run)
        onRun(run)
      }
    }
  }
  return left
}

/** Whether the run number `round` is still to be made, and worth it. */
function isDue(
  contender: Contender,
  question: Question,
  round: number,
  known: readonly Run[],
): boolean {
  if (!canAnswer(contender, question)) return false
  const asked = { scenario: question.scenario, size: sizeOf(question) }
  const own = known.filter(({ daemon }) => daemon === contender.kind.name)
  if (own.filter((run) => questionOf(run) === questionOf(asked)).length > round) return false
  // Who had no time for this, or for less, isn't given it again.
  return contender.kind.isRoutelet || !own.some((run) => run.outOfTime && isNoLarger(run, asked))
}

type Asked = Pick<Run, 'scenario' | 'size'>

/** Whether one question is another in no larger a size. */
export function isNoLarger(one: Asked, other: Asked): boolean {
  const names = Object.keys(one.size)
  return (
    one.scenario === other.scenario &&
    names.join() === Object.keys(other.size).join() &&
    names.every((name) => (one.size[name] as number) <= (other.size[name] as number))
  )
}

/** The relay knows nothing to withdraw or to choose from; some daemons have no ADD-PATH. */
export function canAnswer({ kind }: Contender, question: Question): boolean {
  switch (question.scenario) {
    case 'anycast':
      return kind.reflects && (!question.addPath || kind.addPaths !== null)
    case 'fan-in':
    case 'pulse':
      return kind.reflects
    case 'feed':
      // It keeps what a sink doesn't read, and has nothing to choose by.
      return kind.reflects || (question.feeders === 1 && question.slow === 0)
    default:
      return true
  }
}

async function ask(contender: Contender, question: Question, timeoutSeconds: number): Promise<Run> {
  const { kind, version, root, program } = contender
  const run = {
    date: new Date().toISOString(),
    scenario: question.scenario,
    size: sizeOf(question),
    daemon: kind.name,
    version,
  }
  const site = await Site.open(root)
  try {
    const addPath = question.scenario === 'anycast' && question.addPath
    const loopClock = question.scenario === 'pulse' && kind.isRoutelet
    const daemon = await kind.start(site, program, { addPath, loopClock })
    const job = makeJob(forKind(question, kind.reflects), {
      pids: familyOf(daemon.pid),
      reflects: kind.reflects,
      timeoutSeconds,
      api: kind.isRoutelet ? site.hostPath(routeletFiles.api) : null,
      loopReport: loopClock ? site.hostPath(routeletFiles.loop) : null,
      paths: kind.addPaths ?? 0,
    })
    const { failure, outOfTime, measures, counters } = await generate(site, job)
    return { ...run, failure, ...(outOfTime ? { outOfTime } : {}), measures, counters }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    return { ...run, failure, measures: {}, counters: null }
  } finally {
    await site.close()
  }
}

/** The relay doesn't withdraw what a lost peer announced. */
function forKind(question: Question, reflects: boolean): Question {
  if (question.scenario !== 'cluster') return question
  return { ...question, vanish: question.vanish && reflects }
}

type Answer = Pick<Run, 'failure' | 'measures' | 'counters'> & Pick<Outcome, 'outOfTime'>

async function generate(site: Site, job: Job): Promise<Answer> {
  const process_ = site.players.start(process.execPath, [
    '--enable-source-maps',
    generator,
    JSON.stringify(job),
  ])
  const seconds = job.timeoutSeconds + graceSeconds
  let hung = false
  const watch = setTimeout(() => {
    hung = true
    process_.kill('SIGKILL')
  }, seconds * 1000)
  const { code, signal } = await process_.ended
  clearTimeout(watch)
  if (hung) {
    const failure = `did not finish in ${job.timeoutSeconds} s; the generator could not keep up`
    return { failure, outOfTime: true, measures: {}, counters: null }
  }
  if (code !== 0) {
    throw new Error(
      `the generator ended with ${signal ?? `code ${code}`}: ${process_.stderr.trim()}`,
    )
  }
  return JSON.parse(process_.stdout)
}
