/**
 * THE table of path attributes: a row holds the code, the flags, RFC 7606's cure for a malformed
 * value, the check and the view for people. It also says what *canonical* attribute bytes are, the
 * form that is stored, interned and compared:
 *
 *   every attribute but NEXT_HOP, MP_REACH and MP_UNREACH, in ascending order of code, each once,
 *   AS numbers in four octets, the extended-length flag only where the length needs it.
 *
 * RFC 4271 §4.3 and §5, RFC 7606 §7 (cures), RFC 1997, RFC 4360, RFC 8092 (communities), RFC 4456
 * (reflection), RFC 6793 (4-octet AS), RFC 7607 (AS 0), RFC 9774 (AS_SET), RFC 9234 (OTC, carried
 * without acting on it).
 */
import { formatAddress, formatIpv4 } from '../prefix.ts'
import type { AttributesView } from '../types.ts'
import { checkAsPath, findSet, hasAsnZero, viewSegments } from './as-path.ts'
import {
  attributeCode,
  attributeEnd,
  attributeFlag,
  beginAttribute,
  endAttribute,
  valueStart,
} from './attribute-bytes.ts'
import { hexOf, u32At, Writer } from './bytes.ts'
import { formatCommunity, formatLargeCommunity, parseCommunity } from './community.ts'
import { maxMessageLength } from './message.ts'

export { AttributeSummary, countAsn, hasCluster } from './summary.ts'

/** RFC 7606 §2, from mild to strong; the third, session reset, is thrown instead. */
export type FaultAction = 'attribute-discard' | 'treat-as-withdraw'

/** What was wrong with one attribute and what was done about it. Code 0: it had none any more. */
export interface AttributeFault {
  readonly code: number
  readonly action: FaultAction
  readonly reason: string
}

type Draft = { -readonly [K in keyof AttributesView]: AttributesView[K] }

export interface AttributeRow {
  readonly code: number
  readonly name: string
  /** Optional and transitive, as the attribute's specification fixes them. */
  readonly flags: number
  /** What happens to the UPDATE when the value or the flags are wrong. */
  readonly action: FaultAction
  /** RFC 7606 §7.5, §7.9, §7.10: from eBGP it is dropped unread. */
  readonly ibgpOnly?: boolean
  /** Why a canonical value is malformed, or null. Its verdict must not depend on the peer. */
  check(bytes: Uint8Array, start: number, end: number): string | null
  /** Why a well-formed value is treated as withdrawn all the same, or null; it stays readable. */
  refuse?(bytes: Uint8Array, start: number, end: number): string | null
  /** Adds a checked value to the view; absent where prefixes or two-octet AS numbers are involved. */
  view?(draft: Draft, bytes: Uint8Array, start: number, end: number): void
}

const wellKnown = attributeFlag.transitive
const optional = attributeFlag.optional
const optionalTransitive = attributeFlag.optional | attributeFlag.transitive

const origins = ['igp', 'egp', 'incomplete'] as const

