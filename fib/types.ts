/**
 * The shapes at the outer face of the kernel writer: the routes it is told to want, what it says of
 * next hops, and what it shows. `fib/` has never heard of BGP. Addresses and prefixes are canonical
 * text; bulk changes are packed numbers.
 */

export type RouteFamily = 'ipv4-unicast' | 'ipv6-unicast'

export interface FibSettings {
  /** Kernel routing table; 254 is `main`. */
  readonly table: number
  /** Routing protocol number that marks a route as ours. */
  readonly protocol: number
  readonly metric: number
  readonly maxPaths: number
  /** `None` tracks next hops and installs nothing. */
  readonly install: 'All' | 'None'
  /** Seconds between safety scans; null switches them off (repair then rests on events alone). */
  readonly scanSeconds: number | null
  /**
   * `Auto`, the default: routes name nexthop objects and groups where the kernel knows them (Linux
   * 5.3), so that a failover is one message a group. `Off`: plain routes and multipath.
   */
  readonly nexthops?: 'Auto' | 'Off'
  /**
   * Source address that routes recommend to local programs, one a family (`src` of `ip route`). It is
   * used while it is an address of this host.
   */
  readonly preferredSources?: { readonly ipv4: string | null; readonly ipv6: string | null }
}

/** Ranges of which only some addresses lead anywhere, and those not by a route. */
export interface Guard {
  readonly prefixes: readonly string[]
  /** `drop` is silent; `reject` answers that the network is unreachable. */
  readonly action: 'drop' | 'reject'
}

/** Policy rules of ours. */
export interface FibRules {
  readonly wanted: number
  readonly installed: number
  /** Those wanted that the kernel doesn't have, as `ip rule` would print them; at most 20. */
  readonly missing: readonly string[]
  /** What the kernel refuses one of them for; null: nothing is refused. */
  readonly reason: string | null
}

/** See RouteChanges of the protocol engine: the same plain data, declared where it is consumed. */
export interface WantedChanges {
  readonly family: RouteFamily
  readonly count: number
  readonly addresses: Uint32Array
  readonly lengths: Uint8Array
  /** 0: no longer wanted. */
  readonly nextHopSets: Uint32Array
  readonly sets: readonly WantedSet[]
}

export interface WantedSet {
  readonly id: number
  readonly nextHops: readonly string[]
  /** A route is refused when its own next hop, or one of these, would resolve through it. */
  readonly peers: readonly string[]
  /** Next hops that aren't on link count as unreachable. */
  readonly onLinkOnly?: boolean
}

/** `address/32 via gateway`, or `/128`: both addresses of one family. */
export interface HostRoute {
  readonly address: string
  readonly gateway: string
}

export interface Gateway {
  readonly interface: string
  /** null: directly connected. */
  readonly gateway: string | null
}

/** What the kernel's tables say of one tracked address. */
export interface Resolution {
  readonly nextHop: string
  readonly reachable: boolean
  /** 0 when on link, otherwise the metric of the route used. */
  readonly metric: number
  readonly onLink: boolean
  readonly gateways: readonly Gateway[]
  /** In words: "on link at eth0", "via 10.0.0.1 (0.0.0.0/0 proto static)", "no route". */
  readonly reason: string
}

export type RouteStatus =
  /** Wanted and acknowledged by the kernel. */
  | 'installed'
  /** Wanted, sent, not yet acknowledged. */
  | 'pending'
  /** Wanted, but no next hop resolves (or the route would resolve through itself). */
  | 'unresolved'
  /** Wanted, refused by the kernel; retried. */
  | 'failed'
  /** A foreign route holds this very key; left alone. */
  | 'conflict'
  /** Ours, from before the restart, not wanted (yet). */
  | 'stale'

export interface FibRouteView {
  readonly prefix: string
  readonly kind: 'unicast' | 'blackhole'
  readonly status: RouteStatus
  /** BGP next hops wanted. */
  readonly nextHops: readonly string[]
  /** What the kernel holds. */
  readonly gateways: readonly Gateway[]
  /** Id of the nexthop object that the kernel's route names; null: none. */
  readonly nexthop: number | null
  /** In words, when the status is not `installed`. */
  readonly reason: string | null
  /** What the kernel refuses, when the status is `failed`. */
  readonly error: FibRouteError | null
}

export interface FibRouteError {
  /** e.g. `ENETUNREACH`; null: nothing was refused, another program keeps changing the route. */
  readonly errno: string | null
  /** Refusals in a row. */
  readonly attempts: number
  /** Seconds since the first of them. */
  readonly forSeconds: number
  /** Seconds until it is tried again. */
  readonly retryInSeconds: number
}

/** One prefix in the kernel's view, whoever wrote it. */
export interface KernelRouteView {
  readonly prefix: string
  readonly table: number
  /** Number and name, e.g. `bird (12)`, `kernel (2)`, `routelet (179)`. */
  readonly protocol: string
  readonly ours: boolean
  readonly metric: number
  readonly kind: string
  readonly gateways: readonly Gateway[]
}

export interface FibLookup {
  readonly prefix: string
  readonly wanted: FibRouteView | null
  /** Every kernel route for exactly this prefix. */
  readonly kernel: readonly KernelRouteView[]
  /** Resolution of each wanted next hop. */
  readonly resolutions: readonly Resolution[]
}

export interface FibDifference {
  readonly prefix: string
  readonly problem: 'missing' | 'unexpected' | 'different' | 'conflict'
  readonly wanted: string | null
  readonly installed: string | null
  readonly reason: string | null
  /** What the kernel refuses, where that is the reason. */
  readonly error: FibRouteError | null
}

