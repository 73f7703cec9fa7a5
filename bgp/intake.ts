/**
 * What happens to an UPDATE of an Established session, RFC 4271 §9 and §9.1: read, intern the
 * attributes, check what only this router can know (loops, own next hop, refused prefixes), and
 * store or withdraw each path. Faults follow RFC 7606: a malformed announcement becomes a withdrawal.
 */
import type { PeerFilter } from './filters.ts'
import { isMartian, type Prefix, parsePrefix } from './prefix.ts'
import type { AttributeStore } from './rib/attribute-store.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import type { NextHops } from './rib/next-hops.ts'
import { ineligible } from './rib/paths.ts'
import type { FamilyName, RefusedRange } from './types.ts'
import type { Negotiated } from './wire/context.ts'
import { isLoopback } from './wire/next-hop.ts'
import { countAsn, hasCluster } from './wire/summary.ts'
import { NlriBatch, type NlriRange, UpdateReader } from './wire/update.ts'

/** The sender of an UPDATE, as far as the intake cares. */
export interface Source {
  readonly number: number
  readonly negotiated: Negotiated
  readonly allowedLocalAsns: number
  /** An eBGP peer's AS must be the first of its paths. */
  readonly enforceFirstAs: boolean
  /** Cluster id towards this peer, or null. */
  readonly clusterId: number | null
  /** Octets of the own address of the session. */
  readonly localAddress: Uint8Array
  readonly filters: ReadonlyMap<FamilyName, PeerFilter>
}

export interface IntakeFault {
  /** By RFC 7606; otherwise the UPDATE is right, and what it says can't be used (RFC 4271 §6.3). */
  readonly malformed: boolean
  readonly text: string
}

interface Refused extends RefusedRange {
  readonly parsed: Prefix
}

export class Intake {
  /** The speaker's own AS. */
  asn = 0
  readonly #ribs: ReadonlyMap<FamilyName, FamilyRib>
  readonly #attributes: AttributeStore
  readonly #nextHops: NextHops
  readonly #reader = new UpdateReader()
  readonly #batch = new NlriBatch()
  #refused: readonly Refused[] = []
  #passedOn: readonly Refused[] = []
  /** The loopback address that the UPDATE at hand named as next hop; 0: it did not. */
  #loopback = 0

  constructor(
    ribs: ReadonlyMap<FamilyName, FamilyRib>,
    attributes: AttributeStore,
    nextHops: NextHops,
  ) {
    this.#ribs = ribs
    this.#attributes = attributes
    this.#nextHops = nextHops
  }

  /** Prefixes that are never used, whoever announces them, or only passed on. */
  refuse(ranges: readonly RefusedRange[]): void {
    const parsed = ranges.map((range) => ({ ...range, parsed: parsePrefix(range.prefix) }))
    this.#refused = parsed.filter(({ passOn }) => passOn !== true)
    this.#passedOn = parsed.filter(({ passOn }) => passOn === true)
  }

  /** Whether this prefix is for others alone, and not to be installed here. */
  passesOn(family: FamilyName, words: Uint32Array, offset: number, length: number): boolean {
    return findCovering(this.#passedOn, family, words, offset, length) !== -1
  }

  /** Judges all paths of a peer anew, from what was received: its rules have changed. */
  reconsider(source: Source): void {
    for (const rib of this.#ribs.values()) {
      const { paths } = rib
      const filter = importFilter(source, rib.family)
      for (let row = 1; row < paths.limit; row++) {
        if (paths.peer[row] !== source.number || paths.attributes[row] === 0) continue
        this.#reconsider(source, rib, filter, row)
      }
    }
  }

  #reconsider(source: Source, rib: FamilyRib, filter: PeerFilter | null, row: number): void {
    const { paths, prefixes } = rib
    const prefix = paths.prefix[row] as number
    const length = prefixes.lengths[prefix] as number
    const at = prefix * prefixes.words
    const received = paths.receivedOf(row)
    let used = received
    let reason =
      this.#judgeSet(source, received) ||
      this.#judgePrefix(rib.family, prefixes.addresses, at, length)
    if (reason === ineligible.none && filter !== null) {
      used = filter.accept(rib, prefixes.addresses, at, length, received)
      if (used === 0) {
        used = received
        reason = ineligible.filtered
      }
    }
    rib.reconsider(row, used, reason)
    if (used !== received) rib.attributes.discard(used)
  }

