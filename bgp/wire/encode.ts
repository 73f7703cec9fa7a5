/**
 * Building UPDATE messages for an update group: attributes once, then as many prefixes as fit.
 * IPv4 unicast uses the fields of RFC 4271 §4.3; other families, and IPv4 over an IPv6 next hop
 * (RFC 8950 §4), use MP_REACH and MP_UNREACH (RFC 4760 §3, §4), MP_REACH first among the attributes
 * (RFC 7606 §5.1). RFC 7911 §3 (path ids), RFC 4724 §2 (End-of-RIB), RFC 8654 §4 (length).
 */
import type { FamilyName } from '../types.ts'
import { attributeCode, attributeFlag, findAttribute, valueStart } from './attribute-bytes.ts'
import { Writer } from './bytes.ts'
import { families } from './family.ts'
import { headerLength, messageType, writeHeader } from './message.ts'

/** Flags of MP_REACH and MP_UNREACH as we send them: always with a length of two octets. */
const mpFlags = attributeFlag.optional | attributeFlag.extendedLength

/**
 * Writes messages one after the other into `out`. Between `begin…` and `finish` nobody else may
 * write there, and the attribute bytes given to beginAnnounce must not change.
 *
 * When a `begin…` returns false the message has no room for one prefix: with an empty block that
 * means never (RFC 8654 §5 has such a route withdrawn), otherwise a fresh block may do.
 */
export class UpdateWriter {
  /** The block written to; may be exchanged between messages. */
  out: Writer
  #start = 0
  /** Position at which prefixes must end. */
  #limit = 0
  /** begin() was right, finish() is still to come. */
  #open = false
  /** Places of the lengths that finish() sets; -1 when the message has no such field. */
  #mpLengthAt = -1
  #withdrawnLengthAt = -1
  #attributesLengthAt = -1
  /** Attributes that follow MP_REACH once its prefixes are known. */
  #attributes: Uint8Array = new Uint8Array(0)
  #attributesLength = 0
  #prefixes = 0
  #classic = true
  /** Where the attributes (classic form), or the next hop (MP_REACH), were written. */
  #contentAt = 0

  constructor(out: Writer) {
    this.out = out
  }

  /** Prefixes in the message begun last. */
  get prefixes(): number {
    return this.#prefixes
  }

