/**
 * The way to a Kubernetes API server: one request, or one watch as a stream of lines. Where the
 * server is, how it is trusted and who we are is `@kubernetes/client-node`'s business (kubeconfig,
 * service account with a token that is renewed, exec plugins, proxies); it costs 0.8 s and 100 MB,
 * so it is loaded only here, when asked for. Requests themselves are Node's own, because the rest
 * of the folder must see statuses, `Retry-After` and the bytes as they come.
 */
import { request as requestPlain } from 'node:http'
import { type RequestOptions, request as requestSecure } from 'node:https'
import type { Readable } from 'node:stream'

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'patch'

export interface ApiRequest {
  readonly verb: Verb
  /** `/api/v1/nodes`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Default `application/json`. */
  readonly contentType?: string
}

/** Requests of one verb with one answer. */
export interface RequestTally {
  readonly verb: Verb
  /** HTTP status; 0: no answer. */
  readonly status: number
  readonly count: number
  /** From each request to the head of its answer, all together. */
  readonly seconds: number
}

export interface ApiClient {
  /** `https://10.0.0.1:6443`. */
  readonly server: string
  /** Of the service account, or of the kubeconfig's context; null: none is named. */
  readonly namespace: string | null
  /** What was asked so far, one tally a verb and status. */
  readonly requests: Iterable<RequestTally>
  /**
   * @returns the parsed body of a 2xx answer
   * @throws ApiError
   */
  send(request: ApiRequest): Promise<unknown>
  /**
   * Hands over every line of a watch until the server ends it or `signal` does.
   * @param onOpen called when the server has agreed to it
   * @throws ApiError when it can't begin, breaks, or is silent for too long
   */
  watch(
    request: ApiRequest,
    onOpen: () => void,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void>
}

/** What the API server refused, or that it didn't answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status; 0: there was no answer, or none that could be read. */
  readonly status: number
  /** What the server asks for before the next try; null: nothing. */
  readonly retryAfterSeconds: number | null

  constructor(message: string, status: number, retryAfterSeconds: number | null, cause?: unknown) {
    super(message, { cause })
    this.status = status
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** What an error says of when to try again; whatever isn't the server's answer counts as none. */
export function answerOf(error: unknown): Pick<ApiError, 'status' | 'retryAfterSeconds'> {
  return error instanceof ApiError ? error : { status: 0, retryAfterSeconds: null }
}

export interface ClientLimits {
  /** From the request to the end of its answer. */
  readonly requestMs: number
  /** A watch sends a bookmark about every minute; without a byte for this long it is dead. */
  readonly silenceMs: number
}

/** Of one answer: a page of 500 objects is far below. */
const bodyBytesMax = 64 * 1024 * 1024
/** Of one object in a watch: etcd takes 1.5 MiB. */
const lineBytesMax = 4 * 1024 * 1024
const messageLengthMax = 300
const usualLimits: ClientLimits = { requestMs: 30_000, silenceMs: 150_000 }

/**
 * @param kubeconfig path of the file; null: `KUBECONFIG`, `~/.kube/config` or the service account
 * @throws Error in words when there is no usable configuration
 */
export async function createApiClient(
  kubeconfig: string | null,
  limits: ClientLimits = usualLimits,
): Promise<ApiClient> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    if (kubeconfig === null) config.loadFromDefault()
    else config.loadFromFile(kubeconfig)
  } catch (cause) {
    const which = kubeconfig ?? 'the default kubeconfig'
    throw new Error(`${which} can't be used: ${(cause as Error).message}`, { cause })
  }
  const server = config.getCurrentCluster()?.server
  if (server === undefined) {
    const which = kubeconfig ?? 'the default kubeconfig'
    throw new Error(`${which} names no cluster: its current-context leads nowhere`)
  }
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? null
  const authorise = (options: RequestOptions) => config.applyToHTTPSOptions(options)
  return new HttpClient(server, namespace?.trim() || null, authorise, limits)
}

class HttpClient implements ApiClient {
  readonly server: string
  readonly namespace: string | null
  readonly #tallies = new Map<string, RequestTally>()
  readonly #authorise: (options: RequestOptions) => Promise<void>
  readonly #limits: ClientLimits

  constructor(
    server: string,
    namespace: string | null,
    authorise: (options: RequestOptions) => Promise<void>,
    limits: ClientLimits,
  ) {
    this.server = server.replace(/\/$/, '')
    this.namespace = namespace
    this.#authorise = authorise
    this.#limits = limits
  }

  get requests(): Iterable<RequestTally> {
    return this.#tallies.values()
  }

