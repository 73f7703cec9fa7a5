/**
 * Counted traffic between two pods, both ways and in both families: which packets of a stretch of
 * time never arrived, and when they were sent. The ends are processes of their own (traffic-end.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Namespace } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'
import type { EndOrders, Question, Received } from './traffic-end.ts'

export interface Pod {
  readonly namespace: Namespace
  readonly addresses: readonly string[]
}

export interface TrafficOptions {
  readonly packetsPerSecond: number
  /** Source ports of each stream; default 16. */
  readonly flows?: number
  /** Only from the first pod to the second. */
  readonly oneWay?: boolean
}

/** A point in time: how many packets each stream had sent. */
export interface Mark {
  /** Monotonic, ms. */
  readonly at: number
  /** By direction, then by stream. */
  readonly sent: readonly (readonly number[])[]
}

export interface Loss {
  /** `forth` is from the first pod to the second. */
  readonly direction: 'forth' | 'back'
  readonly address: string
  readonly sent: number
  readonly lost: number
  /** When the first and the last lost packet were sent, monotonic ms; null when none was lost. */
  readonly firstAt: number | null
  readonly lastAt: number | null
}

const program = fileURLToPath(new URL('./traffic-end.js', import.meta.url))
const firstPort = 40_000
const directions = ['forth', 'back'] as const
/**
 * A packet is lost when so many behind it have arrived, or when the silence has lasted; one that
 * waits for a neighbour's address may be overtaken by others.
 */
const overtakenMin = 400
const settleSeconds = 5

export class Traffic {
  readonly #ends: readonly End[]
  readonly #targets: readonly (readonly string[])[]
  readonly #streams: readonly (readonly number[])[]

  private constructor(ends: readonly End[], targets: readonly (readonly string[])[]) {
    this.#ends = ends
    this.#targets = targets
    this.#streams = targets.map((addresses) => addresses.map((_, index) => index))
  }

  /** Resolves when both ends listen and send. They end with this process or at `stop`. */
  static async start(from: Pod, to: Pod, options: TrafficOptions): Promise<Traffic> {
    const { packetsPerSecond, flows = 16, oneWay = false } = options
    const ways = oneWay ? [[from, to] as const] : [[from, to] as const, [to, from] as const]
    const listen = (pod: Pod) =>
      ways.some(([, target]) => target === pod)
        ? pod.addresses.map((address, index) => ({ address, port: firstPort + index }))
        : []
    const send = (pod: Pod) =>
      ways
        .filter(([source]) => source === pod)
        .flatMap(([, target]) => target.addresses)
        .map((address, index) => ({ address, port: firstPort + index, packetsPerSecond, flows }))
    const ends = [from, to].map((pod) =>
      End.start(pod.namespace, { receive: listen(pod), send: send(pod) }),
    )
    await Promise.all(ends.map((end) => end.ready()))
    for (const end of ends) end.begin()
    return new Traffic(
      ends,
      ways.map(([, target]) => target.addresses),
    )
  }

  async mark(): Promise<Mark> {
    const at = monotonicMs()
    const sent = await Promise.all(
      this.#targets.map((_, way) => this.#from(way).ask<number[]>({ ask: 'sent' })),
    )
    return { at, sent }
  }

  /** What was sent between two marks and never came, a row for each stream. */
  async losses(from: Mark, to: Mark): Promise<Loss[]> {
    const rows = this.#streams.flatMap((streams, way) =>
      streams.map((stream) => this.#loss(way, stream, from, to)),
    )
    return Promise.all(rows)
  }

  /** Resolves when every stream gets through: `count` packets in a row, sent from now on. */
  async flows(count = 100, seconds = 60): Promise<void> {
    await waitFor(
      'traffic to flow without loss',
      async () => {
        const from = await this.mark()
        await waitFor('packets to be sent', async () => {
          const now = await this.mark()
          return now.sent.every((numbers, way) =>
            numbers.every((number, stream) => number >= (from.sent[way]?.[stream] ?? 0) + count),
          )
        })
        const losses = await this.losses(from, await this.mark())
        const lossy = losses.filter(({ lost }) => lost > 0)
        if (lossy.length > 0) throw new Error(lossy.map(describeLoss).join('; '))
        return true
      },
      seconds,
    )
  }

  async stop(): Promise<void> {
    await Promise.all(this.#ends.map((end) => end.stop()))
  }

  #from(way: number): End {
    return this.#ends[way]!
  }

  async #loss(way: number, stream: number, from: Mark, to: Mark): Promise<Loss> {
    const [first, end] = [from.sent[way]?.[stream] ?? 0, to.sent[way]?.[stream] ?? 0]
    const received = await this.#settled(way, stream, first, end)
    const numbers = received.missing === 0 ? [] : [received.first!, received.last!]
    const [firstAt = null, lastAt = null] = await this.#from(way).ask<(number | null)[]>({
      ask: 'times',
      stream,
      numbers,
    })
    return {
      direction: directions[way]!,
      address: this.#targets[way]?.[stream] ?? '',
      sent: end - first,
      lost: received.missing,
      firstAt,
      lastAt,
    }
  }

  /** The count once nothing of the range can come any more. */
  async #settled(way: number, stream: number, from: number, to: number): Promise<Received> {
    const receiver = this.#ends[1 - way]!
    const ask = () => receiver.ask<Received>({ ask: 'received', stream, from, to })
    const endsAt = monotonicMs() + settleSeconds * 1000
    return waitFor(
      'packets under way to arrive or to be lost',
      async () => {
        const received = await ask()
        const overtaken = received.highest >= to + overtakenMin
        return received.missing === 0 || overtaken || monotonicMs() > endsAt ? received : null
      },
      settleSeconds + 30,
    )
  }
}

/** `12 of 3,000 lost forth to 10.244.2.10, over 35 ms`. */
export function describeLoss(loss: Loss): string {
  const { lost, sent, direction, address, firstAt, lastAt } = loss
  const over =
    firstAt === null || lastAt === null ? '' : `, over ${(lastAt - firstAt).toFixed(0)} ms`
  return `${lost} of ${sent} lost ${direction} to ${address}${over}`
}

/** The clock that all processes of the machine share, ms. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The process at one end; questions and answers strictly alternate, a line each. */
class End {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = []
  #errors = ''
  #ended: Error | null = null

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface(child.stdout!)
    this.#lines.on('line', (line) => this.#waiting.shift()?.resolve(line))
    child.stderr?.on('data', (chunk) => {
      this.#errors += chunk
    })
    // The end of the process is what is reported; a pipe that breaks then is no second error.
    child.stdin?.on('error', () => undefined)
    child.once('close', (code, signal) => {
      this.#ended = new Error(`an end of the traffic ended (${code ?? signal}): ${this.#errors}`)
      for (const one of this.#waiting.splice(0)) one.reject(this.#ended)
    })
  }

  static start(namespace: Namespace, orders: EndOrders): End {
    const command = [process.execPath, program, JSON.stringify(orders)]
    return new End(spawn('ip', ['netns', 'exec', namespace.name, ...command]))
  }

  async ready(): Promise<void> {
    await this.#line()
  }

  begin(): void {
    this.#child.stdin?.write('begin\n')
  }

  async ask<T>(question: Question): Promise<T> {
    const line = this.#line()
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`)
    return JSON.parse(await line) as T
  }

  async stop(): Promise<void> {
    if (this.#ended) return
    const closed = once(this.#child, 'close')
    this.#child.stdin?.end()
    await closed
  }

  #line(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#ended) reject(this.#ended)
      else this.#waiting.push({ resolve, reject })
    })
  }
}
