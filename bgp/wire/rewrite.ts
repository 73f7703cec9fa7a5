/**
 * From the canonical attributes of a route to those sent to a peer. Everything that differs between
 * peers is in the edit, and nothing else is read, so equal edits give equal bytes: an edit is part
 * of an update group's key. What no edit names is copied octet for octet.
 *
 * RFC 4271 §5.1 (AS_PATH, NEXT_HOP, MED, LOCAL_PREF), RFC 4456 §8 (reflection), RFC 6793 §4.2.2
 * (towards OLD speakers).
 */
import { asTrans, isConfed, readSegments, writePrepended, writeSegments } from './as-path.ts'
import {
  attributeCode,
  attributeEnd,
  attributeFlag,
  beginAttribute,
  endAttribute,
  findAttribute,
  valueStart,
} from './attribute-bytes.ts'
import { u32At, Writer } from './bytes.ts'

export interface AttributeEdit {
  /** AS put before the path; 0 for none. */
  readonly prependAsn: number
  /** How often, up to 255. */
  readonly prependCount: number
  /** null strips LOCAL_PREF, as eBGP demands. */
  readonly localPref: number | null
  readonly keepMed: boolean
  /** ORIGINATOR_ID to add where there is none yet; null adds none. */
  readonly originatorId: number | null
  /** Put before CLUSTER_LIST, which is made if absent; null leaves it. */
  readonly prependClusterId: number | null
  /** AS override: every `from` in the path becomes `to`, before anything is prepended. */
  readonly replaceAsn: { readonly from: number; readonly to: number } | null
  /** false: two-octet AS_PATH and AGGREGATOR, with AS4_PATH and AS4_AGGREGATOR where needed. */
  readonly as4: boolean
  /** Four octets: written as NEXT_HOP. null: none, because the route goes into MP_REACH. */
  readonly nextHop: Uint8Array | null
  /** Drops ORIGINATOR_ID and CLUSTER_LIST, which don't leave the AS. */
  readonly stripReflection: boolean
}

/** Where an attribute's value is in the source; `start` is -1 when it is absent. */
interface Value {
  source: Uint8Array
  /** Range of all canonical attributes. */
  sourceStart: number
  sourceEnd: number
  flags: number
  start: number
  end: number
}

type Rule = (edit: AttributeEdit, value: Value, out: Writer) => void

/** Longest AS_PATH value an edit can make: 65535 octets received, and one more segment of 255. */
const pathScratch = new Writer(65535 + 2 + 4 * 255)
const value: Value = {
  source: new Uint8Array(0),
  sourceStart: 0,
  sourceEnd: 0,
  flags: 0,
  start: -1,
  end: -1,
}

/** What an edit touches, in ascending order of code; everything between is copied. */
const rules: readonly { readonly code: number; readonly apply: Rule }[] = [
  { code: attributeCode.asPath, apply: editAsPath },
  { code: attributeCode.nextHop, apply: addNextHop },
  { code: attributeCode.med, apply: editMed },
  { code: attributeCode.localPref, apply: editLocalPref },
  { code: attributeCode.aggregator, apply: editAggregator },
  { code: attributeCode.originatorId, apply: editOriginatorId },
  { code: attributeCode.clusterList, apply: editClusterList },
  { code: attributeCode.as4Path, apply: addAs4Path },
  { code: attributeCode.as4Aggregator, apply: addAs4Aggregator },
]

/**
 * Appends to `out` the attributes to send for the canonical bytes `[start, end)` of `source`.
 * @throws RangeError when they don't fit `out`.
 */
export function rewriteAttributes(
  source: Uint8Array,
  start: number,
  end: number,
  edit: AttributeEdit,
  out: Writer,
): void {
  value.source = source
  value.sourceStart = start
  value.sourceEnd = end
  let at = start
  for (let index = 0; index < rules.length; index++) {
    const { code, apply } = rules[index]!
    const from = at
    while (at < end && source[at + 1]! < code) at = attributeEnd(source, at)
    if (at > from) out.copy(source, from, at)
    value.start = -1
    if (at < end && source[at + 1] === code) {
      value.flags = source[at]!
      value.start = valueStart(source, at)
      at = attributeEnd(source, at)
      value.end = at
    }
    apply(edit, value, out)
  }
  if (end > at) out.copy(source, at, end)
}

