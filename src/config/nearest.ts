/**
 * "Did you mean": the known word nearest to one that isn't known, by edit distance with swaps
 * (Damerau–Levenshtein, restricted). Words are short here; longer ones are not compared.
 */
const wordLengthMax = 64

/** null when nothing is near enough to be what was meant. */
export function findNearest(word: string, known: Iterable<string>): string | null {
  if (word.length > wordLengthMax) return null
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    if (candidate.length > wordLengthMax) continue
    // Only the case differs: surely meant.
    if (candidate.toLowerCase() === word.toLowerCase()) return candidate
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(from: string, to: string): number {
  let before: number[] = []
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const line = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let cost = Math.min(line[column - 1]! + 1, above[column]! + 1, above[column - 1]! + +!same)
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, before[column - 2]! + 1)
      line.push(cost)
    }
    before = above
    above = line
  }
  return above[to.length]!
}
