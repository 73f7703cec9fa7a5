/**
 * Want against have, for one key: the whole policy of what this room does to the kernel, as a pure
 * function. It is asked for every row that changed, and after each dump for every row that differs.
 *
 * Its promises: a route is replaced only when the kernel acknowledged it as ours, a key somebody
 * else holds is left alone, and a move to another table or metric makes the new route before it
 * removes the old one.
 */
import { noWay } from './way.ts'

export type Operation =
  | 'none'
  /** CREATE|EXCL. */
  | 'add'
  /** CREATE|REPLACE, on our own key only. */
  | 'replace'
  | 'remove'
  /** CREATE|EXCL under the new mark, then removal of what bears the old one. */
  | 'move'
  /** Wanted, but a foreign route holds the key. */
  | 'conflict'

export interface Have {
  /** The way the kernel acknowledged for us; noWay: none. */
  readonly way: number
  /** How the mark of that route compares with the mark in force. */
  readonly mark: 'same' | 'protocol' | 'key'
  /** A route with another protocol holds (table, prefix, metric). */
  readonly held: boolean
  /** Adopted, and the first synchronisation isn't over: not to be removed yet. */
  readonly kept: boolean
}

export function delta(target: number, have: Have): Operation {
  if (target === noWay) return have.way === noWay || have.kept ? 'none' : 'remove'
  if (have.way === noWay) return have.held ? 'conflict' : 'add'
  if (have.mark === 'key') return have.held ? 'conflict' : 'move'
  return have.way === target && have.mark === 'same' ? 'none' : 'replace'
}
