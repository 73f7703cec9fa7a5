/**
 * The kernel's side: routes wanted, and where the kernel differs.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { fibStatusSchema } from '../kernel-schema.ts'
import { formatToken, parseToken } from '../page-token.ts'
import { noQuery, pageQuery } from '../query.ts'
import {
  fibDifferenceListSchema,
  fibNexthopListSchema,
  fibPageSchema,
  problemSchema,
} from '../schema.ts'
import type { AgentViews } from '../views.ts'

export function fibRoutes(plain: FastifyInstance, views: AgentViews): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>()

  app.get(
    '/v1/fib',
    {
      schema: {
        summary: 'Routes wanted in the kernel, each with its status',
        querystring: pageQuery,
        response: { 200: fibPageSchema, default: problemSchema },
      },
    },
    async ({ query }) => {
      const question = ['fib']
      const page = await views.fib(query.limit, parseToken(question, query.continue))
      return { items: page.items, continue: formatToken(question, page.continue) }
    },
  )

  app.get(
    '/v1/fib/status',
    {
      schema: {
        summary: 'Settings, counts and next hops of the kernel writer',
        querystring: noQuery,
        response: { 200: fibStatusSchema, default: problemSchema },
      },
    },
    () => views.fibStatus(),
  )

  app.get(
    '/v1/fib/nexthops',
    {
      schema: {
        summary: 'Nexthop objects and groups of ours in the kernel, and how many routes use each',
        querystring: noQuery,
        response: { 200: fibNexthopListSchema, default: problemSchema },
      },
    },
    async () => ({ items: await views.fibNexthops() }),
  )

  app.get(
    '/v1/fib/diff',
    {
      schema: {
        summary: 'Where the kernel differs from what is wanted; empty when all is well',
        querystring: noQuery,
        response: { 200: fibDifferenceListSchema, default: problemSchema },
      },
    },
    async () => ({ items: await views.fibDifference() }),
  )
}
