/**
 * The benchmark measures what it says: a small campaign as a user starts it, with its results file,
 * pages and chart; goals, model and tables out of runs whose figures are known. No time is asserted.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import t from 'tap'
import { cannotBuildNetworks, missing } from '../network/namespaces.ts'
import { isNoLarger, runCampaign } from './campaign.ts'
import { drawChart } from './chart.ts'
import { findContenders, type Kind } from './daemons.ts'
import { renderGoals } from './goals.ts'
import { clusterSize, fitLaw, type Size } from './model.ts'
import { convergenceLines, renderPage } from './page.ts'
import { quickQuestions } from './plan.ts'
import { formatNumber, makeTables, summarise } from './report.ts'
import { describeMachine, openResults, type Run, readResults, writeResults } from './results.ts'
import { renderScaling } from './scaling.ts'

// Not how long it takes: how long a loaded machine may.
t.setTimeout(120_000)

const main = path.resolve(import.meta.dirname, 'main.js')

/** Of the quick questions: the least number of prefixes on the wire, and what must be measured. */
const expectedOf: Record<string, { prefixes: number; measures: string[] }> = {
  cluster: {
    prefixes: 20 * 19,
    measures: ['announce.seconds', 'withdraw.lastNode.p50Ms', 'drop.seconds', 'return.seconds'],
  },
  feed: { prefixes: 2 * 1000, measures: ['right.seconds', 'catchUp.seconds'] },
  pulse: { prefixes: 1000, measures: ['right.seconds', 'keepalive.gapMs'] },
  'fan-in': { prefixes: 2 * 200, measures: ['rounds', 'round.seconds'] },
}
const ownMeasures: Record<string, string[]> = { pulse: ['healthz.answers', 'loop.maxMs'] }

t.test(
  'a quick campaign gives right tables and a results file',
  { skip: cannotBuildNetworks },
  async (t) => {
    const daemons = ['routelet', ...((await missing('bird')) === false ? ['bird2'] : [])]
    const file = path.join(t.testdir(), 'results.json')
    const start = (...args: string[]) =>
      spawnSync(process.execPath, [main, ...args, '--out', file], { encoding: 'utf8' })
    const done = start('--quick', '--daemons', 'routelet')
    t.equal(done.status, 0, `${done.stdout}${done.stderr}`)
    // One question is enough to see that others are played in the same way.
    const beside = start('cluster', '--quick', '--daemons', daemons.join())
    t.equal(beside.status, 0, `${beside.stdout}${beside.stderr}`)
    t.match(beside.stdout, `${daemons.length - 1} runs;`, 'what has its runs is not asked again')

    const { machine, runs } = readResults(file)
    t.match(machine, {
      cpu: String,
      cores: Number,
      memoryGib: Number,
      kernel: String,
      node: String,
    })
    t.equal(runs.length, quickQuestions().length + daemons.length - 1)
    for (const run of runs) {
      const what = `${run.daemon} ${run.scenario}`
      t.match(run, { date: /^\d{4}-\d\d-\d\dT/, version: /\d/, failure: null }, what)
      const { prefixes: least, measures } = expectedOf[run.scenario]!
      t.ok((run.counters?.prefixes ?? 0) >= least, `${what}: every sink was told every prefix`)
      t.ok((run.counters?.reflectionsChecked ?? 0) > 0, `${what}: reflection was looked at`)
      for (const name of ['establish.seconds', 'idleBytes', 'peakBytes', ...measures]) {
        t.ok((run.measures[name] ?? 0) > 0, `${what}: ${name} was measured`)
      }
      // So short an import may be over before the loop comes round late.
      const own = run.daemon === 'routelet' ? (ownMeasures[run.scenario] ?? []) : []
      for (const name of own) t.type(run.measures[name], 'number', `${what}: ${name} was measured`)
      const { wrongPrefixes = 0, leftPrefixes = 0 } = run.measures
      t.same([wrongPrefixes, leftPrefixes], [0, 0], `${what}: nothing stayed wrong`)
    }
    const shown = renderPage({ machine, runs }, true)
    t.match(shown, '### cluster, nodes 20, prefixes 1')
    t.match(shown, '| all announce → all know all, s')
    t.match(shown, '(benchmarks.svg)')
    t.same(
      convergenceLines(runs).map(({ name }) => name),
      daemons,
    )

    const more = start('--quick', '--daemons', 'routelet', '--runs', '2', '--seconds', '0')
    t.equal(more.status, 3, `${more.stdout}${more.stderr}`)
    t.match(more.stdout, `${quickQuestions().length} runs are left`)
  },
)

t.test('a question that is no larger than another', async (t) => {
  const size = { nodes: 1000, prefixes: 1 }
  const asked = { scenario: 'cluster', size }
  const rows: [caption: string, one: typeof asked, expected: boolean][] = [
    ['the same', asked, true],
    ['fewer nodes', { ...asked, size: { ...size, nodes: 500 } }, true],
    ['more of one, fewer of another', { ...asked, size: { nodes: 500, prefixes: 10 } }, false],
    ['another scenario', { ...asked, scenario: 'anycast' }, false],
  ]
  for (const [caption, one, expected] of rows) t.equal(isNoLarger(one, asked), expected, caption)
})

