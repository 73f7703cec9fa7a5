/**
 * `npm run bench`: micro questions in this process, whole-process scenarios beside other daemons, and
 * what is made of their results. See docs/benchmarks.md.
 */
import { parseArgs } from 'node:util'
import { version } from '../../src/version.ts'
import { recordInstalls } from '../failover/document.ts'
import { missing } from '../network/namespaces.ts'
import { runCampaign } from './campaign.ts'
import { type Contender, findContenders } from './daemons.ts'
import { benchInstall } from './fib/install.ts'
import { renderGoals } from './goals.ts'
import { microSize, runMicro } from './micro.ts'
import { printModel } from './model.ts'
import { writePages } from './page.ts'
import {
  planQuestions,
  type Question,
  quickQuestions,
  type Scenario,
  scenarios,
  sizeOf,
} from './plan.ts'
import { makeTables, renderTable } from './report.ts'
import {
  openResults,
  questionOf,
  type Results,
  type Run,
  readResults,
  writeResults,
} from './results.ts'
import { playersMax } from './site.ts'

const usage = `npm run bench -- [WHAT…] [OPTION…]

WHAT, everything that measures but fib when left out:
  micro      decode, intern, decide, encode: nanoseconds, in this process
  cluster    nodes that announce their own prefixes and learn all others'
  churn      sessions: all up, all gone, all up again
  feed       feeders with a table, sinks that collect it; fan-in; a slow sink
  pulse      a feed of a million: KEEPALIVEs, /healthz and the event loop meanwhile
  fan-in     rounds of feeders with the same prefixes: does any stay wrong?
  anycast    clients that announce the same prefixes, with and without ADD-PATH
  fib        routes into the kernel: a C program, routelet, BIRD, FRR and ip -batch
  goals      what was to be reached, and whether it is, out of the results
  model      time and memory fitted to the results
  page       docs/benchmarks.md, docs/scaling.md and the charts out of docs/benchmarks.json

OPTION:
  --quick              small sizes, one run
  --runs N             runs of each question and daemon, earlier ones included (3)
  --daemons A,B        only these, of: routelet bird2 bird3 frr gobgp openbgpd relay
  --peers-root DIR     take the other daemons from this root of another system ($PEERS_ROOT)
  --nodes N,N  --prefixes N,N  --feeders N,N  --sinks N  --slow N  --stall SECONDS
  --events N           single changes in cluster (20)
  --parallel N         sessions set up at the same time; 0 is all at once
  --timeout SECONDS    longest time for a run (120)
  --seconds N          begin no run after so many seconds; exit code 3 when some are left, and the
                       same command goes on there (fib: what is left stays away)
  --out FILE           results, added to those in it (dist/benchmarks.json; page: docs/)
  --page               fib: into docs/failover.json, and the tables of docs/failover.md with it
  --fresh              forget these daemons' earlier runs of these questions`

const standardFile = 'dist/benchmarks.json'
const pageFile = 'docs/benchmarks.json'
const exitCode = { failed: 1, runsLeft: 3 } as const

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 2
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args)
  if (values.help) {
    console.log(usage)
    return 0
  }
  const what = positionals.length > 0 ? positionals : values.quick ? [] : ['micro', ...scenarios]
  const known = ['micro', ...scenarios, 'fib', 'goals', 'model', 'page']
  const unknown = what.find((one) => !known.includes(one))
  if (unknown !== undefined) throw new Error(`${unknown} is none of: ${known.join(' ')}`)
  if (what.includes('micro')) {
    measureSteps(values.out ?? standardFile, positionals.includes('micro') || values.fresh === true)
  }
  if (what.includes('fib')) await measureKernel(values)
  const asked = scenarios.filter((scenario) => what.includes(scenario))
  let code = 0
  if (asked.length > 0 || what.length === 0) code = await measure(asked, values)
  if (what.includes('goals')) console.log(renderGoals(readResults(values.out ?? standardFile).runs))
  if (what.includes('model')) printModel(readResults(values.out ?? standardFile).runs)
  if (what.includes('page')) writePages(readResults(values.out ?? pageFile))
  return code
}

/** A round is a run: the rounds of one program are comparable, and those of an earlier one go. */
function measureSteps(file: string, again: boolean): void {
  const results = openResults(file)
  const question = { scenario: 'micro', size: microSize }
  const others = results.runs.filter((run) => questionOf(run) !== questionOf(question))
  if (others.length < results.runs.length && !again) return
  const date = new Date().toISOString()
  const rounds = runMicro().map((measures): Run => {
    return {
      date,
      ...question,
      daemon: 'routelet',
      version,
      failure: null,
      measures,
      counters: null,
    }
  })
  writeResults(file, { ...results, runs: [...rounds, ...others] })
  showTables(rounds)
}

function showTables(runs: readonly Run[]): void {
  for (const table of makeTables(runs)) {
    console.log(`\n${table.title}\n\n${renderTable(table)}`)
    for (const note of table.notes) console.log(`  ${note}`)
  }
}

