/**
 * A model of the reflector fitted to measurements: how time and memory grow with clients, prefixes and
 * paths. Least squares of the relative error, since sizes span decades, with coefficients that can't
 * be negative: nothing gets faster by having more to do.
 */
import { formatNumber, ours } from './report.ts'
import type { Run } from './results.ts'

interface Term {
  readonly name: string
  readonly of: (size: Size) => number
}

/** What a reflector has to do. */
export interface Size {
  readonly clients: number
  readonly prefixes: number
  /** Prefixes × those who announce them. */
  readonly paths: number
  /** Prefixes delivered, over all clients. */
  readonly delivered: number
  /** UPDATEs they are delivered in, if prefixes of one node share one. */
  readonly updates: number
}

export interface Law {
  readonly title: string
  readonly measure: string
  /** Which runs it is about. */
  readonly scenario: 'cluster' | 'feed'
  readonly unit: string
  readonly scale: number
  readonly terms: readonly Term[]
}

const constant: Term = { name: 'constant', of: () => 1 }
const perClient: Term = { name: 'client', of: ({ clients }) => clients }
const perPath: Term = { name: 'path', of: ({ paths }) => paths }
const perPrefix: Term = { name: 'prefix', of: ({ prefixes }) => prefixes }
const perUpdate: Term = { name: 'UPDATE delivered', of: ({ updates }) => updates }
const perDelivery: Term = { name: 'prefix delivered', of: ({ delivered }) => delivered }

const clusterTerms = [constant, perClient, perUpdate, perDelivery]
const mib = 2 ** -20

const inSeconds = { unit: 's', scale: 1 }
const inMib = { unit: 'MiB', scale: mib }

export const laws = {
  establish: {
    ...{ title: 'cluster: all sessions up', measure: 'establish.seconds', ...inSeconds },
    ...{ scenario: 'cluster', terms: [constant, perClient] },
  },
  converge: {
    ...{ title: 'cluster: all announce → all know all', measure: 'announce.seconds', ...inSeconds },
    ...{ scenario: 'cluster', terms: clusterTerms },
  },
  convergeCpu: {
    ...{ title: 'cluster: CPU of it', measure: 'announce.cpuSeconds', ...inSeconds },
    ...{ scenario: 'cluster', terms: clusterTerms },
  },
  change: {
    title: 'cluster: one withdraws → the last knows, median',
    ...{ measure: 'withdraw.lastNode.p50Ms', unit: 'ms', scale: 1 },
    ...{ scenario: 'cluster', terms: [constant, perClient] },
  },
  clusterMemory: {
    ...{ title: 'cluster: peak memory', measure: 'peakBytes', ...inMib },
    ...{ scenario: 'cluster', terms: clusterTerms },
  },
  import: {
    title: 'feed: every prefix with the right next hop',
    ...{ measure: 'right.seconds', ...inSeconds, scenario: 'feed' },
    terms: [constant, perPrefix, perPath],
  },
  importMemory: {
    ...{ title: 'feed: memory afterwards', measure: 'feed.residentBytes', ...inMib },
    ...{ scenario: 'feed', terms: [constant, perPrefix, perPath] },
  },
} as const satisfies Record<string, Law>

export function printModel(runs: readonly Run[]): void {
  for (const law of Object.values<Law>(laws)) {
    const samples = takeSamples(runs, law)
    const sizes = countSizes(samples)
    console.log(`\n${law.title}`)
    if (sizes < law.terms.length) {
      console.log(`  needs runs of ${law.terms.length} sizes or more; there are ${sizes}`)
      continue
    }
    const fit = fitLaw(law.terms, samples)
    console.log(`  ${formatLaw(law, fit)}`)
    console.log(
      `  error ${formatNumber(fit.error * 100)} % (root mean square, of ${samples.length} runs)`,
    )
  }
}

/** `10.0 ms + 200 µs × client`; what has no part in it is left out. */
export function formatLaw(law: Law, fit: Fit): string {
  return law.terms
    .map((term, index) => ({ term, factor: (fit.factors[index] as number) * law.scale }))
    .filter(({ factor }) => factor > 0)
    .map(({ term, factor }) => `${formatFactor(factor, law.unit)} × ${term.name}`)
    .join(' + ')
    .replace(' × constant', '')
}

/** Smaller units, by how many of them are one. */
const smaller: Readonly<Record<string, readonly (readonly [unit: string, many: number])[]>> = {
  s: [
    ['ms', 1e3],
    ['µs', 1e6],
    ['ns', 1e9],
  ],
  ms: [['µs', 1e3]],
  MiB: [
    ['KiB', 2 ** 10],
    ['B', 2 ** 20],
  ],
}

/** In the largest unit of which there is one at least. */
function formatFactor(factor: number, unit: string): string {
  const units = [[unit, 1] as const, ...(smaller[unit] ?? [])]
  const [name, many] =
    units.find(([, each]) => factor * each >= 1) ?? (units.at(-1) as [string, number])
  return `${formatNumber(factor * many)} ${name}`
}

