/**
 * What routelet wants to reach, one row each, and whether it does: a limit made of what the other
 * daemons reached in the same results, or a number. The limits were set before it was measured.
 */
import {
  bestPeer,
  floor,
  formatNumber,
  formatSummary,
  ours,
  renderTable,
  type Summary,
  summarise,
  valuesOf,
} from './report.ts'
import { questionOf, type Run } from './results.ts'

interface Limit {
  readonly value: number
  /** Where it comes from. */
  readonly text: string
}

interface Goal {
  readonly title: string
  readonly scenario: string
  readonly size: Readonly<Record<string, number>>
  readonly measure: string
  readonly unit: string
  /** Multiplies the measure into the unit. */
  readonly scale?: number
  /** Counts of what went wrong are added up over the runs. */
  readonly summed?: true
  /** Null when there is nothing to compare with. */
  readonly limit: (facts: Facts) => Limit | null
}

/** What a limit may be made of. */
interface Facts {
  /** Medians of every daemon, for the same question and measure, in the unit. */
  readonly same: ReadonlyMap<string, Summary | null>
  /** Those of the same measure in another question. */
  readonly other: (size: Goal['size']) => ReadonlyMap<string, Summary | null>
}

/** So many times the best of the others. */
const ofBest =
  (factor: number): Goal['limit'] =>
  ({ same }) => {
    const best = bestPeer(same)
    if (best === null) return null
    return { value: factor * best.median, text: times(factor, best.daemon) }
  }

const ofDaemon =
  (factor: number, daemon: string): Goal['limit'] =>
  ({ same }) => {
    const summary = same.get(daemon)
    return summary ? { value: factor * summary.median, text: times(factor, daemon) } : null
  }

/** The best of the others, or what cores and generator alone need and a little more. */
const ofBestOrFloor =
  (more: number): Goal['limit'] =>
  (facts) => {
    const best = ofBest(1)(facts)
    const floorSummary = facts.same.get(floor)
    if (!floorSummary) return best
    const value = floorSummary.median + more
    return best !== null && best.value >= value ? best : { value, text: `${floor} + ${more}` }
  }

const atMost =
  (value: number): Goal['limit'] =>
  () => ({ value, text: '' })

/** Getting there is all that is asked. */
const completes: Goal['limit'] = () => ({ value: Infinity, text: 'completes, all right' })

function times(factor: number, daemon: string): string {
  return factor === 1 ? daemon : `${factor} × ${daemon}`
}

function cluster(
  nodes: number,
  prefixes: number,
  title: string,
  measure: string,
  limit: Goal['limit'],
  unit = 's',
): Goal {
  const where = `${nodes.toLocaleString('en')} nodes × ${prefixes}`
  return {
    title: `${where}: ${title}`,
    scenario: 'cluster',
    size: { nodes, prefixes },
    measure,
    unit,
    limit,
  }
}

const converge = 'all announce → all know all'

function feedSize(prefixes: number, feeders: number, sinks = 1): Goal['size'] {
  return { prefixes, feeders, sinks }
}

