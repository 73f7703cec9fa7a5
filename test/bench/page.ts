/** docs/benchmarks.md with its chart, and docs/scaling.md: written from the results and from nothing else. */
import { writeFileSync } from 'node:fs'
import { type Chart, drawChart, type Line } from './chart.ts'
import { kinds } from './daemons.ts'
import { renderGoals } from './goals.ts'
import { makeTables, renderTable, summarise, valuesOf } from './report.ts'
import type { Machine, Results, Run } from './results.ts'
import { renderScaling } from './scaling.ts'

const page = 'docs/benchmarks.md'
const chart = 'docs/benchmarks.svg'
const scaling = 'docs/scaling.md'

export function writePages(results: Results): void {
  const lines = convergenceLines(results.runs)
  if (lines.length > 0) writeFileSync(chart, drawChart(convergenceChart(lines)))
  writeFileSync(page, renderPage(results, lines.length > 0))
  writeFileSync(scaling, renderScaling(results.runs, describeRuns(results.machine, results.runs)))
  console.log(`wrote ${[page, ...(lines.length > 0 ? [chart] : []), scaling].join(', ')}`)
}

/** Median time until all know all, one prefix a node, for each daemon with a run that went right. */
export function convergenceLines(runs: readonly Run[]): Line[] {
  const cluster = runs.filter(
    ({ scenario, size }) => scenario === 'cluster' && size['prefixes'] === 1,
  )
  const sizes = [...new Set(cluster.map(({ size }) => size['nodes'] as number))]
  return kinds
    .map(({ name }) => ({
      name,
      points: sizes.flatMap((nodes) => {
        const asked = cluster.filter(({ size }) => size['nodes'] === nodes)
        const summary = summarise(valuesOf(asked, name, 'announce.seconds'))
        return summary === null ? [] : [{ x: nodes, ...summary }]
      }),
    }))
    .filter(({ points }) => points.length > 0)
}

function convergenceChart(lines: readonly Line[]): Chart {
  return {
    title: 'All nodes announce at once: time until all know all',
    xTitle: 'nodes, each a reflector client with one prefix',
    yTitle: 'seconds; dots are medians, bars the spread',
    lines,
  }
}

export function renderPage({ machine, runs }: Results, withChart: boolean): string {
  const tables = makeTables(runs).flatMap((table) => [
    `### ${table.title}`,
    renderTable(table),
    ...(table.notes.length > 0 ? [table.notes.map((note) => `- ${note}`).join('\n')] : []),
  ])
  const picture = withChart
    ? ['![Time until all nodes know all, against the number of nodes](benchmarks.svg)']
    : []
  const goals = renderGoals(runs)
  return `${[
    ...introduction,
    '## Results',
    describeRuns(machine, runs),
    ...(goals === '' ? [] : ['### What was to be reached', goals]),
    ...picture,
    ...tables,
  ].join('\n\n')}\n`
}

const introduction = [
  '# Benchmarks',
  'This page is written by `npm run bench -- page` from `docs/benchmarks.json`; nothing in it is edited by hand.',
  '## What is measured',
  `A daemon runs as a route reflector in a network namespace of its own, configured as its documentation
says, accepting clients from a range. A load generator in a second namespace, one process, plays all
peers. It knows for each prefix which next hop each sink must end up with, and a time counts only when
that is so at every sink; one route in sixteen also has its ORIGINATOR_ID and CLUSTER_LIST checked.
A run with a wrong table, a lost session, or a prefix nobody announced is a failed run, listed below
its table; only its phases before that count. A run has two minutes, and a daemon that ran out of them
isn't asked again in that size or a larger one.`,
  `- **micro**: what one step of an UPDATE's way through routelet costs, in the benchmark's own process.
- **cluster**: every node announces its own prefixes, all at once, and must learn all others'. Then
  single nodes withdraw and announce again; then a tenth of them closes TCP, and comes back.
- **churn**: sessions alone, all dialled at the same time (\`parallel 0\`).
- **feed**: feeders announce the same table of mixed prefix lengths with transit-like attributes, one
  set for about 6.5 prefixes, and sinks collect it. With \`slow\`, so many sinks don't read for 20 s.
- **pulse**: a feed under a hold time of 3 s: the feeder, who is sent nothing else, must get a KEEPALIVE every
  second. Of routelet also how late its event loop comes round, and how \`/healthz\` answers, asked
  again and again meanwhile.
- **fan-in**: ten rounds of the same 10,000 prefixes from 5 feeders in the first to 30 in the last, other
  feeders with other attributes in each. A daemon sends a prefix several times while it learns better
  ones; when it has gone quiet, what the sink ended with is compared with the best paths.
- **anycast**: all clients announce the same prefixes; a tenth withdraws and announces again. With
  ADD-PATH, BIRD and FRR send every path, routelet and OpenBGPD at most 16.`,
  `Cells are medians with least and most in brackets; the last column is routelet's median divided by
that of the best peer, so less than one is better. \`relay\` isn't a daemon: it copies each UPDATE to
everybody without having a table, so its column is the floor that generator, kernel and cores set.
FRR runs with \`coalesce-time 50\` and a larger input queue, without which it can't finish some of the
scenarios. CPU is user and system time of all processes of the daemon. The generator shares the cores
with the daemon, which weighs most where 5,000 clients are to be played: compare with \`relay\`.`,
  '## Measure it yourself',
  `\`\`\`sh
sudo npm run bench -- --quick                      # two minutes: does it run here?
sudo npm run bench                                 # everything, three runs each: hours
sudo npm run bench -- --seconds 600                # part of it; the same command goes on there
sudo npm run bench -- cluster --nodes 100,1000 --daemons routelet,bird2,frr
npm run bench -- micro                             # decode, intern, decide, encode
npm run bench -- goals                             # what was to be reached, and whether it is
npm run bench -- --help
\`\`\``,
  `It needs root for the namespaces and compares with what it finds installed, or in the root of another
system named by \`--peers-root\`. The daemons take turns, and each run has a fresh process. A quiet machine
matters more than a fast one.`,
]

function describeRuns(machine: Machine, runs: readonly Run[]): string {
  const dates = runs.map(({ date }) => date.slice(0, 10)).sort()
  const [first, last] = [dates[0], dates.at(-1)]
  const when = first === last ? first : `${first} to ${last}`
  const versions = kinds.flatMap(({ name }) => {
    const found = new Set(
      runs.filter(({ daemon }) => daemon === name).map(({ version }) => version),
    )
    return name === 'relay' || found.size === 0 ? [] : [`${name} ${[...found].join(' and ')}`]
  })
  const { cpu, cores, memoryGib, kernel, node } = machine
  return `Measured ${when} on ${cores} cores of ${cpu}, ${memoryGib} GiB, ${kernel}, Node ${node}: ${versions.join(', ')}.`
}
