/**
 * Which questions are asked: a scenario in a size. Without sizes on the command line these are the
 * standard ones.
 */
import type { AnycastJob, ChurnJob, ClusterJob, FeedJob, Job } from './load/job.ts'
import { site } from './site.ts'

type Play<T extends Job> = Omit<
  T,
  'address' | 'port' | 'asn' | 'playerBase' | 'pids' | 'timeoutSeconds' | 'parallel' | 'reflects'
>

export type Question = (
  | Play<ClusterJob>
  | Play<FeedJob>
  | Play<ChurnJob>
  | (Omit<Play<AnycastJob>, 'paths'> & { readonly addPath: boolean })
) & { readonly parallel: number }

export const scenarios = ['cluster', 'feed', 'churn', 'anycast'] as const
export type Scenario = (typeof scenarios)[number]

/** Lists of sizes; every combination is a question. Absent ones take the standard. */
export interface Sizes {
  readonly nodes?: readonly number[] | undefined
  readonly prefixes?: readonly number[] | undefined
  readonly feeders?: readonly number[] | undefined
  readonly sinks?: number | undefined
  readonly slow?: number | undefined
  readonly stallSeconds?: number | undefined
  readonly events?: number | undefined
  readonly parallel?: number | undefined
}

const standardEvents = 20
/** Daemons with a short listen queue lose sessions when more come at once. */
const standardParallel = 4

function cluster(
  nodes: number,
  prefixes: number,
  sizes: Sizes,
): Question & { scenario: 'cluster' } {
  const events = sizes.events ?? standardEvents
  const parallel = sizes.parallel ?? standardParallel
  return { scenario: 'cluster', nodes, prefixes, events, vanish: true, parallel }
}

function feed(prefixes: number, feeders: number, sizes: Sizes): Question {
  const slow = sizes.slow ?? 0
  const sinks = sizes.sinks ?? (slow > 0 ? 5 : 1)
  const stallSeconds = slow > 0 ? (sizes.stallSeconds ?? 20) : 0
  const parallel = sizes.parallel ?? standardParallel
  return { scenario: 'feed', feeders, sinks, prefixes, slow, stallSeconds, parallel }
}

function churn(nodes: number, sizes: Sizes): Question {
  return { scenario: 'churn', nodes, rounds: 2, parallel: sizes.parallel ?? 0 }
}

function anycast(nodes: number, prefixes: number, addPath: boolean, sizes: Sizes): Question {
  const parallel = sizes.parallel ?? standardParallel
  return { scenario: 'anycast', nodes, prefixes, addPath, parallel }
}

export function planQuestions(scenario: Scenario, sizes: Sizes): Question[] {
  const each = <T>(
    list: readonly number[] | undefined,
    other: readonly number[],
    make: (n: number) => T,
  ) => (list ?? other).map(make)
  switch (scenario) {
    case 'cluster':
      if (sizes.nodes === undefined && sizes.prefixes === undefined) {
        return [
          cluster(100, 1, sizes),
          cluster(500, 1, sizes),
          cluster(1000, 1, sizes),
          cluster(1000, 10, sizes),
        ]
      }
      return each(sizes.nodes, [1000], (nodes) =>
        each(sizes.prefixes, [1], (prefixes) => cluster(nodes, prefixes, sizes)),
      ).flat()
    case 'feed':
      if (sizes.feeders === undefined && sizes.prefixes === undefined && sizes.slow === undefined) {
        return [
          feed(100_000, 1, sizes),
          feed(1_000_000, 1, sizes),
          feed(100_000, 10, sizes),
          feed(300_000, 1, { ...sizes, slow: 1 }),
        ]
      }
      return each(sizes.prefixes, [100_000], (prefixes) =>
        each(sizes.feeders, [1], (feeders) => feed(prefixes, feeders, sizes)),
      ).flat()
    case 'churn':
      return each(sizes.nodes, [1000], (nodes) => churn(nodes, sizes))
    case 'anycast':
      return each(sizes.nodes, [1000], (nodes) =>
        each(sizes.prefixes, [10], (prefixes) =>
          [false, true].map((addPath) => anycast(nodes, prefixes, addPath, sizes)),
        ).flat(),
      ).flat()
  }
}

/** Small enough for a test, and without what needs a daemon's patience: nodes that vanish and return. */
export function quickQuestions(): [Question & { scenario: 'cluster' }, Question] {
  return [{ ...cluster(20, 1, { events: 3 }), vanish: false }, feed(1000, 1, {})]
}

/** What identifies a question in the results; how often an event is repeated does not. */
export function sizeOf(question: Question): Record<string, number> {
  switch (question.scenario) {
    case 'cluster':
      return { nodes: question.nodes, prefixes: question.prefixes }
    case 'feed': {
      const { feeders, sinks, prefixes, slow } = question
      return { prefixes, feeders, sinks, ...(slow > 0 ? { slow } : {}) }
    }
    case 'churn':
      return { nodes: question.nodes, parallel: question.parallel }
    case 'anycast':
      return {
        nodes: question.nodes,
        prefixes: question.prefixes,
        addPath: Number(question.addPath),
      }
  }
}

export interface Subject {
  readonly pids: readonly number[]
  readonly reflects: boolean
  readonly timeoutSeconds: number
  /** Paths of a prefix that the daemon sends. */
  readonly paths: number
}

/** The job for the generator. */
export function makeJob(question: Question, subject: Subject): Job {
  const { paths, ...rest } = subject
  const common = {
    address: site.address,
    port: site.port,
    asn: site.asn,
    playerBase: site.playerBase,
    ...rest,
  }
  if (question.scenario !== 'anycast') return { ...common, ...question }
  return { ...common, ...question, paths: question.addPath ? paths : null }
}
