/**
 * What resources come down to for one node: the peers, announcements and kernel settings an agent
 * there would have. Made by pure functions, shown by `routelet plan`, carried out by the agent.
 */
import type { Announcement, ListenAddress, PeerConfig, RefusedRange } from '../../bgp/types.ts'
import type { FibSettings } from '../../fib/types.ts'

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

export interface Intent {
  /** null: the own Node is absent; nothing can be done yet and `problems` says so. */
  readonly node: NodeIntent | null
  readonly listen: readonly ListenAddress[]
  readonly peers: readonly PeerConfig[]
  readonly announcements: readonly Announcement[]
  readonly blackholes: readonly string[]
  readonly refuse: readonly RefusedRange[]
  readonly fib: FibSettings
  readonly defaultRoute: 'Ignore' | 'Install'
  readonly localPreference: number
  readonly onStop: 'Auto' | 'KeepRoutes' | 'Withdraw'
  readonly readiness: {
    readonly policy: 'Any' | 'Quorum' | 'AllToR'
    readonly timeoutSeconds: number
  }
  readonly logLevel: string | null
  readonly problems: readonly Problem[]
}
