/**
 * The routing half of a speaker: the RIBs of all families, the intake of UPDATEs, the update groups,
 * and the turn that connects them. Sessions never appear here; a peer is a number and a sink.
 *
 * A turn decides a bounded number of dirty prefixes, hands what came of it to the kernel writer and to
 * the groups, and goes on in a later turn: a flood of routes never stops keepalives or questions.
 *
 * This file is long because every way into the tables, and out of them, meets here.
 */
import { BusyTime } from './busy-time.ts'
import { PeerFilter, SetEditor } from './filters.ts'
import { Intake, type Source } from './intake.ts'
import { parseAddress, parseIpv4, parsePrefix } from './prefix.ts'
import { type HostPorts, makeExport } from './profile.ts'
import { AttributeStore } from './rib/attribute-store.ts'
import { FamilyRib, prefixesPerTurnMax, type RibSettings } from './rib/family-rib.ts'
import type { MemberSink } from './rib/member.ts'
import { NextHopSets } from './rib/next-hop-sets.ts'
import { NextHops } from './rib/next-hops.ts'
import { ineligible } from './rib/paths.ts'
import { localPeer, type PeerFacts, PeerTable } from './rib/peers.ts'
import { encodingMsMax, type UpdateGroup } from './rib/update-group.ts'
import type {
  Announcement,
  Clock,
  FamilyName,
  NextHopTracker,
  PeerConfig,
  RouteChanges,
  SpeakerConfig,
  Timer,
} from './types.ts'
import { UpdateGroups } from './update-groups.ts'
import { encodeOwnAttributes } from './wire/attribute.ts'
import type { Negotiated } from './wire/context.ts'

export const familyNames: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast']

/** Milliseconds a turn spends on decisions; what is left goes on in the next one. */
export const decisionMsMax = 5

export interface EnginePorts extends HostPorts {
  readonly clock: Clock
  readonly tracker: NextHopTracker
  readonly onRoutes: (changes: RouteChanges) => void
  readonly onEndOfRibSent: (peer: number, family: FamilyName) => void
}

/** A peer with an Established session. */
export interface EnginePeer extends Source {
  readonly config: PeerConfig
  readonly name: string
  readonly addresses: { readonly remote: string; readonly local: string }
  readonly groups: ReadonlyMap<FamilyName, UpdateGroup>
  /** Octets of "next hop self" towards it. */
  readonly selves: ReadonlyMap<FamilyName, Uint8Array>
}

export class Engine {
  readonly ribs: ReadonlyMap<FamilyName, FamilyRib>
  readonly attributes: AttributeStore
  readonly busy = new BusyTime()
  readonly nextHops: NextHops
  readonly peers = new PeerTable()
  readonly nextHopSets = new NextHopSets()
  readonly intake: Intake
  readonly groups: UpdateGroups
  readonly #members = new Set<EnginePeer>()
  readonly #editor: SetEditor
  #draining = false
  readonly #ports: EnginePorts
  #config: SpeakerConfig
  #announcements = new Map<string, Announcement>()
  readonly #waiting: (() => void)[] = []
  /** Next hops that lead elsewhere than at the last turn, or nowhere: one walk will do for them all. */
  readonly #movedNextHops = new Set<number>()
  #turn: Timer | null = null
  #closed = false
  #deferring = false

