/** What the speaker keeps of one peer; its parts work on it together. */
import type { EnginePeer } from './engine.ts'
import type { PeerSession } from './session/peer.ts'
import type { FamilyName, PeerConfig, Timer } from './types.ts'

/** One peer: its session, and, while Established, its place in the engine. */
export interface PeerEntry {
  config: PeerConfig
  readonly session: PeerSession
  /** The range it was accepted for, or null. */
  readonly range: string | null
  /** A dynamic neighbour that has connected: it goes when its session does. */
  engaged: boolean
  member: EnginePeer | null
  /** What is kept of it while it restarts (RFC 4724 §4.2). */
  ghost: Ghost | null
  readonly endOfRibReceived: Set<FamilyName>
  readonly endOfRibSent: Set<FamilyName>
  /** Families for which the warning level of maxPrefixes was told in this session. */
  readonly warnedOf: Set<FamilyName>
  /** Why it was put down by maxPrefixes, until it is enabled again; null otherwise. */
  overLimit: string | null
}

/** What is kept of a peer that restarts. */
export interface Ghost {
  /** The number its stale paths are kept under. */
  readonly number: number
  readonly families: readonly FamilyName[]
  /** Runs out when the peer doesn't return, or doesn't send End-of-RIB once it has. */
  readonly timer: Timer
}