const rows: readonly AttributeRow[] = [
  {
    code: attributeCode.origin,
    name: 'ORIGIN',
    flags: wellKnown,
    action: 'treat-as-withdraw',
    check: (bytes, start, end) =>
      exactly(1, start, end) ??
      (bytes[start]! < origins.length ? null : `there is no origin ${bytes[start]}`),
    view(draft, bytes, start) {
      draft.origin = origins[bytes[start]!]!
    },
  },
  {
    code: attributeCode.asPath,
    name: 'AS_PATH',
    flags: wellKnown,
    action: 'treat-as-withdraw',
    check: (bytes, start, end) =>
      checkAsPath(bytes, start, end, 4, true) ??
      (hasAsnZero(bytes, start, end) ? 'AS 0 is in the path' : null),
    refuse: findSet,
    view(draft, bytes, start, end) {
      draft.asPath = viewSegments(bytes, start, end)
    },
  },
  {
    code: attributeCode.nextHop,
    name: 'NEXT_HOP',
    flags: wellKnown,
    action: 'treat-as-withdraw',
    check: (_bytes, start, end) => exactly(4, start, end),
    view(draft, bytes, start) {
      draft.nextHop = formatAddress(bytes, start, 4)
    },
  },
  {
    code: attributeCode.med,
    name: 'MULTI_EXIT_DISC',
    flags: optional,
    action: 'treat-as-withdraw',
    check: (_bytes, start, end) => exactly(4, start, end),
    view(draft, bytes, start) {
      draft.med = u32At(bytes, start)
    },
  },
  {
    code: attributeCode.localPref,
    name: 'LOCAL_PREF',
    flags: wellKnown,
    action: 'treat-as-withdraw',
    ibgpOnly: true,
    check: (_bytes, start, end) => exactly(4, start, end),
    view(draft, bytes, start) {
      draft.localPref = u32At(bytes, start)
    },
  },
  {
    code: attributeCode.atomicAggregate,
    name: 'ATOMIC_AGGREGATE',
    flags: wellKnown,
    action: 'attribute-discard',
    check: (_bytes, start, end) => exactly(0, start, end),
    view(draft) {
      draft.atomicAggregate = true
    },
  },
  {
    code: attributeCode.aggregator,
    name: 'AGGREGATOR',
    flags: optionalTransitive,
    action: 'attribute-discard',
    check: (bytes, start, end) =>
      exactly(8, start, end) ?? (u32At(bytes, start) === 0 ? 'the aggregator is AS 0' : null),
    view(draft, bytes, start) {
      draft.aggregator = { asn: u32At(bytes, start), address: formatAddress(bytes, start + 4, 4) }
    },
  },
  {
    code: attributeCode.communities,
    name: 'COMMUNITIES',
    flags: optionalTransitive,
    action: 'treat-as-withdraw',
    check: (_bytes, start, end) => listOf(4, start, end),
    view(draft, bytes, start, end) {
      draft.communities = every(4, start, end, (at) => formatCommunity(bytes, at))
    },
  },
  {
    code: attributeCode.originatorId,
    name: 'ORIGINATOR_ID',
    flags: optional,
    action: 'treat-as-withdraw',
    ibgpOnly: true,
    check: (_bytes, start, end) => exactly(4, start, end),
    view(draft, bytes, start) {
      draft.originatorId = formatIpv4(u32At(bytes, start))
    },
  },
  {
    code: attributeCode.clusterList,
    name: 'CLUSTER_LIST',
    flags: optional,
    action: 'treat-as-withdraw',
    ibgpOnly: true,
    check: (_bytes, start, end) => listOf(4, start, end),
    view(draft, bytes, start, end) {
      draft.clusterList = every(4, start, end, (at) => formatIpv4(u32At(bytes, at)))
    },
  },
  {
    code: attributeCode.mpReach,
    name: 'MP_REACH_NLRI',
    flags: optional,
    action: 'treat-as-withdraw',
    check: () => null,
  },
  {
    code: attributeCode.mpUnreach,
    name: 'MP_UNREACH_NLRI',
    flags: optional,
    action: 'treat-as-withdraw',
    check: () => null,
  },
  {
    code: attributeCode.extendedCommunities,
    name: 'EXTENDED COMMUNITIES',
    flags: optionalTransitive,
    action: 'treat-as-withdraw',
    check: (_bytes, start, end) => listOf(8, start, end),
    view(draft, bytes, start, end) {
      draft.extendedCommunities = every(8, start, end, (at) => hexOf(bytes, at, at + 8))
    },
  },
  {
    code: attributeCode.as4Path,
    name: 'AS4_PATH',
    flags: optionalTransitive,
    action: 'attribute-discard',
    check: (bytes, start, end) =>
      checkAsPath(bytes, start, end, 4, true) ??
      (hasAsnZero(bytes, start, end) ? 'AS 0 is in the path' : null),
  },
  {
    code: attributeCode.as4Aggregator,
    name: 'AS4_AGGREGATOR',
    flags: optionalTransitive,
    action: 'attribute-discard',
    check: (bytes, start, end) =>
      exactly(8, start, end) ?? (u32At(bytes, start) === 0 ? 'the aggregator is AS 0' : null),
  },
  {
    code: attributeCode.largeCommunities,
    name: 'LARGE_COMMUNITY',
    flags: optionalTransitive,
    action: 'treat-as-withdraw',
    check: (_bytes, start, end) => listOf(12, start, end),
    view(draft, bytes, start, end) {
      draft.largeCommunities = every(12, start, end, (at) => formatLargeCommunity(bytes, at))
    },
  },
  {
    code: attributeCode.otc,
    name: 'OTC',
    flags: optionalTransitive,
    action: 'treat-as-withdraw',
    check: (_bytes, start, end) => exactly(4, start, end),
    view(draft, bytes, start) {
      draft.otc = u32At(bytes, start)
    },
  },
]

