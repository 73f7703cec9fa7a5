/**
 * Changes to octets that know nothing of what they mean: flips, edges, cuts, and pieces moved,
 * doubled, taken out or put in from another message.
 */
import type { Random } from './random.ts'

const edges = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff] as const

/**
 * Mutates the message `[0, length)` of `bytes` behind its marker.
 * @param donor octets of another message, for splices
 * @param room how long it may become
 * @returns its new length
 */
export function mutate(
  random: Random,
  bytes: Uint8Array,
  length: number,
  donor: Uint8Array,
  room: number,
): number {
  let end = length
  for (let left = 1 + random.below(3); left > 0 && end > 19; left--) {
    end = mutateOnce(random, bytes, end, donor, room)
  }
  // Half of the cut and grown ones get a length that fits again, or all would fail in the framer.
  if (end !== length && end >= 19 && random.once(2)) {
    bytes[16] = end >> 8
    bytes[17] = end & 0xff
  }
  return end
}

function mutateOnce(
  random: Random,
  bytes: Uint8Array,
  end: number,
  donor: Uint8Array,
  room: number,
): number {
  const at = 16 + random.below(end - 16)
  const size = 1 + random.below(Math.min(16, end - at))
  switch (random.below(8)) {
    case 0:
      bytes[at] = bytes[at]! ^ (1 << random.below(8))
      return end
    case 1:
      bytes[at] = random.pick(edges)
      return end
    case 2:
      bytes[at] = (bytes[at]! + random.below(5) - 2) & 0xff
      return end
    case 3:
      return at
    case 4:
      bytes.copyWithin(at, at + size, end)
      return end - size
    case 5:
      if (end + size > room) return end
      bytes.copyWithin(at + size, at, end)
      return end + size
    case 6: {
      const from = donor.length > size ? random.below(donor.length - size) : 0
      bytes.set(donor.subarray(from, from + Math.min(size, donor.length)), at)
      return end
    }
    default:
      bytes.copyWithin(at, 16 + random.below(Math.max(1, end - size - 16)), end)
      return end
  }
}
