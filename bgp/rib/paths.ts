/**
 * Paths as rows in typed columns: which prefix, from which peer, under which path id, with which
 * attribute set, and whether it may be used. No object per path. Row 0 means "none"; the paths of a
 * prefix form a list through `next`.
 *
 * Most columns are zero in most rows (no path id, no reason, no second path), and a page that was
 * never written costs nothing (columns.ts), so a row is written only where it changes.
 */
import { NotificationError } from '../wire/notification.ts'
import { growUint8, growUint16, growUint32, RowList, roomAfter } from './columns.ts'

const initialRows = 1024

/**
 * Paths of one peer to one prefix (RFC 7911) at most. The list of a prefix is walked for each of
 * them, so without a ceiling one peer could keep this router busy with nothing but walking.
 */
export const pathsPerPrefixMax = 4096

/** Why a path may not be used; 0 may. The order is that of the texts in `ineligibleText`. */
export const ineligible = {
  none: 0,
  asLoop: 1,
  originatorLoop: 2,
  clusterLoop: 3,
  refused: 4,
  martian: 5,
  ownNextHop: 6,
  noNextHop: 7,
  filtered: 8,
  firstAs: 9,
  loopbackNextHop: 10,
} as const

export const ineligibleText: readonly string[] = [
  '',
  'AS loop: the own AS is in the AS path (numAllowedLocalASNumbers or asOverride would allow it)',
  'reflection loop: ORIGINATOR_ID is this router',
  'reflection loop: the own cluster id is in CLUSTER_LIST',
  'refused by the import rules',
  'martian prefix',
  'the next hop is this router itself',
  'no usable next hop in the UPDATE',
  'rejected by a filter',
  "the peer's AS is not the first of the AS path (enforceFirstAS: false would allow it)",
  'the next hop is a loopback address',
]

/** Bits of `flags`. */
export const pathFlag = { stale: 1 } as const

export class PathTable {
  prefix = new Uint32Array(initialRows)
  peer = new Uint16Array(initialRows)
  pathId = new Uint32Array(initialRows)
  /** The set that counts, as the import policy left it. */
  attributes = new Uint32Array(initialRows)
  reason = new Uint8Array(initialRows)
  flags = new Uint8Array(initialRows)
  next = new Uint32Array(initialRows)
  /** One more than the highest row ever used: the bound for scans. Free rows have attributes 0. */
  limit = 1
  size = 0
  /** The set as received, where the import policy made another of it; else 0. */
  #received = new Uint32Array(initialRows)
  readonly #free = new RowList()

  add(prefix: number, peer: number, pathId: number): number {
    const row = this.#free.length > 0 ? this.#free.pop() : this.limit++
    if (row >= this.flags.length) this.#grow()
    this.prefix[row] = prefix
    this.peer[row] = peer
    if (this.pathId[row] !== pathId) this.pathId[row] = pathId
    if (this.flags[row] !== 0) this.flags[row] = 0
    this.size++
    return row
  }

  /** The set as received: what a changed policy starts from. */
  receivedOf(row: number): number {
    return (this.#received[row] as number) || (this.attributes[row] as number)
  }

  /** @param attributes the set that counts, as the import policy left `received` */
  put(row: number, received: number, attributes: number, reason: number): void {
    const other = received === attributes ? 0 : received
    if (this.#received[row] !== other) this.#received[row] = other
    this.attributes[row] = attributes
    if (this.reason[row] !== reason) this.reason[row] = reason
  }

  /**
   * Whether the peer may have one more path in the list that starts at row `head`.
   * @throws NotificationError when it has `pathsPerPrefixMax`
   */
  admit(head: number, peer: number): void {
    let own = 0
    for (let row = head; row !== 0; row = this.next[row] as number) {
      if (this.peer[row] === peer) own++
    }
    if (own < pathsPerPrefixMax) return
    const reason = `it announced more than ${pathsPerPrefixMax} paths to one prefix`
    throw new NotificationError('cease/outOfResources', reason)
  }

  remove(row: number): void {
    this.attributes[row] = 0
    if (this.next[row] !== 0) this.next[row] = 0
    this.size--
    this.#free.push(row)
  }

  #grow(): void {
    const rows = roomAfter(this.flags.length)
    this.prefix = growUint32(this.prefix, rows)
    this.peer = growUint16(this.peer, rows)
    this.pathId = growUint32(this.pathId, rows)
    this.attributes = growUint32(this.attributes, rows)
    this.#received = growUint32(this.#received, rows)
    this.reason = growUint8(this.reason, rows)
    this.flags = growUint8(this.flags, rows)
    this.next = growUint32(this.next, rows)
  }
}