  constructor(config: SpeakerConfig, ports: EnginePorts) {
    this.#config = config
    this.#ports = ports
    this.nextHops = new NextHops(ports.tracker)
    this.attributes = new AttributeStore(this.nextHops)
    const settings = (): RibSettings => ({
      localPreference: this.#config.localPreference,
      maxPaths: this.#config.maxPaths,
      asPathRelax: this.#config.asPathRelax,
      installable: (rib, prefix) => this.#isInstallable(rib, prefix),
    })
    this.ribs = new Map(
      familyNames.map((family) => [family, new FamilyRib(family, this, settings, ports.onRoutes)]),
    )
    this.groups = new UpdateGroups(this.ribs, { ...ports, onDue: () => this.schedule() })
    this.#editor = new SetEditor(this.attributes, this.nextHops)
    this.intake = new Intake(this.ribs, this.attributes, this.nextHops)
    this.intake.asn = config.asn
    this.intake.refuse(config.refuse)
    ports.tracker.onChange((states) => {
      for (const id of this.nextHops.apply(states)) this.#movedNextHops.add(id)
      if (this.#movedNextHops.size > 0 || this.#waiting.length > 0) this.schedule()
    })
  }

  rib(family: FamilyName): FamilyRib {
    return this.ribs.get(family) as FamilyRib
  }

  close(): void {
    this.#closed = true
    this.#turn?.cancel()
    this.#turn = null
  }

  /** Takes changed settings; everything they touch is decided anew, no session is. */
  configure(config: SpeakerConfig): void {
    const before = this.#config
    this.#config = config
    this.intake.asn = config.asn
    const refused = JSON.stringify(before.refuse) !== JSON.stringify(config.refuse)
    if (refused) {
      this.intake.refuse(config.refuse)
      for (const peer of this.#members) this.intake.reconsider(peer)
    }
    const decides =
      before.localPreference !== config.localPreference ||
      before.maxPaths !== config.maxPaths ||
      before.asPathRelax !== config.asPathRelax ||
      before.defaultRoute !== config.defaultRoute ||
      refused
    if (decides) for (const rib of this.ribs.values()) rib.reconfigure()
    if (before.localPreference !== config.localPreference) this.#tellInternal()
    if (decides) this.schedule()
  }

  #isInstallable({ family, prefixes }: FamilyRib, prefix: number): boolean {
    const length = prefixes.lengths[prefix] as number
    if (length === 0 && this.#config.defaultRoute === 'Ignore') return false
    return !this.intake.passesOn(family, prefixes.addresses, prefix * prefixes.words, length)
  }

  /** Tells iBGP peers everything again: what fills in for an absent attribute is in no set. */
  #tellInternal(): void {
    for (const peer of this.#members) {
      if (peer.negotiated.ebgp) continue
      for (const group of peer.groups.values()) group.refresh(peer.number, false)
    }
  }

  /** All own announcements wanted, whole; differences are applied. */
  announce(announcements: readonly Announcement[]): void {
    const wanted = new Map(announcements.map((each) => [each.prefix, each]))
    for (const prefix of this.#announcements.keys()) {
      if (wanted.has(prefix)) continue
      const { family, words, length } = parsePrefix(prefix)
      this.rib(family).withdraw(words, 0, length, localPeer, 0)
    }
    for (const announcement of wanted.values()) this.#announceOwn(announcement)
    this.#announcements = wanted
    this.schedule()
  }

  get announcements(): ReadonlyMap<string, Announcement> {
    return this.#announcements
  }

  /**
   * An Established peer: it gets a number, and joins a group for each family.
   * @param returning the number its stale paths are kept under, or null
   */
  join(
    config: PeerConfig,
    negotiated: Negotiated,
    addresses: { readonly remote: string; readonly local: string },
    sink: MemberSink,
    returning: number | null = null,
  ): EnginePeer {
    const facts = {
      name: config.name,
      address: addresses.remote,
      addressBytes: parseAddress(addresses.remote),
      ebgp: negotiated.ebgp,
      client: config.routeReflectorClient && !negotiated.ebgp,
      routerId: negotiated.peerRouterId,
    }
    if (returning !== null) this.#return(returning, facts)
    const number = returning ?? this.peers.add(facts)
    const peer = this.#describe(number, config, negotiated, addresses)
    for (const [family, group] of peer.groups) group.join(number, sink, selfOf(peer, family))
    this.#members.add(peer)
    this.schedule()
    return peer
  }

  /** What is kept of a peer may carry a router id (RFC 4456 §8) that it has no longer. */
  #return(number: number, facts: PeerFacts): void {
    const same = this.peers.routerId[number] === facts.routerId
    this.peers.set(number, facts)
    if (same) return
    for (const rib of this.ribs.values()) rib.touchPeer(number)
    this.#tellInternal()
  }

  /**
   * Routing parameters of an Established peer changed: what it sent is judged anew from what was
   * received, what it was told is corrected, and the session knows nothing of it.
   */
  update(before: EnginePeer, config: PeerConfig): EnginePeer {
    const { number, negotiated, addresses } = before
    this.peers.client[number] = config.routeReflectorClient && !negotiated.ebgp ? 1 : 0
    const peer = this.#describe(number, config, negotiated, addresses)
    this.#members.delete(before)
    this.#members.add(peer)
    for (const [family, group] of peer.groups) {
      const old = before.groups.get(family)
      const self = selfOf(peer, family)
      const same = old === group && Buffer.compare(self, selfOf(before, family)) === 0
      if (old !== undefined && !same) this.groups.move(number, old, group, self)
    }
    this.intake.reconsider(peer)
    // Whether it is a client decides to whom its routes are reflected.
    for (const rib of this.ribs.values()) rib.touchPeer(number)
    this.schedule()
    return peer
  }

