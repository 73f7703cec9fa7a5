/**
 * The nearest match for a mistyped name, for the remedies of problems. The distance is optimal string
 * alignment (Damerau-Levenshtein where no part is edited twice): `rcak-a` is one slip from `rack-a`.
 */

/** Names longer than this are not compared: nobody types them, and the cost is quadratic. */
const COMPARED_LENGTH_MAX = 128
/** Fewer letters are the beginning of too much. */
const BEGINNING_LENGTH_MIN = 3
/** Candidates looked at. A reflector may have thousands of peers; an error must stay cheap. */
const CANDIDATES_MAX = 2000

/**
 * The candidate nearest to `name`, or null when none is near enough to be what was meant: at most a
 * third of the letters may differ, or the candidate begins with what was typed.
 */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  if (name.length === 0 || name.length > COMPARED_LENGTH_MAX) return null
  const typed = name.toLowerCase()
  const slipsMax = Math.max(1, Math.floor(typed.length / 3))
  let best: string | null = null
  let bestSlips = slipsMax + 1
  let seen = 0
  for (const candidate of candidates) {
    if (++seen > CANDIDATES_MAX) break
    if (candidate.length > COMPARED_LENGTH_MAX) continue
    const lower = candidate.toLowerCase()
    const begun = typed.length >= BEGINNING_LENGTH_MIN && lower.startsWith(typed)
    const slips = Math.min(distance(typed, lower, bestSlips), begun ? slipsMax : bestSlips)
    if (slips < bestSlips) {
      best = candidate
      bestSlips = slips
    }
  }
  return best
}

/** Edits between two words; any number >= `limit` when there are at least that many. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + same)
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (row > 1 && column > 1 && swapped) edits = Math.min(edits, beforeLast[column - 2]! + 1)
      current.push(edits)
    }
    beforeLast = last
    last = current
  }
  return last[b.length]!
}
