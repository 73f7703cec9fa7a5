/**
 * rtnetlink, the writing half: batches of route requests in one long-lived buffer, dump requests,
 * and the prompt to a neighbour. A batch asks for an acknowledgement of its last message only;
 * errors of the others come back with their own sequence number, and the kernel works through the
 * rest of the batch whatever failed before.
 *
 * The next hops of a route are ready-made attribute bytes (`encodeLegs`), so that writing a route is
 * a header, a destination and a copy.
 */
import { type Address, type Family, parseAddress, wordsOf } from './address.ts'
import { familyNumber, littleEndian } from './netlink.ts'
import { attributeTypes, messageFlags, messageTypes } from './numbers.ts'

/** 64 KiB is where larger batches stop being faster, and what a default send buffer takes. */
export const batchBytesMax = 65_536
/** Requests in a batch at most; the kernel's reply buffer may set a lower one (Kernel.repliesMax). */
export const batchRoutesMax = 1_260

const fixedHeaderBytes: Readonly<Record<number, number>> = {
  [messageTypes.getLink]: 16,
  [messageTypes.getNexthop]: 8,
}

/** What makes a kernel route ours, and where it lies. */
export interface Mark {
  readonly table: number
  readonly protocol: number
  readonly metric: number
}

/** A way out: interface index, and the gateway's canonical text or null when directly connected. */
export interface Leg {
  readonly interface: number
  readonly gateway: string | null
}

export class RouteBatch {
  readonly bytes: Uint8Array = new Uint8Array(batchBytesMax)
  length = 0
  /** Messages so far. */
  count = 0

  readonly #view: DataView = new DataView(this.bytes.buffer)
  #last = 0

  clear(): void {
    this.length = 0
    this.count = 0
  }

  /** Whether one more route with these next-hop bytes fits. */
  fits(legBytes: number): boolean {
    return this.length + 64 + legBytes <= batchBytesMax && this.count < batchRoutesMax
  }

  /** A route to be made. `flags` are create with excl or replace; `legs` comes from encodeLegs. */
  add(
    flags: number,
    type: number,
    sequence: number,
    family: Family,
    mark: Mark,
    source: Uint32Array,
    at: number,
    length: number,
    legs: Uint8Array,
  ): void {
    this.#begin(messageTypes.newRoute, flags, sequence, family, mark, source, at, length)
    const rtmsg = this.#last + 16
    // RT_SCOPE_UNIVERSE, as for every route through a gateway, and for blackholes.
    this.#view.setUint8(rtmsg + 6, 0)
    this.#view.setUint8(rtmsg + 7, type)
    this.bytes.set(legs, this.length)
    this.length += legs.length
    this.#end()
  }

  /** A route to be removed: table, metric and protocol are all given, its next hops never. */
  remove(
    sequence: number,
    family: Family,
    mark: Mark,
    source: Uint32Array,
    at: number,
    length: number,
  ): void {
    this.#begin(messageTypes.delRoute, 0, sequence, family, mark, source, at, length)
    const rtmsg = this.#last + 16
    // RT_SCOPE_NOWHERE and type 0 match any.
    this.#view.setUint8(rtmsg + 6, 255)
    this.#view.setUint8(rtmsg + 7, 0)
    this.#end()
  }

  /** Asks for the acknowledgement that ends the batch. */
  seal(): void {
    const at = this.#last + 6
    this.#view.setUint16(
      at,
      this.#view.getUint16(at, littleEndian) | messageFlags.ack,
      littleEndian,
    )
  }

  #begin(
    type: number,
    flags: number,
    sequence: number,
    family: Family,
    mark: Mark,
    source: Uint32Array,
    at: number,
    length: number,
  ): void {
    const view = this.#view
    const start = this.length
    this.#last = start
    view.setUint16(start + 4, type, littleEndian)
    view.setUint16(start + 6, messageFlags.request | flags, littleEndian)
    view.setUint32(start + 8, sequence, littleEndian)
    view.setUint32(start + 12, 0, littleEndian)
    view.setUint8(start + 16, familyNumber(family))
    view.setUint8(start + 17, length)
    view.setUint16(start + 18, 0)
    // Tables beyond a byte: RT_TABLE_COMPAT and the attribute.
    view.setUint8(start + 20, mark.table > 255 ? 252 : mark.table)
    view.setUint8(start + 21, mark.protocol)
    view.setUint32(start + 24, 0)
    this.length = start + 28
    if (length > 0) {
      const words = wordsOf(family)
      this.#attribute(attributeTypes.destination, words * 4)
      for (let word = 0; word < words; word++) {
        view.setUint32(this.length, source[at + word]!)
        this.length += 4
      }
    }
    this.#attribute(attributeTypes.priority, 4)
    view.setUint32(this.length, mark.metric, littleEndian)
    this.length += 4
    if (mark.table > 255) {
      this.#attribute(attributeTypes.table, 4)
      view.setUint32(this.length, mark.table, littleEndian)
      this.length += 4
    }
  }

  #attribute(type: number, payloadBytes: number): void {
    this.#view.setUint16(this.length, 4 + payloadBytes, littleEndian)
    this.#view.setUint16(this.length + 2, type, littleEndian)
    this.length += 4
  }

  #end(): void {
    this.#view.setUint32(this.#last, this.length - this.#last, littleEndian)
    this.count++
  }
}

