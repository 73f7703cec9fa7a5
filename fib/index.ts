/**
 * The kernel writer: routes that are wanted come in, the smallest set of kernel operations goes out,
 * and next hops are watched meanwhile. It has never heard of BGP.
 *
 * Reading order: types, port, address, prefix-table, numbers, netlink, request, nexthop-message,
 * nexthop-view, way, table, delta, foreign, view, resolver, nexthop-ids, dead-hops, groups, litter,
 * avoided, set-state, next-hops, state, host-routes, journal, channel, dumper, retries, writer,
 * group-writer, mirror, nexthop-mirror, rules, rule-keeper, scans, prompter, intruders, rivals, views,
 * withdrawal, engine. Beside them stand null (no kernel), memory (a kernel in a Map) and cleaner (what
 * an agent left).
 */
import { Engine } from './engine.ts'
import { NullFib } from './null.ts'
import { type Clock, type Kernel, systemClock } from './port.ts'
import type { Fib, FibSettings } from './types.ts'

/**
 * A kernel writer over a kernel. It runs where it is made; since one request can block for tens of
 * milliseconds, an agent makes it in a worker (`src/workers/fib-proxy.ts`).
 */
export function createFib(settings: FibSettings, kernel: Kernel, clock: Clock = systemClock): Fib {
  return new Engine(settings, kernel, clock)
}

/** `--fib none`: no netlink, every next hop reachable at metric 0. */
export function createNullFib(settings: FibSettings): Fib {
  return new NullFib(settings)
}

export { type Belongings, Cleaner, prefixOf, type Removal } from './cleaner.ts'
export { noCounters } from './journal.ts'
export { type Clock, type Kernel, KernelError, type KernelListener, type Timer } from './port.ts'
export { RuleCleaner } from './rule-cleaner.ts'
export type * from './types.ts'
