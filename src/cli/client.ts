/**
 * The command's side of the API: HTTP or HTTPS to a port, HTTP to a unix socket, problems (RFC 9457)
 * turned into words, and the event stream read frame by frame. Every reply and line has a ceiling.
 */
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { ProblemView } from '../../api/problem.ts'
import { type Endpoint, formatEndpoint } from './endpoint.ts'
import { CommandError, EXIT_NEGATIVE } from './terminal.ts'
import { type Trust, tlsFailure, trusting, usualTrust } from './tls.ts'

/** An agent that says nothing for this long is not waited for. */
const SILENCE_MS_MAX = 10_000
const REPLY_BYTES_MAX = 256 * 1024 * 1024
const FRAME_CHARACTERS_MAX = 1024 * 1024

export type Query = Readonly<Record<string, string | number | null | undefined>>

export interface Frame {
  readonly event: string
  readonly id: string | null
  readonly data: string
}

export interface AgentClient {
  readonly endpoint: Endpoint
  /** @throws CommandError in words: nobody there, or what the agent refused and why. */
  get<Reply>(path: string, query?: Query): Promise<Reply>
  post<Reply>(path: string, query?: Query): Promise<Reply>
  /** Hands over every frame of an event stream until it ends or the signal aborts. */
  stream(
    path: string,
    options: { query: Query; lastEventId: string | null; signal: AbortSignal },
    onFrame: (frame: Frame) => void,
  ): Promise<void>
}

/** By what an agent is asked; null instead of one: without a token, and with the usual trust. */
export interface Access {
  readonly token: string | null
  readonly trust: Trust
}

const nobody: Access = { token: null, trust: usualTrust }

export function createClient(endpoint: Endpoint, access: Access | null): AgentClient {
  const { token, trust } = access ?? nobody
  const ask = (method: string, path: string, accept: string, extra: RequestOptions = {}) =>
    open(endpoint, trust, {
      method,
      path,
      ...extra,
      headers: {
        accept,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(extra.headers as Record<string, string> | undefined),
      },
    })
  const json = async <Reply>(method: string, path: string): Promise<Reply> => {
    const response = await ask(method, path, 'application/json')
    const text = await readText(response, endpoint)
    if (response.statusCode! >= 300) throw refusal(response, text, endpoint, token)
    return parseJson(text, endpoint) as Reply
  }
  return {
    endpoint,
    get: (path, query = {}) => json('GET', path + search(query)),
    post: (path, query = {}) => json('POST', path + search(query)),
    stream: async (path, { query, lastEventId, signal }, onFrame) => {
      const headers = lastEventId === null ? {} : { 'last-event-id': lastEventId }
      const response = await ask('GET', path + search(query), 'text/event-stream', {
        headers,
        signal,
        timeout: 0,
      })
      if (response.statusCode! >= 300) {
        throw refusal(response, await readText(response, endpoint), endpoint, token)
      }
      await readFrames(response, endpoint, signal, onFrame)
    },
  }
}

function search(query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) parameters.set(name, String(value))
  }
  return parameters.size === 0 ? '' : `?${parameters}`
}

function open(endpoint: Endpoint, trust: Trust, options: RequestOptions): Promise<IncomingMessage> {
  const target: RequestOptions =
    endpoint.kind === 'unix'
      ? { socketPath: endpoint.path, headers: { host: 'localhost' } }
      : { host: endpoint.host, port: endpoint.port }
  const secure = endpoint.kind === 'tcp' && endpoint.scheme === 'https'
  return new Promise((resolve, reject) => {
    const outgoing = (secure ? requestSecurely : request)({
      ...(secure ? trusting(trust) : {}),
      timeout: SILENCE_MS_MAX,
      ...target,
      ...options,
      agent: false,
      headers: { ...target.headers, ...(options.headers as Record<string, string>) },
    })
    outgoing.once('response', resolve)
    outgoing.once('timeout', () => outgoing.destroy(silent(endpoint)))
    outgoing.once('error', (error: NodeJS.ErrnoException) =>
      reject(error instanceof CommandError ? error : unreachable(endpoint, error)),
    )
    outgoing.end()
  })
}

