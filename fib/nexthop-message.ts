/**
 * rtnetlink, nexthop objects (linux/nexthop.h; ip-nexthop(8), Linux 5.3): a hop is a gateway at an
 * interface, a group is a list of hops, and a route names either by its id. Requests are written into
 * one long-lived buffer, as those for routes are (`request.ts`).
 */
import { type Family, formatAddress, parseAddress } from './address.ts'
import { familyNumber, littleEndian, readAddress, visitAttributes } from './netlink.ts'
import { messageFlags, messageTypes, nexthopAttributes } from './numbers.ts'
import { batchBytesMax } from './request.ts'

/** Members of one group that are read; as many as a route may have next hops. */
export const membersMax = 256

/** A nexthop object, as the kernel tells of it. */
export interface NexthopObject {
  readonly id: number
  /** Who made it; a number like that of a route. */
  readonly protocol: number
  readonly interface: number
  /** Canonical text; null for a group, and for a hop that is directly connected. */
  readonly gateway: string | null
  readonly blackhole: boolean
  /** Ids of a group's members, in ascending order; empty for a hop. */
  readonly members: readonly number[]
}

/** What is asked of the kernel for one object. */
export type ObjectRequest =
  | {
      readonly operation: 'hop'
      readonly id: number
      readonly interface: number
      readonly gateway: string
      /** The object is there and is ours, but leads elsewhere. */
      readonly replaces: boolean
    }
  | {
      readonly operation: 'group'
      readonly id: number
      readonly members: readonly number[]
      readonly replaces: boolean
    }
  | { readonly operation: 'remove'; readonly id: number }

const familyOf: Readonly<Record<number, Family>> = { 2: 4, 10: 6 }
const nhmsgBytes = 8
const headerBytes = 16
const memberBytes = 8
/** Header, nhmsg, and the attributes of a hop with an IPv6 gateway. */
const hopBytes = headerBytes + nhmsgBytes + 8 + 8 + 20

/** Reads nhmsg and its attributes; null when it names no object. */
export function readNexthop(view: DataView, start: number, end: number): NexthopObject | null {
  if (end - start < nhmsgBytes) return null
  const family = familyOf[view.getUint8(start)]
  const words = new Uint32Array(4)
  const members: number[] = []
  let id = 0
  let index = 0
  let gateway: string | null = null
  let blackhole = false
  visitAttributes(view, start + nhmsgBytes, end, (type, from, to) => {
    switch (type) {
      case nexthopAttributes.id:
        if (to - from >= 4) id = view.getUint32(from, littleEndian)
        break
      case nexthopAttributes.group:
        for (let at = from; at + memberBytes <= to && members.length < membersMax; at += 8) {
          members.push(view.getUint32(at, littleEndian))
        }
        break
      case nexthopAttributes.blackhole:
        blackhole = true
        break
      case nexthopAttributes.outInterface:
        if (to - from >= 4) index = view.getInt32(from, littleEndian)
        break
      case nexthopAttributes.gateway:
        if (family !== undefined && readAddress(view, from, to, family, words, 0)) {
          gateway = formatAddress(family, words)
        }
        break
    }
  })
  if (id === 0) return null
  members.sort((a, b) => a - b)
  const protocol = view.getUint8(start + 2)
  return { id, protocol, interface: index, gateway, blackhole, members }
}

export class NexthopBatch {
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

  fits(request: ObjectRequest): boolean {
    const members = request.operation === 'group' ? request.members.length : 0
    return this.length + hopBytes + members * memberBytes <= batchBytesMax
  }

  /** Throws RangeError when the gateway is no address. */
  add(sequence: number, protocol: number, request: ObjectRequest): void {
    const view = this.#view
    const start = this.length
    this.#last = start
    const type = request.operation === 'remove' ? messageTypes.delNexthop : messageTypes.newNexthop
    view.setUint16(start + 4, type, littleEndian)
    view.setUint16(start + 6, messageFlags.request | flagsOf(request), littleEndian)
    view.setUint32(start + 8, sequence, littleEndian)
    view.setUint32(start + 12, 0, littleEndian)
    // nhmsg: family, scope, protocol, reserved, flags. A group has no family, a removal nothing.
    view.setUint32(start + 16, 0)
    view.setUint32(start + 20, 0)
    if (request.operation !== 'remove') view.setUint8(start + 18, protocol)
    this.length = start + headerBytes + nhmsgBytes
    this.#number(nexthopAttributes.id, request.id)
    if (request.operation === 'group') this.#members(request.members)
    if (request.operation === 'hop') this.#hop(start, request.interface, request.gateway)
    view.setUint32(start, this.length - start, littleEndian)
    this.count++
  }

  /** Asks for the acknowledgement that ends the batch. */
  seal(): void {
    const at = this.#last + 6
    const flags = this.#view.getUint16(at, littleEndian)
    this.#view.setUint16(at, flags | messageFlags.ack, littleEndian)
  }

  #hop(start: number, index: number, gateway: string): void {
    const address = parseAddress(gateway)
    if (address === null) throw new RangeError(`gateway ${gateway}: not an IP address`)
    this.#view.setUint8(start + 16, familyNumber(address.family))
    this.#number(nexthopAttributes.outInterface, index)
    this.#attribute(nexthopAttributes.gateway, address.words.length * 4)
    for (const word of address.words) {
      this.#view.setUint32(this.length, word)
      this.length += 4
    }
  }

  /** nexthop_grp: `{u32 id, u8 weight - 1, u8 weight high, u16 reserved}`; all weigh the same. */
  #members(members: readonly number[]): void {
    this.#attribute(nexthopAttributes.group, members.length * memberBytes)
    for (const member of members) {
      this.#view.setUint32(this.length, member, littleEndian)
      this.#view.setUint32(this.length + 4, 0)
      this.length += memberBytes
    }
  }

  #number(type: number, value: number): void {
    this.#attribute(type, 4)
    this.#view.setUint32(this.length, value, littleEndian)
    this.length += 4
  }

  #attribute(type: number, payloadBytes: number): void {
    this.#view.setUint16(this.length, 4 + payloadBytes, littleEndian)
    this.#view.setUint16(this.length + 2, type, littleEndian)
    this.length += 4
  }
}

function flagsOf(request: ObjectRequest): number {
  if (request.operation === 'remove') return 0
  return messageFlags.create | (request.replaces ? messageFlags.replace : messageFlags.excl)
}
