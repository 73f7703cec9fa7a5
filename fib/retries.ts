/**
 * Rows that wait before they are tried again: refused by the kernel, or taken away by somebody else
 * once too often.
 */
import type { Family } from './address.ts'
import type { RouteTable } from './table.ts'

export interface Retry {
  /** Refusals in a row; 0: the kernel refused nothing, somebody interfered. */
  readonly attempts: number
  /** Of the last refusal; 0 without one. */
  readonly errno: number
  /** When the first refusal in this row came, in milliseconds of the clock. */
  readonly sinceMs: number
  readonly dueMs: number
  /** For people. */
  readonly reason: string
  /** The target that was refused: another one is tried at once. */
  readonly target: number
}

export class Retries {
  readonly #tables: Readonly<Record<Family, RouteTable>>
  readonly #retries = new Map<number, Retry>()
  #nextDueMs = Number.POSITIVE_INFINITY

  constructor(tables: Readonly<Record<Family, RouteTable>>) {
    this.#tables = tables
  }

  get size(): number {
    return this.#retries.size
  }

  /** When the next one is due, in milliseconds of the clock; infinite without one. */
  get nextDueMs(): number {
    return this.#nextDueMs
  }

  get(table: RouteTable, row: number): Retry | undefined {
    return this.#retries.size === 0 ? undefined : this.#retries.get(keyOf(table, row))
  }

  put(table: RouteTable, row: number, retry: Retry): void {
    this.#retries.set(keyOf(table, row), retry)
    this.#nextDueMs = Math.min(this.#nextDueMs, retry.dueMs)
  }

  delete(table: RouteTable, row: number): void {
    if (this.#retries.size > 0) this.#retries.delete(keyOf(table, row))
  }

  /** Queues every row that is due; with `all`, every row that was refused. */
  wake(nowMs: number, all: boolean): void {
    this.#nextDueMs = Number.POSITIVE_INFINITY
    for (const [key, retry] of this.#retries) {
      const hastened = all && retry.attempts > 0 && retry.dueMs > nowMs
      if (hastened) this.#retries.set(key, { ...retry, dueMs: nowMs })
      if (hastened || retry.dueMs <= nowMs) this.#tables[(key & 1) === 0 ? 4 : 6].enqueue(key >>> 1)
      else this.#nextDueMs = Math.min(this.#nextDueMs, retry.dueMs)
    }
  }
}

/** One number for a row of either table. */
function keyOf(table: RouteTable, row: number): number {
  return row * 2 + (table.family === 4 ? 0 : 1)
}
