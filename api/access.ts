/**
 * Who may ask and who may order. Three kinds of listener, three rules:
 *
 * | listener | reading | orders |
 * |---|---|---|
 * | loopback | free | bearer token (RFC 6750); without a gatekeeper they are refused |
 * | unix socket | free | free: the agent makes the socket with mode 0600, so only its owner connects |
 * | network | bearer token, over TLS | bearer token, over TLS |
 *
 * Free reading must stay out of reach of web sites the operator happens to visit. So a local
 * listener answers only to local Host names (a rebound DNS name is not one), an order with a
 * foreign Origin is refused, and every answer forbids being framed or read from elsewhere.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Gatekeeper } from './gatekeeper.ts'
import { Problem } from './problem.ts'

export type Listener = 'loopback' | 'unix' | 'network'

export interface AccessOptions {
  readonly listener: Listener
  /** Who knows the tokens; null: nobody, so that none is good. */
  readonly gatekeeper: Gatekeeper | null
  /** Whether what is said is encrypted. */
  readonly tls: boolean
}

/** A longer token is nobody's: neither a file's line nor a service account's comes near. */
const TOKEN_LENGTH_MAX = 8192

/** Paths that answer anyone anywhere: probes carry no token, and the page holds no data. */
const PUBLIC_PATHS = new Set(['/healthz', '/readyz', '/openapi.json'])

const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i

/** On every answer. */
export const SECURITY_HEADERS = {
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

/** @throws Error when the listener would be open to everybody, or its tokens to whoever listens. */
export function guardAccess(
  app: FastifyInstance,
  options: AccessOptions,
  isStatic: (path: string) => boolean,
): void {
  requireProtection(options)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    requireHost(request)
    if (options.listener !== 'network') requireLocalHost(request)
    const path = request.url.split('?', 1)[0]!
    if (isOrder(request)) return requireOrderRight(request, path, options)
    const free = options.listener !== 'network' || PUBLIC_PATHS.has(path) || isStatic(path)
    if (!free) await requireRight(request, path, options.gatekeeper)
  })
}

function requireProtection({ listener, gatekeeper, tls }: AccessOptions): void {
  if (listener !== 'network') return
  const local = 'or listen on 127.0.0.1 or unix:PATH'
  if (gatekeeper === null) {
    throw new Error(
      `an API beyond loopback needs a token: give --api-token-file FILE or --api-auth kubernetes, ${local}`,
    )
  }
  if (!tls) {
    throw new Error(
      `an API beyond loopback needs TLS, or its tokens are read on the way: give --api-tls-cert FILE and --api-tls-key FILE, ${local}`,
    )
  }
}

/** Headers for answers made before any hook runs. */
export function setSecurityHeaders(reply: FastifyReply): void {
  reply.headers(SECURITY_HEADERS)
}

function isOrder(request: FastifyRequest): boolean {
  return request.method !== 'GET' && request.method !== 'HEAD'
}

/** HTTP/1.1 demands one. Node would refuse as well, but without a word. */
function requireHost(request: FastifyRequest): void {
  if (request.headers.host !== undefined || request.raw.httpVersion !== '1.1') return
  throw new Problem('badRequest', 'there is no Host header', 'send one: HTTP/1.1 needs it')
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

async function requireOrderRight(
  request: FastifyRequest,
  path: string,
  { listener, gatekeeper }: AccessOptions,
): Promise<void> {
  const origin = request.headers.origin
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== request.headers.host) {
    throw new Problem(
      'foreignOrigin',
      `an order from ${JSON.stringify(origin)} is refused`,
      "give orders with the routelet command, or from this agent's own page",
    )
  }
  if (listener === 'unix') return
  if (gatekeeper === null) {
    throw new Problem(
      'orderRefused',
      'no token is configured, so this agent can be asked but not ordered',
      'start the agent with --api-token-file FILE, or with --api unix:PATH and use that socket',
    )
  }
  await requireRight(request, path, gatekeeper)
}

async function requireRight(
  request: FastifyRequest,
  path: string,
  gatekeeper: Gatekeeper | null,
): Promise<void> {
  const remedy = gatekeeper?.remedy ?? 'ask over loopback'
  const { authorization } = request.headers
  const challenge = { 'www-authenticate': 'Bearer realm="routelet"' }
  if (authorization === undefined || gatekeeper === null) {
    throw new Problem('tokenRequired', 'there is no Authorization header', remedy, challenge)
  }
  const [, token = ''] = /^bearer +(\S+)$/i.exec(authorization) ?? []
  const verb = isOrder(request) ? 'post' : 'get'
  const verdict =
    token === '' || token.length > TOKEN_LENGTH_MAX
      ? ({ kind: 'unknown' } as const)
      : await gatekeeper.judge(token, { verb, path })
  switch (verdict.kind) {
    case 'granted':
      return
    case 'unknown':
      throw new Problem('tokenRequired', 'the token is not the right one', remedy, challenge)
    case 'forbidden':
      throw new Problem(
        'forbidden',
        verdict.reason,
        `bind a ClusterRole to it with the nonResourceURLs "${path}" and the verb "${verb}"`,
      )
    case 'undecided':
      throw new Problem(
        'accessUnknown',
        verdict.reason,
        "ask on the node itself over loopback, or again once the cluster's API server answers",
      )
  }
}
