/**
 * One of two switches dies: for how long do packets get lost? The
 * node runs routelet, BIRD or FRR, and knows some number of prefixes over both switches. A stream of
 * counted packets goes to sixteen of them, spread over the table, from many ports, so that every way
 * and every part of the table is under watch. The clock starts with the first packet lost, which is
 * the event seen by traffic, and ends with the last.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { buildRack, type Rack } from '../chaos/rack.ts'
import { type Loss, type Mark, Traffic } from '../chaos/traffic.ts'
import type { Scope } from '../network/namespaces.ts'
import { prefixAt, prefixTable } from '../network/table.ts'
import { waitFor } from '../network/wait.ts'
import type { NodeDaemon } from './node-daemons.ts'

export interface Death {
  readonly name: 'killed' | 'link down' | 'silenced'
  readonly words: string
  readonly happen: (rack: Rack) => Promise<void>
  readonly undo: (rack: Rack) => Promise<void>
}

export interface Outage {
  readonly daemon: string
  readonly prefixes: number
  readonly death: Death['name']
  /** From the first packet lost to the last, ms; 0 when none or a single one was. */
  readonly outageMs: number
  readonly lost: number
}

export const deaths: readonly Death[] = [
  {
    name: 'killed',
    words: 'its daemon is killed, TCP closes, and it forwards no more',
    happen: ({ switches: [first] }) => first.die(),
    undo: ({ switches: [first] }) => first.revive(),
  },
  {
    name: 'silenced',
    words: 'packets vanish on a link that stays up; BFD at 50 ms × 3 finds out',
    happen: ({ switches: [first] }) => first.silence(),
    undo: ({ switches: [first] }) => first.speak(),
  },
  {
    name: 'link down',
    words: 'the link to it loses its carrier',
    happen: ({ switches: [first] }) => first.unplug(),
    undo: ({ switches: [first] }) => first.plug(),
  },
]

const bfdMs = 50
/** Prefixes that are watched, each with this rate: a packet every quarter of a millisecond in all. */
const watchedMax = 16
const packetsPerSecond = 250
const settleSeconds = 100
/** So long without a loss counts as the end of it. */
const quietMs = 1500

/**
 * Every death once, in a network of its own; `found` is told each as soon as it is measured. The link goes last: FRR 8.4 doesn't put a way back into
 * its nexthop group in the kernel once the carrier has returned, so nothing can be measured after it.
 */
export async function measureFailover(
  scope: Scope,
  daemon: NodeDaemon,
  prefixes: number,
  found: (outage: Outage) => void,
): Promise<void> {
  const watched = Math.min(watchedMax, prefixes)
  const targets = Array.from({ length: watched }, (_, index) =>
    prefixAt(Math.floor((index * (prefixes - 1)) / (watched - 1))).replace('.0/24', '.10'),
  )
  const rack = await buildRack(scope, {
    shared: prefixTable(prefixes),
    gracefulRestart: false,
    learn: false,
    bfdMs,
    families: [4],
    targets,
  })
  await daemon.start(rack, bfdMs)
  await waysAre(rack, targets, 2)
  await wholeTable(rack, prefixes)
  const traffic = await Traffic.start(rack.pod, rack.far, { packetsPerSecond, oneWay: true })
  for (const [index, death] of deaths.entries()) {
    await rack.switches[0].heard(settleSeconds)
    await waysAre(rack, targets, 2)
    await traffic.flows(50)
    const from = await traffic.mark()
    await death.happen(rack)
    const outage = summarise(await untilQuiet(traffic, from))
    found({ daemon: daemon.name, prefixes, death: death.name, ...outage })
    if (index === deaths.length - 1) break
    await waysAre(rack, targets, 1)
    await death.undo(rack)
  }
  await traffic.stop()
}

function summarise(losses: readonly Loss[]): Pick<Outage, 'outageMs' | 'lost'> {
  const hit = losses.filter(({ lost }) => lost > 0)
  if (hit.length === 0) return { outageMs: 0, lost: 0 }
  const first = Math.min(...hit.map(({ firstAt }) => firstAt!))
  const last = Math.max(...hit.map(({ lastAt }) => lastAt!))
  return {
    outageMs: Math.round((last - first) * 10) / 10,
    lost: hit.reduce((sum, { lost }) => sum + lost, 0),
  }
}

/** Losses since the mark, once there have been none for a while. */
async function untilQuiet(traffic: Traffic, from: Mark): Promise<Loss[]> {
  const endsAt = performance.now() + settleSeconds * 1000
  for (;;) {
    await pause(quietMs)
    const to = await traffic.mark()
    const losses = await traffic.losses(from, to)
    const last = Math.max(from.at, ...losses.map(({ lastAt }) => lastAt ?? from.at))
    if (to.at - last >= quietMs) return losses
    if (performance.now() > endsAt) {
      throw new Error(`packets are still lost ${settleSeconds} s after the event`)
    }
  }
}

/** Waits until the kernel sends the watched addresses so many ways. */
async function waysAre({ node }: Rack, targets: readonly string[], count: 1 | 2): Promise<void> {
  await waitFor(
    `the node to use ${count} of the switches`,
    async () => {
      for (const target of targets) {
        const text = await node.ip('-4', 'route', 'get', 'fibmatch', target)
        const used = ['10.99.1.1', '10.99.2.1'].filter((gateway) =>
          text.includes(`via ${gateway} `),
        )
        if (used.length !== count) throw new Error(text)
      }
      return true
    },
    settleSeconds,
  )
}

/** The watched prefixes are not the whole table. */
async function wholeTable({ node }: Rack, prefixes: number): Promise<void> {
  await waitFor(
    'the node to have the whole table',
    async () => {
      const count = Number(await node.must('sh', ['-c', 'ip -4 -o route show | wc -l']))
      if (count < prefixes) throw new Error(`${count} routes`)
      return true
    },
    settleSeconds,
  )
}
