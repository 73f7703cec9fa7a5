/**
 * What the host's kernel must be set to, so that routes in its table forward packets as they say: a
 * table of settings, each with the reason, the value wanted, and the condition it makes when it
 * differs (Linux, Documentation/networking/ip-sysctl.rst). Judging is pure but for reading; setting is
 * done only where `fib.sysctls: Set` allows it.
 */
import { fail, inform, warn } from '../intent/problem.ts'
import type { Problem } from '../intent/types.ts'
import { dotted, type Sysctls } from './sysctl.ts'

/** What the judgement depends on, beside the host's settings. */
export interface HostUse {
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** Interfaces that packets leave by: those of the next hops in use. */
  readonly uplinks: readonly string[]
  /** Next hops a route may have. */
  readonly maxPaths: number
  /** Nodes that may be neighbours on one link. */
  readonly nodeCount: number
  /** Routes that lead through nexthop objects. */
  readonly objectRoutes: number
}

/** A setting that isn't as it should be. */
export interface Shortcoming {
  /** Path below /proc/sys. */
  readonly name: string
  readonly present: number
  readonly wanted: number
  readonly problem: Problem
}

interface Row {
  /** CamelCase reason code of the condition. */
  readonly reason: string
  readonly severity: 'info' | 'warning' | 'error'
  /** Settings to look at in this use; none: it doesn't matter here. */
  readonly names: (use: HostUse) => readonly string[]
  readonly isRight: (value: number, use: HostUse, sysctls: Sysctls) => boolean
  readonly wanted: (use: HostUse) => number
  /** Completes "NAME is VALUE: …". */
  readonly why: (use: HostUse) => string
}

/** Pods have entries in the neighbour table too, so there must be room for more than the nodes. */
const neighboursPerNode = 2
/** From so many routes on, one replaced group holds up the caller for tens of milliseconds. */
const objectRoutesMany = 50_000

/**
 * In the order to set them: a default route that was learned from a router is lost when forwarding is
 * switched on before accept_ra is 2.
 */
const rows: readonly Row[] = [
  {
    reason: 'RouterAdvertisementsLost',
    severity: 'info',
    names: ({ ipv6, uplinks }) =>
      ipv6 ? uplinks.map((name) => `net/ipv6/conf/${name}/accept_ra`) : [],
    // 0 is a decision; 1 stops working without a word once the host forwards.
    isRight: (value) => value !== 1,
    wanted: () => 2,
    why: () => 'a host that forwards ignores router advertisements unless this is 2',
  },
  {
    reason: 'ForwardingOff',
    severity: 'error',
    names: ({ ipv4, ipv6 }) => [
      ...(ipv4 ? ['net/ipv4/ip_forward'] : []),
      ...(ipv6 ? ['net/ipv6/conf/all/forwarding'] : []),
    ],
    isRight: (value) => value !== 0,
    wanted: () => 1,
    why: () => 'this host forwards nothing, so its pods reach nobody and nobody them',
  },
  {
    reason: 'ReversePathFilter',
    severity: 'warning',
    names: ({ ipv4, uplinks }) =>
      ipv4 && uplinks.length > 1 ? uplinks.map((name) => `net/ipv4/conf/${name}/rp_filter`) : [],
    // The stricter of `all` and the interface counts: 2 is loose and beats 1.
    isRight: (value, _use, sysctls) =>
      Math.max(value, sysctls.read('net/ipv4/conf/all/rp_filter') ?? 0) !== 1,
    wanted: () => 2,
    why: ({ uplinks }) =>
      `strict reverse path filtering drops packets that come by another of the ${uplinks.length} uplinks than the answer leaves by`,
  },
  {
    reason: 'MultipathHash',
    severity: 'info',
    names: ({ ipv4, ipv6, maxPaths, uplinks }) =>
      maxPaths > 1 && uplinks.length > 1
        ? [
            ...(ipv4 ? ['net/ipv4/fib_multipath_hash_policy'] : []),
            ...(ipv6 ? ['net/ipv6/fib_multipath_hash_policy'] : []),
          ]
        : [],
    isRight: (value) => value !== 0,
    wanted: () => 1,
    why: () =>
      'all connections between two addresses share one path; 1 spreads them by their ports',
  },
  {
    reason: 'NeighbourTableSmall',
    severity: 'warning',
    names: ({ ipv4, ipv6 }) => [
      ...(ipv4 ? ['net/ipv4/neigh/default/gc_thresh3'] : []),
      ...(ipv6 ? ['net/ipv6/neigh/default/gc_thresh3'] : []),
    ],
    isRight: (value, { nodeCount }) => value >= neighboursPerNode * nodeCount,
    wanted: ({ nodeCount }) => roundUp(neighboursPerNode * nodeCount),
    why: ({ nodeCount }) =>
      `the neighbour table is full when ${nodeCount} nodes on one link and their pods talk`,
  },
  {
    reason: 'NexthopCompatMode',
    severity: 'info',
    names: ({ objectRoutes }) =>
      objectRoutes >= objectRoutesMany ? ['net/ipv4/nexthop_compat_mode'] : [],
    isRight: (value) => value === 0,
    wanted: () => 0,
    why: ({ objectRoutes }) =>
      `each change of a nexthop group notifies up to ${objectRoutes} routes, and the kernel's routing lock is held meanwhile; with 0 "ip route" shows ids and no gateways`,
  },
]

/** Every setting that differs from what this use of the host needs, in the order to set them. */
export function judgeHost(sysctls: Sysctls, use: HostUse): Shortcoming[] {
  return rows.flatMap((row) =>
    row.names(use).flatMap((name) => {
      const present = sysctls.read(name)
      if (present === null || row.isRight(present, use, sysctls)) return []
      const wanted = row.wanted(use)
      const message = `${dotted(name)} is ${present}, wanted is ${wanted}: ${row.why(use)}`
      const remedy = `sysctl -w ${dotted(name)}=${wanted}, or fib.sysctls: Set`
      const make = { info: inform, warning: warn, error: fail }[row.severity]
      return { name, present, wanted, problem: make(row.reason, 'host', message, remedy) }
    }),
  )
}

/** 1024, 2048, 4096, … */
function roundUp(value: number): number {
  let power = 1024
  while (power < value) power *= 2
  return power
}
