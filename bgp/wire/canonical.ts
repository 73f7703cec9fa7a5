/**
 * The path attributes of one message, brought into the canonical form of attribute.ts. First a walk
 * notes where each attribute is, by code and not by position; then each is admitted by its row and
 * written. Nothing is allocated unless something is wrong or the peer has two-octet AS numbers.
 *
 * RFC 7606 §3 (flags, doubles), §4 (lengths), §7.2 (AS_PATH), §7.5, §7.9, §7.10 (from eBGP);
 * RFC 4271 §5 (unknown attributes); RFC 6793 §4.1, §4.2.3 and §6 (OLD speakers).
 */
import {
  asTrans,
  checkAsPath,
  mergeAs4Path,
  readSegments,
  type Segment,
  writeSegments,
} from './as-path.ts'
import {
  type AttributeFault,
  type AttributeRow,
  attributeRows,
  type FaultAction,
  formatAttributeCode,
} from './attribute.ts'
import {
  attributeCode,
  attributeEnd,
  attributeFlag,
  beginAttribute,
  endAttribute,
  valueStart,
} from './attribute-bytes.ts'
import { u16At, Writer } from './bytes.ts'
import type { Negotiated } from './context.ts'
import { maxExtendedLength } from './message.ts'
import { NotificationError } from './notification.ts'

/** What one message can hold, and room for an AS_PATH that doubles its width. */
const scratchLength = 2 * maxExtendedLength

/**
 * Discarded attributes reported of one message at most; the others are discarded in silence. What
 * treats as withdrawn is always reported, and can't occur more than twice for each known attribute.
 */
const discardsMax = 32

const noFaults: readonly AttributeFault[] = Object.freeze([])
const kindFlags = attributeFlag.optional | attributeFlag.transitive

/** Long-lived; every read overwrites what the one before left. */
export class CanonicalAttributes {
  /** The canonical bytes are `[0, out.position)` of its buffer. */
  readonly out = new Writer(scratchLength)
  faults: readonly AttributeFault[] = noFaults
  treatAsWithdraw = false
  /** Bit n: attribute n (0 to 31) was there. */
  present = 0
  /** Different attributes that were there. */
  count = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #ebgp = false
  #as4 = true
  /** Where an attribute starts, by code; valid where #seen holds the number of this message. */
  readonly #starts = new Uint32Array(256)
  readonly #seen = new Float64Array(256)
  #message = 0
  readonly #codes = new Uint8Array(256)

  /** Notes the attributes in `[start, end)`. @throws NotificationError */
  walk(bytes: Uint8Array, start: number, end: number, negotiated: Negotiated): void {
    this.#bytes = bytes
    this.#ebgp = negotiated.ebgp
    this.#as4 = negotiated.as4
    this.#message++
    this.out.reset()
    this.faults = noFaults
    this.treatAsWithdraw = false
    this.present = 0
    this.count = 0
    for (let at = start; at < end; ) {
      const next = this.#endWithin(at, end)
      if (next < 0) return
      this.#note(bytes[at + 1]!, at)
      at = next
    }
  }

  has(code: number): boolean {
    return this.#seen[code] === this.#message
  }

  /** Where an attribute that is there starts in the message. */
  startOf(code: number): number {
    return this.#starts[code]!
  }

  fault(code: number, action: FaultAction, reason: string): void {
    if (action === 'treat-as-withdraw') this.treatAsWithdraw = true
    else if (this.faults.length >= discardsMax) return
    this.faults = [...this.faults, { code, action, reason }]
  }

  /** Whether a known attribute may be used: from the right kind of peer, with the right flags. */
  admit(row: AttributeRow, at: number): boolean {
    const flags = this.#bytes[at]!
    if (row.ibgpOnly && this.#ebgp) {
      this.fault(row.code, 'attribute-discard', `${row.name} is not taken from an eBGP peer`)
      return false
    }
    if ((flags & kindFlags) === row.flags) return true
    const is = (flags & kindFlags).toString(16).padStart(2, '0')
    this.fault(row.code, row.action, `its flags are 0x${is}, not 0x${row.flags.toString(16)}`)
    return false
  }

