/**
 * `routelet reset|refresh|shutdown|enable PEER`: orders to one session.
 */
import type { OrderResult } from '../../api/views.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { peerPath } from './peers.ts'
import { printable } from './terminal.ts'

export const orders = {
  reset: 'close the session of a peer and open it again',
  refresh: 'ask a peer for its routes again, and send it ours again',
  shutdown: 'keep the session of a peer down until enabled',
  enable: 'undo a shutdown',
} as const

export type Order = keyof typeof orders

/** @throws CommandError (exit 1) with the agent's reason when it doesn't obey. */
export async function giveOrder(client: AgentClient, order: Order, peer: string): Promise<Answer> {
  const result = await client.post<OrderResult>(peerPath(peer, `/${order}`))
  return { data: result, text: () => `${printable(result.message)}\n` }
}
