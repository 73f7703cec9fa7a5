/**
 * What was measured of failovers and of installing routes: docs/failover.json holds every run. All are
 * of one machine; another one begins a file of its own.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import type { InstallRow } from '../bench/fib/install.ts'
import type { Outage } from './failover.ts'

/** A run that didn't come to its end: deaths that are missing from the outages weren't measured. */
export interface FailedRun {
  readonly daemon: string
  readonly prefixes: number
  readonly reason: string
}

export interface Kept {
  readonly machine: string
  /** As the programs say them. */
  readonly versions: Readonly<Record<string, string>>
  /** Day of the newest outage, UTC. */
  readonly date: string
  readonly outages: readonly Outage[]
  readonly failures: readonly FailedRun[]
  readonly installs: readonly InstallRow[]
}

const keptFile = 'docs/failover.json'

export function readKept(): Kept {
  const machine = describeMachine()
  if (existsSync(keptFile)) return JSON.parse(readFileSync(keptFile, 'utf8')) as Kept
  return { machine, versions: {}, date: '', outages: [], failures: [], installs: [] }
}

/** Writes what `change` makes of what was kept, and gives it. */
export function keep(change: (before: Kept) => Partial<Kept>): Kept {
  const machine = describeMachine()
  const before = readKept()
  if (before.machine !== machine) {
    throw new Error(
      `${keptFile} has measurements of another machine (${before.machine}; this is ${machine}), ` +
        'which new ones can not stand beside: move it away to begin anew',
    )
  }
  const kept = { ...before, ...change(before) }
  // The times of a row on one line, as the formatter has it.
  const text = JSON.stringify(kept, null, 2).replace(/\[([\d\s.,]+)\]/g, (_, numbers: string) => {
    return `[${numbers.trim().replace(/\s+/g, ' ')}]`
  })
  writeFileSync(keptFile, `${text}\n`)
  return kept
}

function describeMachine(): string {
  const [cpu] = cpus()
  const gib = Math.round(totalmem() / 2 ** 30)
  return `Linux ${release()}, ${cpus().length} × ${cpu?.model.trim() ?? 'CPU'}, ${gib} GiB`
}
