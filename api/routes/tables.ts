/**
 * The BGP table, and why it is as it is.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Static } from 'typebox'
import type { PathView } from '../../bgp/types.ts'
import { parsePrefix } from '../address.ts'
import { NDJSON, streamPaths } from '../bulk-stream.ts'
import { formatToken, parseToken } from '../page-token.ts'
import { Problem } from '../problem.ts'
import { explainQuery, routesQuery } from '../query.ts'
import { explainSchema, pathPageSchema, problemSchema } from '../schema.ts'
import type { AgentViews, Page } from '../views.ts'
import { requirePeer } from './peers.ts'

/** Whole tables on their way at one time; each keeps a part of the thread busy. */
export const BULK_STREAMS_MAX = 4
const RETRY_AFTER_SECONDS = 10

type RoutesQuery = Static<typeof routesQuery>

export function tableRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()
  const sendAll = bulkSender(views)

  app.get(
    '/v1/routes',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'The BGP table, whole or around one prefix',
        description:
          'A page of prefixes in ascending order. With `stream` or `Accept: application/x-ndjson` ' +
          'the whole table, one path a line, in no particular order.',
        querystring: routesQuery,
        produces: [NDJSON],
        response: { 200: pathPageSchema, default: problemSchema },
      },
    },
    async ({ query, headers }, reply) => {
      if (query.stream !== undefined || headers.accept?.includes(NDJSON) === true) {
        return sendAll(query, reply)
      }
      return readPage(views, query)
    },
  )

  app.get(
    '/v1/explain',
    {
      schema: {
        summary: 'Why a prefix is (not) known, chosen, announced and installed',
        querystring: explainQuery,
        response: { 200: explainSchema, default: problemSchema },
      },
    },
    async ({ query }) => {
      const { prefix } = parsePrefix(query.prefix, 'prefix')
      if (query.peer !== undefined) requirePeer(views, query.peer)
      return views.explain(prefix, query.peer ?? null)
    },
  )
}

async function readPage(views: AgentViews, query: RoutesQuery): Promise<Page<PathView>> {
  if (query.prefix === undefined && query.match !== undefined) {
    throw new Problem(
      'badParameter',
      `match=${query.match} has no prefix to match`,
      'add prefix=, or leave match out to read the whole table',
    )
  }
  const asked = query.prefix === undefined ? null : parsePrefix(query.prefix, 'prefix')
  const prefix = asked?.prefix ?? null
  const match = query.match ?? (asked?.host === true ? 'longest' : 'exact')
  const { view, limit } = query
  const question = ['routes', prefix, match, view]
  const after = parseToken(question, query.continue)
  const page = await views.routes({ prefix, match, view, limit, continue: after })
  return { items: page.items, continue: formatToken(question, page.continue) }
}

/** Answers with the whole table, to so many at a time. */
function bulkSender(views: AgentViews): (query: RoutesQuery, reply: FastifyReply) => never {
  let open = 0
  return ({ prefix, match, continue: token, view }, reply) => {
    if (prefix !== undefined || match !== undefined || token !== undefined) {
      throw new Problem(
        'badParameter',
        'a stream is always of the whole table',
        'leave out prefix, match and continue, or ask for pages without stream',
      )
    }
    if (open >= BULK_STREAMS_MAX) {
      throw new Problem(
        'tooManyStreams',
        `${BULK_STREAMS_MAX} whole tables are on their way already`,
        'wait until one is through, or read pages',
        { 'retry-after': String(RETRY_AFTER_SECONDS) },
      )
    }
    open++
    const stream = streamPaths(views.allRoutes(view)).once('close', () => open--)
    // The serialiser of the 200 answer is for a page; a stream goes out as it comes.
    return reply.type(NDJSON).send(stream) as never
  }
}
