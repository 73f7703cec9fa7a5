/**
 * The index of a table of interned things: open addressing with linear probing from a hash to row
 * numbers. Deletion shifts the followers back, so there are no tombstones and probe lengths stay
 * short. The table keeps the hashes and compares; it probes by itself, since that is its hot path:
 *
 *     for (let slot = hash & slots.mask; slots.rows[slot] !== 0; slot = (slot + 1) & slots.mask)
 *
 * Row 0 means an empty slot.
 */

const initialSlots = 512

export class HashSlots {
  /** A power of two, at most half full. */
  rows = new Uint32Array(initialSlots)
  mask = initialSlots - 1

  /** Makes room for one more row than `size`. */
  makeRoom(size: number, hashes: Uint32Array): void {
    if (size * 2 < this.rows.length) return
    const old = this.rows
    this.rows = new Uint32Array(old.length * 2)
    this.mask = this.rows.length - 1
    for (const row of old) if (row !== 0) this.place(row, hashes)
  }

  place(row: number, hashes: Uint32Array): void {
    const { rows, mask } = this
    let slot = (hashes[row] as number) & mask
    while (rows[slot] !== 0) slot = (slot + 1) & mask
    rows[slot] = row
  }

  remove(row: number, hashes: Uint32Array): void {
    const { rows, mask } = this
    let hole = (hashes[row] as number) & mask
    while (rows[hole] !== row) hole = (hole + 1) & mask
    let slot = hole
    for (;;) {
      slot = (slot + 1) & mask
      const other = rows[slot] as number
      if (other === 0) break
      const home = (hashes[other] as number) & mask
      // A follower that would be cut off from its home moves into the hole.
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        rows[hole] = other
        hole = slot
      }
    }
    rows[hole] = 0
  }
}
