/**
 * What the decision process and the export rules need to know of a peer, as columns indexed by a
 * small peer number. Number 0 is this router itself. A number is given to another peer only after
 * nothing in the RIB refers to it any more (`recycle`).
 */
import { growUint8, growUint32 } from './columns.ts'

export const localPeer = 0
/** Peer numbers, and numbers + 1, are stored in 16 bits. */
export const peersMax = 65_534

export interface PeerFacts {
  readonly name: string
  readonly address: string
  readonly addressBytes: Uint8Array
  readonly ebgp: boolean
  readonly client: boolean
  readonly routerId: number
}

export class PeerTable {
  /** 1 for eBGP. */
  ebgp = new Uint8Array(16)
  /** 1 for a client of this reflector (RFC 4456). */
  client = new Uint8Array(16)
  routerId = new Uint32Array(16)
  /** The peer's address as four words: the last tie-breaker (RFC 4271 §9.1.2.2 g). */
  address = new Uint32Array(16 * 4)
  readonly names: string[] = ['local']
  readonly addressTexts: (string | null)[] = [null]
  readonly #free: number[] = []
  readonly #retired: number[] = []

  add(peer: PeerFacts): number {
    const number = this.#free.pop() ?? this.names.length
    if (number > peersMax) throw new RangeError(`more than ${peersMax} peers at one time`)
    if (number >= this.ebgp.length) this.#grow()
    this.set(number, peer)
    return number
  }

  /** What is known of a peer after it came back (its router id may have changed, say). */
  set(number: number, peer: PeerFacts): void {
    this.names[number] = peer.name
    this.addressTexts[number] = peer.address
    this.ebgp[number] = peer.ebgp ? 1 : 0
    this.client[number] = peer.client ? 1 : 0
    this.routerId[number] = peer.routerId
    const words = new Uint32Array(4)
    peer.addressBytes.forEach((octet, index) => {
      const word = index >> 2
      words[word] = (((words[word] as number) << 8) | octet) >>> 0
    })
    this.address.set(words, number * 4)
  }

  /** The peer is gone; its number stays reserved until `recycle`. */
  retire(number: number): void {
    this.#retired.push(number)
  }

  /** Called when no path and no announced state refers to a retired peer. */
  recycle(): void {
    while (this.#retired.length > 0) this.#free.push(this.#retired.pop() as number)
  }

  get retired(): number {
    return this.#retired.length
  }

  #grow(): void {
    const rows = this.ebgp.length * 2
    this.ebgp = growUint8(this.ebgp, rows)
    this.client = growUint8(this.client, rows)
    this.routerId = growUint32(this.routerId, rows)
    this.address = growUint32(this.address, rows * 4)
  }
}
