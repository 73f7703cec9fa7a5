/**
 * Broken messages over a live session: the partner of one session sends what chance makes of
 * messages, over and over, whatever it is answered, beside a healthy one.
 */
import { Writer } from '../../bgp/wire/bytes.ts'
import { keepaliveMessage, messageType } from '../../bgp/wire/message.ts'
import { context } from '../bgp/wire/vectors.ts'
import { writeMessage } from './messages.ts'
import { mutate } from './mutate.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { Random } from './random.ts'

/** Messages written in one go, before the clock moves. */
const batchMax = 32
const room = 0x10000 + 64
/** Batches of one episode at most. */
const batchesMax = 10_000

/** What the partner and its session agree on. */
const agreed = context({ peerAsn: 65003, extendedMessage: true })

export class LiveFuzz {
  /** Sessions of the victim that came up. */
  sessions = 0
  readonly #seed: number
  readonly #episode: number
  readonly #random = new Random()
  readonly #scene: Neighbourhood
  readonly #out = new Writer(2 * room)

  constructor(seed: number, episode: number) {
    this.#seed = seed
    this.#episode = episode
    // A session that ends at the first message tests nothing but its end.
    this.#random.wrongOneIn = 400
    this.#restart(0)
    this.#scene = new Neighbourhood(() => this.#random.fraction())
  }

  /** Messages the victim has read, handshakes left out. */
  get messages(): number {
    const { received } = this.#scene.view('victim').messages
    const all = Object.values(received).reduce((sum, count) => sum + count, 0)
    return all - 2 * this.sessions
  }

  async start(): Promise<void> {
    await this.#scene.start()
  }

  /** Sends batch `batch`, from 1: mutated messages over a session, opened anew if need be. */
  step(batch: number): void {
    this.#restart(batch)
    const { partner, clock } = this.#scene
    if (!partner.open) {
      this.#scene.connect()
      this.sessions++
    }
    const count = 1 + this.#random.below(batchMax)
    partner.say(Array.from({ length: count }, () => this.#message()))
    clock.advance(5 + this.#random.below(100))
  }

  check(): void {
    this.#scene.check()
  }

  async stop(): Promise<void> {
    await this.#scene.stop()
  }

  #restart(batch: number): void {
    this.#random.restart(this.#seed, this.#episode * batchesMax + batch)
  }

  #message(): Uint8Array {
    const random = this.#random
    const out = this.#out
    out.reset()
    // UPDATEs mostly; the others end a session at once or say nothing.
    const type = random.once(100) ? 1 + random.below(5) : messageType.update
    writeMessage(random, out, type, agreed)
    const { buffer, position } = out
    const mutated = random.once(40)
    const length = mutated ? mutate(random, buffer, position, keepaliveMessage, room) : position
    return buffer.slice(0, length)
  }
}