const clusterAndFeedGoals: readonly Goal[] = [
  ...[100, 500].map((n) => cluster(n, 1, converge, 'announce.seconds', ofBest(1))),
  ...[1000, 2000, 5000].map((n) => cluster(n, 1, converge, 'announce.seconds', ofBest(0.5))),
  cluster(1000, 10, converge, 'announce.seconds', ofBest(0.5)),
  cluster(1000, 1, 'CPU of it', 'announce.cpuSeconds', ofBest(1)),
  ...(['p50', 'p99'] as const).flatMap((rank) => [
    cluster(
      1000,
      1,
      `one withdraws → the last knows, ${rank}`,
      `withdraw.lastNode.${rank}Ms`,
      ofBestOrFloor(5),
      'ms',
    ),
    cluster(
      1000,
      1,
      `one announces → the last knows, ${rank}`,
      `reannounce.lastNode.${rank}Ms`,
      ofBestOrFloor(5),
      'ms',
    ),
  ]),
  cluster(1000, 1, '10 % vanish → the others know', 'drop.seconds', ofBest(1)),
  cluster(1000, 1, 'they return → all know all', 'return.seconds', ofBest(1)),
  cluster(1000, 1, 'all sessions up, four at a time', 'establish.seconds', ofBest(1)),
  {
    title: '1,000 sessions up, all dialled at once',
    scenario: 'churn',
    size: { nodes: 1000, parallel: 0 },
    measure: 'establish.seconds',
    unit: 's',
    limit: ofBest(1),
  },
  ...(
    [
      [1_000_000, 1, 0.5],
      [100_000, 1, 1],
      [100_000, 10, 1],
      [100_000, 30, 1],
    ] as const
  ).map(([prefixes, feeders, factor]) => ({
    title: `${feeders} feeder${feeders > 1 ? 's' : ''} × ${prefixes.toLocaleString('en')} prefixes: all right`,
    scenario: 'feed',
    size: feedSize(prefixes, feeders),
    measure: 'right.seconds',
    unit: 's',
    limit: ofDaemon(factor, 'bird2'),
  })),
  {
    title: 'memory for a path, 1,000,000 × 1',
    scenario: 'feed',
    size: feedSize(1_000_000, 1),
    measure: 'bytesPerPath',
    unit: 'B',
    limit: atMost(120),
  },
  {
    title: 'memory for a path, 100,000 × 30',
    scenario: 'feed',
    size: feedSize(100_000, 30),
    measure: 'bytesPerPath',
    unit: 'B',
    limit: atMost(60),
  },
  {
    title: 'memory of the idle process',
    scenario: 'feed',
    size: feedSize(1_000_000, 1),
    measure: 'idleBytes',
    unit: 'MiB',
    scale: 1 / 2 ** 20,
    limit: atMost(90),
  },
]

const otherGoals: readonly Goal[] = [
  ...[0, 1].flatMap((addPath) =>
    [
      ['all announce', 'announce.seconds'] as const,
      ['10 % withdraw', 'withdraw.seconds'] as const,
    ].map(([what, measure]) => ({
      title: `1,000 nodes, the same 10 prefixes${addPath ? ', ADD-PATH' : ''}: ${what} → last change`,
      scenario: 'anycast',
      size: { nodes: 1000, prefixes: 10, addPath },
      measure,
      unit: 's',
      limit: completes,
    })),
  ),
  {
    title: 'fan-in of 5–30 feeders: prefixes that stay wrong, all rounds',
    scenario: 'fan-in',
    size: { prefixes: 10_000, feeders: 30 },
    measure: 'wrongPrefixes',
    unit: '',
    summed: true,
    limit: atMost(0),
  },
  {
    title: 'import of 1,000,000: delay of the event loop, p99',
    scenario: 'pulse',
    size: { prefixes: 1_000_000 },
    measure: 'loop.p99Ms',
    unit: 'ms',
    limit: atMost(20),
  },
  {
    title: 'the same: longest pause between KEEPALIVEs of one a second',
    scenario: 'pulse',
    size: { prefixes: 1_000_000 },
    measure: 'keepalive.gapMs',
    unit: 'ms',
    limit: atMost(1250),
  },
  {
    title: 'the same: `/healthz` without an answer',
    scenario: 'pulse',
    size: { prefixes: 1_000_000 },
    measure: 'healthz.failed',
    unit: '',
    summed: true,
    limit: atMost(0),
  },
]

const slowSinks = { sinks: 5, slow: 1 } as const
/** What may wait for one sink, and the block that is being written; KiB. */
const queuedKibMax = 1024 + 128

