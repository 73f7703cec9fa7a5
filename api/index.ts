/**
 * The HTTP side of the agent: questions, a few orders, probes, metrics and the looking glass.
 * Building it opens nothing; whoever builds it calls `listen`, `inject` and `close`.
 */
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify'
import { guardAccess, type Listener, setSecurityHeaders } from './access.ts'
import { nearest } from './nearest.ts'
import { describeApi } from './openapi.ts'
import { Problem, sendProblem } from './problem.ts'
import { PEER_NAME_LENGTH_MAX } from './query.ts'
import { eventRoutes } from './routes/events.ts'
import { fibRoutes } from './routes/fib.ts'
import { nodeRoutes } from './routes/node.ts'
import { orderRoutes } from './routes/orders.ts'
import { peerRoutes } from './routes/peers.ts'
import { tableRoutes } from './routes/tables.ts'
import type { AgentViews } from './views.ts'
import { serveWeb } from './web.ts'

export type { Listener } from './access.ts'

export interface ApiOptions {
  /** Where the server will listen; decides what is free (see `access.ts`). */
  readonly listener: Listener
  /** Bearer token for orders, and beyond loopback for everything; null: none. */
  readonly token: string | null
  /** Folder with the looking glass' files. */
  readonly web: string
  /** The agent's version, for the OpenAPI document. */
  readonly version: string
  /** Told of every failure behind a 500 answer; the answer itself names no inner detail. */
  onFailure(error: Error, request: { method: string; url: string }): void
}

/** An order has no body; this is room for a client that sends a little anyway. */
const BODY_BYTES_MAX = 4096
/** A client that doesn't finish its request in this time is cut off. */
const REQUEST_MS_MAX = 30_000

/** @throws Error when the options would leave the API open to everybody. */
export function buildApi(views: AgentViews, options: ApiOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PEER_NAME_LENGTH_MAX },
    ajv: { customOptions: { removeAdditional: false, allErrors: false } },
    frameworkErrors: (error, request, reply) => {
      setSecurityHeaders(reply as FastifyReply)
      sendProblem(reply as FastifyReply, fromFastify(error), request.url)
    },
  })
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })

  refuseBodies(app)
  app.setNotFoundHandler((request) => {
    throw notFound(request, routes)
  })
  app.setErrorHandler((error: FastifyError | Problem, request, reply) => {
    const problem = error instanceof Problem ? error : fromFastify(error)
    if (problem.kind === 'failure') options.onFailure(error, request)
    sendProblem(reply, problem, request.url)
  })

  guardAccess(app, options, serveWeb(app, options.web))
  nodeRoutes(app, views)
  peerRoutes(app, views)
  orderRoutes(app, views)
  tableRoutes(app, views)
  fibRoutes(app, views)
  eventRoutes(app, views)
  app.get(
    '/openapi.json',
    { schema: { summary: 'This description', produces: ['application/json'] } },
    async () => document,
  )
  const document = describeApi(routes, options.version)
  return app
}

/** Orders say everything in their path; a body would be ignored, so it is refused. */
function refuseBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    done(new Problem('badRequest', 'the request has a body', 'send it without one'))
  })
}

/** Turns fastify's own errors into problems; whatever isn't the client's fault is a failure. */
function fromFastify(error: FastifyError): Problem {
  if (error.validation !== undefined) return badParameter(error)
  if (error.statusCode === 413) {
    return new Problem('bodyTooLarge', error.message, 'send the request without a body')
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new Problem('badRequest', error.message, 'GET /openapi.json describes every request')
  }
  return new Problem(
    'failure',
    'an error inside the agent kept it from answering',
    "look in the agent's log, where the error stands with this path",
  )
}

const PLACES: Readonly<Record<string, string>> = {
  querystring: 'parameter',
  params: 'path',
  headers: 'header',
}

function badParameter(error: FastifyError): Problem {
  const fault = error.validation![0]!
  const place = PLACES[error.validationContext ?? ''] ?? 'request'
  const name = fault.instancePath.slice(1)
  const { additionalProperty: unknown, missingProperty: missing } = fault.params
  if (typeof unknown === 'string') {
    return new Problem(
      'badParameter',
      `there is no ${place} ${JSON.stringify(unknown)} here`,
      'leave it out; GET /openapi.json lists the parameters of every path',
    )
  }
  if (typeof missing === 'string') {
    return new Problem('badParameter', `${place} ${missing} is missing`, `add ${missing}=`)
  }
  const values = error
    .validation!.flatMap(({ params: { allowedValue } }) => allowedValue ?? [])
    .map(String)
  if (values.length > 0) {
    return new Problem(
      'badParameter',
      `${place} ${name} has none of its values`,
      `write ${values.map((value) => `${name}=${value}`).join(' or ')}`,
    )
  }
  return new Problem(
    'badParameter',
    `${place} ${name} ${fault.message ?? 'is not valid'}`,
    'GET /openapi.json gives the values it takes',
  )
}

/** 405 with `Allow` (RFC 9110 §15.5.6) when the path exists, otherwise 404 with the nearest. */
function notFound(request: FastifyRequest, routes: readonly RouteOptions[]): Problem {
  const path = request.url.split('?', 1)[0]!
  const fitting = routes.filter(({ url }) => patternOf(url).test(path))
  if (fitting.length > 0) {
    const methods = [...new Set(fitting.flatMap(({ method }) => method))].join(', ')
    return new Problem(
      'wrongMethod',
      `${request.method} is not possible at ${path}`,
      `use ${methods}`,
      { allow: methods },
    )
  }
  const meant = nearest(
    path,
    routes.map(({ url }) => url),
  )
  return new Problem(
    'unknownPath',
    `there is nothing at ${path}`,
    meant === null ? 'GET /openapi.json lists every path' : `did you mean ${meant}?`,
  )
}

function patternOf(url: string): RegExp {
  const source = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+')
  return new RegExp(`^${source}$`)
}
