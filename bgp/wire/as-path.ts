/**
 * AS_PATH segments: checking, counting, and the two widths of an AS number. Canonical paths (those
 * that are stored) have four octets an AS; two octets occur only towards and from OLD speakers.
 *
 * RFC 4271 §4.3 and §5.1.2, RFC 5065 §3 (confederation segments), RFC 6793 §4.2 (AS4_PATH),
 * RFC 7606 §7.2 (malformed paths), RFC 9774 (sets).
 */
import type { AsPathSegmentView } from '../types.ts'
import { u16At, u32At, type Writer } from './bytes.ts'

export const segmentType = { set: 1, sequence: 2, confedSequence: 3, confedSet: 4 } as const

/** Stands in two octets for an AS that needs four (RFC 6793 §2). */
export const asTrans = 23456

/** AS numbers in one path at most; longer ones are treated as withdrawn. No real path comes near. */
export const asPathAsnsMax = 750

const segmentAsnsMax = 255

/** Octets of an AS number: 2 between OLD speakers, 4 otherwise. */
export type AsnWidth = 2 | 4

export interface Segment {
  readonly type: number
  readonly asns: readonly number[]
}

const segmentNames: readonly AsPathSegmentView['type'][] = [
  'set',
  'sequence',
  'confed-sequence',
  'confed-set',
]

/** Why `[start, end)` is no acceptable path, or null. Looks at segments, not at AS numbers. */
export function checkAsPath(
  bytes: Uint8Array,
  start: number,
  end: number,
  width: AsnWidth,
  confedAllowed: boolean,
): string | null {
  let asns = 0
  let at = start
  while (at < end) {
    if (end - at < 2) return 'a segment header runs past the end of the path'
    const type = bytes[at]!
    const count = bytes[at + 1]!
    if (type < segmentType.set || type > segmentType.confedSet) {
      return `there is no segment type ${type}`
    }
    if (type >= segmentType.confedSequence && !confedAllowed) {
      return 'a confederation segment came from outside the confederation'
    }
    if (count === 0) return 'a segment is empty'
    asns += count
    at += 2 + count * width
  }
  if (at !== end) return 'a segment runs past the end of the path'
  return asns > asPathAsnsMax
    ? `the path has ${asns} AS numbers, ${asPathAsnsMax} are allowed`
    : null
}

/** Whether AS 0 occurs in a checked canonical path (RFC 7607). */
export function hasAsnZero(bytes: Uint8Array, start: number, end: number): boolean {
  return countInPath(bytes, start, end, 0) > 0
}

/** Why a checked canonical path may not be used: it has a set (RFC 9774 §3); or null. */
export function findSet(bytes: Uint8Array, start: number, end: number): string | null {
  for (let at = start; at < end; at += 2 + bytes[at + 1]! * 4) {
    const type = bytes[at]!
    if (type === segmentType.set) return 'the path has an AS_SET (RFC 9774)'
    if (type === segmentType.confedSet) return 'the path has an AS_CONFED_SET (RFC 9774)'
  }
  return null
}

/** How often `asn` occurs in a checked canonical path. */
export function countInPath(bytes: Uint8Array, start: number, end: number, asn: number): number {
  let found = 0
  for (let at = start; at < end; ) {
    const stop = at + 2 + bytes[at + 1]! * 4
    for (let i = at + 2; i < stop; i += 4) if (u32At(bytes, i) === asn) found++
    at = stop
  }
  return found
}

/** Length for the decision: a set counts 1, a confederation segment 0 (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3). */
export function pathLength(bytes: Uint8Array, start: number, end: number): number {
  let length = 0
  for (let at = start; at < end; at += 2 + bytes[at + 1]! * 4) {
    length += segmentWeight(bytes[at]!, bytes[at + 1]!)
  }
  return length
}

/** Leftmost AS of the first segment that is no confederation's, if that is a sequence; else 0. */
export function neighbourOf(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at += 2 + bytes[at + 1]! * 4) {
    const type = bytes[at]!
    if (type === segmentType.sequence) return u32At(bytes, at + 2)
    if (type === segmentType.set) return 0
  }
  return 0
}

