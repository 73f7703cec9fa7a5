/**
 * `npm run bench -- fib`: how long it takes until the kernel has so many routes, side by side. The
 * clock runs from the order to the moment the kernel counts them, by the same small program for all.
 * Contenders take turns, each run in a namespace of its own; medians, and the ratio to the C program
 * that does as routelet does: routes that name a nexthop object. Then the same from BGP (from-bgp.ts).
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { nodeDaemons } from '../../failover/node-daemons.ts'
import { inScope, missing, Network } from '../../network/namespaces.ts'
import { startClock } from './clock.ts'
import { type Contender, cannotRun, contenders } from './contenders.ts'
import { measureFromBgp } from './from-bgp.ts'

export interface InstallOptions {
  readonly counts: readonly number[]
  readonly runs: number
  /** Names to measure; all without. */
  readonly only?: readonly string[]
  /** No run begins later than so many seconds after the first. */
  readonly seconds: number
  readonly tell: (line: string) => void
  /** Told every table as soon as it is measured. */
  readonly record?: (rows: readonly InstallRow[]) => void
}

export interface InstallRow {
  readonly contender: string
  /** Routes. */
  readonly count: number
  /** Whether it was told the routes at once, or learned them. */
  readonly from: 'BGP' | 'order'
  /** ISO date and time of the beginning: rows with the same one took turns. */
  readonly session: string
  /** As the program says it; empty for one that says none. */
  readonly version: string
  /** Every run, ms. */
  readonly times: readonly number[]
}

/** Whoever installs routes, told them at once or by BGP. */
interface Turn {
  readonly name: string
  readonly version: () => Promise<string>
  readonly cannotRun: () => Promise<string | false>
  /** ms */
  readonly measure: (count: number, program: string) => Promise<number>
}

interface Round extends Pick<InstallRow, 'count' | 'from' | 'session'> {
  readonly program: string
  /** `performance.now()` after which nothing begins. */
  readonly endsAt: number
}

const orders: readonly Turn[] = contenders.map((contender) => ({
  name: contender.name,
  version: contender.version,
  cannotRun: () => cannotRun(contender),
  measure: (count, program) => measure(contender, count, program),
}))

const learners: readonly Turn[] = nodeDaemons.map((daemon) => ({
  name: daemon.name,
  version: daemon.version,
  cannotRun: daemon.cannotRun,
  measure: (count, program) => measureFromBgp(daemon, count, program),
}))

export const reference = 'C'
const gateway = '10.0.0.2'
const device = 'e0'
/** install.ts lies beside it before it is built, and the build takes no C along. */
const source = path.resolve('test/bench/fib/install.c')

/** Prints a table for each number of routes, from orders first and then from BGP. */
export async function benchInstall(options: InstallOptions): Promise<void> {
  const { counts, runs, only, tell, record } = options
  const why = await missing('cc')
  if (why !== false) throw new Error(`the clock of this benchmark is a C program: ${why}`)
  const folder = mkdtempSync(path.join(tmpdir(), 'routelet-bench-'))
  const program = path.join(folder, 'install')
  const endsAt = performance.now() + options.seconds * 1000
  try {
    execFileSync('cc', ['-O2', '-Wall', '-o', program, source])
    const session = new Date().toISOString()
    for (const from of ['order', 'BGP'] as const) {
      const turns = await choose(from === 'order' ? orders : learners, only, tell)
      for (const count of counts) {
        let rows: readonly InstallRow[] = []
        for (let run = 0; run < runs && performance.now() < endsAt; run++) {
          const round = { count, from, session, program, endsAt }
          rows = await takeTurns(turns, rows, round)
          // At once: a measurement that is cut short keeps what it has.
          record?.(rows)
        }
        if (rows.length > 0) tell(renderInstall(rows))
        if (rows.length < turns.length) tell(`out of time: ${count} from ${from}, not by all`)
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** One run of each, added to its row. */
async function takeTurns(
  turns: readonly Turn[],
  before: readonly InstallRow[],
  { count, from, session, program, endsAt }: Round,
): Promise<InstallRow[]> {
  const rows: InstallRow[] = []
  for (const { name, version, measure } of turns) {
    const times = before.find(({ contender }) => contender === name)?.times ?? []
    const more = performance.now() < endsAt ? [Math.round(await measure(count, program))] : []
    if (times.length + more.length === 0) continue
    const row = { contender: name, count, from, session, version: await version() }
    rows.push({ ...row, times: [...times, ...more] })
  }
  return rows
}

/** Those that are asked for and can run here; says why another can't. */
async function choose(
  turns: readonly Turn[],
  only: readonly string[] | undefined,
  tell: (line: string) => void,
): Promise<Turn[]> {
  const able: Turn[] = []
  for (const turn of turns) {
    if (only !== undefined && !only.includes(turn.name)) continue
    const reason = await turn.cannotRun()
    if (reason === false) able.push(turn)
    else tell(`${turn.name}: ${reason}`)
  }
  return able
}

/** From the order until the kernel has them all, ms. */
function measure(contender: Contender, count: number, program: string): Promise<number> {
  return inScope(async (scope) => {
    const network = new Network(scope)
    const [node, far] = [await network.namespace('node'), await network.namespace('far')]
    await network.link(
      { namespace: node, interface: device, addresses: ['10.0.0.1/24'] },
      { namespace: far, interface: device, addresses: [`${gateway}/24`] },
    )
    const begin = await contender.prepare({ node, count, gateway, device, program, scope })
    const clock = await startClock(node, program, count)
    return clock.time(begin)
  })
}

/** The middle one, ms. */
export function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
}

/** Markdown: median, spread, routes a second and the ratio to the C program. */
function renderInstall(rows: readonly InstallRow[]): string {
  const base = rows.find(({ contender }) => contender === reference)
  const lines = rows.map(({ contender, count, times }) => {
    const middle = median(times)
    const spread = `${Math.round(Math.min(...times))}–${Math.round(Math.max(...times))}`
    const rate = Math.round(count / middle)
    const ratio = base === undefined ? '–' : (middle / median(base.times)).toFixed(2)
    return `| ${contender} | ${Math.round(middle)} (${spread}) | ${rate} | ${ratio} |`
  })
  const routes = rows[0]?.count.toLocaleString('en') ?? '0'
  const head = `| ${routes} routes by | ms | thousand a second | to C |`
  return [head, '|---|--:|--:|--:|', ...lines].join('\n')
}
