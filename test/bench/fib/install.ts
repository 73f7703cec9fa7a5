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
import { missing, Network } from '../../network/namespaces.ts'
import { startClock } from './clock.ts'
import { type Contender, cannotRun, contenders } from './contenders.ts'
import { measureFromBgp } from './from-bgp.ts'

export interface InstallOptions {
  readonly counts: readonly number[]
  readonly runs: number
  /** Names to measure; all without. */
  readonly only?: readonly string[]
  readonly tell: (line: string) => void
}

export interface InstallRow {
  readonly contender: string
  readonly count: number
  /** Every run, ms. */
  readonly times: readonly number[]
}

const reference = 'C'
const gateway = '10.0.0.2'
const device = 'e0'
/** install.ts lies beside it before it is built, and the build takes no C along. */
const source = path.resolve('test/bench/fib/install.c')

/** Prints a table for each number of routes; gives every time. */
export async function benchInstall(options: InstallOptions): Promise<InstallRow[]> {
  const { counts, runs, only, tell } = options
  const why = await missing('cc')
  if (why !== false) throw new Error(`the clock of this benchmark is a C program: ${why}`)
  const folder = mkdtempSync(path.join(tmpdir(), 'routelet-bench-'))
  const program = path.join(folder, 'install')
  try {
    execFileSync('cc', ['-O2', '-Wall', '-o', program, source])
    const able: Contender[] = []
    for (const contender of contenders) {
      if (only !== undefined && !only.includes(contender.name)) continue
      const reason = await cannotRun(contender)
      if (reason === false) able.push(contender)
      else tell(`${contender.name}: ${reason}`)
    }
    const rows: InstallRow[] = []
    for (const count of counts) {
      const times = new Map<Contender, number[]>(able.map((contender) => [contender, []]))
      for (let run = 0; run < runs; run++) {
        for (const contender of able) {
          times.get(contender)?.push(await measure(contender, count, program))
        }
      }
      const measured = able.map((contender) => ({
        contender: contender.name,
        count,
        times: times.get(contender) ?? [],
      }))
      tell(renderInstall(measured))
      rows.push(...measured)
    }
    for (const count of counts) {
      const measured = await measureFromBgp({ count, runs, program, ...(only && { only }) }, tell)
      tell(renderInstall(measured))
      rows.push(...measured)
    }
    return rows
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** From the order until the kernel has them all, ms. */
async function measure(contender: Contender, count: number, program: string): Promise<number> {
  const teardowns: (() => Promise<void> | void)[] = []
  const scope = { teardown: (run: () => Promise<void> | void) => teardowns.push(run) }
  try {
    const network = new Network(scope)
    const [node, far] = [await network.namespace('node'), await network.namespace('far')]
    await network.link(
      { namespace: node, interface: device, addresses: ['10.0.0.1/24'] },
      { namespace: far, interface: device, addresses: [`${gateway}/24`] },
    )
    const task = { node, count, gateway, device, program, teardown: scope.teardown }
    const begin = await contender.prepare(task)
    const clock = await startClock(node, program, count)
    return await clock.time(begin)
  } finally {
    for (const run of teardowns.reverse()) await run()
  }
}

/** Markdown: median, spread, routes a second and the ratio to the C program. */
export function renderInstall(rows: readonly InstallRow[]): string {
  const median = (times: readonly number[]) =>
    [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
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
