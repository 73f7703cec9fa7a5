/** What was measured of failovers, as it stands in docs/failover.md. */
import { deaths, type Outage } from './failover.ts'
import type { Kept } from './kept.ts'

/** Where and with what it was measured, the table, and a line for each run that failed. */
export function renderFailovers({ date, machine, versions, outages, failures }: Kept): string {
  const programs = Object.entries(versions).map(([name, version]) => nameProgram(name, version))
  const notes = failures.map(
    ({ daemon, prefixes, reason }) =>
      `- ${daemon} with ${prefixes.toLocaleString('en')} prefixes did not come to the end: ${reason}`,
  )
  return [
    `Measured on ${date}, ${machine}; ${programs.join('; ')}.`,
    renderTable(outages),
    ...(notes.length > 0 ? [notes.join('\n')] : []),
  ].join('\n\n')
}

/** A version as the program says it, which may begin with its name. */
export function nameProgram(name: string, version: string): string {
  return version.startsWith(name) ? version : `${name}: ${version}`
}

/** Markdown: a row for each death and number of prefixes, a column for each daemon. */
export function renderTable(outages: readonly Outage[]): string {
  const unique = <T>(values: readonly T[]) => [...new Set(values)]
  const names = unique(outages.map(({ daemon }) => daemon))
  const sizes = unique(outages.map(({ prefixes }) => prefixes)).sort((a, b) => a - b)
  const rows = deaths.flatMap((death) =>
    sizes.map((size) => {
      const cells = names.map((name) =>
        cell(
          outages.filter(
            (one) => one.daemon === name && one.prefixes === size && one.death === death.name,
          ),
        ),
      )
      return `| ${death.name} | ${size.toLocaleString('en')} | ${cells.join(' | ')} |`
    }),
  )
  const head = `| the switch | prefixes | ${names.join(' | ')} |`
  return [head, `|---|--:|${names.map(() => '--:|').join('')}`, ...rows].join('\n')
}

/** `38 ms (31–52), 120 lost`: medians, and the spread of the time. */
function cell(outages: readonly Outage[]): string {
  if (outages.length === 0) return '–'
  const times = outages.map(({ outageMs }) => outageMs).sort((a, b) => a - b)
  const lost = outages.map((one) => one.lost).sort((a, b) => a - b)
  const middle = <T>(values: readonly T[]) => values[Math.floor(values.length / 2)]!
  const spread = times.length > 1 ? ` (${round(times[0]!)}–${round(times.at(-1)!)})` : ''
  return `${round(middle(times))} ms${spread}, ${middle(lost).toLocaleString('en')} lost`
}

function round(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')
}