function editAsPath(edit: AttributeEdit, { source, start, end }: Value, out: Writer): void {
  pathScratch.reset()
  const prepends = edit.prependAsn !== 0 && edit.prependCount > 0
  if (prepends) {
    const [from, to] = start < 0 ? [0, 0] : [start, end]
    writePrepended(source, from, to, edit.prependAsn, edit.prependCount, pathScratch)
  } else if (start >= 0) {
    pathScratch.copy(source, start, end)
  }
  if (edit.replaceAsn) replaceAsn(edit, prepends ? edit.prependCount : 0)
  const at = beginAttribute(out, attributeFlag.transitive, attributeCode.asPath)
  if (edit.as4) out.copy(pathScratch.buffer, 0, pathScratch.position)
  else writeSegments(readSegments(pathScratch.buffer, 0, pathScratch.position, 4), 2, out)
  endAttribute(out, at)
}

/** Overrides in the scratch path, past the `skip` AS numbers that were just prepended. */
function replaceAsn({ replaceAsn }: AttributeEdit, skip: number): void {
  const { from, to } = replaceAsn!
  const { buffer, view, position } = pathScratch
  let passed = 0
  for (let at = 0; at < position; ) {
    const stop = at + 2 + buffer[at + 1]! * 4
    for (at += 2; at < stop; at += 4) {
      if (passed++ >= skip && u32At(buffer, at) === from) view.setUint32(at, to)
    }
  }
}

function addNextHop({ nextHop }: AttributeEdit, _value: Value, out: Writer): void {
  if (nextHop === null) return
  if (nextHop.length !== 4) {
    throw new RangeError(`NEXT_HOP has four octets, not ${nextHop.length}; others go into MP_REACH`)
  }
  const at = beginAttribute(out, attributeFlag.transitive, attributeCode.nextHop)
  out.bytes(nextHop)
  endAttribute(out, at)
}

function editMed({ keepMed }: AttributeEdit, value: Value, out: Writer): void {
  if (keepMed) copyValue(attributeCode.med, value, out)
}

function editLocalPref({ localPref }: AttributeEdit, _value: Value, out: Writer): void {
  if (localPref !== null)
    writeNumber(attributeCode.localPref, attributeFlag.transitive, localPref, out)
}

function editAggregator({ as4 }: AttributeEdit, value: Value, out: Writer): void {
  if (as4 || value.start < 0) {
    copyValue(attributeCode.aggregator, value, out)
    return
  }
  const asn = u32At(value.source, value.start)
  const at = beginAttribute(out, value.flags, attributeCode.aggregator)
  out.u16(asn > 0xffff ? asTrans : asn)
  out.copy(value.source, value.start + 4, value.end)
  endAttribute(out, at)
}

function editOriginatorId(edit: AttributeEdit, value: Value, out: Writer): void {
  if (edit.stripReflection) return
  if (value.start >= 0) copyValue(attributeCode.originatorId, value, out)
  else if (edit.originatorId !== null) {
    writeNumber(attributeCode.originatorId, attributeFlag.optional, edit.originatorId, out)
  }
}

function editClusterList(edit: AttributeEdit, value: Value, out: Writer): void {
  if (edit.stripReflection) return
  if (edit.prependClusterId === null) {
    copyValue(attributeCode.clusterList, value, out)
    return
  }
  const at = beginAttribute(out, attributeFlag.optional, attributeCode.clusterList)
  out.u32(edit.prependClusterId)
  if (value.start >= 0) out.copy(value.source, value.start, value.end)
  endAttribute(out, at)
}

/** RFC 6793 §4.2.2: only when the two-octet path lost something, and never with confederations. */
function addAs4Path({ as4 }: AttributeEdit, _value: Value, out: Writer): void {
  if (as4) return
  const segments = readSegments(pathScratch.buffer, 0, pathScratch.position, 4)
  if (!segments.some(({ asns }) => asns.some((asn) => asn > 0xffff))) return
  const at = beginAttribute(out, as4Flags, attributeCode.as4Path)
  writeSegments(
    segments.filter((segment) => !isConfed(segment)),
    4,
    out,
  )
  endAttribute(out, at)
}

function addAs4Aggregator({ as4 }: AttributeEdit, value: Value, out: Writer): void {
  if (as4) return
  const { source, sourceStart, sourceEnd } = value
  const aggregator = findAttribute(source, sourceStart, sourceEnd, attributeCode.aggregator)
  if (aggregator < 0) return
  const start = valueStart(source, aggregator)
  if (u32At(source, start) <= 0xffff) return
  const at = beginAttribute(out, as4Flags, attributeCode.as4Aggregator)
  out.copy(source, start, attributeEnd(source, aggregator))
  endAttribute(out, at)
}

const as4Flags = attributeFlag.optional | attributeFlag.transitive

function copyValue(code: number, { source, flags, start, end }: Value, out: Writer): void {
  if (start < 0) return
  const at = beginAttribute(out, flags, code)
  out.copy(source, start, end)
  endAttribute(out, at)
}

function writeNumber(code: number, flags: number, number: number, out: Writer): void {
  const at = beginAttribute(out, flags, code)
  out.u32(number)
  endAttribute(out, at)
}
