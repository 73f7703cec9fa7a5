/**
 * The nexthop objects of the kernel in a Map: ids, EXCL and REPLACE, groups that shrink and vanish
 * with their members, and objects that vanish in silence with their interface.
 */
import { littleEndian } from './netlink.ts'
import {
  NexthopBatch,
  type NexthopObject,
  type ObjectRequest,
  readNexthop,
} from './nexthop-message.ts'
import { NexthopView } from './nexthop-view.ts'
import { errnos, messageFlags, messageTypes } from './numbers.ts'
import type { Leg } from './request.ts'

export class MemoryNexthops {
  readonly #view = new NexthopView()
  readonly #vanished: (ids: readonly number[]) => void

  /** `vanished`: objects are gone, and every route that names one goes with them. */
  constructor(vanished: (ids: readonly number[]) => void) {
    this.#vanished = vanished
  }

  has(id: number): boolean {
    return this.#view.has(id)
  }

  get(id: number): NexthopObject | undefined {
    return this.#view.get(id)
  }

  objects(): NexthopObject[] {
    return [...this.#view.objects()]
  }

  legsOf(id: number): readonly Leg[] {
    return this.#view.legsOf(id)
  }

  /** Carries a request out; gives the errno. */
  request(view: DataView, type: number, flags: number, start: number, end: number): number {
    const object = readNexthop(view, start, end)
    if (object === null) return errnos.invalid
    const { id, members } = object
    const present = this.#view.get(id)
    if (type === messageTypes.delNexthop) {
      if (present === undefined) return errnos.noEntry
      this.remove(id)
      return 0
    }
    const replaces = (flags & messageFlags.replace) !== 0
    if (present !== undefined && !replaces) return errnos.exists
    if (!members.every((member) => this.#view.has(member))) return errnos.invalid
    this.#view.learn(object)
    return 0
  }

  put(object: NexthopObject): void {
    this.#view.learn(object)
  }

  /** Removes an object as the kernel does; gives every id that went. */
  remove(id: number): number[] {
    const gone = this.#view.forget(id)
    this.#vanished(gone)
    return gone
  }

  /** An interface went down, or lost its carrier. */
  loseInterface(interfaceIndex: number): void {
    for (const object of this.objects()) {
      if (object.members.length === 0 && object.interface === interfaceIndex) this.remove(object.id)
    }
  }
}

/** The message by which the kernel tells of an object. */
export function encodeNexthop(
  type: number,
  object: NexthopObject,
  sequence: number,
  port: number,
): Uint8Array {
  const { id, members, gateway } = object
  const request: ObjectRequest =
    members.length > 0
      ? { operation: 'group', id, members, replaces: false }
      : { operation: 'hop', id, interface: object.interface, gateway: gateway!, replaces: false }
  const batch = new NexthopBatch()
  batch.add(sequence, object.protocol, request)
  const bytes = batch.bytes.slice(0, batch.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(4, type, littleEndian)
  view.setUint16(6, 0, littleEndian)
  view.setUint32(12, port, littleEndian)
  return bytes
}
