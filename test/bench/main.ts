/**
 * `npm run bench`: micro questions in this process, whole-process scenarios beside other daemons, and
 * what is made of their results. See docs/benchmarks.md.
 */
import { parseArgs } from 'node:util'
import { missing } from '../network/namespaces.ts'
import { runCampaign } from './campaign.ts'
import { type Contender, findContenders } from './daemons.ts'
import { benchInstall } from './fib/install.ts'
import { runMicro } from './micro.ts'
import { printModel } from './model.ts'
import { writePage } from './page.ts'
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

WHAT, everything that measures when left out:
  micro      decode, intern, decide, encode: nanoseconds, in this process
  cluster    nodes that announce their own prefixes and learn all others'
  feed       feeders with a table, sinks that collect it; fan-in; a slow sink
  churn      sessions: all up, all gone, all up again
  anycast    clients that announce the same prefixes, with and without ADD-PATH
  fib        routes into the kernel: a C program, routelet, BIRD, FRR and ip -batch
  page       docs/benchmarks.md and its chart out of docs/benchmarks.json
  model      time and memory fitted to the results

OPTION:
  --quick              small sizes, one run
  --runs N             runs of each question and daemon (3)
  --daemons A,B        only these, of: routelet bird2 bird3 frr gobgp openbgpd relay
  --peers-root DIR     take the other daemons from this root of another system
  --nodes N,N  --prefixes N,N  --feeders N,N  --sinks N  --slow N  --stall SECONDS
  --events N           single changes in cluster (20)
  --parallel N         sessions set up at the same time; 0 is all at once
  --timeout SECONDS    longest time for a phase (120)
  --out FILE           results, added to those in it (dist/benchmarks.json; page: docs/)
  --fresh              forget earlier runs of the same questions`

const standardFile = 'dist/benchmarks.json'
const pageFile = 'docs/benchmarks.json'

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
  const known = ['micro', ...scenarios, 'fib', 'page', 'model']
  const unknown = what.find((one) => !known.includes(one))
  if (unknown !== undefined) throw new Error(`${unknown} is none of: ${known.join(' ')}`)
  if (what.includes('micro')) runMicro()
  if (what.includes('fib')) await measureKernel(values)
  const asked = scenarios.filter((scenario) => what.includes(scenario))
  let failed = 0
  if (asked.length > 0 || what.length === 0) failed = await measure(asked, values)
  if (what.includes('page')) writePage(readResults(values.out ?? pageFile))
  if (what.includes('model')) printModel(readResults(values.out ?? standardFile).runs)
  return failed > 0 ? 1 : 0
}

async function measureKernel(values: Values): Promise<void> {
  await benchInstall({
    counts: numbers(values.prefixes, 'prefixes') ?? [100_000, 500_000],
    runs: number(values.runs, 'runs') ?? 3,
    ...(values.daemons === undefined ? {} : { only: values.daemons.split(',') }),
    tell: console.log,
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
      out: { type: 'string' },
      fresh: { type: 'boolean' },
    },
  })
}

/** Gives the number of routelet's runs that failed: the others' failures are results. */
async function measure(asked: readonly Scenario[], values: Values): Promise<number> {
  const reason = await missing()
  if (reason !== false) throw new Error(`the scenarios can't run: ${reason}`)
  const questions = choose(asked, values)
  const contenders = await chooseContenders(values)
  const runs = number(values.runs, 'runs') ?? (values.quick ? 1 : 3)
  const file = values.out ?? standardFile
  const results = openResults(file)
  if (values.fresh) forget(results, questions)
  const found = contenders.map(({ kind, version }) => `${kind.name} ${version}`)
  console.log(`${questions.length} questions × ${runs} runs × ${found.join(', ')}`)
  const fresh: Run[] = []
  await runCampaign({
    questions,
    contenders,
    runs,
    timeoutSeconds: number(values.timeout, 'timeout') ?? 120,
    onRun: (run) => {
      console.log(`${questionOf(run)}: ${run.daemon}: ${run.failure ?? 'right'}`)
      fresh.push(run)
      results.runs.push(run)
      writeResults(file, results)
    },
  })
  for (const table of makeTables(fresh)) {
    console.log(`\n${table.title}\n\n${renderTable(table)}`)
    for (const note of table.notes) console.log(`  ${note}`)
  }
  console.log(`\nresults are in ${file}`)
  return fresh.filter((run) => run.daemon === 'routelet' && run.failure !== null).length
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
  const found = await findContenders(values['peers-root'] ?? null)
  if (values.daemons === undefined) return found
  return values.daemons.split(',').map((name) => {
    const contender = found.find(({ kind }) => kind.name === name)
    if (contender !== undefined) return contender
    const names = found.map(({ kind }) => kind.name).join(' ')
    throw new Error(`--daemons ${name}: not found here; there are ${names}`)
  })
}

function forget({ runs }: Results, questions: readonly Question[]): void {
  const again = new Set(
    questions.map((question) =>
      questionOf({ scenario: question.scenario, size: sizeOf(question) }),
    ),
  )
  runs.splice(0, runs.length, ...runs.filter((run) => !again.has(questionOf(run))))
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
