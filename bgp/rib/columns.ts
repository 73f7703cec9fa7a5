/**
 * Growth of typed columns. Tables of the RIB keep their rows in parallel typed arrays, and an array
 * that is full is replaced by one of twice the size; these functions are the only place that does.
 */

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
    // A burst must not pin its memory for ever.
    if (this.rows.length > 1 << 20) this.rows = new Uint32Array(64)
  }
}
