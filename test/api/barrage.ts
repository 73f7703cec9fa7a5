/**
 * Questions of all kinds at a steady rate, however long the answers take: who waits for one answer
 * before the next question spares a server that is slow. A time to answer therefore runs from when the
 * question was due, not from when it could be sent.
 */
import { Agent, type ClientRequest, get } from 'node:http'
import type { List } from '../../api/schema.ts'
import type { Page } from '../../api/views.ts'
import type { PathView, PeerView } from '../../bgp/types.ts'

/** Of those that the agent takes; further questions wait for one. */
const connectionsMax = 200
const tickMs = 5
/** A question that is due while so many are open is given up, and counted. */
const openMax = 2000
const answerMsMax = 20_000

/** What one question came to. */
export interface Tally {
  readonly question: string
  readonly answers: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface BarrageReport {
  /** Without those that were given up. */
  readonly asked: number
  readonly givenUp: number
  /** Answers by status; 0: none came. */
  readonly statuses: Readonly<Record<number, number>>
  /** What should not have come, at most ten. */
  readonly complaints: readonly string[]
  /** Frames of the one event stream that was open all the time. */
  readonly events: number
  /** All questions first. */
  readonly tallies: readonly Tally[]
}

/** What was learned from answers, for further questions. */
interface Known {
  peer: string | null
  prefix: string
  continue: string | null
}

/** Their number is their share; null: there is nothing to ask yet. */
const questions: readonly ((known: Known) => string | null)[] = [
  () => '/v1/node',
  () => '/v1/peers',
  ({ continue: token }) => `/v1/routes?limit=100${token === null ? '' : `&continue=${token}`}`,
  ({ prefix }) => `/v1/explain?prefix=${prefix}`,
  () => '/v1/events?limit=50',
  ({ continue: token }) => `/v1/routes?limit=100${token === null ? '' : `&continue=${token}`}`,
  ({ prefix }) => `/v1/routes?prefix=${prefix}&match=longest&view=all`,
  () => '/metrics',
  ({ peer }) => (peer === null ? null : `/v1/peers/${peer}/routes?view=received&limit=100`),
  () => '/v1/fib/status',
  ({ peer }) => (peer === null ? null : `/v1/peers/${peer}/explain`),
  () => '/healthz',
]

export class Barrage {
  readonly #socket: string
  readonly #perSecond: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: connectionsMax })
  readonly #known: Known = { peer: null, prefix: '10.0.0.0/8', continue: null }
  readonly #times = new Map<string, number[]>()
  readonly #statuses: Record<number, number> = {}
  readonly #complaints: string[] = []
  #startedAt = 0
  #due = 0
  #asked = 0
  #givenUp = 0
  #open = 0
  #events = 0
  #timer: NodeJS.Timeout | null = null
  #stream: ClientRequest | null = null
  #drained: () => void = () => {}

  constructor(socket: string, perSecond: number) {
    this.#socket = socket
    this.#perSecond = perSecond
  }

  get asked(): number {
    return this.#asked
  }

  start(): void {
    this.#startedAt = performance.now()
    this.#stream = this.#follow()
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  /** Asks nothing more; resolves when all answers are there. */
  async stop(): Promise<BarrageReport> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#stream?.destroy()
    if (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    this.#agent.destroy()
    const all = [...this.#times.values()].flat()
    return {
      asked: this.#asked,
      givenUp: this.#givenUp,
      statuses: this.#statuses,
      complaints: this.#complaints,
      events: this.#events,
      tallies: [
        tally('all', all),
        ...[...this.#times].map(([question, times]) => tally(question, times)),
      ],
    }
  }

  #tick(): void {
    const elapsed = performance.now() - this.#startedAt
    const due = Math.floor((elapsed * this.#perSecond) / 1000)
    for (; this.#due < due; this.#due++) {
      const url = questions[this.#due % questions.length]?.(this.#known) ?? '/v1/node'
      if (this.#open >= openMax) this.#givenUp++
      else this.#ask(url, this.#startedAt + (this.#due * 1000) / this.#perSecond)
    }
  }

  #ask(url: string, dueAt: number): void {
    this.#asked++
    this.#open++
    let status = 0
    let body = ''
    const headers = { host: 'localhost', accept: 'application/json' }
    const options = { socketPath: this.#socket, path: url, headers, agent: this.#agent }
    const request = get({ ...options, timeout: answerMsMax }, (response) => {
      status = response.statusCode ?? 0
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', (error) => {
      status = 0
      body = error.message
    })
    request.on('close', () => {
      this.#answered(url, status, body, performance.now() - dueAt)
      this.#open--
      if (this.#open === 0) this.#drained()
    })
  }

  #answered(url: string, status: number, body: string, ms: number): void {
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1
    const question = url.replace(/\?.*/, '').replace(/peers\/[^/]+/, 'peers/{name}')
    const times = this.#times.get(question)
    if (times === undefined) this.#times.set(question, [ms])
    else times.push(ms)
    if (status === 200) {
      this.#learn(question, url, body)
    } else if (status === 404 && body.includes('unknown-peer')) {
      // Between two imports the peers are gone.
      this.#known.peer = null
    } else if (this.#complaints.length < 10) {
      this.#complaints.push(`${url}: ${status} ${body.slice(0, 300)}`)
    }
  }

  #learn(question: string, url: string, body: string): void {
    if (question === '/v1/peers') {
      this.#known.peer = (JSON.parse(body) as List<PeerView>).items[0]?.name ?? null
    } else if (question === '/v1/routes' && url.includes('limit=')) {
      const { items, continue: token } = JSON.parse(body) as Page<PathView>
      this.#known.continue = token
      this.#known.prefix = items.at(-1)?.prefix ?? this.#known.prefix
    }
  }

  #follow(): ClientRequest {
    const headers = { host: 'localhost' }
    const request = get({ socketPath: this.#socket, path: '/v1/events', headers }, (response) => {
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        this.#events += chunk.split('\ndata: ').length - 1
      })
      response.on('error', () => undefined)
    })
    // It is cut off at the end; whether it was before shows in the events.
    return request.on('error', () => undefined)
  }
}

function tally(question: string, times: readonly number[]): Tally {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0
  return { question, answers: times.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}