  /** The Established peer of this number, if there is one. */
  memberOf(number: number): EnginePeer | null {
    return [...this.#members].find((peer) => peer.number === number) ?? null
  }

  /** Graceful shutdown (RFC 8326): everything is told as the last choice, or as usual again. */
  set draining(draining: boolean) {
    this.#draining = draining
  }

  get draining(): boolean {
    return this.#draining
  }

  /** A peer with its filters, and the group of each family; groups are made where needed. */
  #describe(
    number: number,
    config: PeerConfig,
    negotiated: Negotiated,
    addresses: EnginePeer['addresses'],
  ): EnginePeer {
    const clusterId = config.clusterId === null ? null : parseIpv4(config.clusterId)
    const groups = new Map<FamilyName, UpdateGroup>()
    const selves = new Map<FamilyName, Uint8Array>()
    const filters = new Map<FamilyName, PeerFilter>()
    for (const family of negotiated.families) {
      const { ebgp } = negotiated
      const filter = new PeerFilter(
        family,
        config,
        ebgp,
        this.#draining,
        this.#editor,
        this.nextHops,
      )
      filters.set(family, filter)
      const policy = filter.exports ? filter : null
      const told = makeExport(family, config, negotiated, addresses, this.#ports, policy !== null)
      groups.set(family, this.groups.find(told, policy))
      selves.set(family, told.self)
    }
    return {
      config,
      name: config.name,
      number,
      negotiated,
      clusterId,
      allowedLocalAsns: config.allowedLocalAsns,
      enforceFirstAs: config.enforceFirstAs,
      localAddress: parseAddress(addresses.local),
      addresses,
      groups,
      selves,
      filters,
    }
  }

  /**
   * The session is over. The paths of the families in `keep` stay, marked stale (RFC 4724 §4.2),
   * under the peer's number until it returns or `forget` is called; all others go.
   */
  leave(peer: EnginePeer, keep: readonly FamilyName[] = []): void {
    this.#members.delete(peer)
    for (const group of peer.groups.values()) this.groups.leave(peer.number, group)
    for (const family of peer.negotiated.families) {
      if (keep.includes(family)) this.rib(family).markStale(peer.number)
      else this.rib(family).withdrawPeer(peer.number)
    }
    if (keep.length === 0) this.peers.retire(peer.number)
    this.schedule()
  }

  /** Removes what is stale of a peer in a family: it has said all it has to say, or too late. */
  sweep(number: number, family: FamilyName): number {
    const swept = this.rib(family).sweepStale(number)
    if (swept > 0) this.schedule()
    return swept
  }

  /** A peer that is not waited for any longer: nothing is kept of it. */
  forget(number: number): void {
    for (const rib of this.ribs.values()) rib.withdrawPeer(number)
    this.peers.retire(number)
    this.schedule()
  }

  /**
   * While true, peers are told nothing: after a restart, what they keep of us must not be replaced
   * by half of it (RFC 4724 §4.1, deferral of route selection).
   */
  set deferring(deferring: boolean) {
    this.#deferring = deferring
    this.schedule()
  }

  get deferring(): boolean {
    return this.#deferring
  }

  /** The peer asks to be told everything again (RFC 2918). */
  refresh(peer: EnginePeer, family: FamilyName): void {
    peer.groups.get(family)?.refresh(peer.number, peer.negotiated.enhancedRefresh)
    this.schedule()
  }

  /** The peer's socket has room again. */
  feed(peer: EnginePeer): void {
    if (this.#deferring) return
    for (const group of peer.groups.values()) group.pump(peer.number)
    this.schedule()
  }

  /** Asks for a turn soon. */
  schedule(): void {
    if (this.#turn !== null || this.#closed) return
    const { clock } = this.#ports
    this.busy.begin(clock.now())
    this.#turn = clock.schedule(0, () => {
      this.#turn = null
      if (this.busy.turn(this.#run(), clock.now())) this.schedule()
    })
  }

  /**
   * Calls back once, as soon as every change known by now is decided and handed on, with an answer
   * for every next hop.
   */
  whenSettled(run: () => void): void {
    this.#waiting.push(run)
    this.schedule()
  }

  /** Everything to the kernel writer again. */
  replayRoutes(): void {
    for (const rib of this.ribs.values()) rib.replayRoutes()
    this.schedule()
  }

  /** One bounded turn; returns whether work is left. */
  #run(): boolean {
    this.#followNextHops()
    let more = false
    let until = this.#ports.clock.now() + decisionMsMax
    const late = (): boolean => this.#ports.clock.now() > until
    for (const rib of this.ribs.values()) if (rib.settle(prefixesPerTurnMax, late)) more = true
    until += encodingMsMax
    if (!this.#deferring) for (const group of this.groups) if (group.flush(late)) more = true
    if (more) return true
    const reaped = [...this.ribs.values()].map((rib) => rib.reap(prefixesPerTurnMax))
    if (reaped.includes('more')) return true
    if (!reaped.includes('held') && this.peers.retired > 0) this.peers.recycle()
    if (this.nextHops.awaited === 0) for (const run of this.#waiting.splice(0)) run()
    return false
  }

  /** Has whatever lies behind next hops that have moved decided anew. */
  #followNextHops(): void {
    if (this.#movedNextHops.size === 0) return
    for (const rib of this.ribs.values()) rib.touchNextHops(this.#movedNextHops)
    this.#movedNextHops.clear()
    for (const peer of this.#members) {
      if ([...peer.filters.values()].some((each) => each.perNextHop)) this.intake.reconsider(peer)
    }
  }

  #announceOwn(announcement: Announcement): void {
    const { family, words, length } = parsePrefix(announcement.prefix)
    const bytes = encodeOwnAttributes({
      origin: 'igp',
      localPref: null,
      med: null,
      communities: announcement.communities,
    })
    const set =
      this.attributes.find(bytes, bytes.length, 0) || this.attributes.add(bytes, bytes.length, 0)
    this.rib(family).announce(words, 0, length, localPeer, 0, set, set, ineligible.none)
  }
}

function selfOf(peer: EnginePeer, family: FamilyName): Uint8Array {
  return peer.selves.get(family) as Uint8Array
}
