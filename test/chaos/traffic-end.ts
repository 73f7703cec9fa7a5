/**
 * One end of counted traffic: sends numbered UDP datagrams at a steady rate, and keeps of those it
 * receives exactly which came. It runs in a pod's namespace, told by its argument (`EndOrders` in
 * JSON); after that one JSON line on stdin is a question and one on stdout the answer (`Question`,
 * `answers`). It ends with its stdin.
 *
 * It must not lose anything itself: the receive buffer holds seconds of traffic, a sender that is
 * late sends the rest in small portions, and a datagram that can't be sent ends the program.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { bind, errnoName, setsockoptInt, socket } from '../../src/sys/libc.ts'
import { socketAddress } from '../../src/sys/tcp-options.ts'

export interface EndOrders {
  readonly receive: readonly { readonly address: string; readonly port: number }[]
  readonly send: readonly SendOrder[]
}

export interface SendOrder {
  readonly address: string
  readonly port: number
  readonly packetsPerSecond: number
  /** Source ports taken in turn, so that ECMP spreads the stream over every way. */
  readonly flows: number
}

export type Question =
  /** Numbers sent so far, of each stream: all below have left. */
  | { readonly ask: 'sent' }
  /** What came of stream `stream` among the numbers from `from` up to, and without, `to`. */
  | {
      readonly ask: 'received'
      readonly stream: number
      readonly from: number
      readonly to: number
    }
  /** When numbers left, in ms of the monotonic clock that all processes share. */
  | { readonly ask: 'times'; readonly stream: number; readonly numbers: readonly number[] }
  | { readonly ask: 'pause' }

export interface Received {
  /** Highest number that came at all; -1 without any. */
  readonly highest: number
  readonly missing: number
  /** First and last missing number of the range; null when all came. */
  readonly first: number | null
  readonly last: number | null
  readonly duplicates: number
}

/** Number (u32), then unused octets up to the size of a small real datagram. */
const datagramBytes = 64
const tickMs = 1
/** Sent in one go by a stream that is late; more would overrun a veth's queue of 1,000. */
const portionMax = 64
const receiveBytes = 64 * 1024 * 1024
const internet = { 4: 2, 6: 10 } as const
const datagramNonblockCloexec = 2 | 0o4000 | 0o2000000
const solSocket = 1
const receiveBufferForce = 33

class Receiver {
  #seen = new Uint8Array(1 << 16)
  #highest = -1
  #duplicates = 0
  #socket: Socket | null = null

  async listen(address: string, port: number): Promise<void> {
    const family = address.includes(':') ? 6 : 4
    // Node knows no forced size, and the ordinary one is capped by rmem_max.
    const fd = check('a socket', socket(internet[family], datagramNonblockCloexec, 0))
    check('its buffer', setsockoptInt(fd, solSocket, receiveBufferForce, receiveBytes))
    check(`port ${port} of ${address}`, bind(fd, socketAddress(address, port)))
    this.#socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', ipv6Only: family === 6 })
    this.#socket.on('message', (bytes) => this.#came(bytes.readUInt32BE(0)))
    // A socket that is bound already listens before `bind` returns.
    const listening = once(this.#socket, 'listening')
    this.#socket.bind({ fd })
    await listening
  }

  received(from: number, to: number): Received {
    let [missing, first, last]: [number, number | null, number | null] = [0, null, null]
    for (let number = from; number < to; number++) {
      if (this.#seen[number]) continue
      missing++
      first ??= number
      last = number
    }
    return { highest: this.#highest, missing, first, last, duplicates: this.#duplicates }
  }

  close(): void {
    this.#socket?.close()
  }

  #came(number: number): void {
    while (number >= this.#seen.length) {
      const larger = new Uint8Array(this.#seen.length * 2)
      larger.set(this.#seen)
      this.#seen = larger
    }
    if (this.#seen[number]) this.#duplicates++
    this.#seen[number] = 1
    if (number > this.#highest) this.#highest = number
  }
}

class Sender {
  readonly #order: SendOrder
  readonly #flows: Socket[]
  #times = new Float64Array(1 << 16)
  #startedAt = 0
  /** Left so far. */
  #sent = 0
  #timer: NodeJS.Timeout | null = null

  constructor(order: SendOrder) {
    this.#order = order
    const type = order.address.includes(':') ? 'udp6' : 'udp4'
    this.#flows = Array.from({ length: order.flows }, () => createSocket(type))
  }

  get sent(): number {
    return this.#sent
  }

  start(): void {
    this.#startedAt = now()
    this.#timer = setInterval(() => this.#sendDue(), tickMs)
  }

  times(numbers: readonly number[]): (number | null)[] {
    return numbers.map((number) => (number < this.#sent ? this.#times[number]! : null))
  }

  pause(): void {
    clearInterval(this.#timer ?? undefined)
  }

  close(): void {
    this.pause()
    for (const flow of this.#flows) flow.close()
  }

  #sendDue(): void {
    const { packetsPerSecond, address, port } = this.#order
    const time = now()
    const due = Math.floor(((time - this.#startedAt) / 1000) * packetsPerSecond)
    const end = Math.min(due, this.#sent + portionMax)
    // What a stalled machine couldn't send is not made up for by a flood: the schedule moves on.
    if (due > end) this.#startedAt += ((due - end) / packetsPerSecond) * 1000
    for (; this.#sent < end; this.#sent++) {
      const bytes = Buffer.alloc(datagramBytes)
      bytes.writeUInt32BE(this.#sent, 0)
      this.#note(this.#sent, time)
      this.#flows[this.#sent % this.#flows.length]?.send(bytes, port, address, (error) => {
        if (error) fail(`sending to ${address}: ${error.message}`)
      })
    }
  }

  #note(number: number, time: number): void {
    if (number >= this.#times.length) {
      const larger = new Float64Array(this.#times.length * 2)
      larger.set(this.#times)
      this.#times = larger
    }
    this.#times[number] = time
  }
}

async function main(orders: EndOrders): Promise<void> {
  const receivers = orders.receive.map(() => new Receiver())
  for (const [index, { address, port }] of orders.receive.entries()) {
    await receivers[index]?.listen(address, port)
  }
  const senders = orders.send.map((order) => new Sender(order))
  say({ ready: true })
  let started = false
  for await (const line of createInterface(process.stdin)) {
    // The first line says that the other end is ready too.
    if (started) say(answer(JSON.parse(line), senders, receivers))
    else for (const sender of senders) sender.start()
    started = true
  }
  for (const one of [...senders, ...receivers]) one.close()
}

function answer(
  question: Question,
  senders: readonly Sender[],
  receivers: readonly Receiver[],
): unknown {
  switch (question.ask) {
    case 'sent':
      return senders.map((sender) => sender.sent)
    case 'received':
      return receivers[question.stream]?.received(question.from, question.to)
    case 'times':
      return senders[question.stream]?.times(question.numbers)
    case 'pause':
      for (const sender of senders) sender.pause()
      return true
  }
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function check(what: string, result: number): number {
  if (result < 0) fail(`${what}: ${errnoName(-result)}`)
  return result
}

function say(words: unknown): void {
  process.stdout.write(`${JSON.stringify(words)}\n`)
}

function fail(words: string): never {
  process.stderr.write(`${words}\n`)
  process.exit(1)
}

if (process.argv[2] !== undefined) await main(JSON.parse(process.argv[2]) as EndOrders)