/** Row by attribute code; null for attributes that are opaque to us. */
export const attributeRows: readonly (AttributeRow | null)[] = Array.from(
  { length: 256 },
  (_, code) => rows.find((row) => row.code === code) ?? null,
)

/** Name for people. */
export function formatAttributeCode(code: number): string {
  return attributeRows[code]?.name ?? `attribute ${code}`
}

/** Canonical bytes, or those rewritten for a four-octet peer, in words. Unknown attributes are shown as hexadecimal. */
export function viewAttributes(bytes: Uint8Array, start: number, end: number): AttributesView {
  const draft: Draft = {}
  const unknown: { code: number; flags: number; value: string }[] = []
  for (let at = start; at < end; at = attributeEnd(bytes, at)) {
    const code = bytes[at + 1]!
    const value = valueStart(bytes, at)
    const row = attributeRows[code]
    if (row?.view) row.view(draft, bytes, value, attributeEnd(bytes, at))
    else
      unknown.push({ code, flags: bytes[at]!, value: hexOf(bytes, value, attributeEnd(bytes, at)) })
  }
  if (unknown.length > 0) draft.unknown = unknown
  return draft
}

/** Attributes of a route of our own. */
export interface OwnAttributes {
  readonly origin: (typeof origins)[number]
  readonly localPref: number | null
  readonly med: number | null
  /** Plain (`65001:100`) and large (`65001:1:2`) in any order; doubles count once. */
  readonly communities: readonly string[]
}

/**
 * Canonical bytes with an empty AS_PATH.
 * @throws RangeError for a text that is no community, and for more than fit a message.
 */
export function encodeOwnAttributes(own: OwnAttributes): Uint8Array {
  const communities = sortedCommunities(own.communities)
  const plain = communities.filter((numbers) => numbers.length === 1)
  const large = communities.filter((numbers) => numbers.length === 3)
  const out = new Writer(maxMessageLength)
  const put = (code: number, numbers: readonly number[]) => {
    const at = beginAttribute(out, attributeRows[code]!.flags, code)
    for (const number of numbers) out.u32(number)
    endAttribute(out, at)
  }
  const at = beginAttribute(out, wellKnown, attributeCode.origin)
  out.u8(origins.indexOf(own.origin))
  endAttribute(out, at)
  put(attributeCode.asPath, [])
  if (own.med !== null) put(attributeCode.med, [own.med])
  if (own.localPref !== null) put(attributeCode.localPref, [own.localPref])
  if (plain.length > 0) put(attributeCode.communities, plain.flat())
  if (large.length > 0) put(attributeCode.largeCommunities, large.flat())
  return out.written()
}

/** Sorted and without doubles, so that equal sets have equal bytes. */
function sortedCommunities(texts: readonly string[]): (readonly number[])[] {
  const byKey = new Map(texts.map((text) => [parseCommunity(text).join(':'), parseCommunity(text)]))
  return [...byKey.values()].sort((a, b) => {
    for (let i = 0; i < a.length && i < b.length; i++) {
      if (a[i] !== b[i]) return a[i]! - b[i]!
    }
    return a.length - b.length
  })
}

function exactly(length: number, start: number, end: number): string | null {
  return end - start === length ? null : `it has ${end - start} octets, not ${length}`
}

/**
 * Entries of one list (communities of a kind, clusters) that are taken; as many as fit a message of
 * 4096 octets, so that only extended messages (RFC 8654) can hold more.
 */
export const listEntriesMax = 1024

function listOf(length: number, start: number, end: number): string | null {
  const octets = end - start
  if (octets === 0 || octets % length !== 0) {
    return `it has ${octets} octets, not a multiple of ${length} above zero`
  }
  const entries = octets / length
  return entries <= listEntriesMax
    ? null
    : `it has ${entries} entries, of ${listEntriesMax} at most`
}

function every<T>(size: number, start: number, end: number, read: (at: number) => T): T[] {
  const list: T[] = []
  for (let at = start; at < end; at += size) list.push(read(at))
  return list
}
