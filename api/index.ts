/**
 * The HTTP side of the agent: questions, a few orders, probes, metrics and the looking glass.
 * Building it opens nothing; whoever builds it calls `listen`, `inject` and `close`.
 */
import type { Server as TlsServer } from 'node:tls'
import compress from '@fastify/compress'
import rateLimit from '@fastify/rate-limit'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyServerOptions,
  type RouteOptions,
} from 'fastify'
import { guardAccess, type Listener } from './access.ts'
import { tagReplies } from './etag.ts'
import { answerUndecodable, answerUnreadable, fromFastify, notFound } from './faults.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import { describeApi } from './openapi.ts'
import { Problem, sendProblem } from './problem.ts'
import { PEER_NAME_LENGTH_MAX, requireDigits } from './query.ts'
import { eventRoutes } from './routes/events.ts'
import { fibRoutes } from './routes/fib.ts'
import { nodeRoutes } from './routes/node.ts'
import { orderRoutes } from './routes/orders.ts'
import { peerRoutes } from './routes/peers.ts'
import { tableRoutes } from './routes/tables.ts'
import type { AgentViews } from './views.ts'
import { readWeb, serveWeb } from './web.ts'

export type { Listener } from './access.ts'
export { type Gatekeeper, tokenGatekeeper, type Verdict, type Wish } from './gatekeeper.ts'
export { buildProbes } from './probes.ts'

export interface ApiOptions {
  /** Where the server will listen; decides what is free (see `access.ts`). */
  readonly listener: Listener
  /** Judges bearer tokens: of orders, and beyond loopback of everything; null: no token is good. */
  readonly gatekeeper: Gatekeeper | null
  /** Certificate chain and key, PEM; null: plain HTTP, which a network listener refuses. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null
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

/** Connections at one time: the files that the process may have open are for sessions first. */
const CONNECTIONS_MAX = 256

/** Replies that are smaller are not worth compressing. */
const COMPRESSED_BYTES_MIN = 1024
/** Everything is text but the icon; events are kept apart, for each must leave at once. */
const COMPRESSED_TYPES = /^text\/(?!event-stream)|json|svg/

/** @throws Error when the options would leave the API open to everybody. */
export function buildApi(views: AgentViews, options: ApiOptions): FastifyInstance {
  const app = build(options)
  app.server.maxConnections = CONNECTIONS_MAX
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })

  refuseBodies(app)
  requireDigits(app)
  app.setNotFoundHandler((request) => {
    throw notFound(request, routes)
  })
  app.setErrorHandler((error: FastifyError | Problem, request, reply) => {
    const problem = error instanceof Problem ? error : fromFastify(error)
    if (problem.kind === 'failure') options.onFailure(error, request)
    sendProblem(reply, problem, request.url)
  })

  const web = readWeb(options.web)
  const tls = options.tls !== null
  guardAccess(app, { ...options, tls }, (path) => web.paths.has(path))
  tagReplies(app)
  app.register(compress, {
    threshold: COMPRESSED_BYTES_MIN,
    encodings: ['gzip'],
    customTypes: COMPRESSED_TYPES,
  })
  // Only orders are limited: see routes/orders.ts.
  app.register(rateLimit, { global: false })
  // Plugins see the routes only of what is registered behind them.
  app.register(async (scope) => {
    serveWeb(scope, web)
    nodeRoutes(scope, views)
    peerRoutes(scope, views)
    orderRoutes(scope, views)
    tableRoutes(scope, views)
    fibRoutes(scope, views)
    eventRoutes(scope, views)
    const schema = { summary: 'This description', produces: ['application/json'] }
    scope.get('/openapi.json', { schema }, async () => document)
    const document = describeApi(routes, options.version)
  })
  return app
}

function build({ tls }: ApiOptions): FastifyInstance {
  const settings = {
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PEER_NAME_LENGTH_MAX },
    ajv: { customOptions: { removeAdditional: false, allErrors: false } },
    frameworkErrors: answerUndecodable,
    clientErrorHandler: answerUnreadable,
  } as const
  // Whether there is one is looked at in access.ts, which answers in words.
  const http = { requireHostHeader: false } as const
  if (tls === null) return fastify({ ...settings, http } as FastifyServerOptions)
  const https = { ...http, ...tls, minVersion: 'TLSv1.2' } as const
  // The rest of the API doesn't care what its requests came through.
  return fastify({ ...settings, https } as FastifyServerOptions) as FastifyInstance
}

/** The certificate of a running server, e.g. when it was renewed; open connections keep theirs. */
export function renewCertificate(
  app: FastifyInstance,
  tls: { readonly cert: Buffer; readonly key: Buffer },
): void {
  ;(app.server as unknown as TlsServer).setSecureContext({ ...tls, minVersion: 'TLSv1.2' })
}

/** Orders say everything in their path; a body would be ignored, so it is refused. */
function refuseBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    done(new Problem('badRequest', 'the request has a body', 'send it without one'))
  })
}
