/** Tables of medians, spreads and ratios out of runs; as Markdown, which reads well in a terminal. */
import { kinds } from './daemons.ts'
import { groupRuns, type Run } from './results.ts'

export interface Metric {
  /** Its name among the measures of a run. */
  readonly measure: string
  readonly title: string
  /** Multiplies the measure into the unit of the title. */
  readonly scale: number
  /** About the generator, not about the daemon. */
  readonly aside?: true
  /** Shown as the sum over all runs: how often something went wrong. */
  readonly summed?: true
}

const mib = 1 / 2 ** 20

function seconds(measure: string, title: string): Metric {
  return { measure, title: `${title}, s`, scale: 1 }
}

function milliseconds(measure: string, title: string): Metric {
  return { measure, title: `${title}, ms`, scale: 1 }
}

function nanoseconds(measure: string, title: string): Metric {
  return { measure, title: `${title}, ns`, scale: 1 }
}

const peak: Metric = { measure: 'peakBytes', title: 'peak memory, MiB', scale: mib }
/** It shares the cores with the daemon. */
function generatorCpu(phase: string): Metric {
  const measure = `${phase}.generatorCpuSeconds`
  return { measure, title: "the generator's CPU beside it, s", scale: 1, aside: true }
}

const idle: Metric = { measure: 'idleBytes', title: 'memory when idle, MiB', scale: mib }

/** What a table shows of each scenario. */
export const metrics: Readonly<Record<string, readonly Metric[]>> = {
  micro: [
    nanoseconds('decodeNs', 'decode: read and check an UPDATE, walk its prefixes; each UPDATE'),
    nanoseconds('internNs', 'intern: find an attribute set that is stored; each set'),
    nanoseconds('intakeNs', 'intake: decode, intern, store in an empty table; each prefix'),
    nanoseconds('decideOneNs', 'decide among one path; each prefix'),
    nanoseconds('decideTenNs', 'decide among ten paths; each prefix'),
    nanoseconds('encodeNs', 'encode prefixes of one attribute set; each prefix'),
  ],
  cluster: [
    seconds('establish.seconds', 'all sessions up'),
    seconds('announce.seconds', 'all announce → all know all'),
    seconds('announce.cpuSeconds', 'CPU of it'),
    generatorCpu('announce'),
    milliseconds('withdraw.p50Ms', 'one withdraws → another knows, p50'),
    milliseconds('withdraw.p99Ms', 'same, p99'),
    milliseconds('withdraw.lastNode.p50Ms', 'one withdraws → the last knows, p50'),
    milliseconds('withdraw.lastNode.p99Ms', 'same, p99'),
    milliseconds('reannounce.lastNode.p50Ms', 'one announces → the last knows, p50'),
    milliseconds('reannounce.lastNode.p99Ms', 'same, p99'),
    seconds('drop.seconds', '10 % vanish → the others know'),
    seconds('return.seconds', 'they return → all know all'),
    seconds('cpuSeconds', 'CPU of everything'),
    idle,
    peak,
  ],
  feed: [
    seconds('complete.seconds', 'every prefix at every sink'),
    seconds('right.seconds', 'every prefix with the right next hop'),
    seconds('catchUp.seconds', 'slow sink complete after it reads on'),
    { measure: 'slow.queuedBytesMost', title: 'most queued for one sink, KiB', scale: 1 / 1024 },
    seconds('feed.cpuSeconds', 'CPU of it'),
    generatorCpu('feed'),
    { measure: 'bytesPerPath', title: 'memory for each path, bytes', scale: 1 },
    idle,
    peak,
  ],
  pulse: [
    seconds('right.seconds', 'every prefix with the right next hop'),
    seconds('feed.cpuSeconds', 'CPU of it'),
    milliseconds('keepalive.gapMs', 'longest pause between KEEPALIVEs, one a second is due'),
    milliseconds('loop.p50Ms', 'delay of the event loop, p50'),
    milliseconds('loop.p99Ms', 'same, p99'),
    milliseconds('loop.maxMs', 'same, most'),
    milliseconds('healthz.p50Ms', '`/healthz` answers, p50'),
    milliseconds('healthz.p99Ms', 'same, p99'),
    milliseconds('healthz.maxMs', 'same, most'),
    { measure: 'healthz.failed', title: '`/healthz` without an answer', scale: 1, summed: true },
  ],
  'fan-in': [
    { measure: 'rounds', title: 'rounds, all runs', scale: 1, summed: true },
    { measure: 'wrongRounds', title: 'rounds that stayed wrong', scale: 1, summed: true },
    {
      measure: 'wrongPrefixes',
      title: 'prefixes left with a wrong next hop',
      scale: 1,
      summed: true,
    },
    {
      measure: 'leftPrefixes',
      title: 'prefixes left when all feeders had gone',
      scale: 1,
      summed: true,
    },
    seconds('round.seconds', 'a round, until right'),
    seconds('feed.cpuSeconds', 'CPU of all rounds'),
    peak,
  ],
  churn: [
    seconds('establish.seconds', 'all sessions up'),
    seconds('again1.seconds', 'all up again after all closed'),
    seconds('cpuSeconds', 'CPU of everything'),
    peak,
  ],
  anycast: [
    seconds('announce.seconds', 'all announce → last change'),
    seconds('announce.cpuSeconds', 'CPU of it'),
    seconds('withdraw.seconds', '10 % withdraw → last change'),
    seconds('reannounce.seconds', 'they announce again → last change'),
    seconds('cpuSeconds', 'CPU of everything'),
    peak,
  ],
}

