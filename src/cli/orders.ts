/**
 * `routelet reset|refresh|shutdown|enable PEER`: orders to one session; `routelet drain`: to the node.
 */
import type { OrderResult } from '../../api/views.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { peerPath } from './peers.ts'
import { printable } from './terminal.ts'

export const orders = {
  reset: 'close the session of a peer and open it again',
  refresh: 'ask a peer for all its routes again',
  shutdown: 'keep the session of a peer down until enabled',
  enable: 'undo a shutdown',
} as const

export type Order = keyof typeof orders

/** Makes every route the last choice, or, with `off`, ends that. */
export async function orderDrain(client: AgentClient, off: boolean): Promise<Answer> {
  const result = await client.post<OrderResult>(off ? '/v1/undrain' : '/v1/drain')
  return { data: result, text: () => `${printable(result.message)}\n` }
}

/** @throws CommandError (exit 1) with the agent's reason when it doesn't obey. */
export async function giveOrder(client: AgentClient, order: Order, peer: string): Promise<Answer> {
  const result = await client.post<OrderResult>(peerPath(peer, `/${order}`))
  return { data: result, text: () => `${printable(result.message)}\n` }
}
