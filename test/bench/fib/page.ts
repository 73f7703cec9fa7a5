/** Two tables of docs/failover.md: who installed how many routes in what time, from orders and from BGP. */
import type { Kept } from '../../failover/kept.ts'
import { nameProgram } from '../../failover/page.ts'
import { type InstallRow, median, reference } from './install.ts'

const words: Readonly<Record<string, string>> = {
  C: 'C, nexthop object',
  'C with gateways': 'C, gateways',
  'ip -batch': '`ip -batch`',
}

export function renderInstalls({ machine, installs }: Kept): string {
  const days = [...new Set(installs.map(({ session }) => session.slice(0, 10)))].sort()
  const versions = new Set(
    installs
      .filter(({ version }) => version !== '')
      .map(({ contender, version }) => nameProgram(contender, version)),
  )
  return [
    `Measured on ${days.join(', ')}, ${machine}; ${[...versions].join('; ')}.`,
    renderTable(installs, 'order'),
    renderTable(installs, 'BGP'),
  ].join('\n\n')
}

/** A row for each contender; two columns for each number of routes, or one without a C to compare with. */
function renderTable(installs: readonly InstallRow[], from: InstallRow['from']): string {
  const rows = installs.filter((row) => row.from === from)
  const names = [...new Set(rows.map(({ contender }) => contender))]
  const counts = [...new Set(rows.map(({ count }) => count))].sort((a, b) => a - b)
  const ratios = names.includes(reference)
  const lines = names.map((name) => {
    const cells = counts.flatMap((count) => {
      const row = rows.find((one) => one.contender === name && one.count === count)
      return [row ? cell(row) : '–', ...(ratios ? [row ? ratio(row, rows) : '–'] : [])]
    })
    return `| ${words[name] ?? name} | ${cells.join(' | ')} |`
  })
  const heads = counts.flatMap((count) => {
    const title = `${count.toLocaleString('en')} routes, ms`
    return ratios ? [title, 'to C'] : [title]
  })
  const by = from === 'BGP' ? 'from BGP by' : 'by'
  return [
    `| ${by} | ${heads.join(' | ')} |`,
    `|---|${heads.map(() => '--:|').join('')}`,
    ...lines,
  ].join('\n')
}

/** `1,234 (1,100–1,300)`: the median and the spread of several runs. */
function cell({ times }: InstallRow): string {
  const text = (ms: number) => Math.round(ms).toLocaleString('en')
  if (times.length < 2) return text(median(times))
  return `${text(median(times))} (${text(Math.min(...times))}–${text(Math.max(...times))})`
}

/** To the C program of the same session: times of different sessions are not comparable enough. */
function ratio(row: InstallRow, rows: readonly InstallRow[]): string {
  const base = rows.find(
    ({ contender, count, session }) =>
      contender === reference && count === row.count && session === row.session,
  )
  return base === undefined ? '–' : (median(row.times) / median(base.times)).toFixed(2)
}
