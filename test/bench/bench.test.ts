/**
 * The benchmark measures what it says: a small campaign as a user starts it, with its results file,
 * page and chart; and the generator's own parts, whose mistakes would look like somebody's speed. No
 * time is asserted.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { cannotBuildNetworks, missing } from '../network/namespaces.ts'
import { runCampaign } from './campaign.ts'
import { drawChart } from './chart.ts'
import { findContenders, type Kind } from './daemons.ts'
import { Board } from './load/board.ts'
import { PathSink } from './load/path-sink.ts'
import { encodeFeed, encodeWithdrawals, foreign, Universe } from './load/universe.ts'
import {
  formatAddress,
  headerBytes,
  messageBytesMax,
  parseAddress,
  short,
  UpdateScan,
} from './load/wire.ts'
import { fitLaw, type Size } from './model.ts'
import { convergenceLines, renderPage } from './page.ts'
import { quickQuestions } from './plan.ts'
import { formatNumber, makeTables, summarise } from './report.ts'
import { describeMachine, openResults, type Run, readResults, writeResults } from './results.ts'

const seed = 4271
const main = path.resolve(import.meta.dirname, 'main.js')

t.test(
  'a quick campaign gives right tables and a results file',
  { skip: cannotBuildNetworks },
  async (t) => {
    const daemons = ['routelet', ...((await missing('bird')) === false ? ['bird2'] : [])]
    const file = path.join(t.testdir(), 'results.json')
    const args = [main, '--quick', '--daemons', daemons.join(','), '--out', file]
    const done = spawnSync(process.execPath, args, { encoding: 'utf8' })
    t.equal(done.status, 0, `${done.stdout}${done.stderr}`)

    const { machine, runs } = readResults(file)
    t.match(machine, {
      cpu: String,
      cores: Number,
      memoryGib: Number,
      kernel: String,
      node: String,
    })
    t.equal(runs.length, daemons.length * quickQuestions().length)
    for (const run of runs) {
      const what = `${run.daemon} ${run.scenario}`
      t.match(run, { date: /^\d{4}-\d\d-\d\dT/, version: /\d/, failure: null }, what)
      const expected = run.scenario === 'cluster' ? 20 * 19 : 1000
      t.ok((run.counters?.prefixes ?? 0) >= expected, `${what}: every sink was told every prefix`)
      t.ok((run.counters?.reflectionsChecked ?? 0) > 0, `${what}: reflection was looked at`)
      const phase = run.scenario === 'cluster' ? 'announce.seconds' : 'right.seconds'
      for (const name of ['establish.seconds', phase, 'idleBytes', 'peakBytes']) {
        t.ok((run.measures[name] ?? 0) > 0, `${what}: ${name} was measured`)
      }
    }
    const shown = renderPage({ machine, runs }, true)
    t.match(shown, '### cluster, nodes 20, prefixes 1')
    t.match(shown, '| all announce → all know all, s')
    t.match(shown, '(benchmarks.svg)')
    t.same(
      convergenceLines(runs).map(({ name }) => name),
      daemons,
    )
  },
)

t.test(
  'a reflector that leaves its attributes out is caught',
  { skip: cannotBuildNetworks },
  async (t) => {
    const relay = (await findContenders(null)).find(({ kind }) => kind.name === 'relay')!
    const pretender: Kind = { ...relay.kind, reflects: true }
    const runs: Run[] = []
    const [cluster] = quickQuestions()
    await runCampaign({
      questions: [{ ...cluster, events: 0 }],
      contenders: [{ ...relay, kind: pretender }],
      runs: 1,
      timeoutSeconds: 20,
      onRun: (run) => runs.push(run),
    })
    t.match(runs[0]?.failure, /without the right ORIGINATOR_ID and CLUSTER_LIST/)
  },
)

t.test('a prefix finds its number again', async (t) => {
  const base = parseAddress('10.1.0.1')
  const cases = fc.record({ mixed: fc.boolean(), number: fc.nat(3_000_000) })
  fc.assert(
    fc.property(cases, ({ mixed, number }) => {
      const universe = new Universe(mixed, base)
      const [address = '', length = ''] = universe.name(number).split('/')
      return universe.numberOf(parseAddress(address), Number(length)) === number
    }),
    { seed },
  )
  t.equal(new Universe(true, base).numberOf(parseAddress('10.0.0.0'), 24), foreign)
  t.equal(formatAddress(parseAddress('223.255.0.1')), '223.255.0.1')
})

t.test('a feed announces every prefix once, withdrawals take all back', async (t) => {
  const universe = new Universe(true, parseAddress('10.1.0.1'))
  const feed = encodeFeed(universe, 3, 100, 5100, { rich: true, med: true })
  const withdrawals = encodeWithdrawals(universe, 100, 5100)
  t.equal(messagesIn(feed.bytes), feed.messages)
  for (const [name, bytes] of Object.entries({ feed: feed.bytes, withdrawals })) {
    const seen = numbersIn(universe, bytes)
    t.equal(seen.length, 5000, `${name}: as many as there are`)
    t.equal(new Set(seen).size, 5000, `${name}: each once`)
    t.same([Math.min(...seen), Math.max(...seen)], [100, 5099], `${name}: the range`)
  }
  t.ok(feed.hops.every((hops) => hops >= 3 && hops <= 6))
})

t.test('a scan of any bytes stays inside the message', async (t) => {
  const scan = new UpdateScan()
  const universe = new Universe(true, parseAddress('10.1.0.1'))
  const { bytes: feed } = encodeFeed(universe, 0, 0, 8, { rich: true, med: true })
  const first = feed.slice(0, short(feed, 16))
  const damage = fc.array(fc.tuple(fc.nat(first.length - headerBytes - 1), fc.nat(255)), {
    maxLength: 4,
  })
  let understood = 0
  fc.assert(
    fc.property(damage, fc.nat(first.length - headerBytes), (changes, cut) => {
      const bytes = first.slice()
      for (const [at, value] of changes) bytes[headerBytes + at] = value
      const end = bytes.length - cut
      if (!scan.read(bytes, 0, end)) return true
      understood++
      const places = [scan.withdrawnStart, scan.withdrawnEnd, scan.prefixesStart, scan.prefixesEnd]
      return places.every((at, index) => at >= (places[index - 1] ?? 0) && at <= end)
    }),
    { seed, numRuns: 2000 },
  )
  t.ok(understood > 100, `${understood} of the damaged messages could still be read`)
})

t.test('the board counts as one would by looking', async (t) => {
  const prefixes = 6
  const step = fc.record({
    sink: fc.nat(2),
    prefix: fc.nat(prefixes - 1),
    from: fc.nat(3),
    want: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const board = new Board()
      const sinks = [0, 1, 2].map((player) => board.addSink(player))
      const want = Uint16Array.from({ length: prefixes }, (_, prefix) => (prefix % 3) + 1)
      const home = want.slice()
      board.expect(want, home)
      for (const { sink, prefix, from, want: changes } of steps) {
        if (changes) {
          want[prefix] = from
          board.expectRange(prefix, prefix + 1, from)
        } else {
          board.put(sinks[sink]!, prefix, from)
          board.evaluate(sinks[sink]!, 1)
        }
      }
      return (
        sinks.every((sink) => {
          const heard = [...want.keys()].filter((prefix) => home[prefix] !== sink.player + 1)
          const wrong = heard.filter((prefix) => sink.table[prefix] !== want[prefix])
          const missing = heard.filter((prefix) => want[prefix] !== 0 && sink.table[prefix] === 0)
          return sink.wrong === wrong.length && sink.missing === missing.length
        }) && board.open === sinks.filter((sink) => sink.wrong > 0).length
      )
    }),
    { seed, numRuns: 500 },
  )
  t.pass('missing, wrong and open agree')
})

t.test('what is wrong with the paths of a sink with ADD-PATH', async (t) => {
  const all = Uint8Array.of(1, 1, 1, 1, 0)
  const rows: [
    caption: string,
    limit: number,
    paths: [id: number, from: number][],
    RegExp | null,
  ][] = [
    [
      'all of the others',
      16,
      [
        [1, 2],
        [2, 3],
        [3, 4],
      ],
      null,
    ],
    [
      'one too few',
      16,
      [
        [1, 2],
        [2, 3],
      ],
      /has 2 paths of prefix 0 instead of 3 to 3/,
    ],
    [
      'the limit',
      2,
      [
        [1, 2],
        [2, 3],
      ],
      null,
    ],
    ['its own left out of the limit', 2, [[1, 2]], null],
    [
      'more than the limit',
      2,
      [
        [1, 2],
        [2, 3],
        [3, 4],
      ],
      /has 3 paths/,
    ],
    [
      'the same twice',
      16,
      [
        [1, 2],
        [2, 2],
        [3, 4],
      ],
      /two paths of a prefix via player 1/,
    ],
    [
      'one that withdrew',
      16,
      [
        [1, 2],
        [2, 3],
        [3, 5],
      ],
      /via player 4, which withdrew it/,
    ],
  ]
  for (const [caption, limit, paths, expected] of rows) {
    const sink = new PathSink(0, 1)
    for (const [id, from] of paths) sink.put(0, id, from)
    const fault = sink.fault(all, limit)
    if (expected === null) t.equal(fault, null, caption)
    else t.match(fault, expected, caption)
  }
})

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
    { ...sampleRun('gobgp', 0.1), failure: 'announce: 3 prefixes missing' },
  ])
  const row = table?.rows.find(([title]) => title === 'all announce → all know all, s')
  t.equal(row?.at(-1), '0.50 × frr', 'neither the relay nor a failed run is the best peer')
  t.same(table?.notes, ['gobgp: announce: 3 prefixes missing'])
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
        size: { clients, prefixes: clients, paths: clients, delivered: clients * (clients - 1) },
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

function messagesIn(bytes: Uint8Array): number {
  let count = 0
  for (let at = 0; at < bytes.length; at += short(bytes, at + 16)) count++
  return count
}

/** Numbers of all prefixes announced or withdrawn, as a receiver finds them. */
function numbersIn(universe: Universe, bytes: Uint8Array): number[] {
  const numbers: number[] = []
  const scan = new UpdateScan()
  for (let at = 0; at < bytes.length; at += short(bytes, at + 16)) {
    const end = at + short(bytes, at + 16)
    if (end - at > messageBytesMax || !scan.read(bytes, at, end)) throw new Error(`bad at ${at}`)
    for (const [from, to] of [
      [scan.withdrawnStart, scan.withdrawnEnd],
      [scan.prefixesStart, scan.prefixesEnd],
    ] as const) {
      for (let place = from; place < to; ) {
        const length = bytes[place] as number
        const octets = [...bytes.subarray(place + 1, place + 1 + Math.ceil(length / 8)), 0, 0, 0]
        numbers.push(universe.numberOf(parseAddress(octets.slice(0, 4).join('.')), length))
        place += 1 + Math.ceil(length / 8)
      }
    }
  }
  return numbers
}