  /** Position in `out` of the next hop's octets in the announcement begun last. */
  get nextHopAt(): number {
    if (!this.#classic) return this.#contentAt
    const { buffer } = this.out
    const end = this.#contentAt + this.#attributesLength
    const at = findAttribute(buffer, this.#contentAt, end, attributeCode.nextHop)
    return valueStart(buffer, at)
  }

  /**
   * Begins a message that announces.
   * @param attributes as made by rewriteAttributes, `[0, attributesLength)`
   * @param nextHop 16 or 32 octets go into MP_REACH; else NEXT_HOP must be in `attributes`, as IPv4
   *   has it
   * @param maxLength 4096, or 65535 where extended messages were negotiated
   */
  beginAnnounce(
    family: FamilyName,
    attributes: Uint8Array,
    attributesLength: number,
    nextHop: Uint8Array,
    maxLength: number,
  ): boolean {
    const { afi, safi, nextHopLengths, extendedNextHopLengths } = families[family]
    const extended = extendedNextHopLengths.includes(nextHop.length)
    const classic = family === 'ipv4-unicast' && !extended
    if (!classic && !extended && !nextHopLengths.includes(nextHop.length)) {
      throw new RangeError(`a next hop of ${nextHop.length} octets doesn't go with ${family}`)
    }
    const fixed = headerLength + 4 + (classic ? 0 : 9 + nextHop.length)
    if (!this.#begin(family, fixed, attributesLength, maxLength)) return false
    const { out } = this
    out.u16(0)
    this.#attributesLengthAt = out.reserve16()
    this.#classic = classic
    this.#contentAt = out.position
    this.#attributesLength = attributesLength
    if (classic) {
      out.copy(attributes, 0, attributesLength)
      out.patch16(this.#attributesLengthAt)
      this.#attributesLengthAt = -1
      this.#limit += attributesLength
      return true
    }
    out.u8(mpFlags)
    out.u8(attributeCode.mpReach)
    this.#mpLengthAt = out.reserve16()
    out.u16(afi)
    out.u8(safi)
    out.u8(nextHop.length)
    this.#contentAt = out.position
    out.bytes(nextHop)
    out.u8(0)
    this.#attributes = attributes
    return true
  }

  /** Begins a message that withdraws. */
  beginWithdraw(family: FamilyName, maxLength: number): boolean {
    const { afi, safi } = families[family]
    const classic = family === 'ipv4-unicast'
    const fixed = headerLength + (classic ? 2 : 4 + 7)
    // The classic form ends with the length of absent attributes, which finish() writes.
    if (!this.#begin(family, fixed, classic ? 2 : 0, maxLength)) return false
    const { out } = this
    if (classic) {
      this.#withdrawnLengthAt = out.reserve16()
      return true
    }
    out.u16(0)
    this.#attributesLengthAt = out.reserve16()
    out.u8(mpFlags)
    out.u8(attributeCode.mpUnreach)
    this.#mpLengthAt = out.reserve16()
    out.u16(afi)
    out.u8(safi)
    return true
  }

  /**
   * Adds the prefix whose first word is `words[offset]`.
   * @param pathId unsigned 32-bit, or -1 where the session has none
   * @returns false when the message is full: finish it and begin another.
   */
  addPrefix(words: Uint32Array, offset: number, length: number, pathId: number): boolean {
    if (!this.#open) throw notBegun()
    const { out } = this
    const octets = (length + 7) >> 3
    let at = out.position
    if (at + octets + (pathId < 0 ? 1 : 5) > this.#limit) return false
    const { buffer } = out
    if (pathId >= 0) {
      out.view.setUint32(at, pathId)
      at += 4
    }
    buffer[at++] = length
    for (let i = 0, word = 0; i < octets; i++) {
      if ((i & 3) === 0) word = words[offset + (i >> 2)]!
      buffer[at++] = word >>> 24
      word <<= 8
    }
    // Bits past the length may be anything on the wire; we send zeros whatever we were given.
    const spare = (octets << 3) - length
    if (spare > 0) buffer[at - 1] = buffer[at - 1]! & (0xff << spare)
    out.position = at
    this.#prefixes++
    return true
  }

  /** Sets the lengths; the message is then whole. */
  finish(): void {
    if (!this.#open) throw notBegun()
    this.#open = false
    const { out } = this
    if (this.#mpLengthAt >= 0) {
      out.patch16(this.#mpLengthAt)
      out.copy(this.#attributes, 0, this.#attributesLength)
    }
    if (this.#withdrawnLengthAt >= 0) {
      out.patch16(this.#withdrawnLengthAt)
      out.u16(0)
    }
    if (this.#attributesLengthAt >= 0) out.patch16(this.#attributesLengthAt)
    out.view.setUint16(this.#start + 16, out.position - this.#start)
  }

  /** Whether a message with `fixed` octets before and `after` octets behind its prefixes has room for one. */
  #begin(family: FamilyName, fixed: number, after: number, maxLength: number): boolean {
    const { out } = this
    const longest = 5 + families[family].bits / 8
    const length = Math.min(maxLength, out.room)
    this.#open = fixed + after + longest <= length
    if (!this.#open) return false
    this.#start = out.position
    this.#limit = this.#start + length - after
    this.#mpLengthAt = -1
    this.#withdrawnLengthAt = -1
    this.#attributesLengthAt = -1
    this.#attributesLength = 0
    this.#prefixes = 0
    writeHeader(out, messageType.update, 0)
    return true
  }
}

/** A caller that overlooks a refused begin would otherwise try for ever. */
function notBegun(): RangeError {
  return new RangeError('no UPDATE is begun: begin returned false, or finish was called already')
}

const endsOfRib: { readonly [F in FamilyName]: Uint8Array } = {
  'ipv4-unicast': makeEndOfRib('ipv4-unicast'),
  'ipv6-unicast': makeEndOfRib('ipv6-unicast'),
}

/**
 * The UPDATE that says "that was all" for a family (RFC 4724 §2). Always the same octets, which
 * nobody may change.
 */
export function encodeEndOfRib(family: FamilyName): Uint8Array {
  return endsOfRib[family]
}

function makeEndOfRib(family: FamilyName): Uint8Array {
  const { afi, safi } = families[family]
  const classic = family === 'ipv4-unicast'
  const out = new Writer(headerLength + (classic ? 4 : 10))
  writeHeader(out, messageType.update, out.buffer.length)
  out.u16(0)
  out.u16(classic ? 0 : 6)
  if (!classic) {
    out.u8(attributeFlag.optional)
    out.u8(attributeCode.mpUnreach)
    out.u8(3)
    out.u16(afi)
    out.u8(safi)
  }
  return out.buffer
}
