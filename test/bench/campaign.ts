/**
 * Runs questions against daemons. The daemons take turns, so that a slow minute of the machine meets
 * all of them; each run has a fresh daemon in namespaces of its own.
 */
import path from 'node:path'
import type { Contender } from './daemons.ts'
import type { Job, Outcome } from './load/job.ts'
import { makeJob, type Question, sizeOf } from './plan.ts'
import type { Run } from './results.ts'
import { familyOf, Site } from './site.ts'

export interface CampaignOptions {
  readonly questions: readonly Question[]
  readonly contenders: readonly Contender[]
  readonly runs: number
  /** For each phase. */
  readonly timeoutSeconds: number
  /** Told of each run when it is over. */
  readonly onRun: (run: Run) => void
}

const generator = path.resolve(import.meta.dirname, 'load/generator.js')

export async function runCampaign(options: CampaignOptions): Promise<void> {
  const { questions, contenders, runs, timeoutSeconds, onRun } = options
  for (const question of questions) {
    for (let round = 0; round < runs; round++) {
      for (const contender of contenders) {
        if (canAnswer(contender, question)) onRun(await ask(contender, question, timeoutSeconds))
      }
    }
  }
}

/** The relay knows nothing to withdraw or to choose from; some daemons have no ADD-PATH. */
export function canAnswer({ kind }: Contender, question: Question): boolean {
  if (question.scenario === 'anycast') {
    return kind.reflects && (!question.addPath || kind.addPaths !== null)
  }
  return kind.reflects || question.scenario !== 'feed' || question.feeders === 1
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
    const daemon = await kind.start(site, program, { addPath })
    const job = makeJob(forKind(question, kind.reflects), {
      pids: familyOf(daemon.pid),
      reflects: kind.reflects,
      timeoutSeconds,
      paths: kind.addPaths ?? 0,
    })
    const { failure, measures, counters } = await generate(site, job)
    return { ...run, failure, measures, counters }
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

async function generate(site: Site, job: Job): Promise<Outcome> {
  const process_ = site.players.start(process.execPath, [
    '--enable-source-maps',
    generator,
    JSON.stringify(job),
  ])
  const { code, signal } = await process_.ended
  if (code !== 0) {
    throw new Error(
      `the generator ended with ${signal ?? `code ${code}`}: ${process_.stderr.trim()}`,
    )
  }
  return JSON.parse(process_.stdout)
}
