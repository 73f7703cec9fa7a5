/**
 * What the tests of nexthop objects share: sets of next hops, a hundred routes that want one, and what
 * a kernel in memory then holds.
 */
import type { MemoryKernel } from '../../fib/memory.ts'
import type { WantedChanges } from '../../fib/types.ts'
import { changes, memoryScene, type Scene, set } from './scene.ts'

export const tor0 = set(1, ['10.0.0.2'])
export const tor1 = set(2, ['10.0.1.2'])
export const both = set(3, ['10.0.0.2', '10.0.1.2'])
export const three = set(4, ['10.0.0.2', '10.0.0.3', '10.0.1.2'])
export const both6 = set(5, ['fd00::2', 'fd00::3'])
const sets = [tor0, tor1, both, three, both6]

/** The first ids of ours. */
export const hop0 = 1_790_000_000
export const group0 = 1_791_000_000

export async function started(scene: Scene): Promise<Scene> {
  await scene.fib.start()
  scene.settle()
  return scene
}

/** A hundred IPv4 routes that want the set; 0: no longer. */
export function hundred(id: number): WantedChanges {
  const rows = Array.from({ length: 100 }, (_, row) => [`20.${row}.0.0/16`, id] as const)
  return changes(rows, sets)
}

/** A writer that has installed them, with logs that begin here. */
export async function installed(id: number): Promise<Scene> {
  const scene = await started(memoryScene())
  scene.fib.change(hundred(id))
  scene.settle()
  forgetLogs(scene.kernel)
  return scene
}

export function forgetLogs(kernel: MemoryKernel): void {
  kernel.log.length = 0
  kernel.objectLog.length = 0
}

/** How many routes there are and where they lead; every way when they don't agree. */
export function leads(scene: Scene): string {
  const ways = new Set(scene.ours().map((line) => line.slice(line.indexOf(' ') + 1)))
  return `${scene.ours().length} ${[...ways].join(' and ')}`
}

/** Every nexthop object in the kernel: its id, and its gateway or its members. */
export function objects(scene: Scene): string[] {
  return scene.kernel.nexthops
    .objects()
    .map(({ id, gateway, members }) => `${id} ${gateway ?? members.join('+')}`)
}
