/**
 * The node as a whole: its summary, the probes of a kubelet, and the metrics of Prometheus.
 */
import type { FastifyInstance } from 'fastify'
import { noQuery } from '../query.ts'
import { nodeSchema, planSchema, problemSchema, verdictSchema } from '../schema.ts'
import type { AgentViews } from '../views.ts'

export function nodeRoutes(app: FastifyInstance, views: AgentViews): void {
  app.get(
    '/v1/node',
    {
      schema: {
        summary: 'The node at a glance: health, counts, announcements, conditions',
        querystring: noQuery,
        response: { 200: nodeSchema, default: problemSchema },
      },
    },
    () => views.node(),
  )

  app.get(
    '/v1/plan',
    {
      schema: {
        summary: 'What the agent carries out at present, without keys: peers, filters, settings',
        querystring: noQuery,
        response: { 200: planSchema, default: problemSchema },
      },
    },
    async () => views.plan(),
  )

  probeRoutes(app, views)
}

/** What stands at the port of `--metrics` too. */
export function probeRoutes(app: FastifyInstance, views: AgentViews): void {
  for (const [path, verdict, summary] of [
    ['/healthz', () => views.healthy(), 'Liveness: 200 while the agent works, else 503'],
    ['/readyz', () => views.ready(), 'Readiness: 200 once routes flow, else 503 with the reason'],
  ] as const) {
    app.get(
      path,
      { schema: { summary, response: { 200: verdictSchema, 503: verdictSchema } } },
      async (_request, reply) => {
        const answer = verdict()
        return reply.code(answer.ok ? 200 : 503).send(answer)
      },
    )
  }

  app.get(
    '/metrics',
    { schema: { summary: 'Prometheus text exposition', produces: ['text/plain'] } },
    async (_request, reply) => {
      const { contentType, body } = await views.metrics()
      return reply.type(contentType).send(body)
    },
  )
}
