/**
 * The shapes at the outer face of the protocol engine: what a speaker is told, what it asks of its
 * surroundings (ports), and what it shows. Plain data; addresses and prefixes are canonical text
 * here, and packed numbers only in bulk (RouteChanges).
 */

import type { FilterConfig } from './policy/types.ts'

/** What it shows stands in a file of its own, and belongs to this face. */
export type * from './view-types.ts'

export type FamilyName = 'ipv4-unicast' | 'ipv6-unicast'

/** What a peer or an announcement was configured as. Everything has its default filled in. */
export interface SpeakerConfig {
  readonly asn: number
  /** BGP identifier, dotted quad (RFC 6286). */
  readonly routerId: string
  /** Where to listen; an empty list makes a speaker that only dials. */
  readonly listen: readonly ListenAddress[]
  /** LOCAL_PREF put on own announcements and on eBGP-learned routes (RFC 4271 §5.1.5). */
  readonly localPreference: number
  /** Size of the ECMP set handed to the kernel. */
  readonly maxPaths: number
  /** Multipath between paths whose AS paths differ but are equally long. */
  readonly asPathRelax: boolean
  /** Prefixes never accepted from a peer (the node's own pod CIDRs, the cluster's service ranges). */
  readonly refuse: readonly RefusedRange[]
  /** Whether 0.0.0.0/0 and ::/0 are accepted for installation. */
  readonly defaultRoute: 'Ignore' | 'Install'
}

export interface RefusedRange {
  readonly prefix: string
  /** `exact` refuses the prefix itself, `covered` everything inside it too. */
  readonly match: 'exact' | 'covered'
  /** Shown by `explain`, e.g. "own pod CIDR". */
  readonly reason: string
  /** Accepted and passed on, and not installed: a reflector carries what it has no use for itself. */
  readonly passOn?: boolean
}

export interface ListenAddress {
  /** null: every address of that family. */
  readonly address: string | null
  readonly family: 4 | 6
  readonly port: number
}

export interface PeerConfig {
  readonly name: string
  /** What made this peer, for people: `mesh`, `BGPPeer rack-a`, `reverse of BGPPeer x`. */
  readonly origin: string
  readonly description: string
  /** Remote address, canonical; null when `range` is set. May carry a zone (`fe80::1%eth0`). */
  readonly address: string | null
  /** CIDR of dynamic neighbours: passive, one session for each address that connects. */
  readonly range: string | null
  /** Dynamic neighbours accepted at most at one time. */
  readonly rangeLimit: number
  readonly port: number
  readonly asn: number
  /** AS presented to this peer (RFC 7705 when it differs from the speaker's). */
  readonly localAsn: number
  /** TCP source address, or null to let the kernel choose. */
  readonly localAddress: string | null
  readonly passive: boolean
  /** MD5 key (RFC 2385); never shown by any view. */
  readonly password: string | null
  /** Seconds; 0 switches the hold timer off (RFC 4271 §4.2), otherwise at least 3. */
  readonly holdSeconds: number
  /** null: a third of the negotiated hold time. */
  readonly keepaliveSeconds: number | null
  readonly connectRetrySeconds: number
  readonly families: readonly FamilyName[]
  readonly routeReflectorClient: boolean
  /** Cluster id used towards this peer, dotted quad; null when this node reflects nothing. */
  readonly clusterId: string | null
  readonly nextHopMode: 'Auto' | 'Self' | 'Keep'
  /** `Auto`: to eBGP own (and, on a reflector, iBGP-learned) routes only; `All` lifts that. */
  readonly export: 'Auto' | 'Own' | 'All'
  /** How often the own AS may occur in a received AS_PATH. */
  readonly allowedLocalAsns: number
  readonly asOverride: boolean
  /** An eBGP peer's own AS must be the first of its paths (RFC 4271 §6.3); a route server's isn't. */
  readonly enforceFirstAs: boolean
  /** GTSM (RFC 5082): hops the peer may be away; null switches it off. */
  readonly ttlSecurity: number | null
  /** null: off (TTL of the system). */
  readonly ebgpMultihop: number | null
  /**
   * Graceful restart (RFC 4724): `Enabled` offers both roles, `Helper` only keeps what a restarting
   * peer said, `Disabled` neither.
   */
  readonly gracefulRestart: 'Enabled' | 'Helper' | 'Disabled'
  /** Seconds a restarting speaker asks to be waited for; advertised to the peer. */
  readonly restartSeconds: number
  /** Seconds a peer that is back may take to send End-of-RIB before stale routes go. */
  readonly staleSeconds: number
  /** Several paths a prefix (RFC 7911), by direction. */
  readonly addPathReceive: boolean
  /** The best ones, those of the ECMP set, or every usable one; `None`: the best, without an id. */
  readonly addPathSend: 'None' | 'Best' | 'Multipath' | 'All'
  /** How many of them at most, in the order of the decision process; null: no ceiling of its own. */
  readonly addPathLimit: number | null
  readonly maxPrefixes: MaxPrefixes | null
  /** Failure detection beside the session (RFC 5880), carried out by whoever owns the speaker. */
  readonly bfd: BfdTimers | null
  /** In order; both directions and families (see policy/types.ts). */
  readonly filters: readonly FilterConfig[]
  /** Administratively down. */
  readonly shutdown: boolean
  /** What the peer's operator is told when it is shut down (RFC 9003): 255 octets of UTF-8 at most. */
  readonly shutdownMessage: string | null
  /** A reason to keep the session down (missing Secret, a feature not enforced); null: none. */
  readonly heldDown: string | null
}

