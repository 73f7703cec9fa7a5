/**
 * Watches a fuzzer's progress from a thread of its own, since a loop that hangs can't. The first
 * number shared is the index at work; when it stands still for too long, the process is ended with
 * the line that replays it.
 */
import { writeSync } from 'node:fs'
import { parentPort, Worker, workerData } from 'node:worker_threads'

/** Far more than the slowest input takes on a busy machine. */
const stillSecondsMax = 60

interface Watch {
  readonly progress: Float64Array
  readonly seed: number
}

/** Starts watching; the caller keeps `progress[0]` at the index at work. */
export function watch(seed: number): { readonly progress: Float64Array; close(): void } {
  const progress = new Float64Array(new SharedArrayBuffer(8))
  const data: Watch = { progress, seed }
  const worker = new Worker(new URL(import.meta.url), { workerData: data })
  worker.unref()
  return { progress, close: () => void worker.terminate() }
}

if (parentPort !== null) {
  const { progress, seed } = workerData as Watch
  let last = progress[0]
  setInterval(() => {
    const now = progress[0] ?? 0
    if (now === last) {
      writeSync(2, `hang: no progress for ${stillSecondsMax} s\n`)
      writeSync(2, `replay: npm run fuzz -- --seed ${seed} ${replayOption(now)}\n`)
      process.kill(process.pid, 'SIGKILL')
    }
    last = now
  }, stillSecondsMax * 1000)
}

/** Episodes of the live fuzzer are counted below zero. */
export function replayOption(progress: number): string {
  return progress < 0 ? `--episode ${-progress - 1}` : `--index ${progress}`
}
