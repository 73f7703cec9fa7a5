/**
 * What resources come down to for one node: the peers, announcements and kernel settings an agent
 * there would have. Made by pure functions, shown by `routelet plan`, carried out by the agent.
 */
import type { Announcement, ListenAddress, PeerConfig, RefusedRange } from '../../bgp/types.ts'
import type { FibSettings, Guard, HostRoute } from '../../fib/types.ts'
import type { CniIntent } from './cni.ts'

export interface Problem {
  /** CamelCase reason code. */
  readonly reason: string
  readonly severity: 'info' | 'warning' | 'error'
  /** `BGPPeer/rack-a`, `Node/n1`. */
  readonly subject: string
  readonly message: string
  readonly remedy: string | null
}

export interface NodeIntent {
  readonly name: string
  readonly asn: number
  readonly routerId: string
  readonly clusterId: string | null
  /** With the prefix length when it is known (`10.0.0.1/24`), one a family at most. */
  readonly addresses: readonly string[]
  readonly podCidrs: readonly string[]
}

/** What of an intent in force the next one may fall back to. */
export type InForce = Pick<Intent, 'peers'>

/** A host route to a peer, and the BGPPeer that asks for it (`BGPPeer/rack-a`). */
export interface PeerRoute extends HostRoute {
  readonly subject: string
}

export interface Intent {
  /** null: the own Node is absent; nothing can be done yet and `problems` says so. */
  readonly node: NodeIntent | null
  readonly listen: readonly ListenAddress[]
  readonly peers: readonly PeerConfig[]
  readonly announcements: readonly Announcement[]
  /** Prefixes of announcements that come and go with the endpoints of services. */
  readonly unsteady: readonly string[]
  /** What went comes back after this many seconds at the earliest; 0: at once. */
  readonly holdDownSeconds: number
  readonly blackholes: readonly string[]
  /** Names of peers that nothing waits for: workloads of the node, which come and go. */
  readonly casual: readonly string[]
  /** Ways to peers that are reached through a gateway. */
  readonly hostRoutes: readonly PeerRoute[]
  readonly refuse: readonly RefusedRange[]
  /** Service ranges that no packet is forwarded to by a route. */
  readonly guard: Guard
  /** How pods are attached; null: that is not ours to say. */
  readonly cni: CniIntent | null
  readonly fib: FibSettings
  /** Whether the host's network settings may be set, or are only judged. */
  readonly sysctls: 'Check' | 'Set'
  /** Nodes of the cluster: as many may be neighbours on one link. */
  readonly nodeCount: number
  readonly defaultRoute: 'Ignore' | 'Install'
  readonly localPreference: number
  readonly asPathRelax: boolean
  readonly onStop: 'Auto' | 'KeepRoutes' | 'Withdraw'
  readonly readiness: {
    readonly policy: 'Any' | 'Quorum' | 'AllToR'
    readonly timeoutSeconds: number
  }
  readonly logLevel: string | null
  readonly problems: readonly Problem[]
}
