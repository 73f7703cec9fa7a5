/**
 * Churn without end, for finding what is not given back: peers of several kinds announce and withdraw
 * with attributes that hardly ever repeat, stall, come and go, and have their filters changed. After
 * each era everybody withdraws and leaves, and the tables are measured.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { EnginePeer } from '../../bgp/engine.ts'
import type { FilterConfig, FilterRule } from '../../bgp/policy/types.ts'
import type { MemberSink } from '../../bgp/rib/member.ts'
import type { FamilyName, PeerConfig } from '../../bgp/types.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { Random } from '../fuzz/random.ts'
import { Bench, negotiated, peerConfig } from './engine-scene.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const family: FamilyName = 'ipv4-unicast'
const prefixes = 1024
/** UPDATEs between two turns of the engine, and between two changes of the scene. */
const cyclesPerTurn = 200
const cyclesPerTurmoil = 4000

const addPath = { addPathSend: [family], addPathReceive: [family] } as const
const kinds: readonly { config: Partial<PeerConfig>; agreed?: Partial<Negotiated> }[] = [
  { config: {} },
  { config: {} },
  { config: { addPathSend: 'Multipath' }, agreed: addPath },
  { config: { addPathSend: 'Best', addPathLimit: 2 }, agreed: addPath },
  { config: { routeReflectorClient: false } },
  { config: { asn: 65001, routeReflectorClient: false, export: 'All' } },
]

const rule: FilterRule = {
  ...{ action: 'Accept', cidr: null, matchOperator: null, prefixLength: null, source: null },
  ...{ interface: null, peerType: null, community: null, asPathPrefix: null, priority: null },
  operations: [],
}
const marks: FilterRule = {
  ...rule,
  operations: [{ kind: 'addCommunity', community: '65000:9' }],
}
const rejects: FilterRule = {
  ...{ ...rule, action: 'Reject' },
  ...{ cidr: '10.1.8.0/22', matchOperator: 'In' },
}
const filters: readonly (readonly FilterConfig[])[] = [[marks], [rejects], [rejects, marks]].map(
  (rules) => [{ name: 'f', importV4: rules, exportV4: rules, importV6: [], exportV6: [] }],
)

/** A socket that takes what it is given, or doesn't. */
class Sink implements MemberSink {
  queuedBytes = 0
  stalled = false
  bytes = 0

  send(parts: readonly Uint8Array[]): boolean {
    for (const { length } of parts) {
      this.bytes += length
      if (this.stalled) this.queuedBytes += length
    }
    return !this.stalled
  }

  mark(): void {}
}

/** Rows in use, rows there is room for, and bytes, when nobody is left. */
export interface Figures {
  readonly cycles: number
  /** In use, each of which is to be 0. */
  readonly left: Readonly<Record<string, number>>
  /** Room in columns: once the first era has made it, there is enough. */
  readonly room: Readonly<Record<string, number>>
  /** Of all typed columns and buffers of the process, after garbage collection. */
  readonly columnBytes: number
  readonly heapBytes: number
}

export class Churn {
  cycles = 0
  readonly #bench = new Bench()
  readonly #random = new Random()
  readonly #seats: ({ peer: EnginePeer; readonly sink: Sink } | null)[] = kinds.map(() => null)
  readonly #update = new UpdateBytes()

  constructor(seed: number) {
    this.#random.restart(seed, 0)
    this.#bench.keepsRoutes = false
  }

  /** So many announcements and withdrawals, then everybody leaves. */
  era(cycles: number): Figures {
    for (const seat of kinds.keys()) this.#join(seat)
    for (let cycle = 1; cycle <= cycles; cycle++) {
      this.#announceOrWithdraw()
      if (cycle % cyclesPerTurn === 0) this.#bench.settle()
      if (cycle % cyclesPerTurmoil === 0) this.#turmoil()
    }
    this.cycles += cycles
    for (const seat of kinds.keys()) this.#leave(seat)
    this.#bench.settle()
    return this.#measure()
  }

