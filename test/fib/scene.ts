/**
 * What the tests of the kernel writer share: settings, bulk changes written as text, a writer over a
 * kernel in memory with a clock that stands still, and one in a namespace of the real kernel.
 */
import { parsePrefix } from '../../fib/address.ts'
import {
  createFib,
  type Fib,
  type FibEvent,
  type FibSettings,
  type Resolution,
} from '../../fib/index.ts'
import { MemoryKernel } from '../../fib/memory.ts'
import type { WantedChanges, WantedSet } from '../../fib/types.ts'
import { createFibWorker, type FibWorker } from '../../src/workers/fib-proxy.ts'
import { FakeClock } from '../bgp/clock.ts'
import { ourRoutes } from '../network/kernel.ts'
import { type Namespace, Network, type Scope } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'

export const seed = Number(process.env['FC_SEED'] ?? 20_261_121)

export const settings: FibSettings = {
  table: 254,
  protocol: 179,
  metric: 2179,
  maxPaths: 16,
  install: 'All',
  scanSeconds: null,
}

export function set(
  id: number,
  nextHops: readonly string[],
  peers: readonly string[] = [],
): WantedSet {
  return { id, nextHops, peers }
}

/** `[prefix, set]` rows of one family as the packed columns that the RIB sends; set 0 withdraws. */
export function changes(
  rows: readonly (readonly [prefix: string, set: number])[],
  sets: readonly WantedSet[] = [],
): WantedChanges {
  const prefixes = rows.map(([text]) => parsePrefix(text)!)
  return {
    family: prefixes[0]!.family === 4 ? 'ipv4-unicast' : 'ipv6-unicast',
    count: rows.length,
    addresses: Uint32Array.from(prefixes.flatMap((prefix) => [...prefix.words])),
    lengths: Uint8Array.from(prefixes.map((prefix) => prefix.length)),
    nextHopSets: Uint32Array.from(rows.map(([, id]) => id)),
    sets,
  }
}

/** A writer over a kernel in memory. Nothing happens but in `settle` and `pass`. */
export interface Scene {
  readonly kernel: MemoryKernel
  readonly clock: FakeClock
  readonly fib: Fib
  readonly events: FibEvent[]
  readonly resolutions: Resolution[]
  /** Lets everything happen that is due now. */
  settle(): void
  /** Lets time pass. */
  pass(milliseconds: number): void
  /** Our routes in the kernel, as text. */
  ours(): string[]
}

/** How a kernel deals with nexthop objects. */
export type KernelVariant = Partial<Pick<MemoryKernel, 'nexthopSupport' | 'compatMode'>>

/** eth0 (2) holds 10.0.0.0/24 and fd00::/64, eth1 (3) holds 10.0.1.0/24. */
export function memoryScene(
  overrides: Partial<FibSettings> = {},
  variant: KernelVariant = {},
): Scene {
  const kernel = Object.assign(new MemoryKernel(), variant)
  for (const [index, name] of [[1, 'lo'] as const, [2, 'eth0'] as const, [3, 'eth1'] as const]) {
    kernel.links.set(index, { index, name, up: true, running: true })
  }
  for (const [prefix, index] of [
    ['10.0.0.0/24', 2],
    ['fd00::/64', 2],
    ['10.0.1.0/24', 3],
  ] as const) {
    connected(kernel, prefix, index)
  }
  return writerOver(kernel, overrides)
}

/** A new writer, over a kernel that may have been written before. */
export function writerOver(kernel: MemoryKernel, overrides: Partial<FibSettings> = {}): Scene {
  const clock = new FakeClock()
  const fib = createFib({ ...settings, ...overrides }, kernel, clock)
  const events: FibEvent[] = []
  const resolutions: Resolution[] = []
  fib.onEvent((event) => events.push(event))
  fib.onResolution((changed) => resolutions.push(...changed))
  const pass = (milliseconds: number): void => {
    kernel.drain()
    clock.advance(milliseconds)
  }
  return {
    kernel,
    clock,
    fib,
    events,
    resolutions,
    settle: () => pass(0),
    pass,
    ours: () => kernel.list(179),
  }
}

/** A route as the kernel makes it for an interface address. */
export function connected(kernel: MemoryKernel, prefix: string, index: number): void {
  const legs = [{ interface: index, gateway: null }]
  const metric = prefix.includes(':') ? 256 : 0
  kernel.put({ prefix, table: 254, protocol: 2, metric, type: 1, legs })
}

/** A writer in a worker, in a namespace of the real kernel, with everything it said. */
export interface RealScene {
  readonly fib: FibWorker
  readonly events: FibEvent[]
  readonly resolutions: Map<string, Resolution>
}

/**
 * A namespace `node` with two cables to `far`: e0 (10.0.0.1/24, fd00:0::1/64) and e1 (10.0.1.1/24,
 * fd00:0:0:1::1/64); the far ends are .2 and ::2.
 */
export async function realNetwork(scope: Scope): Promise<{ node: Namespace; far: Namespace }> {
  const network = new Network(scope)
  const node = await network.namespace('node')
  const far = await network.namespace('far')
  for (const [cable, device] of ['e0', 'e1'].entries()) {
    await network.link(
      {
        namespace: node,
        interface: device,
        addresses: [`10.0.${cable}.1/24`, `fd00:0:0:${cable}::1/64`],
      },
      {
        namespace: far,
        interface: device,
        addresses: [`10.0.${cable}.2/24`, `fd00:0:0:${cable}::2/64`],
      },
    )
  }
  return { node, far }
}

/** Starts a writer there; it is closed when the test ends. */
export async function startWriter(
  scope: Scope,
  node: Namespace,
  overrides: Partial<FibSettings> = {},
): Promise<RealScene> {
  const fib = createFibWorker(
    { ...settings, ...overrides },
    { netnsPath: `/run/netns/${node.name}` },
  )
  const events: FibEvent[] = []
  const resolutions = new Map<string, Resolution>()
  fib.onEvent((event) => events.push(event))
  fib.onResolution((changed) => {
    for (const resolution of changed) resolutions.set(resolution.nextHop, resolution)
  })
  await fib.start()
  scope.teardown(() => fib.close())
  return { fib, events, resolutions }
}

/** Waits until our routes of both families, as `ip` shows them, are exactly these. */
export async function becomes(
  node: Namespace,
  what: string,
  wanted: readonly string[],
): Promise<void> {
  const text = [...wanted].sort().join()
  await waitUntil(
    what,
    () => ourRoutes(node),
    (seen) => [...seen].sort().join() === text,
  )
}
