/** What routelet's HTTP API is asked while it is measured: who has how much queued, and whether it answers. */
import http from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

/** Between two looks at the queues. */
const lookEveryMs = 250
const answerMsMax = 10_000

export interface Answer {
  readonly status: number
  readonly body: string
}

/** GET over a UNIX socket; throws when there is no answer. */
export function get(socketPath: string, path: string, agent?: http.Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path, timeout: answerMsMax, ...(agent ? { agent } : {}) }
    const request = http.get(options, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer to ${path} in time`)))
    request.on('error', reject)
  })
}

/** Looks again and again at what waits in the sessions, until told to stop. */
export class QueueWatch {
  #most = 0
  #stopped = false
  readonly #looking: Promise<void>

  constructor(socketPath: string) {
    this.#looking = this.#look(socketPath)
    // Told by stop(), not as a rejection nobody waits for.
    this.#looking.catch(() => {})
  }

  /** The most bytes that were seen waiting for one peer. */
  async stop(): Promise<number> {
    this.#stopped = true
    await this.#looking
    return this.#most
  }

  async #look(socketPath: string): Promise<void> {
    while (!this.#stopped) {
      const { body } = await get(socketPath, '/v1/peers')
      const { items } = JSON.parse(body) as { items: readonly { queuedBytes: number }[] }
      for (const { queuedBytes } of items) this.#most = Math.max(this.#most, queuedBytes)
      await pause(lookEveryMs)
    }
  }
}

/** What a prober found out; see prober.ts. */
export interface ProbeReport {
  /** Milliseconds each answer took. */
  readonly times: readonly number[]
  /** Requests without an answer, or with another one than 200. */
  readonly failed: number
}

/** Asks `/healthz` from a thread of its own, so that the generator's own work isn't in the times. */
export class HealthProbe {
  readonly #worker: Worker
  readonly #report: Promise<ProbeReport>

  constructor(socketPath: string) {
    this.#worker = new Worker(new URL('./prober.js', import.meta.url), { workerData: socketPath })
    this.#report = new Promise((resolve, reject) => {
      this.#worker.once('message', resolve)
      this.#worker.once('error', reject)
    })
    this.#report.catch(() => {})
  }

  stop(): Promise<ProbeReport> {
    this.#worker.postMessage('stop')
    return this.#report
  }
}
