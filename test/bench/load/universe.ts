/**
 * The made-up table: which prefix has which number, and the UPDATEs that announce or withdraw it,
 * encoded before the clock starts. Prefix number `n` has the /24 slot 32.0.0.0 + n × 256, so that a
 * receiver finds the number by a subtraction. In the mixed shape some slots are announced as /23,
 * /22, /20 or /16: about the mix of lengths of a public table.
 */
import {
  Bytes,
  formatAddress,
  messageBytesMax,
  messageType,
  writeAttribute,
  writeMessage,
} from './wire.ts'

const baseAddress = 0x20000000
/** 192 × 65,536 slots: up to 223.255.255.0/24. */
export const prefixesMax = 192 * 65_536

/** A prefix nobody in this universe announces. */
export const foreign = -1

export class Universe {
  readonly mixed: boolean
  /** Address of player 0; player `n` has the n-th after it. */
  readonly playerBase: number

  constructor(mixed: boolean, playerBase: number) {
    this.mixed = mixed
    this.playerBase = playerBase
  }

  lengthOf(number: number): number {
    if (!this.mixed || number % 2 !== 0) return 24
    if (number % 4 !== 0) return 23
    if (number % 16 !== 0) return 22
    return number % 256 !== 0 ? 20 : 16
  }

  name(number: number): string {
    return `${formatAddress(baseAddress + number * 256)}/${this.lengthOf(number)}`
  }

  addressOf(player: number): number {
    return this.playerBase + player
  }

  /** Number of the prefix with these left-aligned bits, or `foreign`. */
  numberOf(address: number, length: number): number {
    const number = (address - baseAddress) >> 8
    return address >= baseAddress && length === this.lengthOf(number) ? number : foreign
  }

  writePrefix(out: Bytes, number: number): void {
    const address = baseAddress + number * 256
    const length = this.lengthOf(number)
    out.byte(length)
    for (let octet = 0; octet < length; octet += 8) out.byte((address >>> (24 - octet)) & 0xff)
  }
}

/** SplitMix-like 32-bit generator: every run sees the same table. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b9) ^ 0x5bf03635
  }

  /** 0 … limit − 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

export interface Style {
  /** Transit-like attributes, one set for about 6.5 prefixes; otherwise as a node's own pod CIDR. */
  readonly rich: boolean
  readonly med: boolean
}

export interface Feed {
  readonly bytes: Uint8Array
  readonly messages: number
  /** AS_PATH length of each prefix, from `first` on. */
  readonly hops: Uint8Array
}

/** Announcements of prefixes `first` … `last − 1` by one player, in runs of shuffled order. */
export function encodeFeed(
  universe: Universe,
  player: number,
  first: number,
  last: number,
  style: Style,
): Feed {
  const dice = new Dice(player + 1)
  const runs = cutRuns(first, last, style.rich, dice)
  const hops = new Uint8Array(last - first)
  const out = new Bytes()
  const attributes = new Bytes()
  let messages = 0
  for (const [from, to] of runs) {
    attributes.length = 0
    const length = writeAttributes(attributes, universe.addressOf(player), style, dice)
    hops.fill(length, from - first, to - first)
    messages += writeUpdates(out, universe, attributes.written(), from, to)
  }
  return { bytes: out.written(), messages, hops }
}

function cutRuns(first: number, last: number, rich: boolean, dice: Dice): [number, number][] {
  const runs: [number, number][] = []
  for (let at = first; at < last; ) {
    const end = Math.min(last, rich ? at + 3 + dice.below(8) : last)
    runs.push([at, end])
    at = end
  }
  for (let at = runs.length - 1; at > 0; at--) {
    const other = dice.below(at + 1)
    const run = runs[at] as [number, number]
    runs[at] = runs[other] as [number, number]
    runs[other] = run
  }
  return runs
}

/** Writes one attribute set; gives the length of its AS_PATH. */
function writeAttributes(out: Bytes, nextHop: number, style: Style, dice: Dice): number {
  writeAttribute(out, 0x40, 1, [0])
  const hops = style.rich ? 3 + dice.below(4) : 0
  const path = new Bytes()
  if (hops > 0) path.byte(2).byte(hops)
  for (let hop = 0; hop < hops; hop++) path.word(1000 + dice.below(60_000))
  writeAttribute(out, 0x40, 2, path.written())
  writeAttribute(out, 0x40, 3, new Bytes().word(nextHop).written())
  if (style.rich && style.med && dice.below(10) < 3) {
    writeAttribute(out, 0x80, 4, new Bytes().word(dice.below(200)).written())
  }
  writeAttribute(out, 0x40, 5, new Bytes().word(100).written())
  const communities = style.rich ? dice.below(7) : 0
  if (communities > 0) {
    const values = new Bytes()
    for (let each = 0; each < communities; each++) {
      // Ascending, so that a daemon that sorts them has nothing to do.
      values.short(1000 + each * 8000 + dice.below(8000)).short(dice.below(5000))
    }
    writeAttribute(out, 0xc0, 8, values.written())
  }
  return hops
}

function writeUpdates(
  out: Bytes,
  universe: Universe,
  attributes: Uint8Array,
  first: number,
  last: number,
): number {
  const perMessage = Math.floor((messageBytesMax - 64 - attributes.length) / 8)
  let messages = 0
  for (let from = first; from < last; from += perMessage) {
    writeMessage(out, messageType.update, () => {
      out.short(0).short(attributes.length).bytes(attributes)
      writePrefixes(out, universe, from, Math.min(last, from + perMessage))
    })
    messages++
  }
  return messages
}

/** Withdrawals of prefixes `first` … `last − 1`. */
export function encodeWithdrawals(universe: Universe, first: number, last: number): Uint8Array {
  const out = new Bytes()
  const perMessage = 400
  for (let from = first; from < last; from += perMessage) {
    writeMessage(out, messageType.update, () => {
      const at = out.length
      out.short(0)
      writePrefixes(out, universe, from, Math.min(last, from + perMessage))
      out.patchShort(at, out.length - at - 2)
      out.short(0)
    })
  }
  return out.written()
}

function writePrefixes(out: Bytes, universe: Universe, first: number, last: number): void {
  for (let number = first; number < last; number++) universe.writePrefix(out, number)
}