async function readText(response: IncomingMessage, endpoint: Endpoint): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > REPLY_BYTES_MAX) throw tooLong(endpoint)
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof CommandError ? error : unreachable(endpoint, error as Error)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Server-sent events (WHATWG HTML §9.2.6), as far as our own server uses them. */
async function readFrames(
  response: IncomingMessage,
  endpoint: Endpoint,
  signal: AbortSignal,
  onFrame: (frame: Frame) => void,
): Promise<void> {
  let pending = ''
  response.setEncoding('utf8')
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const blocks = (pending + chunk).split('\n\n')
      pending = blocks.pop()!
      if (pending.length > FRAME_CHARACTERS_MAX) throw tooLong(endpoint)
      for (const block of blocks) {
        const frame = parseFrame(block)
        if (frame !== null) onFrame(frame)
      }
    }
  } catch (error) {
    if (signal.aborted) return
    throw error instanceof CommandError ? error : unreachable(endpoint, error as Error)
  }
}

/** null for a block without data: a comment or a retry time. */
function parseFrame(block: string): Frame | null {
  let event = 'message'
  let id: string | null = null
  let data: string | null = null
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^([a-z]+):? ?(.*)$/.exec(line) ?? []
    if (field === 'event') event = value
    else if (field === 'id') id = value
    else if (field === 'data') data = data === null ? value : `${data}\n${value}`
  }
  return data === null ? null : { event, id, data }
}

function parseJson(text: string, endpoint: Endpoint): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notOurs(endpoint, cause)
  }
}

function refusal(
  response: IncomingMessage,
  text: string,
  endpoint: Endpoint,
  token: string | null,
): CommandError {
  if (!response.headers['content-type']?.startsWith('application/problem+json')) {
    return notOurs(endpoint)
  }
  const problem = parseJson(text, endpoint) as ProblemView
  const remedy = problem.status === 401 ? tokenRemedy(token) : problem.remedy
  return new CommandError(problem.detail, remedy, EXIT_NEGATIVE)
}

/** The agent speaks of headers, whoever types a command has options. */
function tokenRemedy(token: string | null): string {
  return token === null
    ? 'name the file with its token in --api-token-file or ROUTELET_API_TOKEN_FILE'
    : 'compare the file of --api-token-file with the one the agent was given; with --api-auth kubernetes the token may have run out: make one with "kubectl create token NAME"'
}

function unreachable(endpoint: Endpoint, error: NodeJS.ErrnoException): CommandError {
  const where = formatEndpoint(endpoint)
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return failure(
      `the API socket ${where} does not let you in`,
      'ask as the user the agent runs as, e.g. with sudo',
      error,
    )
  }
  if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') {
    const listen = endpoint.kind === 'unix' ? ` --api ${where}` : ''
    return failure(
      `no agent answers at ${where}`,
      `start one with "routelet run --node NAME --manifests DIR${listen}", or say where it is with --api or ROUTELET_API`,
      error,
    )
  }
  const distrust = tlsFailure(where, error)
  if (distrust !== null) return distrust
  if (error.code === 'ECONNRESET' && where.startsWith('http://')) {
    return failure(
      `what listens at ${where} closed the connection without an answer`,
      `it may speak TLS: ask for ${where.replace('http:', 'https:')}`,
      error,
    )
  }
  return failure(
    `the agent at ${where} cannot be asked: ${error.message}`,
    'check the address given with --api or ROUTELET_API, and that the agent still runs',
    error,
  )
}

function silent(endpoint: Endpoint): CommandError {
  return failure(
    `the agent at ${formatEndpoint(endpoint)} has said nothing for ${SILENCE_MS_MAX / 1000} s`,
    'look at its log, and whether another program listens there',
  )
}

function tooLong(endpoint: Endpoint): CommandError {
  return failure(
    `the reply of ${formatEndpoint(endpoint)} is longer than this command reads`,
    'ask for less, e.g. with --limit',
  )
}

function notOurs(endpoint: Endpoint, cause?: unknown): CommandError {
  return failure(
    `what answers at ${formatEndpoint(endpoint)} is not routelet`,
    'say where the agent is with --api or ROUTELET_API',
    cause,
  )
}

function failure(message: string, remedy: string, cause?: unknown): CommandError {
  return new CommandError(message, remedy, EXIT_NEGATIVE, cause)
}
