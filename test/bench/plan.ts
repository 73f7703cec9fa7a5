/**
 * Which questions are asked: a scenario in a size. Without sizes on the command line these are the
 * standard ones, and what docs/benchmarks.md shows.
 */
import type {
  AnycastJob,
  ChurnJob,
  ClusterJob,
  Common,
  FanInJob,
  FeedJob,
  Job,
  PulseJob,
} from './load/job.ts'
import { site } from './site.ts'

type Play<T extends Job> = Omit<T, keyof Common>

export type Question = (
  | Play<ClusterJob>
  | Play<FeedJob>
  | Play<PulseJob>
  | Play<FanInJob>
  | Play<ChurnJob>
  | (Omit<Play<AnycastJob>, 'paths'> & { readonly addPath: boolean })
) & { readonly parallel: number }

export const scenarios = ['cluster', 'churn', 'feed', 'pulse', 'fan-in', 'anycast'] as const
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
const fanInRounds = 10

type ClusterQuestion = Question & { readonly scenario: 'cluster' }

function cluster(nodes: number, prefixes: number, sizes: Sizes): ClusterQuestion {
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

function pulse(prefixes: number): Question {
  return { scenario: 'pulse', prefixes, parallel: standardParallel }
}

function fanIn(prefixes: number, feedersMost: number, rounds = fanInRounds): Question {
  const feedersLeast = Math.min(5, feedersMost)
  const parallel = standardParallel
  return { scenario: 'fan-in', rounds, feedersLeast, feedersMost, prefixes, parallel }
}

function churn(nodes: number, sizes: Sizes): Question {
  return { scenario: 'churn', nodes, rounds: 2, parallel: sizes.parallel ?? 0 }
}

function anycast(nodes: number, prefixes: number, addPath: boolean, sizes: Sizes): Question {
  const parallel = sizes.parallel ?? standardParallel
  return { scenario: 'anycast', nodes, prefixes, addPath, parallel }
}

/** Every combination of two lists. */
function combine<T>(
  some: readonly number[],
  others: readonly number[],
  make: (one: number, other: number) => T,
): T[] {
  return some.flatMap((one) => others.map((other) => make(one, other)))
}

export function planQuestions(scenario: Scenario, sizes: Sizes): Question[] {
  const { nodes, prefixes, feeders } = sizes
  switch (scenario) {
    case 'cluster':
      if (nodes === undefined && prefixes === undefined) return standardClusters(sizes)
      return combine(nodes ?? [1000], prefixes ?? [1], (n, each) => cluster(n, each, sizes))
    case 'feed':
      if (prefixes === undefined && feeders === undefined && sizes.slow === undefined) {
        return standardFeeds(sizes)
      }
      return combine(prefixes ?? [100_000], feeders ?? [1], (n, from) => feed(n, from, sizes))
    case 'pulse':
      return (prefixes ?? [1_000_000]).map(pulse)
    case 'fan-in':
      return combine(prefixes ?? [10_000], feeders ?? [30], (n, most) => fanIn(n, most))
    case 'churn':
      return (nodes ?? [1000]).map((n) => churn(n, sizes))
    case 'anycast':
      return combine(nodes ?? [1000], prefixes ?? [10], (n, each) =>
        [false, true].map((addPath) => anycast(n, each, addPath, sizes)),
      ).flat()
  }
}

function standardClusters(sizes: Sizes): Question[] {
  return [
    ...[100, 500, 1000, 2000].map((nodes) => cluster(nodes, 1, sizes)),
    // A single event there takes a second of the generator's own.
    cluster(5000, 1, { ...sizes, events: sizes.events ?? 5 }),
    cluster(1000, 10, sizes),
  ]
}

function standardFeeds(sizes: Sizes): Question[] {
  return [
    feed(100_000, 1, sizes),
    feed(1_000_000, 1, sizes),
    feed(100_000, 10, sizes),
    feed(100_000, 30, sizes),
    // The same with and without one that doesn't read.
    feed(300_000, 1, { ...sizes, sinks: sizes.sinks ?? 5 }),
    feed(300_000, 1, { ...sizes, sinks: sizes.sinks ?? 5, slow: 1 }),
  ]
}

/** Small enough for a test; every kind of phase is in it. */
export function quickQuestions(): [ClusterQuestion, ...Question[]] {
  const oneSlow = { sinks: 2, slow: 1, stallSeconds: 1 }
  return [cluster(20, 1, { events: 3 }), feed(1000, 1, oneSlow), pulse(1000), fanIn(200, 5, 2)]
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
    case 'pulse':
      return { prefixes: question.prefixes }
    case 'fan-in':
      return { prefixes: question.prefixes, feeders: question.feedersMost }
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
  readonly api: string | null
  readonly loopReport: string | null
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
