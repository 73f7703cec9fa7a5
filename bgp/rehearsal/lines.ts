/**
 * What the players of a rehearsal say: the greeting of a node, its own prefix, and a table of routes
 * as a reflector meets them, with paths of many ASes, communities and prefixes of all lengths. All of
 * it is invented, by arithmetic, and the same each time; V8 compiles for the numbers it has seen, so
 * they are small and large, odd and even.
 */
import {
  attributeCode,
  attributeFlag,
  beginAttribute,
  endAttribute,
} from '../wire/attribute-bytes.ts'
import { Writer } from '../wire/bytes.ts'
import { encodeEndOfRib, UpdateWriter } from '../wire/encode.ts'
import { families } from '../wire/family.ts'
import { keepaliveMessage, maxMessageLength } from '../wire/message.ts'
import { encodeOpen } from '../wire/open.ts'

const family = 'ipv4-unicast'
const holdSeconds = 90
const localPreference = 100
const sequence = 2
const wellKnown = attributeFlag.transitive
const optionalTransitive = attributeFlag.optional | attributeFlag.transitive
/** In the classic form, the next hop is among the attributes. */
const noNextHop = new Uint8Array(0)

/** Lengths of a table's prefixes, as often as they occur: more than half of the Internet's are /24. */
const tableLengths = [24, 24, 22, 24, 23, 24, 20, 24, 21, 24, 19, 24, 16, 24, 24] as const
/** Prefixes with the same attributes: `1` up to this, by turns. */
const sharingMax = 12
/** Octets that a prefix of a long table takes at most, with its share of the attributes. */
const octetsAPrefix = 128

interface Route {
  /** IPv4 address as a 32-bit number. */
  readonly nextHop: number
  readonly path: readonly number[]
  readonly med: number | null
  readonly aggregator: number | null
  readonly communities: readonly number[]
}

const attributes = new Writer(maxMessageLength)
const words = new Uint32Array(1)

/** OPEN and KEEPALIVE: the player has no need to see what it is told. */
export function sayHello(asn: number, routerId: number): Uint8Array {
  const { afi, safi } = families[family]
  const open = encodeOpen({
    version: 4,
    asn,
    holdSeconds,
    routerId,
    capabilities: [
      { kind: 'multiprotocol', family, afi, safi },
      { kind: 'routeRefresh' },
      { kind: 'as4', asn },
    ],
  })
  return joined([open, keepaliveMessage])
}

/** A node's own prefix and End-of-RIB. */
export function announceOwn(nextHop: number, number: number): Uint8Array {
  const out = new Writer(maxMessageLength)
  const route = { nextHop, path: [], med: null, aggregator: null, communities: [] }
  announce(out, route, () => ownPrefix(number), 0, 1)
  out.bytes(encodeEndOfRib(family))
  return out.written()
}

export function withdrawOwn(number: number): Uint8Array {
  const out = new Writer(maxMessageLength)
  withdraw(out, () => ownPrefix(number), 0, 1)
  return out.written()
}

/**
 * A table of `count` prefixes, in many small UPDATEs.
 * @param edition the same prefixes have other attributes in another edition
 */
export function announceTable(nextHop: number, count: number, edition: number): Uint8Array {
  const out = new Writer(count * octetsAPrefix + maxMessageLength)
  let sets = 0
  for (let from = 0; from < count; sets++) {
    const to = Math.min(from + 1 + ((sets * 5) % sharingMax), count)
    announce(out, inventRoute(nextHop, sets * 2 + edition), tablePrefix, from, to)
    from = to
  }
  return out.written()
}

export function withdrawTable(count: number): Uint8Array {
  const out = new Writer(count * octetsAPrefix + maxMessageLength)
  let from = 0
  while (from < count) from = withdraw(out, tablePrefix, from, count)
  return out.written()
}

/** Sets `words` to a prefix, and gives its length. */
type PrefixOf = (index: number) => number

/** Each node has a /24 of 10.0.0.0/8. */
function ownPrefix(number: number): number {
  words[0] = 0x0a000000 + number * 256
  return 24
}

/** Prefixes on both sides of 128.0.0.0: a number above 2^31 is another kind of number to V8. */
function tablePrefix(index: number): number {
  const first = 20 + (index % 80) + (index % 3 === 0 ? 110 : 0)
  words[0] = first * 0x1000000 + index * 256
  return tableLengths[index % tableLengths.length] as number
}

function inventRoute(nextHop: number, seed: number): Route {
  const chance = scatter(seed)
  const path = [3000 + (seed % 30), 1 + (chance & 0xfff), 1 + (chance >>> 16)]
  for (let i = 0; i < seed % 4; i++) path.push(65536 + (scatter(seed + i) >>> 2))
  if (seed % 7 === 0) path.push(4_200_000_000 + (seed % 1000))
  const communities = []
  for (let i = 0; i < seed % 5; i++) communities.push(scatter(chance + i))
  return {
    nextHop,
    path,
    med: seed % 3 === 0 ? chance >>> 24 : null,
    aggregator: seed % 11 === 0 ? (path.at(-1) as number) : null,
    communities: communities.sort((a, b) => a - b),
  }
}

/** A 32-bit number far from that of the neighbours (Knuth's multiplicative hash). */
function scatter(seed: number): number {
  return Math.imul(seed + 1, 2_654_435_761) >>> 0
}

function announce(out: Writer, route: Route, prefixOf: PrefixOf, from: number, to: number): void {
  writeAttributes(route)
  const update = new UpdateWriter(out)
  update.beginAnnounce(family, attributes.buffer, attributes.position, noNextHop, maxMessageLength)
  for (let i = from; i < to; i++) update.addPrefix(words, 0, prefixOf(i), -1)
  update.finish()
}

/** One UPDATE. @returns the first that didn't fit it */
function withdraw(out: Writer, prefixOf: PrefixOf, from: number, to: number): number {
  const update = new UpdateWriter(out)
  update.beginWithdraw(family, maxMessageLength)
  let next = from
  while (next < to && update.addPrefix(words, 0, prefixOf(next), -1)) next++
  update.finish()
  return next
}

/** Into `attributes`, in the order of their codes. */
function writeAttributes({ nextHop, path, med, aggregator, communities }: Route): void {
  const out = attributes
  out.reset()
  put(wellKnown, attributeCode.origin, () => out.u8(0))
  put(wellKnown, attributeCode.asPath, () => {
    if (path.length === 0) return
    out.u8(sequence)
    out.u8(path.length)
    for (const asn of path) out.u32(asn)
  })
  put(wellKnown, attributeCode.nextHop, () => out.u32(nextHop))
  if (med !== null) put(attributeFlag.optional, attributeCode.med, () => out.u32(med))
  put(wellKnown, attributeCode.localPref, () => out.u32(localPreference))
  if (aggregator !== null) {
    put(optionalTransitive, attributeCode.aggregator, () => {
      out.u32(aggregator)
      out.u32(nextHop)
    })
  }
  if (communities.length > 0) {
    put(optionalTransitive, attributeCode.communities, () => {
      for (const community of communities) out.u32(community)
    })
  }
}

function put(flags: number, code: number, value: () => void): void {
  const at = beginAttribute(attributes, flags, code)
  value()
  endAttribute(attributes, at)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Writer(maxMessageLength)
  for (const part of parts) out.bytes(part)
  return out.written()
}
