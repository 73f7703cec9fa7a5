/**
 * What sets with the same next hops share, for routes of one family: the way they should lead, the
 * nexthop group for it, and how patient to be with that.
 */
import type { Family } from './address.ts'
import { noWay } from './way.ts'

const retryMs = 250
const retryMaxMs = 30_000
/** An object left in peace so long is set right at once again. */
const quietMs = 60_000

export interface Bundle {
  readonly key: string
  readonly family: Family
  /** Sets in use that lead through it. */
  wanters: number
  /** The plain way it should lead; noWay: none. */
  wanted: number
  /** Its only next hop is on link: it can't come to lead elsewhere, and routes name the hop itself. */
  direct: boolean
  /** Id of its group; 0 until it has one. */
  id: number
  /** Refusals in a row, repairs in a row after others interfered, and the time of the last. */
  refusals: number
  repairs: number
  repairedMs: number
  /** Not to be tried before. */
  dueMs: number
}

export function makeBundle(key: string, family: Family): Bundle {
  const counts = { wanters: 0, refusals: 0, repairs: 0, repairedMs: 0, dueMs: 0 }
  return { key, family, wanted: noWay, direct: false, id: 0, ...counts }
}

/** The kernel refused what it rests on. */
export function postpone(bundle: Bundle, nowMs: number): void {
  bundle.refusals++
  bundle.dueMs = nowMs + backOffMs(bundle.refusals)
}

/** Another program took away what it rests on: the first time, that is set right at once. */
export function countRepair(bundle: Bundle, nowMs: number): void {
  bundle.repairs = nowMs - bundle.repairedMs > quietMs ? 0 : bundle.repairs + 1
  bundle.repairedMs = nowMs
  if (bundle.repairs > 0) bundle.dueMs = nowMs + backOffMs(bundle.repairs)
}

function backOffMs(attempts: number): number {
  return Math.min(retryMaxMs, retryMs * 2 ** Math.min(attempts, 16))
}
