/**
 * Messages that are nearly right: every field is usually valid and now and then not, lengths
 * included, attributes come in any order and twice. What is wholly at random is caught by the first
 * check; this gets deep.
 */
import { attributeCode } from '../../bgp/wire/attribute-bytes.ts'
import type { Writer } from '../../bgp/wire/bytes.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { messageType, writeHeader } from '../../bgp/wire/message.ts'
import type { Random } from './random.ts'

/** Numbers that lie on some edge. */
const edges = [0, 1, 2, 3, 4, 5, 19, 32, 33, 127, 128, 129, 254, 255] as const

/** Writes a message of this type; `out` then ends with it. */
export function writeMessage(
  random: Random,
  out: Writer,
  type: number,
  negotiated: Negotiated,
): void {
  const start = out.position
  writeHeader(out, type, 0)
  if (type === messageType.open) writeOpen(random, out)
  else if (type === messageType.update) writeUpdate(random, out, negotiated)
  else if (type === messageType.notification) writeNotification(random, out)
  else if (type === messageType.refresh) writeRefresh(random, out)
  const wrong = random.once(8) && random.slips()
  const length = wrong ? random.below(0x10000) : out.position - start
  out.view.setUint16(start + 16, length)
}

function octetOf(random: Random, right: number): number {
  if (!random.slips()) return right
  return random.once(2) ? random.pick(edges) : random.octet()
}

function fill(random: Random, out: Writer, length: number): void {
  for (let i = 0; i < length; i++) out.u8(random.octet())
}

/** Sets the octet at `at` to how much was written since, usually. */
function closeLength8(random: Random, out: Writer, at: number): void {
  out.view.setUint8(at, octetOf(random, (out.position - at - 1) & 0xff))
}

function closeLength16(random: Random, out: Writer, at: number): void {
  const right = out.position - at - 2
  const wrong = random.slips()
  out.view.setUint16(at, wrong ? (right + random.below(9) - 4) & 0xffff : right)
}

function writeOpen(random: Random, out: Writer): void {
  out.u8(octetOf(random, 4))
  out.u16(random.once(4) ? random.below(0x10000) : 65001)
  out.u16(random.once(4) ? random.below(4) : 90)
  out.u32(random.slips() ? 0 : random.word() >>> 0)
  const extended = random.once(6)
  const at = out.position
  out.u8(0)
  if (extended) {
    out.u8(255)
    out.u16(0)
  }
  for (let left = random.below(4); left > 0; left--) {
    out.u8(octetOf(random, 2))
    const parameter = out.position
    if (extended) out.u16(0)
    else out.u8(0)
    for (let more = random.below(5); more > 0; more--) writeCapability(random, out)
    if (extended) closeLength16(random, out, parameter)
    else closeLength8(random, out, parameter)
  }
  if (extended) {
    out.view.setUint8(at, 255)
    closeLength16(random, out, at + 2)
  } else {
    closeLength8(random, out, at)
  }
}

const capabilityCodes = [1, 1, 2, 5, 6, 64, 65, 69, 70, 73, 9, 71, 128] as const

function writeCapability(random: Random, out: Writer): void {
  const code = octetOf(random, random.pick(capabilityCodes))
  out.u8(code)
  const at = out.position
  out.u8(0)
  const family = () => {
    out.u16(1 + random.below(3))
    if (code !== 64 && code !== 69) out.u8(0)
    out.u8(1 + random.below(2))
  }
  if (code === 1) family()
  else if (code === 65) out.u32(random.word() >>> 0)
  else if (code === 64 || code === 69) {
    if (code === 64) out.u16(random.below(0x10000))
    for (let left = random.below(4); left > 0; left--) {
      family()
      out.u8(random.pick([0, 1, 2, 3, 0x80, 0xff]))
    }
  } else if (code === 5) {
    for (let left = random.below(3); left > 0; left--) {
      family()
      out.u16(1 + random.below(2))
    }
  } else if (code === 73) {
    for (let left = 2; left > 0; left--) {
      const length = random.below(12)
      out.u8(octetOf(random, length))
      fill(random, out, length)
    }
  } else if (random.once(4)) fill(random, out, random.below(20))
  closeLength8(random, out, at)
}

function writeNotification(random: Random, out: Writer): void {
  out.u8(random.below(10))
  out.u8(random.below(13))
  const length = random.below(40)
  if (length > 0) out.u8(octetOf(random, length - 1))
  fill(random, out, Math.max(0, length - 1))
}

function writeRefresh(random: Random, out: Writer): void {
  out.u16(1 + random.below(3))
  out.u8(octetOf(random, random.below(3)))
  out.u8(octetOf(random, 1))
  if (random.slips()) fill(random, out, random.below(30))
}

function writeUpdate(random: Random, out: Writer, negotiated: Negotiated): void {
  const { addPathReceive } = negotiated
  const withId = addPathReceive.includes('ipv4-unicast')
  const withdrawnAt = out.reserve16()
  if (random.once(3)) writePrefixes(random, out, 32, withId)
  closeLength16(random, out, withdrawnAt)
  const attributesAt = out.reserve16()
  if (!random.once(12)) writeAttributes(random, out, negotiated)
  closeLength16(random, out, attributesAt)
  if (!random.once(6)) writePrefixes(random, out, 32, withId)
}

function writePrefixes(random: Random, out: Writer, bits: number, withId: boolean): void {
  const count = random.once(50) ? random.below(300) : random.below(4)
  for (let left = count; left > 0; left--) {
    if (withId !== (random.once(8) && random.slips())) out.u32(random.below(4))
    const length = random.below(bits + 1)
    out.u8(random.once(4) && random.slips() ? random.octet() : length)
    fill(random, out, (length + 7) >> 3)
  }
}