export interface FibStatus {
  readonly mode: 'kernel' | 'none'
  readonly settings: FibSettings
  /** Routes wanted, acknowledged, and not as they should be. */
  readonly wanted: number
  readonly installed: number
  readonly pending: number
  readonly unresolved: number
  readonly failed: number
  readonly conflicts: number
  readonly stale: number
  readonly blackholes: number
  readonly adopted: number
  /** Families in which routes of ours were adopted at start. */
  readonly adoptedFamilies: readonly RouteFamily[]
  readonly counters: FibCounters
  /** Nexthop objects of ours in the kernel; `mode` is `plain` where routes carry their next hops. */
  readonly objects?: FibObjects
  /** Policy rules that guard ranges; absent where the kernel isn't written. */
  readonly rules?: FibRules
  readonly nextHops: readonly Resolution[]
  /** Refusals so far by the name of the errno. */
  readonly errors: Readonly<Record<string, number>>
  /** Routes that wait to be tried again. */
  readonly retrying: number
  /** The preferred source addresses wanted; `own` while they are addresses of this host. */
  readonly sources: readonly { readonly address: string; readonly own: boolean }[]
  /** Other programs with routes for prefixes that are wanted here, most routes first. */
  readonly rivals: readonly FibRival[]
  /** Programs that lately changed routes with our very mark. */
  readonly intruders: readonly FibIntruder[]
}

/** Somebody else's routes for the prefixes we want, in the table we write. */
export interface FibRival {
  /** Routing protocol number of those routes, and its name: `bird (12)`. */
  readonly protocol: number
  readonly name: string
  /** Routes that hold our very key: ours can't be installed. */
  readonly holding: number
  /** Routes with a lower metric: the kernel uses them and not ours. */
  readonly winning: number
  /** Routes with a higher metric: ours are used. */
  readonly resting: number
  /** Some of the prefixes, and the interfaces their routes lead through. */
  readonly prefixes: readonly string[]
  readonly interfaces: readonly string[]
}

/** A program that writes routes with our protocol number, metric and table. */
export interface FibIntruder {
  /** Netlink port id: mostly the number of its process. */
  readonly port: number
  readonly changes: number
  /** The last prefix it changed. */
  readonly prefix: string
}

/** A nexthop object of ours in the kernel. */
export interface FibNexthop {
  readonly id: number
  readonly kind: 'hop' | 'group'
  /** Ids of a group's members, ascending. */
  readonly members: readonly number[]
  readonly gateways: readonly Gateway[]
  /** Routes of ours that name it. */
  readonly routes: number
}

export interface FibObjects {
  readonly mode: 'objects' | 'plain'
  /** One for each gateway at an interface. */
  readonly hops: number
  /** One for each set of next hops. */
  readonly groups: number
}

export interface FibCounters {
  readonly added: number
  readonly replaced: number
  readonly deleted: number
  readonly errors: number
  readonly repairs: number
  readonly scans: number
  readonly overflows: number
  readonly swept: number
  /** Nexthop objects made or changed, and removed. */
  readonly objectsWritten: number
  readonly objectsRemoved: number
}

export interface FibEvent {
  readonly kind:
    | 'fib.adopted'
    | 'fib.swept'
    | 'fib.repaired'
    | 'fib.conflict'
    | 'fib.error'
    | 'fib.overflow'
    | 'fib.nexthop'
    | 'fib.rule'
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly text: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** The kernel writer as the agent holds it. Building opens nothing; `start` does. */
export interface Fib {
  /** Opens the kernel, dumps, adopts our own routes and marks them stale. */
  start(): Promise<void>
  /** Leaves every route where it is. */
  close(): Promise<void>
  /** Deletes every route of ours; resolves when the kernel has acknowledged. */
  withdrawAll(): Promise<void>
  configure(settings: FibSettings): void
  change(changes: WantedChanges): void
  /** All blackholes wanted (the node's own aggregates), whole. */
  blackholes(prefixes: readonly string[]): void
  /** All host routes wanted, whole; each comes before what `change` wants of its prefix. */
  hosts(routes: readonly HostRoute[]): void
  /**
   * All ranges guarded by policy rules, whole: what is to be forwarded there, and nobody has rewritten
   * before, goes no further.
   */
  guard(guard: Guard): void
  /** First synchronisation is over: what is still stale is swept. */
  synchronised(): void
  track(nextHop: string): void
  untrack(nextHop: string): void
  /**
   * Somebody knows that this next hop is dead (hold timer, BFD): nothing is sent there any more,
   * before BGP has so much as begun to withdraw. It lives again by `alive`, when its neighbour entry
   * or link comes back, when nobody names or tracks it any more, and after two minutes at the latest.
   */
  dead?(nextHop: string): void
  /** It is known to live again (session Established, BFD up): the word of `dead` is taken back. */
  alive?(nextHop: string): void
  /**
   * What was learned through this next hop is about to be withdrawn: until it is, every set that
   * leads elsewhere too does without it. No set loses its last next hop by that, and whether it is
   * reachable doesn't change. Over when said so, and after two minutes at the latest.
   */
  avoid?(nextHop: string, avoided: boolean): void
  onResolution(listener: (resolutions: readonly Resolution[]) => void): void
  onEvent(listener: (event: FibEvent) => void): void
  status(): Promise<FibStatus>
  /** Own view, ordered by prefix; `after` is the last prefix of the previous page. */
  routes(page: { after: string | null; limit: number }): Promise<readonly FibRouteView[]>
  lookup(prefix: string): Promise<FibLookup>
  /** Nexthop objects of ours, groups first; at most 10,000. */
  nexthops(): Promise<readonly FibNexthop[]>
  difference(): Promise<readonly FibDifference[]>
}
