/**
 * docs/failover.md: its tables, each between two marks, are made from docs/failover.json and from
 * nothing else. A new measurement replaces earlier ones of the same; the others stay.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { InstallRow } from '../bench/fib/install.ts'
import { renderInstalls } from '../bench/fib/page.ts'
import type { Outage } from './failover.ts'
import { type FailedRun, type Kept, keep } from './kept.ts'
import { renderFailovers } from './page.ts'

export const page = 'docs/failover.md'

/** What makes a table, by the command in its mark. */
const tables: Readonly<Record<string, (kept: Kept) => string>> = {
  'npm run chaos -- failover --page': renderFailovers,
  'npm run bench -- fib --page': renderInstalls,
}
const end = '<!-- end of table -->'

interface Measured {
  readonly versions: Readonly<Record<string, string>>
  readonly outages: readonly Outage[]
  readonly failures: readonly FailedRun[]
}

/** Replaces outages of the same daemon, number of prefixes and death. */
export function recordFailover({ versions, outages, failures }: Measured): void {
  const again = ({ daemon, prefixes, death }: Outage) =>
    outages.some((one) => one.daemon === daemon && one.prefixes === prefixes && one.death === death)
  const tried = ({ daemon, prefixes }: FailedRun) =>
    [...outages, ...failures].some((one) => one.daemon === daemon && one.prefixes === prefixes)
  record((before) => ({
    date: outages.length > 0 ? new Date().toISOString().slice(0, 10) : before.date,
    versions: { ...before.versions, ...versions },
    outages: [...before.outages.filter((old) => !again(old)), ...outages],
    failures: [...before.failures.filter((old) => !tried(old)), ...failures],
  }))
}

/** Replaces installations by the same contender of as many routes from the same source. */
export function recordInstalls(rows: readonly InstallRow[]): void {
  const again = ({ contender, count, from }: InstallRow) =>
    rows.some((one) => one.contender === contender && one.count === count && one.from === from)
  record(({ installs }) => ({ installs: [...installs.filter((old) => !again(old)), ...rows] }))
}

function record(change: (before: Kept) => Partial<Kept>): void {
  const kept = keep(change)
  writeFileSync(page, withTables(readFileSync(page, 'utf8'), kept))
}

/** The page's text with every table made anew. */
export function withTables(text: string, kept: Kept): string {
  return Object.entries(tables).reduce((before, [maker, render]) => {
    const mark = `<!-- table: made by ${maker} -->`
    const from = before.indexOf(mark)
    const to = before.indexOf(end, from)
    if (from < 0 || to < 0) throw new Error(`${page} has lost ${mark} or the ${end} after it`)
    return `${before.slice(0, from + mark.length)}\n${render(kept)}\n${before.slice(to)}`
  }, text)
}
