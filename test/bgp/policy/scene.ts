/** What the policy tests share: rules and routes in few words, and a seed. */
import type { FilterConfig, FilterRule, RouteFacts } from '../../../bgp/policy/types.ts'
import { familyOf, parsePrefix } from '../../../bgp/prefix.ts'

export { seed } from '../wire/vectors.ts'

/** A rule that matches everything, changed as given. */
export function rule(changes: Partial<FilterRule> = {}): FilterRule {
  return {
    action: 'Accept',
    cidr: null,
    matchOperator: null,
    prefixLength: null,
    source: null,
    interface: null,
    peerType: null,
    community: null,
    asPathPrefix: null,
    priority: null,
    operations: [],
    ...changes,
  }
}

export function filter(name: string, lists: Partial<Omit<FilterConfig, 'name'>>): FilterConfig {
  return { name, importV4: [], exportV4: [], importV6: [], exportV6: [], ...lists }
}

export interface Attributes {
  /** Segments as `[type, …]`: 1 set, 2 sequence, 3 and 4 those of a confederation. */
  readonly asPath?: readonly (readonly [type: number, asns: readonly number[]])[]
  readonly med?: number
  readonly localPref?: number
  readonly communities?: readonly string[]
  readonly largeCommunities?: readonly string[]
  /** Sets the partial bit of both lists of communities. */
  readonly partial?: boolean
  /** Value of attribute 99, which nobody knows. */
  readonly unknown?: readonly number[]
}

/** Canonical attribute octets, put together by hand. */
export function encode(given: Attributes): Uint8Array {
  const listFlags = given.partial ? 0xe0 : 0xc0
  const rows: [flags: number, code: number, value: readonly number[]][] = [[0x40, 1, [0]]]
  const path = (given.asPath ?? []).flatMap(([type, asns]) => [type, asns.length, ...octets(asns)])
  rows.push([0x40, 2, path])
  if (given.med !== undefined) rows.push([0x80, 4, octets([given.med])])
  if (given.localPref !== undefined) rows.push([0x40, 5, octets([given.localPref])])
  if (given.communities) {
    const halves = given.communities.flatMap((text) => text.split(':').map(Number))
    rows.push([listFlags, 8, halves.flatMap((half) => [half >>> 8, half & 255])])
  }
  if (given.largeCommunities) {
    const parts = given.largeCommunities.flatMap((text) => text.split(':').map(Number))
    rows.push([listFlags, 32, octets(parts)])
  }
  if (given.unknown) rows.push([0xe0, 99, given.unknown])
  return Uint8Array.from(
    rows.flatMap(([flags, code, value]) =>
      value.length > 255
        ? [flags | 0x10, code, value.length >>> 8, value.length & 255, ...value]
        : [flags, code, value.length, ...value],
    ),
  )
}

function octets(words: readonly number[]): number[] {
  return words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255])
}

export interface Route extends Attributes {
  readonly prefix: string
  readonly ebgp?: boolean
  readonly learned?: boolean
  readonly interfaces?: readonly string[]
}

/** Facts with something on both sides of every range, so that a wrong offset shows. */
export function factsOf(route: Route): RouteFacts {
  const { words, length } = parsePrefix(route.prefix)
  const attributes = encode(route)
  const bytes = new Uint8Array(attributes.length + 16).fill(0xff)
  bytes.set(attributes, 8)
  return {
    family: familyOf(route.prefix),
    words: Uint32Array.of(0xffffffff, ...words, 0xffffffff),
    offset: 1,
    length,
    bytes,
    start: 8,
    end: 8 + attributes.length,
    ebgp: route.ebgp ?? true,
    learned: route.learned ?? true,
    localPref: route.localPref ?? 100,
    interfaces: () => route.interfaces ?? [],
  }
}

/** The message of the RangeError that `run` throws; `accepted` without one. */
export function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return error.message
  }
  return 'accepted'
}