/** One of five sinks stops reading for a while, with a table of so many prefixes. */
function slowGoals(prefixes: number): readonly Goal[] {
  const without = feedSize(prefixes, 1, slowSinks.sinks)
  const goal = {
    scenario: 'feed',
    size: { ...without, slow: slowSinks.slow },
    measure: 'right.seconds',
    unit: 's',
  }
  const what = `1 of ${slowSinks.sinks} sinks stops reading, ${prefixes.toLocaleString('en')} prefixes`
  return [
    { ...goal, title: `${what}: the others all right`, limit: ofDaemon(1, 'bird2') },
    {
      ...goal,
      title: 'the same, against itself without the slow one (its slowest run)',
      limit: ({ other }) => {
        const own = other(without).get(ours)
        return own ? { value: own.most, text: 'without' } : null
      },
    },
    {
      ...goal,
      title: 'the same: most bytes queued for one sink (budget and one block)',
      measure: 'slow.queuedBytesMost',
      unit: 'KiB',
      scale: 1 / 1024,
      limit: atMost(queuedKibMax),
    },
    {
      ...goal,
      title: 'the same: the slow one complete after it reads on',
      measure: 'catchUp.seconds',
      limit: completes,
    },
  ]
}

/** A slow sink in every size there is: other goals name theirs. */
function goalsFor(runs: readonly Run[]): readonly Goal[] {
  const sizes = new Set(
    runs
      .filter(({ size }) => size['sinks'] === slowSinks.sinks && size['slow'] === slowSinks.slow)
      .map(({ size }) => size['prefixes'] as number),
  )
  const slow = [...sizes].sort((a, b) => a - b).flatMap(slowGoals)
  return [...clusterAndFeedGoals, ...slow, ...otherGoals]
}

/** One line for each goal that was measured; empty when none was. */
export function renderGoals(runs: readonly Run[]): string {
  const rows = goalsFor(runs).flatMap((goal) => {
    const row = judgeGoal(goal, runs)
    return row === null ? [] : [row]
  })
  if (rows.length === 0) return ''
  const head = ['', 'goal, at most', 'routelet', 'routelet : goal', 'reached']
  return renderTable({ head, rows })
}

function judgeGoal(goal: Goal, runs: readonly Run[]): string[] | null {
  const same = summaries(goal, goal.size, runs)
  const own = same.get(ours)
  if (own === undefined) return null
  const limit = goal.limit({ same, other: (size) => summaries(goal, size, runs) })
  const withUnit = (text: string) => (goal.unit === '' ? text : `${text} ${goal.unit}`)
  if (own === null) return [goal.title, limitText(limit, withUnit), '–', '', 'no']
  const reached = withUnit(formatSummary(own))
  if (limit === null) return [goal.title, 'nothing to compare with', reached, '', '']
  const ratio =
    limit.value === 0 || limit.value === Infinity ? '' : formatNumber(own.median / limit.value)
  const verdict = own.median <= limit.value ? 'yes' : '**no**'
  return [goal.title, limitText(limit, withUnit), reached, ratio, verdict]
}

function limitText(limit: Limit | null, withUnit: (text: string) => string): string {
  if (limit === null) return 'nothing to compare with'
  if (limit.value === Infinity) return limit.text
  const value = withUnit(formatNumber(limit.value))
  return limit.text === '' ? value : `${value} (${limit.text})`
}

/** Of every daemon that was asked; null for one without a right run. */
function summaries(
  { scenario, measure, scale = 1, summed }: Goal,
  size: Goal['size'],
  runs: readonly Run[],
): Map<string, Summary | null> {
  const question = questionOf({ scenario, size })
  const asked = runs.filter((run) => questionOf(run) === question)
  return new Map(
    [...new Set(asked.map(({ daemon }) => daemon))].map((daemon) => {
      const values = valuesOf(asked, daemon, measure).map((value) => value * scale)
      const sum = values.reduce((total, one) => total + one, 0)
      return [daemon, summarise(summed && values.length > 0 ? [sum] : values)]
    }),
  )
}
