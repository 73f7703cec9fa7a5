/**
 * A server beside the API, for scrapers and kubelets on the node's address: `/metrics`, `/healthz` and
 * `/readyz` and nothing else. It tells counts and states, no routes, takes no orders and asks for no
 * token, so it may stand open where the API may not.
 */
import fastify, { type FastifyInstance } from 'fastify'
import { setSecurityHeaders } from './access.ts'
import { answerUndecodable, answerUnreadable } from './faults.ts'
import { Problem, sendProblem } from './problem.ts'
import { probeRoutes } from './routes/node.ts'
import type { AgentViews } from './views.ts'

const REQUEST_MS_MAX = 10_000
/** Scrapers and kubelets are few. */
const CONNECTIONS_MAX = 64

export interface ProbesOptions {
  /** Told of every failure behind a 500 answer. */
  onFailure(error: Error, request: { method: string; url: string }): void
}

export function buildProbes(views: AgentViews, { onFailure }: ProbesOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: 1,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
    frameworkErrors: answerUndecodable,
    clientErrorHandler: answerUnreadable,
  } as const)
  app.server.maxConnections = CONNECTIONS_MAX
  app.addHook('onRequest', async (_request, reply) => setSecurityHeaders(reply))
  app.setNotFoundHandler((request, reply) => {
    const detail = `there is no ${request.method} ${request.url.split('?', 1)[0]} here`
    const remedy = 'this port has /metrics, /healthz and /readyz; the rest is at --api'
    return sendProblem(reply, new Problem('unknownPath', detail, remedy), request.url)
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const ours = error.statusCode === undefined || error.statusCode >= 500
    if (ours) onFailure(error, request)
    const problem = ours
      ? new Problem('failure', 'an error inside the agent kept it from answering', 'see its log')
      : new Problem('badRequest', error.message, 'GET /metrics, /healthz or /readyz')
    return sendProblem(reply, problem, request.url)
  })
  probeRoutes(app, views)
  return app
}
