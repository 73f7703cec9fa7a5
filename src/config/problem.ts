/**
 * What is wrong with a configuration, as a value: where it stands, what was expected, what was
 * found, and what to do. Problems are collected, never thrown one by one; `ConfigError` carries the
 * whole list when nothing can go on.
 */
import type { Problem } from '../intent/types.ts'

export interface Place {
  /** `kubernetes` for what comes from an API server. */
  readonly file: string
  /** From 1; 0: it has no lines. */
  readonly line: number
  readonly column: number
}

export interface ConfigProblem extends Problem, Place {
  /** Dotted path inside the object, e.g. `spec.peerIP`; empty when it isn't about one field. */
  readonly field: string
  readonly expected: string | null
  readonly found: string | null
}

/** Configuration that can't be used at all. `problems` has at least one entry. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}

/** `peers.yaml:12:5: error: BGPPeer/rack-a: spec.asNumber: expected …, found …; remedy` */
export function formatProblem(problem: ConfigProblem): string {
  const about = [problem.subject, problem.field].filter((part) => part !== '').join(': ')
  const said = about === '' ? problem.message : `${about}: ${problem.message}`
  const remedy = problem.remedy === null ? '' : `; ${problem.remedy}`
  const column = problem.line === 0 ? '' : `:${problem.column}`
  return `${formatPlace(problem)}${column}: ${problem.severity}: ${said}${remedy}`
}

/** `peers.yaml:12`, or `kubernetes`. */
export function formatPlace({ file, line }: Place): string {
  return line === 0 ? file : `${file}:${line}`
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error')
}

/** Order for people: by file, then from top to bottom. */
export function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort(
    (a, b) =>
      compareText(a.file, b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      compareText(a.message, b.message),
  )
}

/** Byte order, the same in every locale: what is compared by deep equality must not depend on it. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