  /** Why this prefix is refused, or null. */
  refusedBy(family: FamilyName, words: Uint32Array, offset: number, length: number): string | null {
    const index = findCovering(this.#refused, family, words, offset, length)
    return index === -1 ? null : (this.#refused[index] as Refused).reason
  }

  /**
   * Applies one UPDATE. `onFault` hears of attributes discarded or treated as withdrawal.
   * @returns the family whose End-of-RIB this was, or null
   * @throws NotificationError where only a session reset helps
   */
  apply(
    source: Source,
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    onFault: (fault: IntakeFault) => void,
  ): FamilyName | null {
    const reader = this.#reader
    reader.read(bytes, view, start, end, source.negotiated)
    if (reader.endOfRib !== null) return reader.endOfRib
    this.#withdrawRange(source, bytes, view, reader.withdrawn)
    this.#withdrawRange(source, bytes, view, reader.mpUnreach)
    // One verdict for the whole message: both parts must have been looked at before either is stored.
    let checked = present(reader.announced) && present(reader.mpReach)
    if (checked) reader.check(source.negotiated)
    if (present(reader.announced)) {
      checked = this.#announceRange(
        source,
        bytes,
        view,
        reader.announced,
        reader.nextHop,
        reader.nextHopLength,
        checked,
      )
    }
    if (present(reader.mpReach)) {
      this.#announceRange(
        source,
        bytes,
        view,
        reader.mpReach,
        reader.mpNextHop,
        reader.mpNextHopLength,
        checked,
      )
    }
    for (const fault of reader.faults) {
      const text = `attribute ${fault.code}: ${fault.reason} (${fault.action})`
      onFault({ malformed: true, text })
    }
    if (this.#loopback !== 0) {
      const [nextHop] = this.#nextHops.text(this.#loopback)
      this.#loopback = 0
      onFault({ malformed: false, text: `next hop ${nextHop} is a loopback address` })
    }
    return null
  }

