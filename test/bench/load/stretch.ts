/** One phase of a scenario: what it cost the daemon and the generator, and how times are summed up. */
import type { Load } from './load.ts'
import { measureUsage } from './usage.ts'

export class Stretch {
  readonly startedAt = performance.now()
  readonly residentBytesBefore: number
  readonly #load: Load
  readonly #cpuSeconds: number
  readonly #own = process.cpuUsage()

  constructor(load: Load) {
    const { cpuSeconds, residentBytes } = measureUsage(load.job.pids)
    this.#load = load
    this.#cpuSeconds = cpuSeconds
    this.residentBytesBefore = residentBytes
  }

  /** `NAME.cpuSeconds`, `NAME.generatorCpuSeconds`, `NAME.residentBytes`, `NAME.peakBytes`. */
  measures(name: string): Record<string, number> {
    const usage = measureUsage(this.#load.job.pids)
    const own = process.cpuUsage(this.#own)
    return {
      [`${name}.cpuSeconds`]: round(usage.cpuSeconds - this.#cpuSeconds),
      [`${name}.generatorCpuSeconds`]: round((own.user + own.system) / 1e6),
      [`${name}.residentBytes`]: usage.residentBytes,
      [`${name}.peakBytes`]: usage.peakBytes,
    }
  }
}

/** Median, 99th percentile and maximum of latencies in milliseconds. */
export function latencies(name: string, values: readonly number[]): Record<string, number> {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0
  return {
    [`${name}.p50Ms`]: round(at(0.5)),
    [`${name}.p99Ms`]: round(at(0.99)),
    [`${name}.maxMs`]: round(at(1)),
  }
}

/** Six digits are more than the clock is good for. */
export function round(value: number): number {
  return Number(value.toPrecision(6))
}
