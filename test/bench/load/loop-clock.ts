/**
 * Loaded into routelet before its own first module (`node --import`), in the scenario `pulse` alone:
 * measures how late its event loop comes round. SIGUSR2 begins the measurement; the next one writes
 * what was found to the file named by ROUTELET_BENCH_LOOP and ends it.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface LoopReport {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const resolutionMs = 1
const file = process.env['ROUTELET_BENCH_LOOP']

if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  let running = false
  process.on('SIGUSR2', () => {
    running = !running
    if (running) {
      histogram.reset()
      histogram.enable()
      return
    }
    histogram.disable()
    // The histogram holds the whole interval between two ticks.
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs)
    const report: LoopReport = {
      p50Ms: late(histogram.percentile(50)),
      p99Ms: late(histogram.percentile(99)),
      maxMs: late(histogram.max),
    }
    // Whole when it can be seen.
    writeFileSync(`${file}.new`, JSON.stringify(report))
    renameSync(`${file}.new`, file)
  })
}
