/**
 * What the generator is told, as JSON in its argument, and what it answers, as JSON on its output.
 */

export interface Common {
  /** Address and port of the daemon under test. */
  readonly address: string
  readonly port: number
  /** Everybody's AS. */
  readonly asn: number
  /** Address of player 0; player `n` dials from the n-th after it. */
  readonly playerBase: string
  /** Processes of the daemon. */
  readonly pids: readonly number[]
  /** Longest time for all phases together. */
  readonly timeoutSeconds: number
  /** Sessions set up at the same time; 0 is all at once. */
  readonly parallel: number
  /** Whether routes must carry ORIGINATOR_ID and CLUSTER_LIST; the relay adds neither. */
  readonly reflects: boolean
  /** Socket of routelet's HTTP API, for what only it can tell; null: another daemon. */
  readonly api: string | null
  /** Where the daemon's own clock leaves its report, see loop-clock.ts; null: it has none. */
  readonly loopReport: string | null
}

/** Every node announces prefixes of its own and must learn those of all others. */
export interface ClusterJob extends Common {
  readonly scenario: 'cluster'
  readonly nodes: number
  /** Announced by each. */
  readonly prefixes: number
  /** How often one node withdraws and announces again. */
  readonly events: number
  /** Whether a tenth of the nodes vanishes and returns. */
  readonly vanish: boolean
}

/** Feeders announce tables; sinks collect them. */
export interface FeedJob extends Common {
  readonly scenario: 'feed'
  readonly feeders: number
  readonly sinks: number
  /** All feeders announce these same ones. */
  readonly prefixes: number
  /** So many of the sinks don't read for `stallSeconds` from the start. */
  readonly slow: number
  readonly stallSeconds: number
}

/** One feeder, one sink, a hold time of seconds: does the daemon keep its beat while it imports? */
export interface PulseJob extends Common {
  readonly scenario: 'pulse'
  readonly prefixes: number
}

/** Feeders announce the same prefixes, round after round with other attributes and in other number. */
export interface FanInJob extends Common {
  readonly scenario: 'fan-in'
  readonly rounds: number
  /** In the first and in the last round. */
  readonly feedersLeast: number
  readonly feedersMost: number
  readonly prefixes: number
}

/** Sessions without routes: all up, all gone, all up again. */
export interface ChurnJob extends Common {
  readonly scenario: 'churn'
  readonly nodes: number
  readonly rounds: number
}

/** All clients announce the same prefixes; a tenth of them withdraws and announces again. */
export interface AnycastJob extends Common {
  readonly scenario: 'anycast'
  readonly nodes: number
  readonly prefixes: number
  /** Paths of a prefix the daemon sends to each with ADD-PATH; null: without ADD-PATH. */
  readonly paths: number | null
}

export type Job = ClusterJob | FeedJob | PulseJob | FanInJob | ChurnJob | AnycastJob

/** Names are `phase.what` with the unit last: `announce.seconds`, `withdraw.p99Ms`, `peakBytes`. */
export type Measures = Record<string, number>

export interface Outcome {
  /** Null when every phase reached exactly the state it should; otherwise what did not, where. */
  readonly failure: string | null
  /** The failure is that the time was over. */
  readonly outOfTime: boolean
  /** Of the phases that went right; none when something on the wire was wrong. */
  readonly measures: Measures
  /** What was counted on the wire; see `Counters`. */
  readonly counters: Counters
}

export interface Counters {
  updates: number
  prefixes: number
  withdrawals: number
  /** Prefixes that said what the sink knew. */
  same: number
  /** Prefixes sent back to the only one that announces them. */
  own: number
  /** Prefixes or next hops that nobody announced. */
  foreign: number
  malformed: number
  connects: number
  sessionsLost: number
  reflectionsChecked: number
  /** ORIGINATOR_ID that isn't the announcer's, or no CLUSTER_LIST. */
  reflectionFaults: number
}