/** Reads a checked path. */
export function readSegments(
  bytes: Uint8Array,
  start: number,
  end: number,
  width: AsnWidth,
): Segment[] {
  const segments: Segment[] = []
  for (let at = start; at < end; ) {
    const asns: number[] = []
    const type = bytes[at]!
    const stop = at + 2 + bytes[at + 1]! * width
    for (at += 2; at < stop; at += width) {
      asns.push(width === 4 ? u32At(bytes, at) : u16At(bytes, at))
    }
    segments.push({ type, asns })
  }
  return segments
}

/** Writes segments; in two octets, an AS that doesn't fit becomes AS_TRANS. */
export function writeSegments(segments: readonly Segment[], width: AsnWidth, out: Writer): void {
  for (const { type, asns } of segments) {
    out.u8(type)
    out.u8(asns.length)
    for (const asn of asns) {
      if (width === 4) out.u32(asn)
      else out.u16(asn > 0xffff ? asTrans : asn)
    }
  }
}

export function viewSegments(
  bytes: Uint8Array,
  start: number,
  end: number,
): readonly AsPathSegmentView[] {
  return readSegments(bytes, start, end, 4).map(({ type, asns }) => ({
    type: segmentNames[type - 1]!,
    asns,
  }))
}

export function isConfed(segment: Segment): boolean {
  return segment.type >= segmentType.confedSequence
}

/**
 * The path of an OLD speaker's route (RFC 6793 §4.2.3): the leading part of AS_PATH that AS4_PATH
 * doesn't know of, and then AS4_PATH. An AS4_PATH longer than AS_PATH is ignored.
 */
export function mergeAs4Path(path: readonly Segment[], path4: readonly Segment[]): Segment[] {
  const known = path4.filter((segment) => !isConfed(segment))
  let missing = weightOf(path) - weightOf(known)
  if (missing < 0) return [...path]
  const merged: Segment[] = []
  for (const segment of path) {
    // A confederation segment goes along while it touches what is taken.
    if (isConfed(segment)) {
      merged.push(segment)
      continue
    }
    if (missing === 0) break
    const taken = segment.type === segmentType.set ? segment.asns : segment.asns.slice(0, missing)
    missing -= segmentWeight(segment.type, taken.length)
    merged.push({ type: segment.type, asns: taken })
    if (taken.length < segment.asns.length) break
  }
  return joinSequences([...merged, ...known])
}

/** One sequence for two that touch, as a NEW speaker would have written it. */
function joinSequences(segments: readonly Segment[]): Segment[] {
  const joined: Segment[] = []
  for (const segment of segments) {
    const last = joined.at(-1)
    const joins =
      last?.type === segmentType.sequence &&
      segment.type === segmentType.sequence &&
      last.asns.length + segment.asns.length <= segmentAsnsMax
    if (joins)
      joined[joined.length - 1] = { type: last.type, asns: [...last.asns, ...segment.asns] }
    else joined.push(segment)
  }
  return joined
}

function segmentWeight(type: number, count: number): number {
  if (type >= segmentType.confedSequence) return 0
  return type === segmentType.set ? 1 : count
}

function weightOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { type, asns }) => sum + segmentWeight(type, asns.length), 0)
}

/**
 * Writes the path in `[start, end)` of `source` with `asn` put `count` times before it, and
 * without leading confederation segments, which end at the border where an AS is prepended
 * (RFC 4271 §5.1.2, RFC 5065 §4.1).
 */
export function writePrepended(
  source: Uint8Array,
  start: number,
  end: number,
  asn: number,
  count: number,
  out: Writer,
): void {
  if (count > segmentAsnsMax) {
    throw new RangeError(`an AS is prepended ${segmentAsnsMax} times at most, not ${count}`)
  }
  let at = start
  while (at < end && source[at]! >= segmentType.confedSequence) at += 2 + source[at + 1]! * 4
  const first = at < end && source[at] === segmentType.sequence ? source[at + 1]! : 0
  const joins = first > 0 && first + count <= segmentAsnsMax
  out.u8(segmentType.sequence)
  out.u8(joins ? first + count : count)
  for (let i = 0; i < count; i++) out.u32(asn)
  out.copy(source, joins ? at + 2 : at, end)
}
