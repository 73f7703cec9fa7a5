/** By peer number: paths received, those that may be used, and how many of them are best. */
import { growUint32 } from './columns.ts'

export class PeerCounts {
  received = new Uint32Array(64)
  accepted = new Uint32Array(64)
  bests = new Uint32Array(64)

  makeRoom(peer: number): void {
    if (peer < this.received.length) return
    const rows = Math.max(this.received.length * 2, peer + 1)
    this.received = growUint32(this.received, rows)
    this.accepted = growUint32(this.accepted, rows)
    this.bests = growUint32(this.bests, rows)
  }
}
