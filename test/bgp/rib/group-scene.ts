/**
 * A router and its plain counterpart (plain-router.ts) side by side: whatever happens is done to both,
 * and what each peer was told, read back from the bytes, is compared.
 */
import type { EnginePeer } from '../../../bgp/engine.ts'
import type { FilterRule } from '../../../bgp/policy/types.ts'
import { parseIpv4 } from '../../../bgp/prefix.ts'
import type { PeerConfig } from '../../../bgp/types.ts'
import type { Negotiated } from '../../../bgp/wire/context.ts'
import { Bench, Listener, negotiated, peerConfig, speaker } from '../engine-scene.ts'
import { lineOf, type PlainAttributes, type PlainPeer, PlainRouter } from './plain-router.ts'

const family = 'ipv4-unicast'

/** Kinds of peers: what makes, or doesn't make, a group of its own. */
export const kinds: readonly {
  readonly asn?: number
  readonly local?: string
  readonly agreed?: Partial<Negotiated>
  readonly config: Partial<PeerConfig>
}[] = [
  { config: {} },
  { local: '10.0.0.2', config: {} },
  { agreed: { addPathSend: [family], addPathReceive: [family] }, config: several('Multipath') },
  { agreed: { addPathSend: [family] }, config: several('Best', 2) },
  { agreed: { addPathSend: [family] }, config: several('All') },
  { agreed: { addPathReceive: [family] }, config: { routeReflectorClient: false } },
  { config: { routeReflectorClient: false, clusterId: null } },
  { config: { nextHopMode: 'Self', clusterId: '10.9.9.9' } },
  { asn: 65001, config: { routeReflectorClient: false, clusterId: null } },
  { asn: 65002, local: '10.0.0.3', config: { routeReflectorClient: false, clusterId: null } },
  { asn: 65001, agreed: { as4: false }, config: { asOverride: true, export: 'All' } },
  { asn: 65002, config: { nextHopMode: 'Keep', export: 'All' } },
]

const rule: FilterRule = {
  ...{ action: 'Accept', cidr: null, matchOperator: null, prefixLength: null, source: null },
  ...{ interface: null, peerType: null, community: null, asPathPrefix: null, priority: null },
  operations: [],
}
const first = { cidr: '10.1.0.0/24', matchOperator: 'Equal' } as const

/** Export rules that a peer may have. */
export const policies: readonly (readonly FilterRule[])[] = [
  [],
  [{ ...rule, ...first, action: 'Reject' }],
  [{ ...rule, source: 'RemotePeers', operations: [{ kind: 'setMED', med: 1 }] }],
  [{ ...rule, ...first, operations: [{ kind: 'setNextHop', nextHop: 'self' }] }],
  [
    { ...rule, ...first, operations: [{ kind: 'setNextHop', nextHop: '10.0.0.20' }] },
    { ...rule, community: '65000:1', operations: [{ kind: 'setLocalPref', localPref: 7 }] },
  ],
  [{ ...rule, operations: [{ kind: 'prependASPath', asns: [64900] }] }],
  [
    { ...rule, community: '65000:1', action: 'Reject' },
    { ...rule, operations: [{ kind: 'addCommunity', community: '65000:2' }] },
  ],
]

/** What peers announce: small pools, so that sets of different origin are often equal. */
export interface Variant {
  readonly hop: number
  readonly path: number
  readonly med: number
  readonly preference: number
  readonly communities: number
  readonly reflected: number
}

const paths = [[], [65010], [65011], [65010, 65012], [64512], [65001]]
const communities = [[], ['65000:1'], ['65535:65281'], ['65535:65282'], ['65000:1', '65000:2']]
const hops = ['10.0.0.20', '10.0.0.21', '10.0.0.22', '172.16.0.1', '172.16.0.2', '10.0.0.1']

function several(addPathSend: PeerConfig['addPathSend'], addPathLimit: number | null = null) {
  return { addPathSend, addPathLimit }
}

interface Seat {
  readonly plain: PlainPeer
  readonly sink: Listener
  peer: EnginePeer
}

export class GroupScene {
  readonly bench = new Bench()
  readonly plain = new PlainRouter()
  readonly #seats = new Map<number, Seat>()
  #config = speaker

