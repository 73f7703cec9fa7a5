/**
 * Small values in the words of the tables: durations, instants, families, AS paths.
 */
import type { AttributesView, PathView } from '../../bgp/types.ts'
import type { FibStatus, Gateway } from '../../fib/types.ts'
import type { Problem } from '../intent/types.ts'

const SECOND_MS = 1000
const units: readonly (readonly [letter: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
]

/** `3d 4h`, `12m 5s`, `0s`: the two largest units that count. */
export function formatDuration(milliseconds: number): string {
  let seconds = Math.max(0, Math.floor(milliseconds / SECOND_MS))
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first === -1) return '0s'
  const parts: string[] = []
  for (const [letter, size] of units.slice(first, first + 2)) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0) parts.push(`${count}${letter}`)
  }
  return parts.join(' ')
}

/** `2025-11-22T00:04:05Z` */
export function formatInstant(unixMs: number): string {
  const date = new Date(unixMs)
  if (Number.isNaN(date.getTime())) return String(unixMs)
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** `ipv4-unicast` is `IPv4` to people, as long as there is nothing but unicast. */
export function formatFamily(family: string): string {
  return family === 'ipv4-unicast' ? 'IPv4' : family === 'ipv6-unicast' ? 'IPv6' : family
}

/** `65001 {64512 64513}`: sets in braces, confederation segments in brackets, as BIRD prints them. */
export function formatAsPath(attributes: AttributesView): string {
  const brackets = {
    sequence: ['', ''],
    set: ['{', '}'],
    'confed-sequence': ['(', ')'],
    'confed-set': ['[', ']'],
  } as const
  return (attributes.asPath ?? [])
    .map(({ type, asns }) => brackets[type][0] + asns.join(' ') + brackets[type][1])
    .join(' ')
}

export function formatGateways(gateways: readonly Gateway[]): string {
  return gateways
    .map(({ interface: name, gateway }) => (gateway === null ? name : `${gateway} ${name}`))
    .join(', ')
}

/** `best`, `multipath`, `stale`, …: what the decision made of a path, in one word. */
export function formatRank(path: PathView): string {
  const rank = path.best
    ? 'best'
    : path.multipath
      ? 'multipath'
      : path.eligible
        ? 'backup'
        : 'unusable'
  return path.stale ? `${rank}, stale` : rank
}

/** What keeps routes from being as they should: `2 pending`, `1 conflict`. */
export function formatTroubles(fib: FibStatus): string[] {
  return [
    ...(['pending', 'unresolved', 'failed'] as const)
      .filter((name) => fib[name] > 0)
      .map((name) => `${fib[name]} ${name}`),
    ...(fib.conflicts > 0 ? [plural(fib.conflicts, 'conflict')] : []),
    ...(fib.stale > 0 ? [`${fib.stale} stale`] : []),
  ]
}

/** `warning: Node/n1: it has no IPv6 address; set the annotation …`: of what has no place in a file. */
export function formatRemark({ severity, subject, message, remedy }: Problem): string {
  return `${severity}: ${subject}: ${message}${remedy === null ? '' : `; ${remedy}`}`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
