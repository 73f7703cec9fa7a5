/**
 * Growth of typed columns. Tables of the RIB keep their rows in parallel typed arrays, and an array
 * that is full is replaced by a larger one; these functions are the only place that does.
 *
 * Room is free, growing is not. A large array comes from the system as untouched pages of zeros, and
 * a page costs memory when something is first written to it. To grow costs a copy, a turn in which
 * both arrays are there, and the old one until the collector passes by. So small tables double, and
 * a table that has outgrown `doublingRowsMax` takes room for `largeRows` at once.
 *
 * The same holds for a column that is zero in most rows: whoever writes only what differs from what
 * is there pays only for the pages of rows that need it.
 */

/** Rows up to which a table doubles. */
const doublingRowsMax = 65_536

/** Room of a table that has outgrown this, and every factor from there on. */
const largeRows = 64 * doublingRowsMax
const largeFactor = 4

/** How many rows, or octets of a heap, there shall be room for once `rows` are full. */
export function roomAfter(rows: number): number {
  if (rows < doublingRowsMax) return rows * 2
  return rows < largeRows ? largeRows : rows * largeFactor
}

export function growUint8(column: Uint8Array, rows: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(rows)
  grown.set(column)
  return grown
}

export function growUint16(column: Uint16Array, rows: number): Uint16Array<ArrayBuffer> {
  const grown = new Uint16Array(rows)
  grown.set(column)
  return grown
}

export function growUint32(column: Uint32Array, rows: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(rows)
  grown.set(column)
  return grown
}

/** What a list that was emptied keeps of its rows: a burst must not pin its memory for ever. */
const keptRowsMax = 16_384

/** A growing list of row numbers: a typed array and how much of it is used. */
export class RowList {
  rows = new Uint32Array(64)
  length = 0

  push(row: number): void {
    if (this.length === this.rows.length) this.rows = growUint32(this.rows, this.length * 2)
    this.rows[this.length++] = row
  }

  /** The last row, taken off; 0 when empty (row numbers that matter start at 1, or are checked). */
  pop(): number {
    return this.length === 0 ? 0 : (this.rows[--this.length] as number)
  }

  clear(): void {
    this.length = 0
    if (this.rows.length > keptRowsMax) this.rows = new Uint32Array(64)
  }
}