  /** Writes what was noted, except next hops and prefixes. @throws NotificationError */
  emit(): void {
    this.#sort()
    for (let i = 0; i < this.count; i++) {
      const code = this.#codes[i]!
      const at = this.#starts[code]!
      const row = attributeRows[code]
      if (!row) this.#emitUnknown(code, at)
      else if (code !== attributeCode.nextHop && this.admit(row, at)) this.#emitKnown(row, at)
    }
  }

  /** Checks every value by its row; malformed ones leave the canonical bytes. */
  check(): void {
    this.checkForm()
    const { buffer, position } = this.out
    for (let at = 0; at < position; at = attributeEnd(buffer, at)) {
      const row = attributeRows[buffer[at + 1]!]
      if (!row?.refuse) continue
      const refusal = row.refuse(buffer, valueStart(buffer, at), attributeEnd(buffer, at))
      if (refusal !== null) this.fault(row.code, 'treat-as-withdraw', refusal)
    }
  }

  /** The part of `check` that tells whether octets were misread; the rest is about meaning. */
  checkForm(): void {
    const { buffer } = this.out
    for (let at = 0; at < this.out.position; ) {
      const next = attributeEnd(buffer, at)
      const row = attributeRows[buffer[at + 1]!]
      const problem = row ? row.check(buffer, valueStart(buffer, at), next) : null
      if (row && problem !== null) {
        this.fault(row.code, row.action, problem)
        buffer.copyWithin(at, next, this.out.position)
        this.out.position -= next - at
      } else {
        at = next
      }
    }
  }