  join(number: number, kind: number): void {
    this.leave(number)
    const { asn = 64512, local = '10.0.0.1', agreed = {}, config: changes } = kinds[kind]!
    const context = negotiated(number, { ebgp: asn !== 64512, peerAsn: asn, ...agreed })
    const config = peerConfig(`p${number}`, { asn, ...changes })
    const sink = new Listener(context)
    const address = `10.0.0.${number + 10}`
    const peer = this.bench.engine.join(config, context, { remote: address, local }, sink)
    const plain: PlainPeer = {
      ...{ name: config.name, asn, routerId: `10.1.0.${number}`, address, local, config },
      ...{ sendsSeveral: context.addPathSend.length > 0, paths: new Map() },
    }
    this.#seats.set(number, { plain, sink, peer })
    this.plain.peers.set(number, plain)
  }

  leave(number: number): void {
    const seat = this.#seats.get(number)
    if (seat === undefined) return
    this.#seats.delete(number)
    this.plain.peers.delete(number)
    this.bench.engine.leave(seat.peer)
  }

  /** @param variant null withdraws */
  update(number: number, prefix: number, id: number, variant: Variant | null): void {
    const seat = this.#seats.get(number)
    if (seat === undefined) return
    const { plain, peer } = seat
    const ids = peer.negotiated.addPathReceive.length > 0
    const pathId = ids ? id : 0
    const text = `10.1.${prefix}.0/24`
    const known = plain.paths.get(text) ?? new Map<number, PlainAttributes>()
    plain.paths.set(text, known)
    const attributes = variant === null ? null : attributesOf(plain, variant)
    if (attributes === null) known.delete(pathId)
    else known.set(pathId, attributes)
    const bytes = encodeUpdate(prefix, ids ? pathId : null, attributes, peer.negotiated.as4)
    const view = new DataView(bytes.buffer)
    this.bench.engine.intake.apply(peer, bytes, view, 0, bytes.length, (fault) => {
      throw new Error(fault.text)
    })
    this.bench.engine.schedule()
  }

  announce(prefixes: readonly number[], community: boolean): void {
    const list = community ? ['65000:1'] : []
    this.plain.own.clear()
    for (const prefix of prefixes) this.plain.own.set(`10.1.${prefix}.0/24`, list)
    this.bench.engine.announce(
      prefixes.map((prefix) => ({
        ...{ prefix: `10.1.${prefix}.0/24`, reason: 'test', communities: list },
      })),
    )
  }

  /** Changes routing parameters of a running peer. */
  change(number: number, changes: Partial<PeerConfig>): void {
    const seat = this.#seats.get(number)
    if (seat === undefined) return
    const config = { ...seat.plain.config, ...changes }
    seat.plain.config = config
    seat.peer = this.bench.engine.update(seat.peer, config)
  }

  filter(number: number, exportV4: readonly FilterRule[]): void {
    const none = { importV4: [], importV6: [], exportV6: [] }
    this.change(number, { filters: [{ name: 'f', exportV4, ...none }] })
  }

  drain(draining: boolean): void {
    this.plain.draining = draining
    this.bench.engine.draining = draining
    for (const seat of this.#seats.values()) {
      seat.peer = this.bench.engine.update(seat.peer, seat.plain.config)
    }
  }

