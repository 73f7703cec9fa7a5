/**
 * A problem as people read it: one line, an event when it is new, a condition of the node while it
 * lasts.
 */
import type { ConditionView } from '../api/views.ts'
import type { Agent } from './agent.ts'
import { type ConfigProblem, formatPlace } from './config/problem.ts'
import type { EventLog, Happening } from './event-log.ts'
import type { Problem } from './intent/types.ts'

const levels = { info: 'info', warning: 'warn', error: 'error' } as const

export function describeProblem(problem: Problem | ConfigProblem): string {
  const place = 'file' in problem ? formatPlace(problem) : ''
  const field = 'field' in problem ? problem.field : ''
  const remedy = problem.remedy === null ? '' : ` (${problem.remedy})`
  const about = [place, problem.subject, field, problem.message].filter((part) => part !== '')
  return `${about.join(': ')}${remedy}`
}

export function newsOf(problem: Problem | ConfigProblem): Happening {
  const { reason, subject, severity } = problem
  const text = describeProblem(problem)
  return { kind: 'condition', level: levels[severity], text, data: { reason, subject } }
}

/** Tells the problems whose message isn't among those known; returns the messages known now. */
export function tellNew(
  problems: readonly Problem[],
  known: ReadonlySet<string>,
  events: EventLog,
): ReadonlySet<string> {
  for (const problem of problems) if (!known.has(problem.message)) events.add(newsOf(problem))
  return new Set(problems.map(({ message }) => message))
}

/** All that is wrong with a node at present, from whoever may know of something. */
export function troublesOf(
  { cutOff, holdDown, problems }: Agent,
  kernel: readonly Problem[],
): readonly (Problem | ConfigProblem)[] {
  return [...cutOff, ...problems, ...holdDown.problems, ...kernel]
}

export function conditionOf(problem: Problem | ConfigProblem): ConditionView {
  const place = 'file' in problem ? [formatPlace(problem)] : []
  const about = problem.subject === '' ? [] : [problem.subject]
  const field = 'field' in problem && problem.field !== '' ? `${problem.field}: ` : ''
  return {
    reason: problem.reason,
    severity: problem.severity,
    subject: [...place, ...about].join(' '),
    message: `${field}${problem.message}`,
    remedy: problem.remedy,
  }
}

/** Problems with equal keys are one and the same, lasting. */
export function keyOf(problem: Problem): string {
  return `${problem.reason}|${problem.subject}|${problem.message}`
}
