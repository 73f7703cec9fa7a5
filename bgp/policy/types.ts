/**
 * Filters as plain data, and what the policy engine says of a route. A filter is an ordered list of
 * rules a direction and family; the fields and their meaning are those of Calico's BGPFilter, and
 * beside them what prefix lists and route maps elsewhere can do. Texts are canonical: prefixes and
 * addresses as in prefix.ts, communities `65001:100` or `65001:1:2`, names already resolved.
 */
import type { FamilyName } from '../types.ts'

export type Direction = 'import' | 'export'

export interface FilterConfig {
  readonly name: string
  readonly importV4: readonly FilterRule[]
  readonly exportV4: readonly FilterRule[]
  readonly importV6: readonly FilterRule[]
  readonly exportV6: readonly FilterRule[]
}

/** The list of a filter that serves a direction and family. */
export type FilterList = 'importV4' | 'exportV4' | 'importV6' | 'exportV6'

export type MatchOperator = 'Equal' | 'NotEqual' | 'In' | 'NotIn'

/** A rule matches when every condition it names holds; null and absent name none. */
export interface FilterRule {
  readonly action: 'Accept' | 'Reject'
  /** Goes together with `matchOperator`. */
  readonly cidr: string | null
  readonly matchOperator: MatchOperator | null
  /**
   * Narrows what `cidr` stands for to lengths from `min` (at least its own) to `max` (null: no
   * bound). NotEqual and NotIn negate the two together, as Calico's BIRD expressions do.
   */
  readonly prefixLength: { readonly min: number | null; readonly max: number | null } | null
  /** The route was learned by BGP. */
  readonly source: 'RemotePeers' | null
  /** An outgoing interface of the next hop; `*` stands for any characters, also none. */
  readonly interface: string | null
  readonly peerType: 'eBGP' | 'iBGP' | null
  /** The route carries this one, standard or large. */
  readonly community: string | null
  /** AS_PATH begins with these AS numbers. */
  readonly asPathPrefix: readonly number[] | null
  /** Calico's route priority, compared through LOCAL_PREF. */
  readonly priority: number | null
  /** Carried out in order when the rule accepts. */
  readonly operations: readonly FilterOperation[]
  /** Prefix list: one of these covers the route. */
  readonly prefixes?: readonly PrefixRange[]
  /** The route carries at least one of these; parts may be `*`. */
  readonly anyCommunity?: readonly string[]
  /** The route carries every one of these; parts may be `*`. */
  readonly allCommunities?: readonly string[]
}

/** The prefixes inside `cidr` whose length is `min` to `max`; null: the length of `cidr`. */
export interface PrefixRange {
  readonly cidr: string
  readonly min: number | null
  readonly max: number | null
}

export type FilterOperation =
  | { readonly kind: 'addCommunity'; readonly community: string }
  /** Parts may be `*`: `65001:*`. */
  | { readonly kind: 'removeCommunity'; readonly community: string }
  /** Instead of all standard and large ones; an empty list removes them. */
  | { readonly kind: 'replaceCommunities'; readonly communities: readonly string[] }
  /** The first of `asns` comes to stand first in the path. */
  | { readonly kind: 'prependASPath'; readonly asns: readonly number[] }
  | { readonly kind: 'setPriority'; readonly priority: number }
  | { readonly kind: 'setLocalPref'; readonly localPref: number }
  | { readonly kind: 'setMED'; readonly med: number }
  /** `self` is for export only. */
  | { readonly kind: 'setNextHop'; readonly nextHop: string }

/** One of these is kept by the caller, filled anew for each route, and lent for the time of a call. */
export interface RouteFacts {
  family: FamilyName
  /** The prefix, as in prefix.ts, from `offset`; bits past `length` are zero. */
  words: Uint32Array
  offset: number
  length: number
  /** Canonical attributes: `[start, end)` of `bytes` (wire/attribute.ts). */
  bytes: Uint8Array
  start: number
  end: number
  /** Whether the session that the filter stands on is an eBGP one. */
  ebgp: boolean
  /** Whether the route was learned by BGP. */
  learned: boolean
  /** LOCAL_PREF, or what stands in for it. */
  localPref: number
  /** Outgoing interfaces of the next hop; asked only by rules that name an interface. */
  interfaces(): readonly string[]
}

/** A community with gaps: word i fits when `(word & masks[i]) === words[i]`. */
export interface CommunityPattern {
  /** One word for a standard community, three for a large one. */
  readonly words: readonly number[]
  readonly masks: readonly number[]
}

/** An operation with its texts read. */
export type Operation =
  | { readonly kind: 'addCommunity'; readonly community: readonly number[] }
  | { readonly kind: 'removeCommunity'; readonly pattern: CommunityPattern }
  | { readonly kind: 'replaceCommunities'; readonly communities: readonly (readonly number[])[] }
  | { readonly kind: 'prependASPath'; readonly asns: readonly number[] }
  | { readonly kind: 'setLocalPref'; readonly localPref: number }
  | { readonly kind: 'setMED'; readonly med: number }
  | { readonly kind: 'setNextHop'; readonly nextHop: 'self' | Uint8Array }

/**
 * What a policy says of a route. There is one for each rule, made when the policy is compiled, so
 * that `operations` may be told from others by identity and key a cache of edited attributes.
 */
export interface Match {
  /** `none`: no rule matched, and what is done then is the caller's default. */
  readonly verdict: 'accept' | 'reject' | 'none'
  /** null when no rule matched. */
  readonly filter: string | null
  /** Index in the filter's list, from 0; -1 when no rule matched. */
  readonly rule: number
  readonly operations: readonly Operation[]
}

/** One rule that was looked at, for people. */
export interface TraceStep {
  readonly filter: string
  /** Where the rule stands: `exportV4[2]`. */
  readonly place: string
  readonly rule: number
  readonly action: 'Accept' | 'Reject'
  readonly matched: boolean
  /** What matched and what is done then, or which condition did not hold. */
  readonly text: string
}
