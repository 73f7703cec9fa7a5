/**
 * What the protocol engine shows: peers, paths, explanations and events, as plain data for people,
 * the API and metrics. Part of the outer face in types.ts, from where it is imported.
 */
import type { FamilyName, SessionState } from './types.ts'

/** One peer as people see it. */
export interface PeerView {
  readonly name: string
  readonly origin: string
  readonly description: string
  readonly address: string
  readonly port: number
  readonly asn: number
  readonly localAsn: number
  readonly localAddress: string | null
  readonly type: 'ebgp' | 'ibgp'
  readonly routeReflectorClient: boolean
  readonly dynamic: boolean
  readonly state: SessionState
  /** Why it isn't Established, or null; one sentence with the remedy where there is one. */
  readonly reason: string | null
  /** Unix milliseconds of the last state change into or out of Established. */
  readonly since: number | null
  readonly remoteRouterId: string | null
  readonly holdSeconds: number | null
  readonly keepaliveSeconds: number | null
  readonly password: boolean
  readonly capabilities: {
    readonly local: readonly string[]
    readonly remote: readonly string[]
  }
  readonly families: readonly PeerFamilyView[]
  readonly messages: {
    readonly received: MessageCounts
    readonly sent: MessageCounts
  }
  /** How often it left Established. */
  readonly flaps: number
  readonly lastError: {
    readonly at: number
    readonly direction: 'sent' | 'received' | 'local'
    readonly text: string
  } | null
  readonly queuedBytes: number
}

export interface PeerFamilyView {
  readonly family: FamilyName
  readonly negotiated: boolean
  readonly received: number
  readonly accepted: number
  readonly best: number
  readonly advertised: number
  /** End-of-RIB (RFC 4724) received / sent in this session. */
  readonly endOfRibReceived: boolean
  readonly endOfRibSent: boolean
  /** The update group it is told through; null without a session. */
  readonly group: UpdateGroupView | null
}

/** Peers that are told the same bytes. */
export interface UpdateGroupView {
  readonly number: number
  readonly members: number
  /** Why it isn't one with the group most like it, in words; null: there is no other. */
  readonly apart: string | null
}

export interface MessageCounts {
  readonly open: number
  readonly update: number
  readonly notification: number
  readonly keepalive: number
  readonly refresh: number
}

/** Attributes as shown to people and in JSON; names as in `routelet decode`. */
export interface AttributesView {
  readonly origin?: 'igp' | 'egp' | 'incomplete'
  readonly asPath?: readonly AsPathSegmentView[]
  readonly nextHop?: string
  readonly med?: number
  readonly localPref?: number
  readonly atomicAggregate?: boolean
  readonly aggregator?: { readonly asn: number; readonly address: string }
  readonly communities?: readonly string[]
  readonly originatorId?: string
  readonly clusterList?: readonly string[]
  readonly extendedCommunities?: readonly string[]
  readonly largeCommunities?: readonly string[]
  readonly otc?: number
  readonly unknown?: readonly {
    readonly code: number
    readonly flags: number
    readonly value: string
  }[]
}

export interface AsPathSegmentView {
  readonly type: 'sequence' | 'set' | 'confed-sequence' | 'confed-set'
  readonly asns: readonly number[]
}

/** One path to one prefix. */
export interface PathView {
  readonly prefix: string
  /** Peer name, or `local` for an own announcement. */
  readonly peer: string
  readonly peerAddress: string | null
  readonly pathId: number
  /** All next hops of the attribute set: global first, then link-local. */
  readonly nextHops: readonly string[]
  readonly nextHopReachable: boolean
  readonly igpMetric: number
  readonly best: boolean
  readonly multipath: boolean
  readonly stale: boolean
  readonly eligible: boolean
  /** Why it is not eligible, or the decision rule by which it lost; null for the best. */
  readonly reason: string | null
  /** What each filter rule said of it on import, in order; empty without filters. */
  readonly filterSteps: readonly string[]
  readonly attributes: AttributesView
}

/** Answer to "why is (not) this route here?" as far as BGP knows. */
export interface PrefixExplanation {
  readonly prefix: string
  readonly paths: readonly PathView[]
  readonly best: PathView | null
  /** Which rule decided between the best and the runner-up; null with fewer than two. */
  readonly decidedBy: string | null
  readonly advertisements: readonly AdvertisementView[]
}

export interface AdvertisementView {
  readonly peer: string
  readonly advertised: boolean
  /** In words: why (not). */
  readonly reason: string
  /** What each filter rule said of the best path on export; empty without filters. */
  readonly filterSteps: readonly string[]
  /** As sent, when it is advertised. */
  readonly attributes: AttributesView | null
  /** Where several paths are sent (RFC 7911): each path, and why it is (not) among them. */
  readonly paths: readonly AdvertisedPathView[]
}

export interface AdvertisedPathView {
  /** Where the path came from: a peer's name, or `local`. */
  readonly peer: string
  /** Path id it was received under. */
  readonly pathId: number
  /** Place in the order of the decision process, the best is 1; null: unusable, or far behind. */
  readonly rank: number | null
  /** Path id it is sent under; null: it isn't sent. */
  readonly sentAs: number | null
  /** In words: why (not). */
  readonly reason: string
}

/** Something that happened, for logs, the event stream and the API. */
export interface SpeakerEvent {
  readonly kind:
    | 'peer.state'
    | 'peer.refresh'
    | 'peer.established'
    | 'peer.down'
    | 'peer.error'
    | 'peer.endOfRib'
    | 'peer.restart'
    | 'peer.limit'
    | 'listen'
    | 'update.fault'
    | 'condition'
  readonly peer: string | null
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly text: string
  readonly data?: Readonly<Record<string, unknown>>
}

export interface SpeakerCounts {
  readonly peers: number
  readonly established: number
  readonly prefixes: Readonly<Record<FamilyName, number>>
  readonly paths: Readonly<Record<FamilyName, number>>
  readonly attributeSets: number
}
