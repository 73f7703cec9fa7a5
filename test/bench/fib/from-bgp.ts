/**
 * From BGP to the kernel: two eBGP neighbours, BIRD with static routes, begin to announce the same
 * prefixes at the same time; the clock runs until the kernel has all of them. The node runs routelet,
 * BIRD or FRR with ECMP over both.
 */
import { buildRack } from '../../chaos/rack.ts'
import type { NodeDaemon } from '../../failover/node-daemons.ts'
import { inScope } from '../../network/namespaces.ts'
import { prefixTable } from '../../network/table.ts'
import { startClock } from './clock.ts'

const bfdMs = 300

/** From the moment both may begin until the kernel has so many routes, ms. */
export async function measureFromBgp(
  daemon: NodeDaemon,
  count: number,
  program: string,
): Promise<number> {
  const shared = prefixTable(count)
  const options = { shared, families: [4], learn: false, waiting: true, bfdMs } as const
  return inScope(async (scope) => {
    const rack = await buildRack(scope, options)
    await daemon.start(rack, bfdMs)
    const clock = await startClock(rack.node, program, count)
    return clock.time(() => Promise.all(rack.switches.map((one) => one.begin())))
  })
}
