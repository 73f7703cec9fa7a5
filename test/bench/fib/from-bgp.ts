/**
 * From BGP to the kernel: two eBGP neighbours, BIRD with static routes, begin to announce the same
 * prefixes at the same time; the clock runs until the kernel has all of them. The node runs routelet,
 * BIRD or FRR with ECMP over both.
 */
import { buildRack } from '../../chaos/rack.ts'
import { nodeDaemons } from '../../failover/node-daemons.ts'
import { startClock } from './clock.ts'
import type { InstallRow } from './install.ts'

export interface FromBgpOptions {
  readonly count: number
  readonly runs: number
  readonly program: string
  readonly only?: readonly string[]
}

const bfdMs = 300

export async function measureFromBgp(
  { count, runs, program, only }: FromBgpOptions,
  tell: (line: string) => void,
): Promise<InstallRow[]> {
  const shared = Array.from({ length: count }, (_, index) => {
    const word = (20 << 24) + index * 256
    return `${word >>> 24}.${(word >> 16) & 255}.${(word >> 8) & 255}.0/24`
  })
  const rows: { contender: string; count: number; times: number[] }[] = []
  for (const daemon of nodeDaemons) {
    if (only !== undefined && !only.includes(daemon.name)) continue
    const reason = await daemon.cannotRun()
    if (reason === false) rows.push({ contender: `${daemon.name}, from BGP`, count, times: [] })
    else tell(`${daemon.name}: ${reason}`)
  }
  for (let run = 0; run < runs; run++) {
    for (const { contender, times } of rows) {
      const teardowns: (() => Promise<void> | void)[] = []
      const scope = { teardown: (run: () => Promise<void> | void) => teardowns.push(run) }
      try {
        const options = { shared, families: [4], learn: false, waiting: true, bfdMs } as const
        const rack = await buildRack(scope, options)
        const daemon = nodeDaemons.find(({ name }) => contender === `${name}, from BGP`)
        await daemon?.start(rack, bfdMs)
        const clock = await startClock(rack.node, program, count)
        const order = () => Promise.all(rack.switches.map((one) => one.begin()))
        times.push(await clock.time(order))
      } finally {
        for (const teardown of teardowns.reverse()) await teardown()
      }
    }
  }
  return rows
}