  /** Returns whether the attributes have been checked by now. */
  #announceRange(
    source: Source,
    bytes: Uint8Array,
    view: DataView,
    range: NlriRange,
    nextHop: Uint8Array,
    nextHopLength: number,
    checked: boolean,
  ): boolean {
    const reader = this.#reader
    const attributes = this.#attributes
    let nowChecked = checked
    let set = 0
    let nextHopId = 0
    if (!reader.treatAsWithdraw) {
      nextHopId = this.#nextHops.intern(nextHop, nextHopLength)
      // The same attributes may be known with a next hop that is right for another family only.
      if (fits(range.family, nextHopLength, source.negotiated)) {
        set = attributes.find(reader.attributes, reader.attributesLength, nextHopId)
      }
      if (set === 0) {
        if (!checked) reader.check(source.negotiated)
        nowChecked = true
        const usable = fits(range.family, nextHopLength, source.negotiated)
        if (!reader.treatAsWithdraw && usable) set = this.#store(nextHopId)
      }
    }
    if (set === 0) {
      this.#nextHops.discard(nextHopId)
      this.#withdrawRange(source, bytes, view, range)
      return nowChecked
    }
    this.#storeRange(source, bytes, view, range, set)
    // A set that no path took (an UPDATE without a prefix) must not stay.
    attributes.discard(set)
    return nowChecked
  }

  #store(nextHop: number): number {
    const { attributes, attributesLength } = this.#reader
    return (
      this.#attributes.find(attributes, attributesLength, nextHop) ||
      this.#attributes.add(attributes, attributesLength, nextHop)
    )
  }

  #storeRange(
    source: Source,
    bytes: Uint8Array,
    view: DataView,
    range: NlriRange,
    set: number,
  ): void {
    const family = range.family as FamilyName
    const rib = this.#ribs.get(family)
    if (rib === undefined) return
    const ofSet = this.#judgeSet(source, set)
    if (ofSet === ineligible.loopbackNextHop) {
      this.#loopback = this.#attributes.nextHop[set] as number
    }
    const filter = importFilter(source, family)
    const batch = this.#batch
    const { keys, lengths, pathIds } = batch
    batch.start(bytes, view, range)
    while (batch.next()) {
      rib.prefixes.warm(keys, lengths, batch.count)
      for (let index = 0; index < batch.count; index++) {
        const at = index * batch.words
        const length = lengths[index] as number
        let reason = ofSet !== 0 ? ofSet : this.#judgePrefix(family, keys, at, length)
        let used = set
        if (reason === ineligible.none && filter !== null) {
          used = filter.accept(rib, keys, at, length, set)
          if (used === 0) {
            used = set
            reason = ineligible.filtered
          }
        }
        rib.announce(keys, at, length, source.number, pathIds[index] as number, set, used, reason)
        if (used !== set) rib.attributes.discard(used)
      }
    }
  }

  #withdrawRange(source: Source, bytes: Uint8Array, view: DataView, range: NlriRange): void {
    if (!present(range)) return
    const rib = this.#ribs.get(range.family as FamilyName)
    if (rib === undefined) return
    const batch = this.#batch
    const { keys, lengths, pathIds } = batch
    batch.start(bytes, view, range)
    while (batch.next()) {
      rib.prefixes.warm(keys, lengths, batch.count)
      for (let index = 0; index < batch.count; index++) {
        const length = lengths[index] as number
        rib.withdraw(keys, index * batch.words, length, source.number, pathIds[index] as number)
      }
    }
  }

  /** What holds for every prefix with this attribute set from this peer. */
  #judgeSet(source: Source, set: number): number {
    const { negotiated } = source
    const store = this.#attributes
    const start = store.offset[set] as number
    const end = start + (store.length[set] as number)
    const { localAsn } = negotiated
    let own = countAsn(store.heap, start, end, localAsn)
    // Behind another local AS (RFC 7705), the speaker's own is a loop as well.
    if (this.asn !== localAsn) own += countAsn(store.heap, start, end, this.asn)
    if (own > source.allowedLocalAsns) return ineligible.asLoop
    if (negotiated.ebgp) {
      const first = store.neighbourAsn[set]
      if (source.enforceFirstAs && first !== negotiated.peerAsn) return ineligible.firstAs
    } else {
      if (store.originatorId[set] === negotiated.localRouterId) return ineligible.originatorLoop
      const { clusterId } = source
      if (
        clusterId !== null &&
        (store.clusterCount[set] as number) > 0 &&
        hasCluster(store.heap, start, end, clusterId)
      ) {
        return ineligible.clusterLoop
      }
    }
    return this.#judgeNextHop(store.nextHop[set] as number, source.localAddress)
  }

  readonly #octets = new Uint8Array(32)

  /** RFC 4271 §6.3: one that can't be right here is no error of the session; its routes are ignored. */
  #judgeNextHop(nextHop: number, own: Uint8Array): number {
    const octets = this.#nextHops.copy(nextHop, this.#octets)
    if (isLoopback(this.#octets, octets)) return ineligible.loopbackNextHop
    if (octets !== own.length && !(octets === 32 && own.length === 16)) return ineligible.none
    for (let index = 0; index < own.length; index++) {
      if (this.#octets[index] !== own[index]) return ineligible.none
    }
    return ineligible.ownNextHop
  }

  #judgePrefix(family: FamilyName, words: Uint32Array, offset: number, length: number): number {
    if (isMartian(family, words, offset, length) !== null) return ineligible.martian
    return findCovering(this.#refused, family, words, offset, length) === -1
      ? ineligible.none
      : ineligible.refused
  }
}

/** Place of the first range that the prefix falls under, or -1. */
function findCovering(
  ranges: readonly Refused[],
  family: FamilyName,
  words: Uint32Array,
  offset: number,
  length: number,
): number {
  for (let index = 0; index < ranges.length; index++) {
    const { parsed, match } = ranges[index] as Refused
    if (parsed.family !== family) continue
    if (match === 'exact' ? length !== parsed.length : length < parsed.length) continue
    if (insideOf(parsed, words, offset)) return index
  }
  return -1
}

/** The filter to ask on import, or null where there is nothing to ask. */
function importFilter(source: Source, family: FamilyName): PeerFilter | null {
  const filter = source.filters.get(family)
  return filter?.imports === true ? filter : null
}

/** Whether a next hop of this length goes with the family (RFC 4760 §3, RFC 2545 §3, RFC 8950). */
function fits(family: FamilyName | null, octets: number, negotiated: Negotiated): boolean {
  if (family === 'ipv4-unicast' && octets === 4) return true
  const long = octets === 16 || octets === 32
  return long && (family === 'ipv6-unicast' || negotiated.extendedNextHop)
}

function present(range: NlriRange): boolean {
  return range.family !== null && range.end > range.start
}

/** Whether the first bits of the words are those of the prefix. */
function insideOf(outer: Prefix, words: Uint32Array, offset: number): boolean {
  for (let word = 0; word * 32 < outer.length; word++) {
    const bits = Math.min(32, outer.length - word * 32)
    const mask = (0xffffffff << (32 - bits)) >>> 0
    if ((((words[offset + word] as number) ^ (outer.words[word] as number)) & mask) !== 0) {
      return false
    }
  }
  return true
}