/** BFD as wished for: milliseconds between packets sent and taken, and packets that may be missed. */
export interface BfdTimers {
  readonly transmitMs: number
  readonly receiveMs: number
  readonly multiplier: number
}

/** Ceiling on received prefixes, per family. */
export interface MaxPrefixes {
  readonly limit: number
  /** Percent of the limit that is worth a warning; null: none. */
  readonly warningPercent: number | null
  /** Seconds until the session is tried again; null: not by itself. */
  readonly restartSeconds: number | null
}

/** A prefix this node announces of itself. */
export interface Announcement {
  readonly prefix: string
  readonly reason: string
  /** `65001:100`, `1:2:3` (large); well-known names are resolved by the caller. */
  readonly communities: readonly string[]
}

/**
 * Route changes in bulk, from the RIB to the kernel writer: row i is the prefix
 * `addresses[i*words … ]/lengths[i]` whose next hops are now those of set `nextHopSets[i]`; set 0
 * means "no longer wanted". `sets` describes every id that occurs here for the first time.
 */
export interface RouteChanges {
  readonly family: FamilyName
  readonly count: number
  /** One 32-bit word a prefix for IPv4, four for IPv6, most significant first. */
  readonly addresses: Uint32Array
  readonly lengths: Uint8Array
  readonly nextHopSets: Uint32Array
  readonly sets: readonly NextHopSet[]
}

export interface NextHopSet {
  readonly id: number
  /** BGP next hops, canonical text, best first; the ECMP set. */
  readonly nextHops: readonly string[]
  /** Addresses of the peers these paths were learned from. */
  readonly peers: readonly string[]
}

/** Answer of the kernel's view to "can this next hop be reached?". */
export interface NextHopState {
  readonly nextHop: string
  readonly reachable: boolean
  /** IGP metric for the decision process (RFC 4271 §9.1.2.2 e); 0 on link. */
  readonly metric: number
  /** Outgoing interfaces, where the tracker knows them. */
  readonly interfaces?: readonly string[]
}

/** Port: tells the speaker which next hops are reachable, now and on every change. */
export interface NextHopTracker {
  track(nextHop: string): void
  untrack(nextHop: string): void
  /** Called with every change, and once for each newly tracked next hop. */
  onChange(listener: (states: readonly NextHopState[]) => void): void
}

/** Port: time. `now` is monotonic milliseconds; `wall` is Unix milliseconds for people. */
export interface Clock {
  now(): number
  wall(): number
  schedule(milliseconds: number, run: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** Port: TCP with the options BGP wants. The only way to a network. */
export interface Transport {
  /** Starts a connection attempt. Exactly one of `connected` or `closed` is called first. */
  dial(options: DialOptions, events: ConnectionEvents): Connection
  listen(options: ListenOptions, accept: (incoming: Incoming) => void): Promise<Listener>
}

export interface DialOptions {
  readonly address: string
  readonly port: number
  readonly localAddress: string | null
  readonly password: string | null
  readonly ttl: number | null
  /** Packets with a lower TTL are dropped by the kernel (RFC 5082). */
  readonly minTtl: number | null
}

export interface ListenOptions {
  readonly address: string | null
  readonly family: 4 | 6
  readonly port: number
  readonly backlog: number
  /** MD5 keys in force before the first connection can be made; later ones by `setKeys`. */
  readonly keys?: readonly ListenerKey[]
}

export interface Listener {
  readonly port: number
  /** Desired MD5 keys of this listener, whole; differences are applied at once, errors thrown. */
  setKeys(keys: readonly ListenerKey[]): void
  close(): void
}

export interface ListenerKey {
  /** Address or CIDR. */
  readonly prefix: string
  readonly password: string
}

export interface Incoming {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  /** Takes the connection; `connected` is not called for it. */
  accept(events: ConnectionEvents): Connection
  /** TTL options before anything is read or written (RFC 5082). */
  setTtl(ttl: number | null, minTtl: number | null): void
  reject(): void
}

export interface ConnectionEvents {
  connected(): void
  /** Bytes are borrowed: whoever keeps them copies them. */
  data(bytes: Uint8Array): void
  /** Everything queued has been handed to the kernel. */
  drained(): void
  closed(error: ConnectionError | null): void
}

export interface ConnectionError {
  /** errno name, e.g. ECONNREFUSED. */
  readonly code: string
  readonly message: string
}

export interface Connection {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  /** Bytes accepted by `write` and not yet handed to the kernel. */
  readonly queuedBytes: number
  /** The bytes must not change afterwards. Returns false when the queue should drain first. */
  write(bytes: Uint8Array): boolean
  /** Several blocks in one go (one writev). */
  writeAll(blocks: readonly Uint8Array[]): boolean
  /**
   * Another TCP-MD5 key in place of the one in force; absent where there are no keys.
   * @throws Error when the kernel doesn't take it
   */
  rekey?(password: string): void
  pause(): void
  resume(): void
  /** Orderly close after what is queued. */
  end(): void
  /** Immediate close; nothing more is delivered. */
  destroy(): void
}

export type SessionState =
  | 'Idle'
  | 'Connect'
  | 'Active'
  | 'OpenSent'
  | 'OpenConfirm'
  | 'Established'