async function measureKernel(values: Values): Promise<void> {
  await benchInstall({
    counts: numbers(values.prefixes, 'prefixes') ?? [100_000, 500_000],
    runs: number(values.runs, 'runs') ?? 3,
    ...(values.daemons === undefined ? {} : { only: values.daemons.split(',') }),
    seconds: number(values.seconds, 'seconds') ?? Infinity,
    tell: console.log,
    ...(values.page ? { record: recordInstalls } : {}),
  })
}

type Values = ReturnType<typeof parse>['values']

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      quick: { type: 'boolean' },
      runs: { type: 'string' },
      daemons: { type: 'string' },
      'peers-root': { type: 'string' },
      nodes: { type: 'string' },
      prefixes: { type: 'string' },
      feeders: { type: 'string' },
      sinks: { type: 'string' },
      slow: { type: 'string' },
      stall: { type: 'string' },
      events: { type: 'string' },
      parallel: { type: 'string' },
      timeout: { type: 'string' },
      seconds: { type: 'string' },
      out: { type: 'string' },
      page: { type: 'boolean' },
      fresh: { type: 'boolean' },
    },
  })
}

/** Gives the exit code. That another daemon fails is a result, and no failure of ours. */
async function measure(asked: readonly Scenario[], values: Values): Promise<number> {
  const reason = await missing()
  if (reason !== false) throw new Error(`the scenarios can't run: ${reason}`)
  const questions = choose(asked, values)
  const contenders = await chooseContenders(values)
  const runs = number(values.runs, 'runs') ?? (values.quick ? 1 : 3)
  const file = values.out ?? standardFile
  const results = openResults(file)
  if (values.fresh) forget(results, questions, contenders)
  const found = contenders.map(({ kind, version }) => `${kind.name} ${version}`)
  console.log(`${questions.length} questions × ${runs} runs × ${found.join(', ')}`)
  const earlier = questionsAmong(results.runs, questions).length
  if (earlier > 0) console.log(`${earlier} of them are there already; --fresh measures again`)
  let made = 0
  const left = await runCampaign({
    questions,
    contenders,
    runs,
    earlier: [...results.runs],
    timeoutSeconds: number(values.timeout, 'timeout') ?? 120,
    beginSecondsMax: number(values.seconds, 'seconds') ?? null,
    onRun: (run) => {
      console.log(`${questionOf(run)}: ${run.daemon}: ${run.failure ?? 'right'}`)
      made++
      results.runs.push(run)
      writeResults(file, results)
    },
  })
  console.log(`\n${made} runs; results are in ${file}`)
  if (left > 0) {
    console.log(`${left} runs are left: the same command, without --fresh, goes on`)
    return exitCode.runsLeft
  }
  showTables(questionsAmong(results.runs, questions))
  const own = questionsAmong(results.runs, questions).filter(({ daemon }) => daemon === 'routelet')
  return own.some(({ failure }) => failure !== null) ? exitCode.failed : 0
}

function choose(asked: readonly Scenario[], values: Values): Question[] {
  if (values.quick) {
    const quick = quickQuestions()
    return asked.length === 0 ? quick : quick.filter(({ scenario }) => asked.includes(scenario))
  }
  const sizes = {
    nodes: numbers(values.nodes, 'nodes', playersMax),
    prefixes: numbers(values.prefixes, 'prefixes'),
    feeders: numbers(values.feeders, 'feeders', 250),
    sinks: number(values.sinks, 'sinks'),
    slow: number(values.slow, 'slow'),
    stallSeconds: number(values.stall, 'stall'),
    events: number(values.events, 'events'),
    parallel: number(values.parallel, 'parallel'),
  }
  return asked.flatMap((scenario) => planQuestions(scenario, sizes))
}

async function chooseContenders(values: Values): Promise<Contender[]> {
  const found = await findContenders(values['peers-root'] ?? process.env['PEERS_ROOT'] ?? null)
  if (values.daemons === undefined) return found
  return values.daemons.split(',').map((name) => {
    const contender = found.find(({ kind }) => kind.name === name)
    if (contender !== undefined) return contender
    const names = found.map(({ kind }) => kind.name).join(' ')
    throw new Error(`--daemons ${name}: not found here; there are ${names}`)
  })
}

/** The runs that answer one of these. */
function questionsAmong(runs: readonly Run[], questions: readonly Question[]): Run[] {
  const asked = new Set(
    questions.map((question) =>
      questionOf({ scenario: question.scenario, size: sizeOf(question) }),
    ),
  )
  return runs.filter((run) => asked.has(questionOf(run)))
}

function forget(
  { runs }: Results,
  questions: readonly Question[],
  contenders: readonly Contender[],
): void {
  const again = new Set(questionsAmong(runs, questions))
  const daemons = new Set(contenders.map(({ kind }) => kind.name))
  const kept = runs.filter((run) => !again.has(run) || !daemons.has(run.daemon))
  runs.splice(0, runs.length, ...kept)
}

function numbers(text: string | undefined, option: string, most = Infinity): number[] | undefined {
  return text?.split(',').map((part) => number(part, option, most) as number)
}

function number(text: string | undefined, option: string, most = Infinity): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  const limit = most === Infinity ? '' : ` up to ${most}`
  throw new Error(`--${option} ${text}: not a whole number${limit}`)
}