  settings(localPreference: number, maxPaths: number, asPathRelax: boolean): void {
    Object.assign(this.plain, { localPreference, maxPaths, asPathRelax })
    this.#config = { ...this.#config, localPreference, maxPaths, asPathRelax }
    this.bench.engine.configure(this.#config)
  }

  nextHop(index: number, reachable: boolean): void {
    const hop = hops[index] as string
    if (reachable) this.plain.unreachable.delete(hop)
    else this.plain.unreachable.add(hop)
    this.bench.setNextHop(hop, reachable)
  }

  stall(number: number): void {
    const sink = this.#seats.get(number)?.sink
    if (sink === undefined) return
    sink.stalled = true
    sink.queuedBytes = 1 << 21
  }

  resume(number: number): void {
    const seat = this.#seats.get(number)
    if (seat === undefined) return
    seat.sink.stalled = false
    seat.sink.drain()
    this.bench.engine.feed(seat.peer)
  }

  refresh(number: number): void {
    const peer = this.#seats.get(number)?.peer
    if (peer !== undefined) this.bench.engine.refresh(peer, family)
  }

  /** Runs until nothing is due, and compares every member whose socket has room. */
  check(): void {
    this.bench.settle()
    for (const { plain, sink } of this.#seats.values())
      if (!sink.stalled) compare(this, plain, sink)
  }

  /** Compares all, once they have caught up; then every peer leaves, and nothing may be left. */
  end(): void {
    for (const number of this.#seats.keys()) this.resume(number)
    this.check()
    for (const { sink, plain } of this.#seats.values()) {
      if (sink.endOfRibs !== 1) throw new Error(`${plain.name}: ${sink.endOfRibs} End-of-RIBs`)
    }
    for (const number of [...this.#seats.keys()]) this.leave(number)
    this.announce([], false)
    this.bench.settle()
    const { engine } = this.bench
    const rib = engine.rib(family)
    const left = [
      rib.prefixes.size,
      rib.paths.size,
      engine.attributes.size,
      [...engine.groups].length,
    ]
    if (left.some((count) => count !== 0)) throw new Error(`left behind: ${left}`)
  }
}

function compare({ plain: router }: GroupScene, member: PlainPeer, { told }: Listener): void {
  const wanted = router.toldTo(member)
  const got = [...told]
    .map(([key, text]) => lineOf(key.split(' ')[0] as string, sentOf(text)))
    .sort()
  if (JSON.stringify(got) === JSON.stringify(wanted)) return
  const extra = got.filter((line) => !wanted.includes(line))
  const missing = wanted.filter((line) => !got.includes(line))
  throw new Error(
    `${member.name} was told\n  ${extra.join('\n  ')}\nand not\n  ${missing.join('\n  ')}`,
  )
}

/** What a `Listener` wrote down, as the plain router would say it. */
function sentOf(text: string): PlainAttributes {
  const at = text.indexOf(' ')
  const view = JSON.parse(text.slice(at + 1))
  return {
    origin: ['igp', 'egp', 'incomplete'].indexOf(view.origin),
    asPath: view.asPath.flatMap(({ asns }: { asns: readonly number[] }) => asns),
    nextHop: text.slice(0, at),
    med: view.med ?? null,
    localPref: view.localPref ?? null,
    communities: view.communities ?? [],
    originatorId: view.originatorId ?? null,
    clusterList: view.clusterList ?? [],
  }
}

function attributesOf(peer: PlainPeer, variant: Variant): PlainAttributes {
  const ebgp = peer.asn !== 64512
  const path = paths[variant.path] as readonly number[]
  const reflected = !ebgp && variant.reflected > 0
  return {
    origin: 0,
    asPath: ebgp ? [peer.asn, ...path] : path,
    nextHop: hops[variant.hop] as string,
    med: variant.med === 0 ? null : variant.med - 1,
    localPref: ebgp ? null : 100 + variant.preference,
    communities: communities[variant.communities] as readonly string[],
    originatorId: reflected ? `10.2.0.${variant.reflected}` : null,
    clusterList: reflected
      ? variant.reflected === 1
        ? ['10.9.9.9']
        : ['10.8.8.8', '10.7.7.7']
      : [],
  }
}

/** One UPDATE of RFC 4271 §4.3, octet by octet. */
export function encodeUpdate(
  prefix: number,
  pathId: number | null,
  attributes: PlainAttributes | null,
  as4: boolean,
): Uint8Array {
  const id = pathId === null ? [] : u32(pathId)
  const nlri = [...id, 24, 10, 1, prefix]
  const withdrawn = attributes === null ? nlri : []
  const block = attributes === null ? [] : attributeOctets(attributes, as4)
  const announced = attributes === null ? [] : nlri
  const body = [
    ...u16(withdrawn.length),
    ...withdrawn,
    ...u16(block.length),
    ...block,
    ...announced,
  ]
  return Uint8Array.of(...new Array(16).fill(255), ...u16(19 + body.length), 2, ...body)
}

function attributeOctets(attributes: PlainAttributes, as4: boolean): number[] {
  const { origin, asPath, nextHop, med, localPref, originatorId, clusterList } = attributes
  const one = (flags: number, code: number, value: readonly number[]) => {
    return [flags, code, value.length, ...value]
  }
  const asns = asPath.flatMap(as4 ? u32 : u16)
  const marks = attributes.communities.flatMap((text) =>
    text.split(':').flatMap((n) => u16(Number(n))),
  )
  return [
    ...one(0x40, 1, [origin]),
    ...one(0x40, 2, asPath.length === 0 ? [] : [2, asPath.length, ...asns]),
    ...one(0x40, 3, u32(parseIpv4(nextHop))),
    ...(med === null ? [] : one(0x80, 4, u32(med))),
    ...(localPref === null ? [] : one(0x40, 5, u32(localPref))),
    ...(marks.length === 0 ? [] : one(0xc0, 8, marks)),
    ...(originatorId === null ? [] : one(0x80, 9, u32(parseIpv4(originatorId)))),
    ...(clusterList.length === 0
      ? []
      : one(
          0x80,
          10,
          clusterList.flatMap((each) => u32(parseIpv4(each))),
        )),
  ]
}

function u16(value: number): number[] {
  return [(value >>> 8) & 255, value & 255]
}

function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value)]
}
