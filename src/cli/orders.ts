/**
 * `routelet reset|refresh|shutdown|enable PEER`: orders to one session; `routelet drain`: to the node.
 */
import { InvalidArgumentError, Option } from 'commander'
import type { OrderResult } from '../../api/views.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { peerPath } from './peers.ts'
import { printable } from './terminal.ts'

/** What an order takes beside the peer's name. */
export interface OrderDetail {
  readonly message?: string
  readonly direction?: string
}

export interface Order {
  readonly description: string
  readonly options: readonly Option[]
}

const message = new Option(
  '--message <text>',
  "for the peer's operator (RFC 9003), 255 octets at most",
).argParser(shutdownText)

const direction = new Option(
  '--direction <direction>',
  'what the peer announces (in), what it is told (out), or both',
)
  .choices(['in', 'out', 'both'])
  .default('in')

export const orders: Readonly<Record<string, Order>> = {
  reset: { description: 'close the session of a peer and open it again', options: [message] },
  refresh: {
    description: 'ask a peer for all its routes again, or send it ours',
    options: [direction],
  },
  shutdown: { description: 'keep the session of a peer down until enabled', options: [message] },
  enable: { description: 'undo a shutdown', options: [] },
}

/** Octets of UTF-8 that a NOTIFICATION has for a text (RFC 9003 §2). */
const shutdownOctetsMax = 255

function shutdownText(text: string): string {
  const octets = Buffer.byteLength(text)
  if (octets > 0 && octets <= shutdownOctetsMax) return text
  throw new InvalidArgumentError(
    octets === 0
      ? 'It is empty.'
      : `It is ${octets} octets of UTF-8 long; a message holds ${shutdownOctetsMax}.`,
  )
}

/** Makes every route the last choice, or, with `off`, ends that. */
export async function orderDrain(client: AgentClient, off: boolean): Promise<Answer> {
  const result = await client.post<OrderResult>(off ? '/v1/undrain' : '/v1/drain')
  return { data: result, text: () => `${printable(result.message)}\n` }
}

/** Changes for a while what the agent's log tells. */
export async function orderLog(
  client: AgentClient,
  level: string,
  seconds: number,
): Promise<Answer> {
  const result = await client.post<OrderResult>('/v1/log', { level, seconds })
  return { data: result, text: () => `${printable(result.message)}\n` }
}

/** @throws CommandError (exit 1) with the agent's reason when it doesn't obey. */
export async function giveOrder(
  client: AgentClient,
  order: string,
  peer: string,
  { message, direction }: OrderDetail,
): Promise<Answer> {
  const result = await client.post<OrderResult>(peerPath(peer, `/${order}`), { message, direction })
  return { data: result, text: () => `${printable(result.message)}\n` }
}