/** Those every route needs come first and nearly always. */
const basics = [attributeCode.origin, attributeCode.asPath, attributeCode.nextHop] as const
const others = [
  ...Object.values(attributeCode),
  attributeCode.mpReach,
  attributeCode.localPref,
  99,
  200,
] as const

function writeAttributes(random: Random, out: Writer, negotiated: Negotiated): void {
  for (const code of basics) {
    if (!random.slips()) writeAttribute(random, out, code, negotiated)
  }
  if (!negotiated.ebgp && !random.slips()) {
    writeAttribute(random, out, attributeCode.localPref, negotiated)
  }
  let reached = false
  for (let left = random.below(5); left > 0; left--) {
    const code = random.pick(others)
    // Twice, these two end a session; other doubles don't.
    const prefixes = code === attributeCode.mpReach || code === attributeCode.mpUnreach
    if (prefixes && reached && !random.slips()) continue
    reached ||= prefixes
    writeAttribute(random, out, code, negotiated)
  }
}

const wellKnown: ReadonlySet<number> = new Set([1, 2, 3, 5, 6])
const optionalOnly: ReadonlySet<number> = new Set([4, 9, 10, 14, 15])

function flagsOf(random: Random, code: number): number {
  if (random.slips()) return random.octet() & 0xef
  if (wellKnown.has(code)) return 0x40
  if (optionalOnly.has(code)) return 0x80
  return random.once(4) ? 0xe0 : 0xc0
}

function writeAttribute(random: Random, out: Writer, code: number, negotiated: Negotiated): void {
  const extended = random.once(4)
  out.u8(flagsOf(random, code) | (extended ? 0x10 : 0))
  out.u8(code)
  const at = out.position
  if (extended) out.u16(0)
  else out.u8(0)
  writeValue(random, out, code, negotiated)
  if (random.slips()) fill(random, out, random.below(5))
  if (extended) {
    closeLength16(random, out, at)
    return
  }
  // What one octet can't say is cut, or nearly every long value would garble what follows.
  out.position = Math.min(out.position, at + 1 + 255)
  closeLength8(random, out, at)
}

/** Octets of values that are lists or single numbers; others are written by hand. */
const sizes: ReadonlyMap<number, readonly [size: number, countMax: number]> = new Map([
  [attributeCode.med, [4, 1]],
  [attributeCode.localPref, [4, 1]],
  [attributeCode.atomicAggregate, [0, 1]],
  [attributeCode.communities, [4, 6]],
  [attributeCode.originatorId, [4, 1]],
  [attributeCode.clusterList, [4, 4]],
  [attributeCode.extendedCommunities, [8, 4]],
  [attributeCode.as4Aggregator, [8, 1]],
  [attributeCode.largeCommunities, [12, 4]],
  [attributeCode.otc, [4, 1]],
])

function writeValue(random: Random, out: Writer, code: number, negotiated: Negotiated): void {
  const size = sizes.get(code)
  if (size !== undefined) {
    fill(random, out, size[0] * (1 + random.below(size[1])))
  } else if (code === attributeCode.origin) {
    out.u8(octetOf(random, random.below(3)))
  } else if (code === attributeCode.asPath) {
    writePath(random, out, negotiated.as4 !== random.slips(), !negotiated.ebgp)
  } else if (code === attributeCode.as4Path) {
    writePath(random, out, true, true)
  } else if (code === attributeCode.nextHop) {
    out.u32(random.slips() ? random.word() >>> 0 : 0x0a000002)
  } else if (code === attributeCode.aggregator) {
    fill(random, out, negotiated.as4 !== random.slips() ? 8 : 6)
  } else if (code === attributeCode.mpReach) {
    writeMpReach(random, out, negotiated)
  } else if (code === attributeCode.mpUnreach) {
    const bits = writeFamily(random, out)
    writePrefixes(random, out, bits, negotiated.addPathReceive.includes('ipv6-unicast'))
  } else {
    fill(random, out, random.once(100) ? random.below(600) : random.below(8))
  }
}

/** AFI and SAFI, mostly IPv6 unicast; gives the length of an address in bits. */
function writeFamily(random: Random, out: Writer): number {
  const four = random.once(5)
  out.u16(random.slips() ? random.below(0x10000) : four ? 1 : 2)
  out.u8(octetOf(random, 1))
  return four ? 32 : 128
}

function writeMpReach(random: Random, out: Writer, negotiated: Negotiated): void {
  const bits = writeFamily(random, out)
  const classic = bits === 32 && (!negotiated.extendedNextHop || random.once(2))
  const length = classic ? 4 : random.once(4) ? 32 : 16
  out.u8(octetOf(random, length))
  if (length === 4) out.u32(0x0a000002)
  else {
    out.u32(random.slips() ? random.word() >>> 0 : 0x20010db8)
    fill(random, out, length - 4)
  }
  out.u8(octetOf(random, 0))
  writePrefixes(random, out, bits, negotiated.addPathReceive.includes('ipv6-unicast'))
}

function writePath(random: Random, out: Writer, wide: boolean, confed: boolean): void {
  const types = confed || random.slips() ? 4 : 2
  for (let left = random.below(4); left > 0; left--) {
    out.u8(octetOf(random, random.once(6) ? 1 + random.below(types) : 2))
    const count = random.once(60) ? random.below(256) : 1 + random.below(5)
    out.u8(octetOf(random, count))
    for (let more = count; more > 0; more--) {
      const asn = random.once(4) ? random.word() >>> 0 : random.once(5) ? 23456 : 65002
      if (wide) out.u32(asn)
      else out.u16(asn & 0xffff)
    }
  }
}
