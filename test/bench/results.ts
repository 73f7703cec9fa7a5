/**
 * The results file: what was measured, when, where, with which versions; every single run is kept.
 * Tables, chart and model are made from it and from nothing else.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Counters, Measures } from './load/job.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly kernel: string
  readonly node: string
}

export interface Run {
  /** Start, ISO 8601. */
  readonly date: string
  readonly scenario: string
  /** What makes one question differ from another of its scenario: nodes, prefixes, … */
  readonly size: Readonly<Record<string, number>>
  readonly daemon: string
  readonly version: string
  /** Null when everything was right. */
  readonly failure: string | null
  /** It failed because its time was over. */
  readonly outOfTime?: boolean
  /** Of a run that failed, those of the phases that went right before. */
  readonly measures: Measures
  readonly counters: Counters | null
}

export interface Results {
  readonly machine: Machine
  readonly runs: Run[]
}

export function describeMachine(): Machine {
  const [cpu] = os.cpus()
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
  }
}

/** Results so far, to add to; of this machine, or it throws. */
export function openResults(file: string): Results {
  const machine = describeMachine()
  if (!existsSync(file)) return { machine, runs: [] }
  const results = readResults(file)
  if (JSON.stringify(results.machine) === JSON.stringify(machine)) return results
  const here = `${machine.cpu}, ${machine.kernel}, Node ${machine.node}`
  throw new Error(
    `${file} has results of another machine or system than this (${here}); ` +
      'times of both can not be compared: name another file with --out',
  )
}

export function readResults(file: string): Results {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`there is no ${file}: measure first, with --out ${file}`)
  }
  const results = JSON.parse(text)
  if (typeof results?.machine !== 'object' || !Array.isArray(results.runs)) {
    throw new Error(`${file} isn't a results file: it has no "machine" and "runs"`)
  }
  return results
}

/** One run a line, so that a diff shows what came. */
export function writeResults(file: string, { machine, runs }: Results): void {
  const lines = runs.map((run) => JSON.stringify(run)).join(',\n')
  mkdirSync(path.dirname(file), { recursive: true })
  // Whole or not at all: an interrupted campaign keeps what it had.
  const fresh = `${file}.new`
  writeFileSync(fresh, `{"machine":${JSON.stringify(machine)},\n"runs":[\n${lines}\n]}\n`)
  renameSync(fresh, file)
}

/** Runs that answer the same question, in the order of their first one. */
export function groupRuns(runs: readonly Run[]): Map<string, Run[]> {
  const groups = new Map<string, Run[]>()
  for (const run of runs) {
    const key = questionOf(run)
    groups.set(key, [...(groups.get(key) ?? []), run])
  }
  return groups
}

/** `cluster, nodes 1000, prefixes 1`. */
export function questionOf({ scenario, size }: Pick<Run, 'scenario' | 'size'>): string {
  const parts = Object.entries(size).map(([name, value]) => `${name} ${value}`)
  return [scenario, ...parts].join(', ')
}
