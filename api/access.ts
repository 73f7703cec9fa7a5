/**
 * Who may ask and who may order. Three kinds of listener, three rules:
 *
 * | listener | reading | orders |
 * |---|---|---|
 * | loopback | free | bearer token (RFC 6750); without one configured they are refused |
 * | unix socket | free | free: the agent makes the socket with mode 0600, so only its owner connects |
 * | network | bearer token | bearer token |
 *
 * Free reading must stay out of reach of web sites the operator happens to visit. So a local
 * listener answers only to local Host names (a rebound DNS name is not one), an order with a
 * foreign Origin is refused, and every answer forbids being framed or read from elsewhere.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from './problem.ts'

export type Listener = 'loopback' | 'unix' | 'network'

export interface AccessOptions {
  readonly listener: Listener
  /** null: none is configured. */
  readonly token: string | null
}

/** Paths that answer anyone anywhere: probes carry no token, and the page holds no data. */
const PUBLIC_PATHS = new Set(['/healthz', '/readyz', '/openapi.json'])

const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

/** @throws Error when the listener would be open to everybody. */
export function guardAccess(
  app: FastifyInstance,
  options: AccessOptions,
  isStatic: (path: string) => boolean,
): void {
  if (options.listener === 'network' && options.token === null) {
    throw new Error(
      'an API beyond loopback needs a token: give --api-token-file FILE, or listen on 127.0.0.1 or unix:PATH',
    )
  }
  const holdsToken = tokenCheck(options.token)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    if (options.listener !== 'network') requireLocalHost(request)
    const path = request.url.split('?', 1)[0]!
    if (isOrder(request)) return requireOrderRight(request, options, holdsToken)
    if (options.listener === 'network' && !PUBLIC_PATHS.has(path) && !isStatic(path)) {
      requireToken(request, holdsToken)
    }
  })
}

/** Headers for answers made before any hook runs. */
export function setSecurityHeaders(reply: FastifyReply): void {
  reply.headers(HEADERS)
}

function isOrder(request: FastifyRequest): boolean {
  return request.method !== 'GET' && request.method !== 'HEAD'
}

function requireLocalHost(request: FastifyRequest): void {
  const host = request.headers.host ?? ''
  if (LOCAL_HOST.test(host)) return
  throw new Problem(
    'wrongHost',
    `the Host header is ${JSON.stringify(host)}, and this server answers only to local names`,
    'use http://127.0.0.1 or http://localhost; a proxy in front must set one of these as Host',
  )
}

function requireOrderRight(
  request: FastifyRequest,
  options: AccessOptions,
  holdsToken: TokenCheck,
): void {
  const origin = request.headers.origin
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== request.headers.host) {
    throw new Problem(
      'foreignOrigin',
      `an order from ${JSON.stringify(origin)} is refused`,
      "give orders with the routelet command, or from this agent's own page",
    )
  }
  if (options.listener === 'unix') return
  if (options.token === null) {
    throw new Problem(
      'orderRefused',
      'no token is configured, so this agent can be asked but not ordered',
      'start the agent with --api-token-file FILE, or with --api unix:PATH and use that socket',
    )
  }
  requireToken(request, holdsToken)
}

function requireToken(request: FastifyRequest, holdsToken: TokenCheck): void {
  const header = request.headers.authorization
  if (header !== undefined && holdsToken(header)) return
  throw new Problem(
    'tokenRequired',
    header === undefined ? 'there is no Authorization header' : 'the token is not the right one',
    'send "Authorization: Bearer TOKEN" with the content of the agent\'s --api-token-file',
    { 'www-authenticate': 'Bearer realm="routelet"' },
  )
}

type TokenCheck = (authorization: string) => boolean

/** Compares digests: equally long whatever was sent, so that the time taken tells nothing. */
function tokenCheck(token: string | null): TokenCheck {
  if (token === null) return () => false
  const digest = (value: string) => createHash('sha256').update(value).digest()
  const expected = digest(token)
  return (authorization) => {
    const [, sent] = /^bearer +(\S+)$/i.exec(authorization) ?? []
    return sent !== undefined && timingSafeEqual(digest(sent), expected)
  }
}