  #announceOrWithdraw(): void {
    const random = this.#random
    const { peer } = this.#seats[random.below(kinds.length)]!
    const withId = peer.negotiated.addPathReceive.length > 0
    const { bytes, view, length } = random.once(3)
      ? this.#update.withdraw(random.below(prefixes), withId ? random.below(3) : -1)
      : this.#update.announce(
          ...[random.below(prefixes), withId ? random.below(3) : -1, random.below(64)],
          random.word() >>> 0,
          peer.negotiated,
        )
    this.#bench.engine.intake.apply(peer, bytes, view, 0, length, (fault) => {
      throw new Error(fault.text)
    })
    this.#bench.engine.schedule()
  }

  /** One peer returns under another session; others stall, drain, refresh, or change their filters. */
  #turmoil(): void {
    const random = this.#random
    const { engine } = this.#bench
    this.#join(random.below(kinds.length))
    const seat = this.#seats[random.below(kinds.length)]!
    seat.sink.stalled = random.once(2)
    seat.sink.queuedBytes = 0
    engine.feed(seat.peer)
    engine.refresh(this.#seats[random.below(kinds.length)]!.peer, family)
    const changed = this.#seats[random.below(kinds.length)]!
    const config = { ...changed.peer.config, filters: random.pick(filters) }
    changed.peer = engine.update(changed.peer, config)
  }

  #join(seat: number): void {
    this.#leave(seat)
    const { config: changes, agreed = {} } = kinds[seat]!
    const asn = changes.asn ?? 64512
    const context = negotiated(seat, { ebgp: asn !== 64512, peerAsn: asn, ...agreed })
    const sink = new Sink()
    const addresses = { remote: `10.0.0.${seat + 10}`, local: '10.0.0.1' }
    const config = peerConfig(`p${seat}`, changes)
    this.#seats[seat] = { peer: this.#bench.engine.join(config, context, addresses, sink), sink }
  }

  #leave(seat: number): void {
    const known = this.#seats[seat]
    if (known != null) this.#bench.engine.leave(known.peer)
    this.#seats[seat] = null
  }

  #measure(): Figures {
    const { engine } = this.#bench
    const rib = engine.rib(family)
    // The memory of columns is given back only once their owners were collected.
    collectGarbage()
    collectGarbage()
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    return {
      cycles: this.cycles,
      left: {
        prefixes: rib.prefixes.size,
        paths: rib.paths.size,
        attributeSets: engine.attributes.size,
        nextHopSets: engine.nextHopSets.size,
        groups: [...engine.groups].length,
        dirty: rib.dirtyCount,
      },
      room: {
        prefixes: rib.prefixes.capacity,
        paths: rib.paths.peer.length,
        attributeSets: engine.attributes.marks.length,
        attributeBytes: engine.attributes.heap.length,
        peerNumbers: engine.peers.ebgp.length,
      },
      columnBytes: arrayBuffers,
      heapBytes: heapUsed,
    }
  }
}

/** UPDATEs in one buffer, patched: nothing is allocated for each. */
class UpdateBytes {
  readonly bytes = new Uint8Array(128).fill(0xff, 0, 16)
  readonly view = new DataView(this.bytes.buffer)
  length = 0

  announce(
    prefix: number,
    pathId: number,
    hop: number,
    chance: number,
    { ebgp, peerAsn }: Negotiated,
  ): this {
    const { view } = this
    view.setUint8(18, 2)
    view.setUint16(19, 0)
    let at = this.#put(23, [0x40, 1, 1, chance & 1, 0x40, 2])
    at = ebgp ? this.#put(at, [10, 2, 2]) : this.#put(at, [6, 2, 1])
    if (ebgp) at = this.#word(at, peerAsn)
    at = this.#word(at, 65010 + (chance & 3))
    at = this.#word(this.#put(at, [0x40, 3, 4]), 0x0a000100 + hop)
    // Mostly new values, and some that come back.
    at = this.#word(this.#put(at, [0x80, 4, 4]), chance & 4 ? chance >>> 3 : chance & 7)
    if (!ebgp) at = this.#word(this.#put(at, [0x40, 5, 4]), 100)
    if (chance & 8) at = this.#word(this.#put(at, [0xc0, 8, 4]), 0xfde80000 + (chance >>> 20))
    view.setUint16(21, at - 23)
    return this.#finish(this.#prefix(at, prefix, pathId))
  }

  withdraw(prefix: number, pathId: number): this {
    this.view.setUint8(18, 2)
    const at = this.#prefix(21, prefix, pathId)
    this.view.setUint16(19, at - 21)
    this.view.setUint16(at, 0)
    return this.#finish(at + 2)
  }

  #put(at: number, octets: readonly number[]): number {
    for (let index = 0; index < octets.length; index++) this.bytes[at + index] = octets[index]!
    return at + octets.length
  }

  #word(at: number, value: number): number {
    this.view.setUint32(at, value)
    return at + 4
  }

  #prefix(at: number, prefix: number, pathId: number): number {
    const after = pathId < 0 ? at : this.#word(at, pathId)
    this.bytes[after] = 28
    // 10.1.0.0/18 in pieces of 16 addresses.
    this.#word(after + 1, (0x0a010000 + prefix * 16) >>> 0)
    return after + 5
  }

  #finish(length: number): this {
    this.view.setUint16(16, length)
    this.length = length
    return this
  }
}
