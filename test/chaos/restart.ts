/**
 * The agent is killed and started again under counted traffic. Every kill but the hasty ones waits for
 * End-of-RIB both ways, since a helper drops what was still stale when the session ends once more
 * (RFC 4724 §4.2).
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { FibStatus } from '../../fib/types.ts'
import { Agent } from '../network/agent.ts'
import type { Scope } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { buildRack, type Rack } from './rack.ts'
import { startAgent } from './steps.ts'
import { describeLoss, type Loss, Traffic } from './traffic.ts'

export interface RestartOptions {
  readonly cycles: number
  readonly packetsPerSecond: number
  /** Kill as soon as the process has begun to speak, without waiting for anything. */
  readonly hasty?: boolean
  readonly tell: (line: string) => void
}

export interface RestartResult {
  readonly cycles: number
  readonly sent: number
  readonly lost: number
  readonly rows: readonly Loss[]
}

const peers = ['s1v4', 's1v6', 's2v4', 's2v6'] as const
/** What a hasty kill leaves an agent: enough to open sessions, too little to learn. */
const hastyMs = 700

export async function restartUnderTraffic(
  scope: Scope,
  { cycles, packetsPerSecond, hasty = false, tell }: RestartOptions,
): Promise<RestartResult> {
  const rack = await buildRack(scope, { shared: prefixes(200) })
  let agent = await startAgent(rack)
  await synchronised(rack, agent)
  tell('the agent and both switches know everything of each other')
  const traffic = await Traffic.start(rack.pod, rack.far, { packetsPerSecond })
  await traffic.flows()
  tell(`${packetsPerSecond} packets/s flow each way in each family`)
  const from = await traffic.mark()
  for (let cycle = 1; cycle <= cycles; cycle++) {
    await agent.stop('SIGKILL')
    agent = hasty ? launchAgent(rack) : await startAgent(rack)
    if (hasty) await pause(hastyMs)
    else await synchronised(rack, agent)
    tell(`cycle ${cycle} of ${cycles}`)
  }
  await synchronised(rack, agent)
  const rows = await traffic.losses(from, await traffic.mark())
  await traffic.stop()
  await agent.stop()
  for (const row of rows) tell(describeLoss(row))
  const sum = (pick: (row: Loss) => number) => rows.reduce((total, row) => total + pick(row), 0)
  return { cycles, sent: sum(({ sent }) => sent), lost: sum(({ lost }) => lost), rows }
}

/** Both families, a third of them IPv6. */
function prefixes(count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    index % 3 === 0 ? `fd50:0:${index.toString(16)}::/48` : `10.50.${index}.0/24`,
  )
}

function launchAgent(rack: Rack): Agent {
  return Agent.launch(rack.node, { node: 'node', manifests: rack.manifests })
}

/** End-of-RIB both ways: nothing is stale here, and the switches have heard of the pods anew. */
async function synchronised(rack: Rack, agent: Agent): Promise<void> {
  for (const peer of peers) await agent.established(peer, 60)
  await waitUntil(
    'the agent to have everything, and nothing stale',
    () => agent.get<FibStatus>('/v1/fib/status'),
    ({ stale, pending, wanted, installed }) =>
      stale === 0 && pending === 0 && wanted > 0 && installed === wanted,
    60,
  )
  for (const one of rack.switches) await one.synchronised()
}
