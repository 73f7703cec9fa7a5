/**
 * Asks after gateways that stopped answering. A next hop that was given up gets no traffic, and a
 * FAILED neighbour nobody sends to stays FAILED for ever: so the kernel is told, once a second, to
 * ask for its link-layer address again. The answer comes back as a notification.
 */
import { type Address, parseAddress } from './address.ts'
import type { Channel } from './channel.ts'
import type { Journal } from './journal.ts'
import { errnoNames } from './numbers.ts'
import { type Clock, KernelError, type Timer } from './port.ts'
import { encodeNeighbourPrompt } from './request.ts'
import type { State } from './state.ts'

const promptMs = 1000
/** Gateways asked after in one round. */
const promptsMax = 64

export class Prompter {
  readonly #state: State
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #resolveSoon: () => void
  readonly #doubts = new Map<string, { readonly interface: number; readonly gateway: Address }>()
  #timer: Timer | null = null

  constructor(
    state: State,
    channel: Channel,
    clock: Clock,
    journal: Journal,
    resolveSoon: () => void,
  ) {
    this.#state = state
    this.#channel = channel
    this.#clock = clock
    this.#journal = journal
    this.#resolveSoon = resolveSoon
  }

  /** A gateway in use doesn't answer, or didn't before we began to listen. */
  doubt(interfaceIndex: number, gateway: string): void {
    if (this.#doubts.size >= promptsMax) return
    const address = parseAddress(gateway)
    if (address === null) return
    this.#doubts.set(`${interfaceIndex} ${gateway}`, {
      interface: interfaceIndex,
      gateway: address,
    })
    this.#timer ??= this.#clock.schedule(promptMs, () => this.#prompt())
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #prompt(): void {
    this.#timer = null
    const doubts = [...this.#doubts.values()]
    this.#doubts.clear()
    for (const doubt of doubts) {
      const sequence = this.#channel.next()
      const request = encodeNeighbourPrompt(doubt.interface, doubt.gateway, sequence)
      try {
        this.#channel.exchange(request, request.length, sequence, sequence, (_number, error) => {
          const code = errnoNames[error.errno] ?? error.errno
          this.#journal.tell('fib.nexthop', 'debug', `asking after a gateway: ${code}`)
        })
      } catch (error) {
        if (!(error instanceof KernelError)) throw error
        this.#journal.tell('fib.error', 'warn', `asking after a gateway: ${error.message}`)
      }
    }
    // Those still dead and still in use raise the doubt again.
    this.#state.nextHops.touchAll()
    this.#resolveSoon()
  }
}
