/**
 * rtnetlink, the reading half: message headers, routes, links, addresses, neighbours and errors with
 * the kernel's extended text (linux/netlink.h, linux/rtnetlink.h; rtnetlink(7)). Everything is in
 * host byte order except addresses. Routes are read into one reused RouteMessage, so that a dump of
 * a full table makes no object per route. No reader looks past the length it was given.
 */
import { type Family, wordsOf } from './address.ts'
import { attributeTypes, errnos, linkFlags } from './numbers.ts'

/** Byte order of this machine: netlink speaks it. */
export const littleEndian: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Next hops of one kernel route that are kept; Linux itself allows more than anybody uses. */
export const legsMax = 256

const headerBytes = 16
const familyNumbers: Readonly<Record<number, Family>> = { 2: 4, 10: 6 }

export function familyNumber(family: Family): number {
  return family === 4 ? 2 : 10
}

/** Called for each message of a datagram: its payload is `[start, end)`. */
export type Visit = (
  type: number,
  flags: number,
  sequence: number,
  port: number,
  start: number,
  end: number,
) => void

/**
 * Walks the messages of one datagram. False when the datagram is cut short or a length is absurd:
 * what came before has been visited, the rest is lost.
 */
export function visitMessages(view: DataView, length: number, visit: Visit): boolean {
  let at = 0
  while (at + headerBytes <= length) {
    const size = view.getUint32(at, littleEndian)
    if (size < headerBytes || at + size > length) return false
    visit(
      view.getUint16(at + 4, littleEndian),
      view.getUint16(at + 6, littleEndian),
      view.getUint32(at + 8, littleEndian),
      view.getUint32(at + 12, littleEndian),
      at + headerBytes,
      at + size,
    )
    at += align(size)
  }
  return at >= length
}

/** Walks attributes; a malformed one ends the walk. */
export function visitAttributes(
  view: DataView,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  let at = start
  while (at + 4 <= end) {
    const size = view.getUint16(at, littleEndian)
    if (size < 4 || at + size > end) return
    // The two highest bits are flags (nested, network byte order).
    visit(view.getUint16(at + 2, littleEndian) & 0x3fff, at + 4, at + size)
    at += align(size)
  }
}

/** One kernel route, read in place; reused from message to message. */
export class RouteMessage {
  family: Family = 4
  length = 0
  tos = 0
  table = 0
  protocol = 0
  type = 0
  metric = 0
  /** RTM_F_CLONED: an entry of the route cache, no route. */
  cloned = false
  readonly destination: Uint32Array = new Uint32Array(4)
  /** RTA_PREFSRC, when there is one. */
  hasSource = false
  readonly source: Uint32Array = new Uint32Array(4)
  /** Next hops: interface, and the gateway's family (0: none) and words. */
  legs = 0
  /** RTA_NH_ID: the nexthop object the route names; 0: none. Legs may be told besides it. */
  nexthop = 0
  readonly interfaces: Int32Array = new Int32Array(legsMax)
  readonly gatewayFamilies: Uint8Array = new Uint8Array(legsMax)
  readonly gateways: Uint32Array = new Uint32Array(legsMax * 4)
}

/** Reads rtmsg and its attributes; false when it is no IPv4 or IPv6 route. */
export function readRoute(view: DataView, start: number, end: number, into: RouteMessage): boolean {
  if (end - start < 12) return false
  const family = familyNumbers[view.getUint8(start)]
  if (family === undefined) return false
  into.family = family
  into.length = view.getUint8(start + 1)
  if (into.length > (family === 4 ? 32 : 128)) return false
  into.tos = view.getUint8(start + 3)
  into.table = view.getUint8(start + 4)
  into.protocol = view.getUint8(start + 5)
  into.type = view.getUint8(start + 7)
  into.cloned = (view.getUint32(start + 8, littleEndian) & 0x200) !== 0
  into.metric = 0
  into.hasSource = false
  into.legs = 0
  into.nexthop = 0
  into.destination.fill(0)
  const first = { interface: 0, gateway: -1, family: 0 as number }
  visitAttributes(view, start + 12, end, (type, from, to) => {
    switch (type) {
      case attributeTypes.destination:
        readAddress(view, from, to, family, into.destination, 0)
        break
      case attributeTypes.preferredSource:
        into.hasSource = readAddress(view, from, to, family, into.source, 0)
        break
      case attributeTypes.priority:
        if (to - from >= 4) into.metric = view.getUint32(from, littleEndian)
        break
      case attributeTypes.table:
        if (to - from >= 4) into.table = view.getUint32(from, littleEndian)
        break
      case attributeTypes.outInterface:
        if (to - from >= 4) first.interface = view.getInt32(from, littleEndian)
        break
      case attributeTypes.gateway:
      case attributeTypes.via:
        if (readGateway(view, type, from, to, family, into, 0)) first.gateway = 0
        break
      case attributeTypes.multipath:
        readLegs(view, from, to, into)
        break
      case attributeTypes.nexthopId:
        if (to - from >= 4) into.nexthop = view.getUint32(from, littleEndian)
        break
    }
  })
  if (into.legs === 0 && (first.interface !== 0 || first.gateway === 0)) {
    into.interfaces[0] = first.interface
    if (first.gateway < 0) into.gatewayFamilies[0] = 0
    into.legs = 1
  }
  return true
}

