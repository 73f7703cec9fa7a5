/**
 * `routelet diff DIR`: what would change in a running agent if it had these manifests. The agent says
 * what is in force; what would be is computed here, by the functions the agent itself uses. Keys are
 * never told, so a changed key of a session that has one either way isn't seen.
 */
import type { PlanView } from '../../api/views.ts'
import { loadFolders } from '../config/folder.ts'
import { formatProblem, hasErrors } from '../config/problem.ts'
import {
  compareIntents,
  type FieldChange,
  type IntentDifference,
  isEmpty,
  peersInForce,
  type ShownIntent,
  showIntent,
} from '../intent/difference.ts'
import { computeIntent } from '../intent/intent.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE, printable } from './terminal.ts'
import { formatRemark } from './words.ts'

const valueLengthMax = 120

/** Exit code 0: no difference; 1: there are some; 2: the manifests have errors, or no such Node. */
export async function askChanges(
  client: AgentClient,
  directories: readonly string[],
): Promise<Answer> {
  const { node, ...shown } = await client.get<PlanView>('/v1/plan')
  // The reply is what showIntent made, in JSON.
  const inForce = shown as unknown as ShownIntent
  const { resources, problems } = await loadFolders(directories)
  const intent = computeIntent(resources, node, { peers: peersInForce(inForce) })
  const difference = compareIntents(inForce, showIntent(intent))
  const failed = hasErrors(problems) || intent.node === null
  const all = [...problems, ...intent.problems]
  const troubles = [...problems.map(formatProblem), ...intent.problems.map(formatRemark)]
  return {
    data: { node, difference, problems: all },
    text: () => [describeDifference(difference), ...troubles, ''].join('\n'),
    exitCode: failed ? EXIT_USAGE : isEmpty(difference) ? EXIT_OK : EXIT_NEGATIVE,
  }
}

const marks = { added: '+', removed: '-', changed: '~', live: '~', reset: '!' } as const
const words = {
  added: 'comes up',
  removed: 'goes down for good',
  reset: 'is reset',
  live: 'changes and stays up',
} as const

export function describeDifference(difference: IntentDifference): string {
  if (isEmpty(difference)) return 'nothing would change'
  const { peers, filters, announcements, settings } = difference
  const sections = [
    peers.flatMap(({ name, change, fields }) => [
      `${marks[change]} peer ${name} ${words[change]}`,
      ...fields.map(describeField),
    ]),
    announcements.flatMap(({ name, change, fields }) => [
      `${marks[change]} announcement ${name}`,
      ...fields.map(describeField),
    ]),
    filters.flatMap(({ name, change, fields }) => [
      `${marks[change]} filter ${name}`,
      ...fields.map(describeField),
    ]),
    settings.length === 0 ? [] : ['~ settings', ...settings.map(describeField)],
  ]
  return sections.flat().map(printable).join('\n')
}

function describeField({ field, before, after }: FieldChange): string {
  return `    ${field}: ${formatValue(before)} → ${formatValue(after)}`
}

function formatValue(value: unknown): string {
  if (value === null) return 'none'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax)}…`
}