export interface Summary {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function summarise(values: readonly number[]): Summary | null {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const at = (index: number) => sorted[index] as number
  const middle = (sorted.length - 1) / 2
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  }
}

/** Values of one metric in the runs of one daemon; one that failed has those of phases before that. */
export function valuesOf(runs: readonly Run[], daemon: string, measure: string): number[] {
  return runs
    .filter((run) => run.daemon === daemon)
    .map((run) => run.measures[measure])
    .filter((value) => value !== undefined)
}

export interface Table {
  /** The question. */
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Sentences about runs that failed. */
  readonly notes: readonly string[]
}

export const ours = 'routelet'
export const floor = 'relay'

/** One table for each question: scenario by scenario, small sizes first. */
export function makeTables(runs: readonly Run[]): Table[] {
  const order = Object.keys(metrics)
  const place = ([, [run]]: [string, Run[]]) => [
    order.indexOf(run?.scenario ?? ''),
    ...Object.values(run?.size ?? {}),
  ]
  return [...groupRuns(runs)]
    .sort((one, other) => compareLists(place(one), place(other)))
    .map(([title, group]) => makeTable(title, group))
}

/** By the first number that differs; the shorter list first. */
function compareLists(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index])
  return at < 0 ? one.length - other.length : (one[at] as number) - (other[at] ?? -1)
}

function makeTable(title: string, runs: readonly Run[]): Table {
  const daemons = kinds
    .map(({ name }) => name)
    .filter((name) => runs.some((run) => run.daemon === name))
  const rows = (metrics[runs[0]?.scenario ?? ''] ?? []).flatMap((metric) => {
    const scaled = new Map(
      daemons.map((daemon) => {
        const values = valuesOf(runs, daemon, metric.measure).map((value) => value * metric.scale)
        return [daemon, summarise(metric.summed ? sumOf(values) : values)]
      }),
    )
    if ([...scaled.values()].every((summary) => summary === null)) return []
    const cells = daemons.map((daemon) => formatSummary(scaled.get(daemon) ?? null))
    return [[metric.title, ...cells, metric.aside || metric.summed ? '' : ratio(scaled)]]
  })
  const right = daemons.map((daemon) => {
    const all = runs.filter((run) => run.daemon === daemon)
    return `${all.filter((run) => run.failure === null).length} of ${all.length}`
  })
  rows.push(['runs that went right', ...right, ''])
  return { title, head: ['', ...daemons, 'routelet : best peer'], rows, notes: failures(runs) }
}

/** One sum; none where there is nothing. */
function sumOf(values: readonly number[]): number[] {
  return values.length === 0 ? [] : [values.reduce((sum, one) => sum + one, 0)]
}

function ratio(summaries: ReadonlyMap<string, Summary | null>): string {
  const own = summaries.get(ours)
  const best = bestPeer(summaries)
  if (!own || best === null || best.median === 0) return ''
  return `${formatNumber(own.median / best.median)} × ${best.daemon}`
}

export interface Placed extends Summary {
  readonly daemon: string
}

/** The daemon with the least median that is neither routelet nor the relay. */
export function bestPeer(summaries: ReadonlyMap<string, Summary | null>): Placed | null {
  const peers = [...summaries].flatMap(([daemon, summary]) =>
    daemon === ours || daemon === floor || summary === null ? [] : [{ daemon, ...summary }],
  )
  if (peers.length === 0) return null
  return peers.reduce((one, other) => (other.median < one.median ? other : one))
}

/** Each failure once, with how often it was seen. */
function failures(runs: readonly Run[]): string[] {
  const counts = new Map<string, number>()
  for (const { daemon, failure } of runs) {
    if (failure === null) continue
    const sentence = `${daemon}: ${failure.replace(/\s+/g, ' ')}`
    counts.set(sentence, (counts.get(sentence) ?? 0) + 1)
  }
  return [...counts].map(([sentence, count]) =>
    count > 1 ? `${sentence} (${count} runs)` : sentence,
  )
}

export function formatSummary(summary: Summary | null): string {
  if (summary === null) return '–'
  const { median, least, most } = summary
  const [shown, from, to] = [median, least, most].map(formatNumber)
  return from === to ? `${shown}` : `${shown} (${from}–${to})`
}

/** Three digits. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toPrecision(value < 0.01 ? 1 : value < 1 ? 2 : 3)
}

/** As Markdown, columns padded. */
export function renderTable({ head, rows }: Pick<Table, 'head' | 'rows'>): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => (row[column] ?? '').length)),
  )
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
