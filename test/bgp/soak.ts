/**
 * `node dist/test/bgp/soak.js --cycles N --seed S`: announce and withdraw N times in ten eras, and
 * print after each what is left in the tables, how large the columns are, and the heap. Exits 1 when
 * anything is left, or when columns or heap have grown since the first era.
 */
import { parseArgs } from 'node:util'
import { Churn, type Figures } from './churn.ts'

const eras = 10
/** What compiled code, caches and the collector's own moods may account for. */
const slackBytes = 4 * 1024 * 1024

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})
const cycles = Number(values.cycles)
const seed = Number(values.seed)
if (!Number.isInteger(cycles) || cycles < eras || !Number.isInteger(seed)) {
  throw new RangeError(`--cycles takes a whole number from ${eras}, --seed a whole number`)
}
console.log(`seed ${seed}, ${cycles} cycles`)
process.exitCode = soak(new Churn(seed)) ? 0 : 1

function soak(churn: Churn): boolean {
  let first: Figures | null = null
  let good = true
  for (let era = 0; era < eras; era++) {
    const start = performance.now()
    const figures = churn.era(Math.floor(cycles / eras))
    tell(figures, (performance.now() - start) / 1000)
    first ??= figures
    if (!returned(first, figures)) good = false
  }
  console.log(good ? 'everything was given back' : 'something was not given back')
  return good
}

function tell(
  { cycles: done, left, room, columnBytes, heapBytes }: Figures,
  seconds: number,
): void {
  const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(2)} MiB`
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([what, count]) => `${what} ${count}`)
      .join(', ')
  console.log(
    `${done} cycles, ${seconds.toFixed(1)} s: columns ${mebibytes(columnBytes)}, ` +
      `heap ${mebibytes(heapBytes)}; left: ${list(left)}; room: ${list(room)}`,
  )
}

function returned(first: Figures, now: Figures): boolean {
  return (
    Object.values(now.left).every((count) => count === 0) &&
    now.columnBytes - first.columnBytes < slackBytes &&
    now.heapBytes - first.heapBytes < slackBytes
  )
}
