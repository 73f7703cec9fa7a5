/**
 * What a peer, and the node, can be told to do. Who may order is decided before a request comes here.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { TObject } from 'typebox'
import { Problem } from '../problem.ts'
import { logQuery, messageQuery, noQuery, peerParams, refreshQuery } from '../query.ts'
import { orderSchema, problemSchema } from '../schema.ts'
import type { AgentViews, OrderResult, RefreshDirection } from '../views.ts'
import { requirePeer } from './peers.ts'

/**
 * Orders carried out in a minute, whoever gives them: it is the sessions that are to be spared. Twice
 * the peers of a rack, one after the other, is within it.
 */
const ORDERS_PER_MINUTE_MAX = 120

/** Octets of UTF-8 that a NOTIFICATION has for a text (RFC 9003 §2). */
const MESSAGE_OCTETS_MAX = 255

/** The parameters of all orders; each takes those of its schema. */
interface OrderQuery {
  readonly message?: string
  readonly direction?: RefreshDirection
}

interface Order {
  readonly summary: string
  readonly querystring: TObject
  give(views: AgentViews, peer: string, query: OrderQuery): OrderResult
}

const orders: Readonly<Record<string, Order>> = {
  reset: {
    summary: 'Close the session with Cease/Administrative Reset and open it again',
    querystring: messageQuery,
    give: (views, peer, { message }) => views.reset(peer, readMessage(message)),
  },
  refresh: {
    summary: 'Ask the peer for all its routes again, or send it ours (RFC 2918), in every family',
    querystring: refreshQuery,
    give: (views, peer, { direction = 'in' }) => views.refresh(peer, direction),
  },
  shutdown: {
    summary: 'Keep the session down until enabled, or until the agent starts anew',
    querystring: messageQuery,
    give: (views, peer, { message }) => views.shutdown(peer, readMessage(message)),
  },
  enable: {
    summary: 'Undo a shutdown',
    querystring: noQuery,
    give: (views, peer) => views.enable(peer),
  },
}

const nodeOrders = {
  drain: 'Announce every route as the last choice (GRACEFUL_SHUTDOWN, RFC 8326) until undrained',
  undrain: 'Announce every route as usual again',
} as const

export function orderRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()
  const onRequest = limiter(plain)
  for (const [name, { summary, querystring, give }] of Object.entries(orders)) {
    app.post(
      `/v1/peers/:name/${name}`,
      {
        onRequest,
        schema: {
          summary,
          params: peerParams,
          querystring,
          response: { 202: orderSchema, default: problemSchema },
        },
      },
      async ({ params, query }, reply) => {
        requirePeer(views, params.name)
        const result = give(views, params.name, query as OrderQuery)
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
      { onRequest, schema: { summary, querystring: noQuery, response } },
      async (_request, reply) => reply.code(202).send(views.drain(order === 'drain')),
    )
  }
  app.post(
    '/v1/log',
    {
      onRequest,
      schema: {
        summary: 'Change for a while what the log tells',
        querystring: logQuery,
        response: { 202: orderSchema, default: problemSchema },
      },
    },
    async ({ query }, reply) => {
      const result = views.setLogLevel(query.level, query.seconds)
      if (!result.accepted) throw new Problem('notAccepted', result.message, 'look at its options')
      return reply.code(202).send(result)
    },
  )
}

/** Runs behind the question whether the client may order at all: strangers use nothing up. */
function limiter(app: FastifyInstance): (request: FastifyRequest) => Promise<void> {
  const take = app.createRateLimit({
    max: ORDERS_PER_MINUTE_MAX,
    timeWindow: 60_000,
    keyGenerator: () => 'everybody',
  })
  return async (request) => {
    const limit = await take(request)
    if (limit.isAllowed || !limit.isExceeded) return
    throw new Problem(
      'tooManyOrders',
      `${ORDERS_PER_MINUTE_MAX} orders have been given within a minute`,
      `give the next in ${limit.ttlInSeconds} s`,
      { 'retry-after': String(limit.ttlInSeconds) },
    )
  }
}

/** null without one. @throws Problem when it doesn't fit: half a sentence may say the opposite. */
function readMessage(message: string | undefined): string | null {
  const octets = Buffer.byteLength(message ?? '')
  if (octets <= MESSAGE_OCTETS_MAX) return message ?? null
  throw new Problem(
    'badParameter',
    `parameter message is ${octets} octets of UTF-8 long; a NOTIFICATION holds ${MESSAGE_OCTETS_MAX}`,
    'say it in fewer words',
  )
}
