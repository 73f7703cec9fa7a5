/**
 * What is wrong with a request before a route sees it, in our words: what fastify refuses, what fits no
 * path, and what Node's parser can't read at all. Whatever isn't the client's fault is a failure.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { SECURITY_HEADERS, setSecurityHeaders } from './access.ts'
import { nearest } from './nearest.ts'
import { formatProblem, PROBLEM_TYPE, Problem, problems, sendProblem } from './problem.ts'

/** For fastify's `frameworkErrors`: a path that can't be decoded meets no hook and no handler. */
export function answerUndecodable(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  setSecurityHeaders(reply)
  sendProblem(reply, fromFastify(error), request.url)
}

/** Codes of Node's parser that have an answer of their own; all others are a bad request. */
const UNREADABLE: Readonly<Record<string, () => Problem>> = {
  HPE_HEADER_OVERFLOW: () =>
    new Problem(
      'headersTooLarge',
      'the request line and the headers are larger than this server reads',
      'send fewer or shorter headers and a shorter path',
    ),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () =>
    new Problem('bodyTooLarge', 'the chunk extensions are too large', 'send no body'),
  ERR_HTTP_REQUEST_TIMEOUT: () =>
    new Problem(
      'requestTooSlow',
      'the request did not arrive in time',
      'send it whole, or look at what delays it on the way',
    ),
}

/**
 * For fastify's `clientErrorHandler`: what is no HTTP never becomes a request, so the answer is written
 * by hand; the connection is of no further use.
 */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = (UNREADABLE[error.code ?? ''] ?? noHttp)()
  const { status } = problems[problem.kind]
  const body = JSON.stringify(formatProblem(problem, ''))
  const headers = {
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...SECURITY_HEADERS,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  socket.destroySoon()
}

function noHttp(): Problem {
  return new Problem(
    'badRequest',
    'what came is no HTTP/1.1 request',
    'GET /openapi.json describes every request',
  )
}

/** Turns fastify's own errors into problems. */
export function fromFastify(error: FastifyError): Problem {
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
export function notFound(request: FastifyRequest, routes: readonly RouteOptions[]): Problem {
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