t.test(
  'a reflector that leaves its attributes out is caught',
  { skip: cannotBuildNetworks },
  async (t) => {
    const relay = (await findContenders(null)).find(({ kind }) => kind.name === 'relay')!
    const pretender: Kind = { ...relay.kind, reflects: true }
    const runs: Run[] = []
    const [cluster] = quickQuestions()
    await runCampaign({
      questions: [{ ...cluster, events: 0, vanish: false }],
      contenders: [{ ...relay, kind: pretender }],
      runs: 1,
      earlier: [],
      timeoutSeconds: 20,
      beginSecondsMax: null,
      onRun: (run) => runs.push(run),
    })
    t.match(runs[0]?.failure, /without the right ORIGINATOR_ID and CLUSTER_LIST/)
  },
)

t.test('medians, spreads and ratios', async (t) => {
  t.same(summarise([3, 1, 2]), { median: 2, least: 1, most: 3 })
  t.same(summarise([4, 1]), { median: 2.5, least: 1, most: 4 })
  t.equal(summarise([]), null)
  const numbers: [number, string][] = [
    [0, '0'],
    [0.0042, '0.004'],
    [0.123, '0.12'],
    [12.34, '12.3'],
    [12345.6, '12,346'],
  ]
  for (const [value, text] of numbers) t.equal(formatNumber(value), text)
  const [table] = makeTables([
    sampleRun('routelet', 1),
    sampleRun('bird2', 4),
    sampleRun('frr', 2),
    sampleRun('relay', 0.5),
    { ...sampleRun('gobgp', 0.1), failure: 'announce: 3 prefixes missing', measures: {} },
  ])
  const row = table?.rows.find(([title]) => title === 'all announce → all know all, s')
  t.equal(row?.at(-1), '0.50 × frr', 'neither the relay nor a failed run is the best peer')
  t.same(table?.notes, ['gobgp: announce: 3 prefixes missing'])
  const sizes = [
    { nodes: 1000, prefixes: 1 },
    { nodes: 100, prefixes: 10 },
    { nodes: 100, prefixes: 1 },
  ]
  const tables = makeTables(sizes.map((size) => ({ ...sampleRun('routelet', 1), size })))
  t.same(
    tables.map(({ title }) => title),
    [
      'cluster, nodes 100, prefixes 1',
      'cluster, nodes 100, prefixes 10',
      'cluster, nodes 1000, prefixes 1',
    ],
    'small sizes first, whatever was measured first',
  )
})

t.test(
  'the model finds the law that made its samples, and none with a negative factor',
  async (t) => {
    const terms = [
      { name: 'constant', of: () => 1 },
      { name: 'client', of: ({ clients }: Size) => clients },
      { name: 'prefix delivered', of: ({ delivered }: Size) => delivered },
    ]
    const samples = (law: (clients: number) => number) =>
      [20, 100, 500, 1000, 2000].map((clients) => ({
        size: clusterSize(clients, 1),
        value: law(clients),
      }))
    const exact = fitLaw(
      terms,
      samples((n) => 0.01 + 2e-4 * n + 3e-7 * n * (n - 1)),
    )
    for (const [index, factor] of [0.01, 2e-4, 3e-7].entries()) {
      t.ok(Math.abs(exact.factors[index]! / factor - 1) < 1e-6, `factor ${index}`)
    }
    const bent = fitLaw(
      terms,
      samples((n) => 0.5 * n - 3),
    )
    t.ok(bent.factors.every((factor) => factor >= 0))
  },
)

t.test('goals are judged against the best peer of the same question', async (t) => {
  const of = (nodes: number, daemon: string, seconds: number): Run => ({
    ...sampleRun(daemon, seconds),
    size: { nodes, prefixes: 1 },
  })
  const runs = [
    ...[of(100, 'routelet', 1), of(100, 'bird2', 2), of(100, 'relay', 0.1)],
    ...[of(1000, 'routelet', 3), of(1000, 'frr', 4)],
    { ...of(2000, 'routelet', 0), failure: 'announce: lost the session', measures: {} },
  ]
  const rows = renderGoals(runs).split('\n')
  const reached = (title: string) => rows.find((row) => row.includes(title))
  t.match(reached('100 nodes × 1: all announce'), /2\.00 s \(bird2\) +\| 1\.00 s +\| 0\.50 +\| yes/)
  t.match(
    reached('1,000 nodes × 1: all announce'),
    /2\.00 s \(0\.5 × frr\) +\| 3\.00 s +\| 1\.50 +\| \*\*no\*\*/,
  )
  t.match(reached('2,000 nodes × 1: all announce'), /– .*\| no/, 'a failed run reaches nothing')
  t.equal(reached('5,000 nodes'), undefined, 'what was not measured is not shown')
})