/** rtnexthop `{u16 length, u8 flags, u8 weight - 1, i32 interface}` with attributes. */
function readLegs(view: DataView, start: number, end: number, into: RouteMessage): void {
  let at = start
  into.legs = 0
  while (at + 8 <= end && into.legs < legsMax) {
    const size = view.getUint16(at, littleEndian)
    if (size < 8 || at + size > end) return
    const leg = into.legs++
    into.interfaces[leg] = view.getInt32(at + 4, littleEndian)
    into.gatewayFamilies[leg] = 0
    visitAttributes(view, at + 8, at + size, (type, from, to) => {
      if (type === attributeTypes.gateway || type === attributeTypes.via) {
        readGateway(view, type, from, to, into.family, into, leg)
      }
    })
    at += align(size)
  }
}

/** RTA_GATEWAY is an address of the route's family; RTA_VIA names its own (RFC 8950 next hops). */
function readGateway(
  view: DataView,
  type: number,
  start: number,
  end: number,
  routeFamily: Family,
  into: RouteMessage,
  leg: number,
): boolean {
  let family: Family | undefined = routeFamily
  let from = start
  if (type === attributeTypes.via) {
    if (end - start < 2) return false
    family = familyNumbers[view.getUint16(start, littleEndian)]
    from = start + 2
  }
  if (family === undefined) return false
  if (!readAddress(view, from, end, family, into.gateways, leg * 4)) return false
  into.gatewayFamilies[leg] = family
  return true
}

/** Copies an address in network byte order into words; false when it is too short. */
export function readAddress(
  view: DataView,
  start: number,
  end: number,
  family: Family,
  into: Uint32Array,
  at: number,
): boolean {
  const words = wordsOf(family)
  if (end - start < words * 4) return false
  for (let word = 0; word < words; word++) into[at + word] = view.getUint32(start + 4 * word)
  return true
}

export interface LinkMessage {
  readonly index: number
  readonly name: string
  readonly up: boolean
  /** Up, with a carrier: IFF_RUNNING is what RFC 2863 calls operational. */
  readonly running: boolean
}

/** Reads ifinfomsg; null for the bridge's own messages (another family) and broken ones. */
export function readLink(view: DataView, start: number, end: number): LinkMessage | null {
  if (end - start < 16 || view.getUint8(start) !== 0) return null
  const flags = view.getUint32(start + 8, littleEndian)
  let name = ''
  visitAttributes(view, start + 16, end, (type, from, to) => {
    if (type === 3) name = readText(view, from, to)
  })
  return {
    index: view.getInt32(start + 4, littleEndian),
    name,
    up: (flags & linkFlags.up) !== 0,
    running: (flags & linkFlags.running) !== 0,
  }
}

export interface NeighbourMessage {
  readonly family: Family
  readonly interface: number
  readonly state: number
  readonly address: Uint32Array
}

export function readNeighbour(view: DataView, start: number, end: number): NeighbourMessage | null {
  if (end - start < 12) return null
  const family = familyNumbers[view.getUint8(start)]
  if (family === undefined) return null
  const address = new Uint32Array(wordsOf(family))
  let found = false
  visitAttributes(view, start + 12, end, (type, from, to) => {
    if (type === 1) found = readAddress(view, from, to, family, address, 0)
  })
  if (!found) return null
  return {
    family,
    interface: view.getInt32(start + 4, littleEndian),
    state: view.getUint16(start + 8, littleEndian),
    address,
  }
}

/** The local address of an ifaddrmsg, IPv4 only; null otherwise. */
export function readAddress4(view: DataView, start: number, end: number): number | null {
  if (end - start < 8 || view.getUint8(start) !== 2) return null
  const word = new Uint32Array(1)
  let found = false
  visitAttributes(view, start + 8, end, (type, from, to) => {
    if (type === 2) found = readAddress(view, from, to, 4, word, 0)
  })
  return found ? word[0]! : null
}

export interface ErrorMessage {
  /** Positive errno; 0 is an acknowledgement. */
  readonly errno: number
  /** The kernel's own words, where it has some (NETLINK_EXT_ACK). */
  readonly text: string | null
}

/** Reads nlmsgerr: `-errno`, the header of the request (capped), then attributes. */
export function readError(view: DataView, flags: number, start: number, end: number): ErrorMessage {
  if (end - start < 4) return { errno: errnos.protocol, text: 'a reply cut short' }
  const errno = -view.getInt32(start, littleEndian)
  let text: string | null = null
  // NLM_F_ACK_TLVS: attributes follow; NLM_F_CAPPED: the request's payload was left out.
  if ((flags & 0x200) !== 0 && end - start >= 20) {
    const requestBytes = (flags & 0x100) !== 0 ? 16 : view.getUint32(start + 4, littleEndian)
    if (requestBytes > end - start - 4) return { errno, text }
    visitAttributes(view, start + 4 + align(requestBytes), end, (type, from, to) => {
      if (type === 1) text = readText(view, from, to)
    })
  }
  return { errno, text }
}

/** A text that ends with a zero byte, or where it ends. */
export function readText(view: DataView, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = view.getUint8(at)
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}

/** Attributes and messages start at multiples of four. */
export function align(length: number): number {
  return (length + 3) & ~3
}
