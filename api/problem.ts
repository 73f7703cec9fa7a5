/**
 * Errors as RFC 9457 problem documents. One table names every problem the API can answer with its
 * status and title; a `Problem` adds what was wrong in this request and, always, what to do.
 */
import type { FastifyReply } from 'fastify'

export const problems = {
  badRequest: { status: 400, title: 'The request is not understood' },
  badParameter: { status: 400, title: 'A parameter is not valid' },
  badAddress: { status: 400, title: 'Not an address or prefix' },
  tokenRequired: { status: 401, title: 'A bearer token is required' },
  orderRefused: { status: 403, title: 'This server takes no orders' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  foreignOrigin: { status: 403, title: 'The request comes from another site' },
  unknownPath: { status: 404, title: 'There is nothing at this path' },
  unknownPeer: { status: 404, title: 'No peer has this name' },
  notRecorded: { status: 404, title: 'The session is not recorded' },
  noPage: { status: 404, title: 'The looking glass is not installed' },
  wrongMethod: { status: 405, title: 'The method does not fit this path' },
  notAccepted: { status: 409, title: 'The order was not carried out' },
  requestTooSlow: { status: 408, title: 'The request did not arrive in time' },
  bodyTooLarge: { status: 413, title: 'The request is too large' },
  wrongHost: { status: 421, title: 'The Host header names another server' },
  headersTooLarge: { status: 431, title: 'The headers are too large' },
  tooManyOrders: { status: 429, title: 'Too many orders in a short time' },
  accessUnknown: { status: 503, title: 'Who may do this cannot be found out now' },
  tooManyStreams: { status: 503, title: 'Too many streams are open' },
  failure: { status: 500, title: 'The agent could not answer' },
} as const

/** RFC 9457 §6.1. */
export const PROBLEM_TYPE = 'application/problem+json'

export type ProblemName = keyof typeof problems

/** The document as sent; `remedy` is an extension member (RFC 9457 §3.2). */
export interface ProblemView {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** The path that was asked for. */
  readonly instance: string
  readonly remedy: string
}

/** Thrown by a route or hook to answer with a problem document. */
export class Problem extends Error {
  readonly kind: ProblemName
  readonly remedy: string
  /** Header fields of the answer, e.g. `Allow` (RFC 9110 §15.5.6). */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    kind: ProblemName,
    detail: string,
    remedy: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.name = 'Problem'
    this.kind = kind
    this.remedy = remedy
    this.headers = headers
  }
}

/** The URN names the kind of problem and is never fetched (RFC 9457 §3.1.1). */
export function problemType(kind: ProblemName): string {
  return `urn:routelet:problem:${kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Requests are echoed, but not at any length. */
const ECHO_LENGTH_MAX = 300

function shorten(text: string): string {
  return text.length > ECHO_LENGTH_MAX ? `${text.slice(0, ECHO_LENGTH_MAX)}…` : text
}

export function formatProblem(problem: Problem, instance: string): ProblemView {
  const { status, title } = problems[problem.kind]
  return {
    type: problemType(problem.kind),
    title,
    status,
    detail: shorten(problem.message),
    instance: shorten(instance),
    remedy: problem.remedy,
  }
}

/** Sends the document past the response schemas: it is the same for every route. */
export function sendProblem(reply: FastifyReply, problem: Problem, instance: string): FastifyReply {
  return reply
    .code(problems[problem.kind].status)
    .headers(problem.headers)
    .type(PROBLEM_TYPE)
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(formatProblem(problem, instance))
}
