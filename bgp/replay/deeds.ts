/** What a session did at one step of a recording against what it did in the replay. Pure. */
import type { RecordedInput, RecordedOutput } from '../session/record-events.ts'

/** A timer that ran out in the replay alone; or, of the recording, one that isn't running here. */
export type StrayTimer = Extract<RecordedInput, { readonly event: 'timer' }>

export interface Deed {
  readonly when: 'both' | 'then' | 'now'
  readonly what: RecordedOutput | StrayTimer
}

/** More deeds than these at one step are compared place by place. */
const alignedMax = 64

/** In order; where the two differ, what was done then stands before what is done now. */
export function compareDeeds(then: readonly Deed['what'][], now: readonly Deed['what'][]): Deed[] {
  const a = then.map(keyOf)
  const b = now.map(keyOf)
  const shared = sharedLengths(a, b)
  const deeds: Deed[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const same = i < a.length && j < b.length && a[i] === b[j]
    const before =
      i < a.length && (j === b.length || length(shared, i + 1, j) >= length(shared, i, j + 1))
    if (same) deeds.push({ when: 'both', what: now[j] as Deed['what'] })
    else if (before) deeds.push({ when: 'then', what: then[i] as Deed['what'] })
    else deeds.push({ when: 'now', what: now[j] as Deed['what'] })
    if (same || before) i++
    if (same || !before) j++
  }
  return deeds
}

function keyOf({ ...what }: Deed['what'] & { at?: number }): string {
  delete what.at
  return JSON.stringify(what, Object.keys(what).sort())
}

/** Row i, column j: how much the tails from i and from j have in common, in order. */
function sharedLengths(a: readonly string[], b: readonly string[]): readonly Uint16Array[] {
  if (a.length > alignedMax || b.length > alignedMax) return []
  const rows = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = rows[i] as Uint16Array
      row[j] =
        a[i] === b[j]
          ? length(rows, i + 1, j + 1) + 1
          : Math.max(length(rows, i + 1, j), length(rows, i, j + 1))
    }
  }
  return rows
}

function length(rows: readonly Uint16Array[], i: number, j: number): number {
  return rows[i]?.[j] ?? 0
}