/** The attributes that say where a route of this family leads; empty for a blackhole. */
export function encodeLegs(family: Family, legs: readonly Leg[]): Uint8Array {
  const only = legs[0]
  if (only === undefined) return new Uint8Array(0)
  const bytes = new Uint8Array(legs.length * 40)
  const view = new DataView(bytes.buffer)
  if (legs.length === 1) {
    attribute(view, 0, attributeTypes.outInterface, 4)
    view.setInt32(4, only.interface, littleEndian)
    return bytes.slice(0, encodeGateway(view, 8, family, only.gateway))
  }
  let at = 4
  for (const leg of legs) {
    const start = at
    // Weight 1 is written as 0.
    view.setInt32(start + 4, leg.interface, littleEndian)
    at = encodeGateway(view, start + 8, family, leg.gateway)
    view.setUint16(start, at - start, littleEndian)
  }
  attribute(view, 0, attributeTypes.multipath, at - 4)
  return bytes.slice(0, at)
}

/** The attribute of a route that leads where a nexthop object does. */
export function encodeNexthopId(id: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  attribute(view, 0, attributeTypes.nexthopId, 4)
  view.setUint32(4, id, littleEndian)
  return bytes
}

/** The same attributes, with the source address that local programs are to use (RTA_PREFSRC). */
export function encodeSource(leads: Uint8Array, source: string): Uint8Array {
  const address = parseAddress(source)
  if (address === null) return leads
  const bytes = new Uint8Array(leads.length + 4 + address.words.length * 4)
  bytes.set(leads)
  const view = new DataView(bytes.buffer)
  attribute(view, leads.length, attributeTypes.preferredSource, address.words.length * 4)
  writeWords(view, leads.length + 4, address)
  return bytes
}

function encodeGateway(view: DataView, at: number, family: Family, gateway: string | null): number {
  const address = gateway === null ? null : parseAddress(gateway)
  if (address === null) return at
  const bytes = address.words.length * 4
  if (address.family === family) {
    attribute(view, at, attributeTypes.gateway, bytes)
    return writeWords(view, at + 4, address)
  }
  attribute(view, at, attributeTypes.via, bytes + 2)
  view.setUint16(at + 4, familyNumber(address.family), littleEndian)
  // 2 + 16 bytes: padded to a multiple of four.
  return (writeWords(view, at + 6, address) + 3) & ~3
}

function writeWords(view: DataView, at: number, address: Address): number {
  for (const [index, word] of address.words.entries()) view.setUint32(at + 4 * index, word)
  return at + address.words.length * 4
}

function attribute(view: DataView, at: number, type: number, payloadBytes: number): void {
  view.setUint16(at, 4 + payloadBytes, littleEndian)
  view.setUint16(at + 2, type, littleEndian)
}

/**
 * A request for everything of one kind. Strict checking (NETLINK_GET_STRICT_CHK) wants the fixed
 * header of that very kind: 16 bytes for links, 12 for routes and neighbours, 8 for nexthop objects.
 */
export function encodeDump(type: number, family: Family | null, sequence: number): Uint8Array {
  const bytes = new Uint8Array(16 + (fixedHeaderBytes[type] ?? 12))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length, littleEndian)
  view.setUint16(4, type, littleEndian)
  view.setUint16(6, messageFlags.request | messageFlags.dump, littleEndian)
  view.setUint32(8, sequence, littleEndian)
  if (family !== null) view.setUint8(16, familyNumber(family))
  return bytes
}

/**
 * Makes the kernel ask for a neighbour's link-layer address again (NTF_USE). A next hop that was
 * given up gets no traffic, so nothing else would ever find out that it is back.
 */
export function encodeNeighbourPrompt(
  interfaceIndex: number,
  address: Address,
  sequence: number,
): Uint8Array {
  const addressBytes = address.words.length * 4
  const bytes = new Uint8Array(16 + 12 + 4 + addressBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length, littleEndian)
  view.setUint16(4, messageTypes.newNeighbour, littleEndian)
  view.setUint16(6, messageFlags.request | messageFlags.create | messageFlags.ack, littleEndian)
  view.setUint32(8, sequence, littleEndian)
  view.setUint8(16, familyNumber(address.family))
  view.setInt32(20, interfaceIndex, littleEndian)
  view.setUint8(26, 0x01)
  attribute(view, 28, 1, addressBytes)
  writeWords(view, 32, address)
  return bytes
}
