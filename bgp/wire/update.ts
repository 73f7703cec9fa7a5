/**
 * Reading an UPDATE. A read locates and validates the prefixes and brings the attributes into their
 * canonical form (canonical.ts); what the values mean is checked later, once for each distinct set,
 * by `check`.
 *
 * A session is reset (NotificationError) only where RFC 7606 leaves no other way: the prefixes
 * can't be located (§3 j, §5.3, §7.11, §7.12), MP_REACH or MP_UNREACH occurs twice (§3 g), an error
 * meets a message without reachable prefixes (§5.2), or a well-known attribute is unknown
 * (RFC 4271 §6.3). Beside it RFC 4271 §4.3, RFC 4760 §3, §4 and §7, RFC 4724 §2.
 */
import type { FamilyName } from '../types.ts'
import { type AttributeFault, attributeRows, formatAttributeCode } from './attribute.ts'
import { attributeCode, attributeEnd, valueStart } from './attribute-bytes.ts'
import { u16At } from './bytes.ts'
import { CanonicalAttributes } from './canonical.ts'
import type { Negotiated } from './context.ts'
import { families, familyByCode, formatFamily, maxNextHopLength } from './family.ts'
import { headerLength } from './message.ts'
import { nextHopProblem } from './next-hop.ts'
import { checkNlri, type NlriRange } from './nlri.ts'
import { NotificationError } from './notification.ts'

export { NlriBatch, NlriCursor, type NlriRange } from './nlri.ts'

/** Long-lived; every field is overwritten by the next read, and nothing it shows may be kept. */
export class UpdateReader {
  readonly withdrawn: NlriRange = emptyRange()
  readonly announced: NlriRange = emptyRange()
  readonly mpReach: NlriRange = emptyRange()
  readonly mpUnreach: NlriRange = emptyRange()
  /** Next hop of `announced`; in a message without those, the one of `mpReach`. */
  readonly nextHop: Uint8Array = new Uint8Array(maxNextHopLength)
  /** 0 (none), 4, 16 or 32. */
  nextHopLength = 0
  /** Next hop of `mpReach`; 32 octets are a global and a link-local address. */
  readonly mpNextHop: Uint8Array = new Uint8Array(maxNextHopLength)
  mpNextHopLength = 0
  /** The family whose End-of-RIB this message is. */
  endOfRib: FamilyName | null = null

  readonly #set = new CanonicalAttributes()
  #bytes: Uint8Array = new Uint8Array(0)
  #negotiated: Negotiated | null = null

  /** Canonical attribute bytes are `[0, attributesLength)`. */
  get attributes(): Uint8Array {
    return this.#set.out.buffer
  }

  get attributesLength(): number {
    return this.#set.out.position
  }

  /** Bit n: the message had attribute n (0 to 31), whatever became of it. */
  get present(): number {
    return this.#set.present
  }

  /** Everything announced counts as withdrawn (RFC 7606 §2). */
  get treatAsWithdraw(): boolean {
    return this.#set.treatAsWithdraw
  }

  /** In the order found; one shared empty list when there are none. */
  get faults(): readonly AttributeFault[] {
    return this.#set.faults
  }

