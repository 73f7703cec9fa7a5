/**
 * Watches an agent pass its gates (gate.ts says what each asks for): first synchronisation, after
 * which stale routes may go, and readiness. Looks again with every event of a peer, and each second
 * for what only time changes.
 */
import type { Speaker } from '../bgp/index.ts'
import type { Clock, Timer } from '../bgp/types.ts'
import {
  type GateInput,
  judgeFirstReadiness,
  judgeLaterReadiness,
  judgeSynchronised,
  type Verdict,
} from './gate.ts'
import type { Intent } from './intent/types.ts'

const lookSeconds = 1

export interface ReadinessPorts {
  readonly clock: Clock
  readonly speaker: Speaker
  /** null: there is nothing to be ready for yet. */
  readonly intent: () => Intent | null
  /** Called once. */
  readonly onSynchronised: () => void
}

export class Readiness {
  readonly #ports: ReadinessPorts
  #beganMs = 0
  #timer: Timer | null = null
  #watching = false
  #synchronised = false
  #passedFirst = false

  constructor(ports: ReadinessPorts) {
    this.#ports = ports
  }

  /** From now on gates are passed; the sessions have begun. */
  watch(): void {
    if (this.#watching) return
    this.#watching = true
    this.#beganMs = this.#ports.clock.now()
    this.look()
    this.#arm()
  }

  close(): void {
    this.#watching = false
    this.#timer?.cancel()
  }

  look(): void {
    const intent = this.#ports.intent()
    if (intent === null || !this.#watching) return
    if (this.#synchronised && this.#passedFirst) return
    const input = this.#input(intent)
    if (!this.#passedFirst && judgeFirstReadiness(input).ok) this.#passedFirst = true
    if (!this.#synchronised && judgeSynchronised(input).ok) {
      this.#synchronised = true
      this.#ports.onSynchronised()
    }
  }

  judge(intent: Intent): Verdict {
    const input = this.#input(intent)
    return this.#passedFirst ? judgeLaterReadiness(input) : judgeFirstReadiness(input)
  }

  #arm(): void {
    this.#timer = this.#ports.clock.schedule(lookSeconds * 1000, () => {
      this.look()
      if (this.#watching && !(this.#synchronised && this.#passedFirst)) this.#arm()
    })
  }

  #input(intent: Intent): GateInput {
    const { clock, speaker } = this.#ports
    return {
      wanted: intent.peers,
      views: speaker.views.peers(),
      synchronised: (name) => speaker.synchronised(name),
      readiness: intent.readiness,
      reflector: intent.node?.clusterId != null,
      secondsSinceStart: (clock.now() - this.#beganMs) / 1000,
    }
  }
}