/** What the law says of a size, in its unit. */
export function predict(law: Law, fit: Fit, size: Size): number {
  return apply(law.terms, fit.factors, size) * law.scale
}

/** Clients that announce so many prefixes each and learn all others'. */
export function clusterSize(clients: number, each: number): Size {
  const prefixes = clients * each
  const updates = clients * (clients - 1)
  return { clients, prefixes, paths: prefixes, delivered: prefixes * (clients - 1), updates }
}

function sizeOf({ scenario, size }: Run): Size {
  const [prefixes, nodes] = [size['prefixes'] ?? 0, size['nodes'] ?? 0]
  if (scenario === 'cluster') return clusterSize(nodes, prefixes)
  const [feeders, sinks] = [size['feeders'] ?? 1, size['sinks'] ?? 1]
  const delivered = prefixes * sinks
  return {
    ...{ clients: feeders + sinks, prefixes, paths: prefixes * feeders },
    ...{ delivered, updates: delivered },
  }
}

export interface Sample {
  readonly size: Size
  readonly value: number
}

/** One sample a run that has the measure, of questions without a slow sink. */
export function takeSamples(runs: readonly Run[], law: Law): Sample[] {
  return runs.flatMap((run) => {
    const value = run.measures[law.measure]
    const wanted = run.daemon === ours && run.scenario === law.scenario
    if (!wanted || value === undefined || value <= 0 || run.size['slow']) return []
    return [{ size: sizeOf(run), value }]
  })
}

export function countSizes(samples: readonly Sample[]): number {
  return new Set(samples.map(({ size }) => JSON.stringify(size))).size
}

export interface Fit {
  /** One for each term, none negative. */
  readonly factors: readonly number[]
  /** Root mean square of the relative errors. */
  readonly error: number
}

/**
 * The factors with the least sum of squared relative errors. With so few terms every subset of them
 * can be solved; the best one without a negative factor is the answer.
 */
export function fitLaw(terms: readonly Term[], samples: readonly Sample[]): Fit {
  let best: Fit | null = null
  for (let subset = 1; subset < 1 << terms.length; subset++) {
    const chosen = terms.map((_, index) => index).filter((index) => subset & (1 << index))
    const rows = samples.map(({ size, value }) =>
      chosen.map((index) => (terms[index] as Term).of(size) / value),
    )
    const solution = leastSquares(rows)
    if (solution === null || solution.some((factor) => factor < 0)) continue
    const factors = terms.map((_, index) => solution[chosen.indexOf(index)] ?? 0)
    const squares = samples.map(({ size, value }) => (apply(terms, factors, size) / value - 1) ** 2)
    const error = Math.sqrt(squares.reduce((sum, one) => sum + one, 0) / samples.length)
    if (best === null || error < best.error) best = { factors, error }
  }
  if (best === null) throw new Error('no sample to fit to')
  return best
}

function apply(terms: readonly Term[], factors: readonly number[], size: Size): number {
  return terms.reduce((sum, term, index) => sum + (factors[index] as number) * term.of(size), 0)
}

/** Factors whose combination of each row comes closest to 1; null when rows don't determine them. */
function leastSquares(rows: readonly (readonly number[])[]): number[] | null {
  const count = rows[0]?.length ?? 0
  // Columns differ by powers of ten: scaled to length one, elimination loses nothing.
  const lengths = Array.from({ length: count }, (_, column) =>
    Math.hypot(...rows.map((row) => row[column] as number)),
  )
  const scaled = rows.map((row) => row.map((value, column) => value / (lengths[column] as number)))
  const matrix = Array.from({ length: count }, (_, i) => [
    ...Array.from({ length: count }, (_, j) => dot(scaled, i, j)),
    scaled.reduce((sum, row) => sum + (row[i] as number), 0),
  ])
  const solution = solve(matrix)
  return solution?.map((factor, column) => factor / (lengths[column] as number)) ?? null
}

function dot(rows: readonly (readonly number[])[], i: number, j: number): number {
  return rows.reduce((sum, row) => sum + (row[i] as number) * (row[j] as number), 0)
}

/** Below, a column is a combination of the others. */
const pivotMin = 1e-9

/** Gauss with the largest pivot; the last column is the right-hand side. */
function solve(matrix: number[][]): number[] | null {
  const count = matrix.length
  for (let column = 0; column < count; column++) {
    const below = matrix.slice(column)
    const pivot = below.reduce((one, row) =>
      Math.abs(row[column] as number) > Math.abs(one[column] as number) ? row : one,
    )
    if (Math.abs(pivot[column] as number) < pivotMin) return null
    const at = matrix.indexOf(pivot)
    matrix[at] = matrix[column] as number[]
    matrix[column] = pivot
    for (const row of matrix) {
      if (row === pivot) continue
      const factor = (row[column] as number) / (pivot[column] as number)
      for (let index = column; index <= count; index++) {
        row[index] = (row[index] as number) - factor * (pivot[index] as number)
      }
    }
  }
  return matrix.map((row, index) => (row[count] as number) / (row[index] as number))
}
