/**
 * What a peer, and the node, can be told to do. Who may order is decided before a request comes here.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Problem } from '../problem.ts'
import { noQuery, peerParams } from '../query.ts'
import { orderSchema, problemSchema } from '../schema.ts'
import type { AgentViews } from '../views.ts'
import { requirePeer } from './peers.ts'

const orders = {
  reset: 'Close the session with Cease/Administrative Reset and open it again',
  refresh: 'Ask the peer for all its routes again, in every family (RFC 2918)',
  shutdown: 'Keep the session down until enabled, or until the agent starts anew',
  enable: 'Undo a shutdown',
} as const

const nodeOrders = {
  drain: 'Announce every route as the last choice (GRACEFUL_SHUTDOWN, RFC 8326) until undrained',
  undrain: 'Announce every route as usual again',
} as const

export function orderRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()
  for (const [order, summary] of Object.entries(orders) as [keyof typeof orders, string][]) {
    app.post(
      `/v1/peers/:name/${order}`,
      {
        schema: {
          summary,
          params: peerParams,
          querystring: noQuery,
          response: { 202: orderSchema, default: problemSchema },
        },
      },
      async ({ params }, reply) => {
        requirePeer(views, params.name)
        const result = views[order](params.name)
        if (!result.accepted) {
          throw new Problem('notAccepted', result.message, `look at GET /v1/peers/${params.name}`)
        }
        return reply.code(202).send(result)
      },
    )
  }
  for (const [order, summary] of Object.entries(nodeOrders)) {
    const response = { 202: orderSchema, default: problemSchema }
    app.post(
      `/v1/${order}`,
      { schema: { summary, querystring: noQuery, response } },
      async (_request, reply) => reply.code(202).send(views.drain(order === 'drain')),
    )
  }
}
