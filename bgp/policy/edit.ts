/**
 * Carries out the operations of a rule on canonical attribute bytes; the result is canonical too
 * (wire/attribute.ts). Each attribute that operations can touch has one row here, which reads the
 * old value, applies all operations in order and writes the new one; everything else is copied.
 *
 * Lists of communities that were touched come out sorted and without doubles, so that routes with
 * equal sets are equal bytes. An attribute that is added carries no partial bit, as in BIRD and FRR,
 * though RFC 4271 §5 would have it; one that was there keeps its own.
 *
 * RFC 4271 §4.3 and §5.1 (AS_PATH, MED, LOCAL_PREF), RFC 5065 §3 (confederation segments), RFC 1997
 * and RFC 8092 (communities), RFC 7606 §7.8 (an empty list is malformed, so it is left out).
 */
import { asPathAsnsMax, segmentType } from '../wire/as-path.ts'
import {
  attributeCode,
  attributeEnd,
  attributeFlag,
  beginAttribute,
  endAttribute,
  valueStart,
} from '../wire/attribute-bytes.ts'
import { u32At, type Writer } from '../wire/bytes.ts'
import { fitsPattern } from './community-pattern.ts'
import type { Operation } from './types.ts'

const segmentAsnsMax = 255

/** Where an attribute is in the source; one that isn't there has an empty value. */
interface Place {
  readonly source: Uint8Array
  /** Its flags, 0 for one that isn't there. */
  readonly flags: number
  readonly start: number
  readonly end: number
}

interface EditRow {
  readonly code: number
  touches(operation: Operation): boolean
  edit(operations: readonly Operation[], place: Place, out: Writer): void
}

/** In ascending order of code. */
const rows: readonly EditRow[] = [
  {
    code: attributeCode.asPath,
    touches: ({ kind }) => kind === 'prependASPath',
    edit: prepend,
  },
  {
    code: attributeCode.med,
    touches: ({ kind }) => kind === 'setMED',
    edit(operations, _place, out) {
      const { med } = operations.findLast((operation) => operation.kind === 'setMED')!
      writeNumber(attributeCode.med, attributeFlag.optional, med, out)
    },
  },
  {
    code: attributeCode.localPref,
    touches: ({ kind }) => kind === 'setLocalPref',
    edit(operations, _place, out) {
      const { localPref } = operations.findLast((operation) => operation.kind === 'setLocalPref')!
      writeNumber(attributeCode.localPref, attributeFlag.transitive, localPref, out)
    },
  },
  communityRow(attributeCode.communities, 1),
  communityRow(attributeCode.largeCommunities, 3),
]

/**
 * Appends to `out` the canonical attributes `[start, end)` of `source` as the operations change
 * them. Next hops are not among them: see nextHopOf.
 * @throws RangeError when they don't fit `out`.
 */
export function editAttributes(
  operations: readonly Operation[],
  source: Uint8Array,
  start: number,
  end: number,
  out: Writer,
): void {
  let at = start
  for (const { code, touches, edit } of rows) {
    if (!operations.some(touches)) continue
    const from = at
    while (at < end && source[at + 1]! < code) at = attributeEnd(source, at)
    if (at > from) out.copy(source, from, at)
    if (at < end && source[at + 1] === code) {
      const flags = source[at]!
      const value = valueStart(source, at)
      at = attributeEnd(source, at)
      edit(operations, { source, flags, start: value, end: at }, out)
    } else {
      edit(operations, { source, flags: 0, start: at, end: at }, out)
    }
  }
  if (end > at) out.copy(source, at, end)
}

function writeNumber(code: number, flags: number, number: number, out: Writer): void {
  const at = beginAttribute(out, flags, code)
  out.u32(number)
  endAttribute(out, at)
}

/**
 * Puts AS numbers before the first segment that is no confederation's, as the border of the AS would
 * have. A prepend that would make the path longer than any we accept isn't done: such a path loses
 * by its length as it is.
 */
function prepend(operations: readonly Operation[], { source, start, end }: Place, out: Writer) {
  let first = start
  while (first < end && source[first]! >= segmentType.confedSequence) {
    first = segmentEnd(source, first)
  }
  const asns = prependedAsns(operations, countAsns(source, start, end))
  const joined = first < end && source[first] === segmentType.sequence ? source[first + 1]! : 0
  const joins = joined > 0 && joined + asns.length <= segmentAsnsMax
  const at = beginAttribute(out, attributeFlag.transitive, attributeCode.asPath)
  out.copy(source, start, first)
  if (asns.length > 0) {
    out.u8(segmentType.sequence)
    out.u8(asns.length + (joins ? joined : 0))
    for (const asn of asns) out.u32(asn)
  }
  out.copy(source, asns.length > 0 && joins ? first + 2 : first, end)
  endAttribute(out, at)
}

/** A later operation's numbers stand before those of an earlier one. */
function prependedAsns(operations: readonly Operation[], present: number): readonly number[] {
  let asns: readonly number[] = []
  for (const operation of operations) {
    if (operation.kind !== 'prependASPath') continue
    if (present + asns.length + operation.asns.length > asPathAsnsMax) continue
    asns = [...operation.asns, ...asns]
  }
  return asns
}

function segmentEnd(bytes: Uint8Array, at: number): number {
  return at + 2 + bytes[at + 1]! * 4
}

function countAsns(bytes: Uint8Array, start: number, end: number): number {
  let asns = 0
  for (let at = start; at < end; at = segmentEnd(bytes, at)) asns += bytes[at + 1]!
  return asns
}

/** `size`: words of a community, 1 for standard and 3 for large ones. */
function communityRow(code: number, size: 1 | 3): EditRow {
  return {
    code,
    touches(operation) {
      if (operation.kind === 'addCommunity') return operation.community.length === size
      if (operation.kind === 'removeCommunity') return operation.pattern.words.length === size
      return operation.kind === 'replaceCommunities'
    },
    edit(operations, { source, flags, start, end }, out) {
      const given = readCommunities(source, start, end, size)
      const communities = normalise(change(operations, size, given))
      if (communities.length === 0) return
      const partial = flags & attributeFlag.partial
      const all = attributeFlag.optional | attributeFlag.transitive | partial
      const at = beginAttribute(out, all, code)
      for (const words of communities) for (const word of words) out.u32(word)
      endAttribute(out, at)
    },
  }
}

type Community = readonly number[]

function readCommunities(
  bytes: Uint8Array,
  start: number,
  end: number,
  size: 1 | 3,
): readonly Community[] {
  const communities: Community[] = []
  for (let at = start; at < end; at += size * 4) {
    const first = u32At(bytes, at)
    if (size === 1) communities.push([first])
    else communities.push([first, u32At(bytes, at + 4), u32At(bytes, at + 8)])
  }
  return communities
}

function change(
  operations: readonly Operation[],
  size: 1 | 3,
  given: readonly Community[],
): readonly Community[] {
  let communities = given
  for (const operation of operations) {
    if (operation.kind === 'addCommunity') {
      if (operation.community.length === size) communities = [...communities, operation.community]
    } else if (operation.kind === 'removeCommunity') {
      communities = communities.filter((community) => !fitsPattern(operation.pattern, community))
    } else if (operation.kind === 'replaceCommunities') {
      communities = operation.communities.filter((community) => community.length === size)
    }
  }
  return communities
}

/** Sorted and without doubles. */
function normalise(communities: readonly Community[]): readonly Community[] {
  const sorted = [...communities].sort(compare)
  return sorted.filter((community, i) => i === 0 || compare(sorted[i - 1]!, community) !== 0)
}

function compare(a: Community, b: Community): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}
