/**
 * An intent as it may be shown, without keys, and what the way from one intent to another touches:
 * sessions that come, go, are reset or changed under way; announcements, filters and settings. The
 * same pure functions say what an agent will do and, for `routelet diff`, what it would do.
 */
import { compareSettings } from '../../bgp/index.ts'
import type { FilterConfig } from '../../bgp/policy/types.ts'
import type { Announcement, PeerConfig } from '../../bgp/types.ts'
import { compareText } from '../config/problem.ts'
import { isRecord } from '../config/validate.ts'
import type { Intent } from './types.ts'

/** A session's parameters; the key only as whether there is one, filters by name. */
export type ShownPeer = Omit<PeerConfig, 'password' | 'filters'> & {
  readonly password: boolean
  readonly filters: readonly string[]
}

/** What crosses the API; everything in it is plain JSON. */
export interface ShownIntent {
  readonly peers: readonly ShownPeer[]
  /** Those that peers use. */
  readonly filters: readonly FilterConfig[]
  readonly announcements: readonly Announcement[]
  /** Everything else: the node, the kernel, what is refused. */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface FieldChange {
  /** `fib.maxPaths`, `importV4[0].action`. */
  readonly field: string
  /** null: it isn't there. */
  readonly before: unknown
  readonly after: unknown
}

export interface Change<Kind extends string> {
  readonly name: string
  readonly change: Kind
  readonly fields: readonly FieldChange[]
}

export interface IntentDifference {
  /** `reset`: the session goes down and comes back; `live`: it stays up. */
  readonly peers: readonly Change<'added' | 'removed' | 'reset' | 'live'>[]
  readonly filters: readonly Change<'added' | 'removed' | 'changed'>[]
  readonly announcements: readonly Change<'added' | 'removed' | 'changed'>[]
  readonly settings: readonly FieldChange[]
}

export function showIntent(intent: Intent): ShownIntent {
  // What follows from other resources than ours, or from the announcements, is no setting.
  const {
    peers,
    announcements,
    problems: _,
    nodeCount: __,
    unsteady: ___,
    casual: ____,
    ...settings
  } = intent
  const filters = new Map(peers.flatMap((peer) => peer.filters.map((one) => [one.name, one])))
  return {
    peers: peers.map((peer) => ({
      ...peer,
      password: peer.password !== null,
      filters: peer.filters.map(({ name }) => name),
    })),
    filters: [...filters.values()].sort((a, b) => compareText(a.name, b.name)),
    announcements,
    settings,
  }
}

/** Stands for a key that isn't told. */
const keyInForce = 'a key that is not told'

/**
 * The peers in force as `computeIntent` wants them: those with a key or filters keep them when what
 * these come from is missing.
 */
export function peersInForce({ peers, filters }: ShownIntent): readonly PeerConfig[] {
  const byName = new Map(filters.map((filter) => [filter.name, filter]))
  return peers.map((peer) => ({
    ...peer,
    password: peer.password ? keyInForce : null,
    filters: peer.filters.flatMap((name) => byName.get(name) ?? []),
  }))
}

export function compareIntents(before: ShownIntent, after: ShownIntent): IntentDifference {
  // The BGP identifier is part of every OPEN.
  const renamed = !isSame(routerIdOf(before), routerIdOf(after))
  return {
    peers: pairUp(before.peers, after.peers, nameOf).flatMap(
      ([name, old, now]): IntentDifference['peers'] => {
        if (old === null || now === null) return [oneSided(name, old)]
        const effect = renamed ? 'reset' : effectOf(old, now)
        if (effect === null) return []
        return [{ name, change: effect, fields: compareValues(old, now, '') }]
      },
    ),
    filters: compareNamed(before.filters, after.filters, nameOf),
    announcements: compareNamed(before.announcements, after.announcements, ({ prefix }) => prefix),
    settings: compareValues(before.settings, after.settings, ''),
  }
}

export function isEmpty(difference: IntentDifference): boolean {
  return Object.values(difference).every((changes) => changes.length === 0)
}

const nameOf = ({ name }: { readonly name: string }) => name

function routerIdOf({ settings: { node } }: ShownIntent): unknown {
  return isRecord(node) ? node['routerId'] : null
}

function effectOf(old: ShownPeer, now: ShownPeer): 'reset' | 'live' | null {
  const change = compareSettings(asConfig(old), asConfig(now))
  return change === 'unchanged' ? null : change === 'reset' ? 'reset' : 'live'
}

/** For comparing alone: names stand for filters, whose contents never concern the session. */
function asConfig(peer: ShownPeer): PeerConfig {
  const filters = peer.filters.map((name) => ({ ...noRules, name }))
  return { ...peer, password: peer.password ? keyInForce : null, filters }
}

const noRules: Omit<FilterConfig, 'name'> = {
  importV4: [],
  exportV4: [],
  importV6: [],
  exportV6: [],
}

function oneSided(name: string, old: unknown): Change<'added' | 'removed'> {
  return { name, change: old === null ? 'added' : 'removed', fields: [] }
}

type NamedChange = Change<'added' | 'removed' | 'changed'>

function compareNamed<T extends object>(
  before: readonly T[],
  after: readonly T[],
  key: (one: T) => string,
): NamedChange[] {
  return pairUp(before, after, key).flatMap(([name, old, now]): NamedChange[] => {
    if (old === null || now === null) return [oneSided(name, old)]
    const fields = compareValues(old, now, '')
    return fields.length === 0 ? [] : [{ name, change: 'changed', fields }]
  })
}

/** Both sides of every key, in the order of the keys. */
function pairUp<T>(
  before: readonly T[],
  after: readonly T[],
  key: (one: T) => string,
): readonly (readonly [string, T | null, T | null])[] {
  const [old, now] = [before, after].map((list) => new Map(list.map((one) => [key(one), one])))
  const keys = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].sort(compareText)
  return keys.map((name) => [name, old?.get(name) ?? null, now?.get(name) ?? null])
}

/** Where two values differ: the deepest fields, lists of plain values as one. */
function compareValues(before: unknown, after: unknown, field: string): FieldChange[] {
  if (isSame(before, after)) return []
  if (isRecord(before) && isRecord(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort(compareText)
    return names.flatMap((name) =>
      compareValues(before[name], after[name], field === '' ? name : `${field}.${name}`),
    )
  }
  if (isListOfRecords(before) && isListOfRecords(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }, (_, index) =>
      compareValues(before[index], after[index], `${field}[${index}]`),
    ).flat()
  }
  return [{ field, before: before ?? null, after: after ?? null }]
}

function isListOfRecords(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every(isRecord)
}

function isSame(before: unknown, after: unknown): boolean {
  return JSON.stringify(before ?? null) === JSON.stringify(after ?? null)
}