  /**
   * Reads the UPDATE `[start, end)`, header included, whose framing was checked. `bytes` and `view`
   * cover the same octets.
   * @throws NotificationError
   */
  read(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    negotiated: Negotiated,
  ): void {
    this.#bytes = bytes
    this.#negotiated = negotiated
    this.nextHopLength = 0
    this.mpNextHopLength = 0
    this.mpReach.family = null
    this.mpUnreach.family = null
    this.endOfRib = null
    const withdrawnStart = start + headerLength + 2
    const withdrawnEnd = withdrawnStart + view.getUint16(withdrawnStart - 2)
    if (withdrawnEnd + 2 > end) throw overlong('withdrawn routes')
    const attributesStart = withdrawnEnd + 2
    const attributesEnd = attributesStart + view.getUint16(withdrawnEnd)
    if (attributesEnd > end) throw overlong('path attributes')
    this.#locate(this.withdrawn, withdrawnStart, withdrawnEnd)
    this.#locate(this.announced, attributesEnd, end)
    const set = this.#set
    set.walk(bytes, attributesStart, attributesEnd, negotiated)
    if (set.has(attributeCode.mpReach)) this.#readMpReach()
    if (set.has(attributeCode.mpUnreach)) this.#readMpUnreach()
    set.emit()
    this.#readNextHop()
    if (this.#reaches()) this.#requireMandatory()
    else if (set.count > 0 || set.treatAsWithdraw) this.#refuseFaults()
    this.#recogniseEndOfRib(end - start)
  }

  /**
   * Checks what the values of the last read mean; malformed attributes leave the canonical bytes.
   * The verdict depends on those bytes and on the next hops alone, never on the peer: a set that is
   * stored already needs no check. After faults the bytes may have changed, so look them up again.
   */
  check(_negotiated: Negotiated): void {
    this.#set.check()
    if (hasPrefixes(this.announced)) {
      this.#checkNextHop(attributeCode.nextHop, this.nextHop, this.nextHopLength)
    }
    if (hasPrefixes(this.mpReach)) {
      this.#checkNextHop(attributeCode.mpReach, this.mpNextHop, this.mpNextHopLength)
    }
  }

  /** One of the two IPv4 fields of RFC 4271 §4.3. */
  #locate(range: NlriRange, start: number, end: number): void {
    range.start = start
    range.end = end
    range.family = null
    if (start === end) return
    const negotiated = this.#negotiated!
    range.family = negotiated.families.includes('ipv4-unicast') ? 'ipv4-unicast' : null
    range.addPath = negotiated.addPathReceive.includes('ipv4-unicast')
    const { bits } = families['ipv4-unicast']
    const problem = checkNlri(this.#bytes, start, end, bits, range.addPath)
    if (problem !== null) throw new NotificationError('update/invalidNetwork', problem)
  }

  #readMpReach(): void {
    const bytes = this.#bytes
    const at = this.#set.startOf(attributeCode.mpReach)
    const value = valueStart(bytes, at)
    const end = attributeEnd(bytes, at)
    if (end - value < 5) throw this.#malformed(at, 'is shorter than five octets')
    const length = bytes[value + 3]!
    const prefixes = value + 5 + length
    if (prefixes > end) throw this.#malformed(at, 'has a next hop that runs past its end')
    const family = this.#locateMp(this.mpReach, at, value, prefixes, end)
    if (family === null) return
    const { nextHopLengths, extendedNextHopLengths } = families[family]
    const fits =
      nextHopLengths.includes(length) ||
      (this.#negotiated!.extendedNextHop && extendedNextHopLengths.includes(length))
    // RFC 7606 §7.11: with an unexpected length the prefixes can't be trusted either.
    if (!fits) throw this.#malformed(at, `has a next hop of ${length} octets`)
    this.mpNextHopLength = length
    for (let i = 0; i < length; i++) this.mpNextHop[i] = bytes[value + 4 + i]!
  }

  #readMpUnreach(): void {
    const at = this.#set.startOf(attributeCode.mpUnreach)
    const value = valueStart(this.#bytes, at)
    const end = attributeEnd(this.#bytes, at)
    if (end - value < 3) throw this.#malformed(at, 'is shorter than three octets')
    this.#locateMp(this.mpUnreach, at, value, value + 3, end)
  }

  /** Fills the range of MP_REACH or MP_UNREACH; null when its family was not negotiated. */
  #locateMp(
    range: NlriRange,
    at: number,
    value: number,
    start: number,
    end: number,
  ): FamilyName | null {
    const bytes = this.#bytes
    const { families: negotiated, addPathReceive } = this.#negotiated!
    const afi = u16At(bytes, value)
    const safi = bytes[value + 2]!
    const row = familyByCode(afi, safi)
    if (row === null || !negotiated.includes(row.name)) {
      const reason = `${formatFamily(afi, safi)} was not negotiated`
      this.#set.fault(bytes[at + 1]!, 'attribute-discard', reason)
      return null
    }
    range.family = row.name
    range.start = start
    range.end = end
    range.addPath = addPathReceive.includes(row.name)
    const problem = checkNlri(bytes, start, end, row.bits, range.addPath)
    if (problem !== null) throw this.#malformed(at, `is malformed: ${problem}`)
    return row.name
  }

  /** RFC 4760 §7: the session ends, with the attribute as data. */
  #malformed(at: number, problem: string): NotificationError {
    const bytes = this.#bytes
    return new NotificationError(
      'update/optionalAttribute',
      `${formatAttributeCode(bytes[at + 1]!)} ${problem}`,
      bytes.slice(at, attributeEnd(bytes, at)),
    )
  }

