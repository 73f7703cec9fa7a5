/**
 * The shapes at the face of BFD: which sessions are wanted, what they report, and the port through
 * which packets come and go. Plain data; addresses are canonical text, a link-local one with its
 * zone (`fe80::1%eth0`). RFC 5880 §4.1 (states, diagnostics), RFC 5881, RFC 5883.
 */

export type BfdStateName = 'AdminDown' | 'Down' | 'Init' | 'Up'

export interface BfdSessionConfig {
  /** Whose session it is, e.g. the name of the BGP peer; unique in a set of sessions. */
  readonly name: string
  /** May carry a zone (`fe80::1%eth0`), which then is the interface too. */
  readonly remoteAddress: string
  /** Source of our packets; null lets the kernel choose. Multihop peers want it set. */
  readonly localAddress: string | null
  /** Send and hear on this interface only; null: wherever the kernel routes. */
  readonly interface: string | null
  /** Over routers (RFC 5883, UDP port 4784) or to a neighbour on the link (RFC 5881, 3784). */
  readonly multihop: boolean
  /** Milliseconds between packets we would like to send (bfd.DesiredMinTxInterval once Up). */
  readonly transmitMs: number
  /** Milliseconds between packets we can take (bfd.RequiredMinRxInterval). */
  readonly receiveMs: number
  /** Packets the remote may miss before it declares us dead, 1 to 255 (bfd.DetectMult). */
  readonly multiplier: number
}

/** Told once for each change of state. */
export interface BfdState {
  readonly name: string
  readonly state: BfdStateName
  /** Why it last left Up, in the words of RFC 5880 §4.1. */
  readonly diagnostic: string
  readonly remoteState: BfdStateName
  readonly remoteDiagnostic: string
  /**
   * The path was up and no longer is: act on it. False when the session went down because either
   * side was told to (RFC 5882 §3.2: AdminDown says nothing about the path).
   */
  readonly failed: boolean
}

export interface BfdView {
  readonly name: string
  readonly remoteAddress: string
  readonly localAddress: string | null
  readonly interface: string | null
  readonly multihop: boolean
  readonly state: BfdStateName
  readonly diagnostic: string
  readonly remoteState: BfdStateName
  readonly remoteDiagnostic: string
  readonly localDiscriminator: number
  /** 0 as long as the remote is unknown. */
  readonly remoteDiscriminator: number
  /** Milliseconds between the packets we send, before jitter; null: the remote wants none. */
  readonly transmitMs: number | null
  /** Milliseconds of silence that end the session; null: nothing heard yet. */
  readonly detectionMs: number | null
  readonly remoteMultiplier: number
  /** Unix milliseconds of the last change of state. */
  readonly sinceMs: number
  /** How often the path failed. */
  readonly failures: number
  readonly sentPackets: number
  readonly receivedPackets: number
  /** Packets of this remote that were refused. */
  readonly refusedPackets: number
  /** Why it can't come up, as far as known, with the remedy; null: nothing wrong here. */
  readonly problem: string | null
}

export interface BfdEvent {
  readonly kind: 'bfd.up' | 'bfd.down' | 'bfd.problem' | 'bfd.note'
  readonly level: 'info' | 'warn' | 'error'
  readonly text: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** A packet as the network hands it over; `bytes` is borrowed until the call returns. */
export interface Arrival {
  readonly bytes: Uint8Array
  readonly length: number
  readonly remoteAddress: string
  readonly localAddress: string
  readonly interface: string
  /** TTL or hop limit; null when the kernel didn't say. */
  readonly ttl: number | null
}

/** What one receiving socket hears: one for each family and hop kind. */
export interface HearingKind {
  readonly family: 4 | 6
  readonly multihop: boolean
}

/** Port: UDP as BFD wants it. Both calls throw an Error in words for people. */
export interface BfdNetwork {
  /**
   * Listens on port 3784 (only for packets of TTL 255, RFC 5881 §5) or 4784.
   * @throws when the port is taken
   */
  listen(kind: HearingKind, hear: (arrival: Arrival) => void): Ear
  /** @throws when the local address or the interface isn't there */
  dial(path: BfdPath): Sender
}

export interface BfdPath {
  readonly remoteAddress: string
  readonly localAddress: string | null
  readonly interface: string | null
  readonly multihop: boolean
}

export interface Ear {
  /** Hands over what waits unread, up to a ceiling. */
  receive(): void
  close(): void
}

export interface Sender {
  /** @returns null, or why the packet wasn't sent */
  send(packet: Uint8Array): string | null
  close(): void
}
