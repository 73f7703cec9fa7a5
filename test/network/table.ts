/** The prefixes of a large table, where nothing but their number matters: 20.0.0.0/24 and those after it. */

export const tableLength = 24

/** The address of prefix number `index`, as a 32-bit word. */
export function wordAt(index: number): number {
  return (20 << 24) + index * 256
}

/** Prefix number `index`, canonical text. */
export function prefixAt(index: number): string {
  const word = wordAt(index)
  return `${word >>> 24}.${(word >> 16) & 255}.${(word >> 8) & 255}.0/${tableLength}`
}

export function prefixTable(count: number): string[] {
  return Array.from({ length: count }, (_, index) => prefixAt(index))
}