  /** NEXT_HOP, which RFC 4760 §3 has ignored when only MP_REACH brings prefixes. */
  #readNextHop(): void {
    const set = this.#set
    const classic = this.announced.end > this.announced.start
    if (!classic && set.has(attributeCode.mpReach)) {
      this.nextHopLength = this.mpNextHopLength
      for (let i = 0; i < this.mpNextHopLength; i++) this.nextHop[i] = this.mpNextHop[i]!
      return
    }
    if (!set.has(attributeCode.nextHop)) return
    const row = attributeRows[attributeCode.nextHop]!
    const bytes = this.#bytes
    const at = set.startOf(row.code)
    if (!set.admit(row, at)) return
    const value = valueStart(bytes, at)
    const problem = row.check(bytes, value, attributeEnd(bytes, at))
    if (problem !== null) {
      set.fault(row.code, row.action, problem)
      return
    }
    this.nextHopLength = 4
    for (let i = 0; i < 4; i++) this.nextHop[i] = bytes[value + i]!
  }

  /** Whether the message announces a prefix, or may do so in a family we don't read. */
  #reaches(): boolean {
    if (this.announced.end > this.announced.start) return true
    if (!this.#set.has(attributeCode.mpReach)) return false
    return this.mpReach.family === null || this.mpReach.end > this.mpReach.start
  }

  /** RFC 7606 §3 d. */
  #requireMandatory(): void {
    if (!hasPrefixes(this.announced) && !hasPrefixes(this.mpReach)) return
    this.#require(attributeCode.origin)
    this.#require(attributeCode.asPath)
    if (hasPrefixes(this.announced)) this.#require(attributeCode.nextHop)
    if (!this.#negotiated!.ebgp) this.#require(attributeCode.localPref)
  }

  #require(code: number): void {
    if (!this.#set.has(code)) this.#set.fault(code, 'treat-as-withdraw', 'it is missing')
  }

  /**
   * RFC 7606 §5.2: with attributes and no reachable prefix, prefixes may have been lost, and there
   * would be nothing to withdraw. MP_UNREACH alone is what a withdrawal looks like.
   */
  #refuseFaults(): void {
    const set = this.#set
    if (set.count === 1 && set.has(attributeCode.mpUnreach)) {
      if (set.faults.every(({ code }) => code === attributeCode.mpUnreach)) return
    }
    set.checkForm()
    const fault = set.faults.find(({ action }) => action === 'treat-as-withdraw')
    if (fault === undefined) return
    throw new NotificationError(
      'update/malformedAttributes',
      `${formatAttributeCode(fault.code)}: ${fault.reason}; and the message has no prefix to withdraw`,
    )
  }

  #recogniseEndOfRib(length: number): void {
    const { announced, withdrawn, mpUnreach } = this
    if (announced.end > announced.start || withdrawn.end > withdrawn.start) return
    if (length === headerLength + 4) {
      const negotiated = this.#negotiated!.families.includes('ipv4-unicast')
      this.endOfRib = negotiated ? 'ipv4-unicast' : null
    } else if (this.#set.count === 1 && mpUnreach.start === mpUnreach.end) {
      this.endOfRib = mpUnreach.family
    }
  }

  #checkNextHop(code: number, nextHop: Uint8Array, length: number): void {
    if (length === 0) return
    const problem = nextHopProblem(nextHop, length)
    if (problem !== null) this.#set.fault(code, 'treat-as-withdraw', problem)
  }
}

function emptyRange(): NlriRange {
  return { family: null, start: 0, end: 0, addPath: false }
}

function hasPrefixes(range: NlriRange): boolean {
  return range.family !== null && range.end > range.start
}

/** RFC 4271 §6.3: the two total lengths must fit the message. */
function overlong(field: string): NotificationError {
  return new NotificationError(
    'update/malformedAttributes',
    `the length of the ${field} runs past the end of the UPDATE`,
  )
}
