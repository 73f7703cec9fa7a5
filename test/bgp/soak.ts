/**
 * `npm run soak -- --cycles N --seed S`: announce and withdraw N times in ten eras, with attributes
 * that hardly ever repeat and peers that come and go. A table shows what is left after each era, when
 * everybody has gone, how large the columns are, and the heap. Exits 1 when anything is left, or when
 * columns or heap have grown since the first era.
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
/** One row an era; every column is as wide as its head. */
const head = [
  '    cycles',
  'seconds',
  'columns, MiB',
  'heap, MiB',
  'rows left',
  'rows of room',
] as const
const cycles = Number(values.cycles)
const seed = Number(values.seed)
if (!Number.isInteger(cycles) || cycles < eras || !Number.isInteger(seed)) {
  throw new RangeError(`--cycles takes a whole number from ${eras}, --seed a whole number`)
}
console.log(`seed ${seed}, ${cycles} cycles`)
process.exitCode = soak(new Churn(seed)) ? 0 : 1

function soak(churn: Churn): boolean {
  let first: Figures | null = null
  let last: Figures | null = null
  let good = true
  console.log(head.join('  '))
  for (let era = 0; era < eras; era++) {
    const start = performance.now()
    last = churn.era(Math.floor(cycles / eras))
    tell(last, (performance.now() - start) / 1000)
    first ??= last
    if (!returned(first, last)) good = false
  }
  if (last !== null) console.log(`left: ${list(last.left)}\nroom: ${list(last.room)}`)
  console.log(good ? 'everything was given back' : 'something was not given back')
  return good
}

function tell(
  { cycles: done, left, room, columnBytes, heapBytes }: Figures,
  seconds: number,
): void {
  const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(2)
  const sum = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((total, count) => total + count, 0)
  const { attributeBytes: _octets, ...rows } = room
  const cells = [
    ...[String(done), seconds.toFixed(1), mebibytes(columnBytes), mebibytes(heapBytes)],
    ...[String(sum(left)), String(sum(rows))],
  ]
  console.log(cells.map((cell, column) => cell.padStart(head[column]?.length ?? 0)).join('  '))
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ')
}

function returned(first: Figures, now: Figures): boolean {
  return (
    Object.values(now.left).every((count) => count === 0) &&
    now.columnBytes - first.columnBytes < slackBytes &&
    now.heapBytes - first.heapBytes < slackBytes
  )
}
