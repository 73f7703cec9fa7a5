/**
 * What was measured of failovers, kept and shown: docs/failover.json holds every run, and the table in
 * docs/failover.md, between its two marks, is made from it. A new measurement of a daemon with a number
 * of prefixes replaces the one before.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { deaths, type Outage } from './failover.ts'

export interface Measurement {
  readonly versions: Readonly<Record<string, string>>
  readonly outages: readonly Outage[]
}

interface Kept extends Measurement {
  /** Day of the newest run. */
  readonly date: string
  readonly machine: string
}

const keptFile = 'docs/failover.json'
const page = 'docs/failover.md'
const marks = ['<!-- table: made by npm run chaos -- failover --page -->', '<!-- end of table -->']

export function recordFailover(measured: Measurement): void {
  const before = existsSync(keptFile)
    ? (JSON.parse(readFileSync(keptFile, 'utf8')) as Kept)
    : { versions: {}, outages: [] }
  const isNew = (old: Outage) =>
    measured.outages.some(
      ({ daemon, prefixes }) => daemon === old.daemon && prefixes === old.prefixes,
    )
  const kept: Kept = {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    versions: { ...before.versions, ...measured.versions },
    outages: [...before.outages.filter((old) => !isNew(old)), ...measured.outages],
  }
  writeFileSync(keptFile, `${JSON.stringify(kept, null, 2)}\n`)
  const versions = Object.entries(kept.versions).map(([name, version]) => `${name}: ${version}`)
  const intro = `Measured on ${kept.date}, ${kept.machine}; ${versions.join('; ')}.`
  const text = readFileSync(page, 'utf8')
  const [start, end] = marks.map((mark) => text.indexOf(mark)) as [number, number]
  if (start < 0 || end < start) throw new Error(`${page} has lost the marks of its table`)
  const head = text.slice(0, start + marks[0]!.length)
  writeFileSync(page, `${head}\n${intro}\n\n${renderTable(kept.outages)}\n${text.slice(end)}`)
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
  return `${round(middle(times))} ms${spread}, ${middle(lost)} lost`
}

function round(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')
}

function describeMachine(): string {
  const [cpu] = cpus()
  const gib = Math.round(totalmem() / 2 ** 30)
  return `Linux ${release()}, ${cpus().length} × ${cpu?.model.trim() ?? 'CPU'}, ${gib} GiB`
}