  async send(request: ApiRequest): Promise<unknown> {
    const signal = AbortSignal.timeout(this.#limits.requestMs)
    const answer = await this.#begin(request, signal)
    const text = await readAll(answer.body, bodyBytesMax).catch((error) => {
      throw noAnswer(request, error)
    })
    if (answer.status >= 300) throw refusal(request, answer, text)
    try {
      return JSON.parse(text)
    } catch (error) {
      throw noAnswer(request, error)
    }
  }

  async watch(
    request: ApiRequest,
    onOpen: () => void,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const silence = new AbortController()
    const { silenceMs } = this.#limits
    const fall = () => silence.abort(new Error(`nothing came for ${silenceMs / 1000} s`))
    let timer = setTimeout(fall, silenceMs)
    const alive = () => {
      clearTimeout(timer)
      timer = setTimeout(fall, silenceMs)
    }
    try {
      const answer = await this.#begin(request, AbortSignal.any([signal, silence.signal]))
      if (answer.status >= 300) {
        throw refusal(request, answer, await readAll(answer.body, bodyBytesMax))
      }
      onOpen()
      await readLines(answer.body, onLine, alive)
    } catch (error) {
      if (signal.aborted) return
      throw noAnswer(request, error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves when the head of the answer is there. */
  async #begin(request: ApiRequest, signal: AbortSignal): Promise<Answer> {
    const startedAt = performance.now()
    try {
      const answer = await this.#open(request, signal)
      this.#count(request.verb, answer.status, startedAt)
      return answer
    } catch (error) {
      this.#count(request.verb, 0, startedAt)
      throw noAnswer(request, error)
    }
  }

  async #open(request: ApiRequest, signal: AbortSignal): Promise<Answer> {
    const { verb, path, query = {}, body, contentType = 'application/json' } = request
    const url = new URL(`${this.server}${path}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const payload = body === undefined ? null : JSON.stringify(body)
    const headers = {
      accept: 'application/json',
      'user-agent': 'routelet',
      ...(payload === null
        ? {}
        : { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) }),
    }
    const options: RequestOptions = { method: methods[verb], headers, signal }
    await this.#authorise(options)
    return new Promise((resolve, reject) => {
      const start = url.protocol === 'http:' ? requestPlain : requestSecure
      const call = start(url, options, (response) => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, retryAfter: headers['retry-after'] ?? null, body: response })
      })
      call.once('error', reject)
      call.once('socket', (socket) => socket.setKeepAlive(true, 30_000))
      call.end(payload ?? undefined)
    })
  }

  #count(verb: Verb, status: number, startedAt: number): void {
    const key = `${verb} ${status}`
    const { count, seconds } = this.#tallies.get(key) ?? { count: 0, seconds: 0 }
    const spent = (performance.now() - startedAt) / 1000
    this.#tallies.set(key, { verb, status, count: count + 1, seconds: seconds + spent })
  }
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: Readable
}

const methods = { get: 'GET', list: 'GET', watch: 'GET', create: 'POST', patch: 'PATCH' } as const

async function readAll(body: Readable, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error(`it is longer than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

async function readLines(
  body: Readable,
  onLine: (line: string) => void,
  alive: () => void,
): Promise<void> {
  let parts: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    alive()
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...parts, chunk.subarray(from, end)]).toString()
      parts = []
      bytes = 0
      from = end + 1
      if (line.trim() !== '') onLine(line)
    }
    if (from === chunk.length) continue
    parts.push(chunk.subarray(from))
    bytes += chunk.length - from
    if (bytes > lineBytesMax) throw new Error(`an object is longer than ${lineBytesMax} bytes`)
  }
}

/** In the words of the server's Status object where it sent one. */
function refusal(request: ApiRequest, answer: Answer, text: string): ApiError {
  let said = text
  try {
    const { message } = JSON.parse(text)
    if (typeof message === 'string') said = message
  } catch {
    // A proxy in between answers in its own words; they are shown as they are.
  }
  const words = said.replace(/\s+/g, ' ').trim().slice(0, messageLengthMax)
  const message = `${request.verb} ${request.path}: ${answer.status} ${words}`
  return new ApiError(message, answer.status, readRetryAfter(answer.retryAfter))
}

function noAnswer(request: ApiRequest, error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { cause, message } = error as Error
  const words = message === '' ? String((error as NodeJS.ErrnoException).code) : message
  const why = cause instanceof Error && words.includes('aborted') ? cause.message : words
  return new ApiError(`${request.verb} ${request.path}: ${why}`, 0, null, error)
}

/** Seconds only: the API server sends no dates (RFC 9110 §10.2.3 knows both). */
function readRetryAfter(text: string | null): number | null {
  return text !== null && /^[0-9]{1,6}$/.test(text) ? Number(text) : null
}
