/**
 * The kernel's side: routes wanted, and where the kernel differs.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { parseContinue } from '../address.ts'
import { fibStatusSchema } from '../kernel-schema.ts'
import { noQuery, pageQuery } from '../query.ts'
import { fibDifferenceListSchema, fibPageSchema, problemSchema } from '../schema.ts'
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
    async ({ query }) => views.fib(query.limit, parseContinue(query.continue)),
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
