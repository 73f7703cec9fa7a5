/**
 * The BGP table, and why it is as it is.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { parseContinue, parsePrefix } from '../address.ts'
import { Problem } from '../problem.ts'
import { explainQuery, routesQuery } from '../query.ts'
import { explainSchema, pathPageSchema, problemSchema } from '../schema.ts'
import type { AgentViews } from '../views.ts'
import { requirePeer } from './peers.ts'

export function tableRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()

  app.get(
    '/v1/routes',
    {
      schema: {
        summary: 'The BGP table, whole or around one prefix',
        querystring: routesQuery,
        response: { 200: pathPageSchema, default: problemSchema },
      },
    },
    async ({ query }) => {
      if (query.prefix === undefined && query.match !== undefined) {
        throw new Problem(
          'badParameter',
          `match=${query.match} has no prefix to match`,
          'add prefix=, or leave match out to read the whole table',
        )
      }
      const asked = query.prefix === undefined ? null : parsePrefix(query.prefix, 'prefix')
      return views.routes({
        prefix: asked?.prefix ?? null,
        match: query.match ?? (asked?.host === true ? 'longest' : 'exact'),
        view: query.view,
        limit: query.limit,
        continue: parseContinue(query.continue),
      })
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