t.test(
  'one sink that stops reading is judged in each size, against runs of that size',
  async (t) => {
    const feed = (daemon: string, prefixes: number, seconds: number, slow: object): Run => ({
      ...sampleRun(daemon, 0),
      ...{ scenario: 'feed', size: { prefixes, feeders: 1, sinks: 5, ...slow } },
      measures: {
        'right.seconds': seconds,
        ...('slow' in slow ? { 'catchUp.seconds': 0.5, 'slow.queuedBytesMost': 2 ** 20 } : {}),
      },
    })
    const slow = { slow: 1 }
    const rows = renderGoals([
      ...[feed('routelet', 100_000, 2, slow), feed('bird2', 300_000, 4, slow)],
      ...[feed('routelet', 300_000, 3, slow), feed('routelet', 300_000, 2, {})],
      feed('bird2', 300_000, 1, {}),
    ]).split('\n')
    const cells = rows.slice(2).map((row) => row.split('|').map((cell) => cell.trim()))
    t.match(
      cells.map(([, title, limit, , ratio, verdict]) => [title, limit, ratio, verdict]),
      [
        [/100,000 prefixes: the others all right/, 'nothing to compare with', '', ''],
        [/without the slow one/, 'nothing to compare with', '', ''],
        [/bytes queued/, '1,152 KiB', '0.89', 'yes'],
        [/reads on/, 'completes, all right', '', 'yes'],
        [/300,000 prefixes: the others all right/, '4.00 s (bird2)', '0.75', 'yes'],
        [/without the slow one/, '2.00 s (without)', '1.50', '**no**'],
        [/bytes queued/, '1,152 KiB', '0.89', 'yes'],
        [/reads on/, 'completes, all right', '', 'yes'],
      ],
    )
  },
)

t.test('the scaling note says what a fleet needs, once there are sizes enough', async (t) => {
  const law = (clients: number) => 0.01 + 2e-4 * clients + 3e-7 * clients * (clients - 1)
  const clusters = [100, 500, 1000, 2000, 5000].map((nodes) => ({
    ...sampleRun('routelet', law(nodes)),
    size: { nodes, prefixes: 1 },
    measures: {
      ...{ 'establish.seconds': 1e-3 * nodes, 'announce.seconds': law(nodes) },
      ...{ 'announce.cpuSeconds': law(nodes), 'withdraw.lastNode.p50Ms': 1 + nodes / 50 },
      peakBytes: 1e8 + 1e4 * nodes,
    },
  }))
  const feeds = [1, 10, 30].map((feeders) => ({
    ...sampleRun('routelet', 0),
    ...{ scenario: 'feed', size: { prefixes: 100_000, feeders, sinks: 1 } },
    measures: { 'right.seconds': 0.1 + feeders / 10, 'feed.residentBytes': 1e8 + 5e6 * feeders },
  }))
  t.match(renderScaling(clusters, 'Today.'), /not enough sizes/)
  const page = renderScaling([...clusters, ...feeds], 'Today.')
  t.match(page, /all know all +\| 5000 +\| 8\.51 s +\| 8\.51 s +\| 1\.00 /, 'the check')
  t.match(page, /\| 5,000 +\| 2, flat +\| 5000 /, 'one reflector and its copy')
  t.match(page, /\| 50,000 +\| 2 above \d+ × 2 /, 'two levels')
})

t.test('results of another machine are not mixed with those of this one', async (t) => {
  const file = path.join(t.testdir(), 'results.json')
  writeResults(file, { machine: { ...describeMachine(), kernel: 'Other 1.0' }, runs: [] })
  t.throws(() => openResults(file), /has results of another machine.*--out/)
  writeResults(file, { machine: describeMachine(), runs: [sampleRun('routelet', 1)] })
  t.equal(openResults(file).runs.length, 1)
})

t.test('a chart has a line, its dots and its name for each daemon', async (t) => {
  const runs = [100, 1000].flatMap((nodes) =>
    ['routelet', 'bird2'].map((daemon) => ({
      ...sampleRun(daemon, nodes / 500),
      size: { nodes, prefixes: 1 },
    })),
  )
  const lines = convergenceLines(runs)
  const svg = drawChart({ title: 'a < b', xTitle: 'nodes', yTitle: 'seconds', lines })
  t.equal(svg.match(/<polyline/g)?.length, 2)
  t.equal(svg.match(/<circle/g)?.length, 4)
  t.match(svg, '>bird2</text>')
  t.match(svg, 'a &lt; b')
})

function sampleRun(daemon: string, seconds: number): Run {
  return {
    date: '2026-01-01T00:00:00.000Z',
    scenario: 'cluster',
    size: { nodes: 10, prefixes: 1 },
    daemon,
    version: '1',
    failure: null,
    measures: { 'announce.seconds': seconds },
    counters: null,
  }
}