  /** End of the attribute at `at`, or -1 after a fault that ends the walk (RFC 7606 §4). */
  #endWithin(at: number, end: number): number {
    const bytes = this.#bytes
    const headerEnd = valueStart(bytes, at)
    const next = headerEnd <= end ? attributeEnd(bytes, at) : end + 1
    if (next <= end) return next
    const code = at + 1 < end ? bytes[at + 1]! : 0
    if (code === attributeCode.mpReach || code === attributeCode.mpUnreach) {
      throw new NotificationError(
        'update/optionalAttribute',
        `${formatAttributeCode(code)} runs past the end of the path attributes`,
        bytes.slice(at, end),
      )
    }
    this.fault(code, 'treat-as-withdraw', 'it runs past the end of the path attributes')
    return -1
  }

  #note(code: number, at: number): void {
    if (this.#seen[code] !== this.#message) {
      this.#seen[code] = this.#message
      this.#starts[code] = at
      this.#codes[this.count++] = code
      if (code < 32) this.present |= 1 << code
      return
    }
    if (code === attributeCode.mpReach || code === attributeCode.mpUnreach) {
      throw new NotificationError(
        'update/malformedAttributes',
        `${formatAttributeCode(code)} occurs more than once`,
      )
    }
    this.fault(code, 'attribute-discard', 'it occurs more than once; the first one counts')
  }

  /** Insertion sort: most speakers send ascending codes, and then this is one pass. */
  #sort(): void {
    const codes = this.#codes
    for (let i = 1; i < this.count; i++) {
      const code = codes[i]!
      let j = i
      for (; j > 0 && codes[j - 1]! > code; j--) codes[j] = codes[j - 1]!
      codes[j] = code
    }
  }

  #emitUnknown(code: number, at: number): void {
    const flags = this.#bytes[at]!
    if ((flags & attributeFlag.optional) === 0) {
      throw new NotificationError(
        'update/unrecognizedWellKnown',
        `attribute ${code} claims to be well-known, and no RFC we follow knows it`,
        this.#bytes.slice(at, attributeEnd(this.#bytes, at)),
      )
    }
    // RFC 4271 §5: a non-transitive one is quietly ignored, a transitive one goes on as partial.
    if ((flags & attributeFlag.transitive) !== 0) this.#copy(kindFlags | attributeFlag.partial, at)
  }

  #emitKnown(row: AttributeRow, at: number): void {
    switch (row.code) {
      case attributeCode.mpReach:
      case attributeCode.mpUnreach:
        return
      case attributeCode.asPath:
        this.#emitAsPath(row, at)
        return
      case attributeCode.aggregator:
        if (this.#as4) this.#copy(this.#flagsOf(row, at), at)
        else this.#emitAggregator(row, at)
        return
      case attributeCode.as4Path:
      case attributeCode.as4Aggregator:
        this.#dropAs4(row, at)
        return
      default:
        this.#copy(this.#flagsOf(row, at), at)
    }
  }

  /** The row's flags; only an optional transitive attribute may also be partial (RFC 4271 §4.3). */
  #flagsOf(row: AttributeRow, at: number): number {
    if (row.flags !== kindFlags) return row.flags
    return row.flags | (this.#bytes[at]! & attributeFlag.partial)
  }

  #copy(flags: number, at: number): void {
    const bytes = this.#bytes
    const mark = beginAttribute(this.out, flags, bytes[at + 1]!)
    this.out.copy(bytes, valueStart(bytes, at), attributeEnd(bytes, at))
    endAttribute(this.out, mark)
  }

  #emitAsPath(row: AttributeRow, at: number): void {
    const bytes = this.#bytes
    const start = valueStart(bytes, at)
    const end = attributeEnd(bytes, at)
    const width = this.#as4 ? 4 : 2
    // Confederation segments end at the border of the AS, so only iBGP may bring them.
    const problem = checkAsPath(bytes, start, end, width, !this.#ebgp)
    if (problem !== null) {
      this.fault(row.code, row.action, problem)
      return
    }
    if (this.#as4) {
      this.#copy(row.flags, at)
      return
    }
    const mark = beginAttribute(this.out, row.flags, row.code)
    writeSegments(this.#mergedPath(readSegments(bytes, start, end, 2)), 4, this.out)
    endAttribute(this.out, mark)
  }

  #mergedPath(path: readonly Segment[]): readonly Segment[] {
    const at = this.#usable(attributeCode.as4Path)
    if (at < 0 || this.#aggregatedByOld()) return path
    return mergeAs4Path(
      path,
      readSegments(this.#bytes, valueStart(this.#bytes, at), attributeEnd(this.#bytes, at), 4),
    )
  }

  /**
   * RFC 6793 §4.2.3: with an AS other than AS_TRANS in AGGREGATOR an OLD speaker aggregated the
   * route, and what AS4_AGGREGATOR and AS4_PATH say is older than that.
   */
  #aggregatedByOld(): boolean {
    if (!this.has(attributeCode.aggregator) || !this.has(attributeCode.as4Aggregator)) return false
    const value = valueStart(this.#bytes, this.startOf(attributeCode.aggregator))
    return u16At(this.#bytes, value) !== asTrans
  }

  #emitAggregator(row: AttributeRow, at: number): void {
    const bytes = this.#bytes
    const value = valueStart(bytes, at)
    const length = attributeEnd(bytes, at) - value
    if (length !== 6) {
      this.fault(row.code, row.action, `it has ${length} octets, not 6`)
      return
    }
    const mark = beginAttribute(this.out, this.#flagsOf(row, at), row.code)
    const at4 = this.#aggregatedByOld() ? -1 : this.#usable(attributeCode.as4Aggregator)
    if (at4 >= 0) {
      this.out.copy(bytes, valueStart(bytes, at4), attributeEnd(bytes, at4))
    } else {
      this.out.u32(u16At(bytes, value))
      this.out.copy(bytes, value + 2, value + 6)
    }
    endAttribute(this.out, mark)
  }

  /** Where a well-formed AS4 attribute starts, or -1; its faults are recorded at its own turn. */
  #usable(code: number): number {
    if (!this.has(code)) return -1
    const at = this.startOf(code)
    const row = attributeRows[code]!
    const flagsFit = (this.#bytes[at]! & kindFlags) === row.flags
    return flagsFit && this.#problemOf(row, at) === null ? at : -1
  }

  #dropAs4(row: AttributeRow, at: number): void {
    // From an OLD speaker a well-formed one was merged where AS_PATH and AGGREGATOR stand.
    const problem = this.#as4
      ? 'the peer sends four-octet AS numbers, so it may not send this'
      : this.#problemOf(row, at)
    if (problem !== null) this.fault(row.code, row.action, problem)
  }

  #problemOf(row: AttributeRow, at: number): string | null {
    return row.check(this.#bytes, valueStart(this.#bytes, at), attributeEnd(this.#bytes, at))
  }
}
