/**
 * Watches an agent pass its gates (gate.ts says what each asks for): first synchronisation, after
 * which stale routes may go, and readiness. Looks again after events of peers, and each second for
 * what only time changes.
 */
import type { Speaker } from '../bgp/index.ts'
import type { Clock, Timer } from '../bgp/types.ts'
import {
  type GateInput,
  judgeFirstReadiness,
  judgeLaterReadiness,
  judgeSynchronised,
  judgeTelling,
  type Verdict,
} from './gate.ts'
import type { Intent } from './intent/types.ts'

const lookSeconds = 1
/**
 * A look costs some 10 µs a session: when a thousand of them come up at once, looking with each
 * event would take longer than all the rest. So looks after events take a tenth of the time at most.
 */
const restMsPerPeer = 0.1

export interface ReadinessPorts {
  readonly clock: Clock
  readonly speaker: Speaker
  /** null: there is nothing to be ready for yet. */
  readonly intent: () => Intent | null
  /** Called once each; peers may be told routes no later than the first synchronisation is over. */
  readonly onTelling: () => void
  readonly onSynchronised: () => void
}

export class Readiness {
  readonly #ports: ReadinessPorts
  #beganMs = 0
  #timer: Timer | null = null
  /** A look that events have asked for, after a rest. */
  #asked: Timer | null = null
  #lookedMs = 0
  #watching = false
  #telling = false
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
    this.#asked?.cancel()
  }

  /** Something happened to a session: looks at once, or in a storm once for many. */
  noteEvent(): void {
    if (this.#asked !== null || this.#isOver) return
    const intent = this.#ports.intent()
    if (intent === null) return
    const rest = this.#lookedMs + Math.floor(intent.peers.length * restMsPerPeer)
    const wait = rest - this.#ports.clock.now()
    if (wait <= 0) this.look()
    else this.#asked = this.#ports.clock.schedule(wait, () => this.look())
  }

  look(): void {
    const intent = this.#ports.intent()
    if (intent === null || this.#isOver) return
    this.#asked?.cancel()
    this.#asked = null
    const input = this.#input(intent)
    if (!this.#passedFirst && judgeFirstReadiness(input).ok) this.#passedFirst = true
    const synchronised = judgeSynchronised(input).ok
    if (!this.#telling && (synchronised || judgeTelling(input).ok)) {
      this.#telling = true
      this.#ports.onTelling()
    }
    if (!this.#synchronised && synchronised) {
      this.#synchronised = true
      this.#ports.onSynchronised()
    }
    this.#lookedMs = this.#ports.clock.now()
  }

  /** Nothing is left to be passed, or nobody waits for it. */
  get #isOver(): boolean {
    return !this.#watching || (this.#synchronised && this.#passedFirst)
  }

  judge(intent: Intent): Verdict {
    const input = this.#input(intent)
    return this.#passedFirst ? judgeLaterReadiness(input) : judgeFirstReadiness(input)
  }

  #arm(): void {
    this.#timer = this.#ports.clock.schedule(lookSeconds * 1000, () => {
      this.look()
      if (!this.#isOver) this.#arm()
    })
  }

  #input(intent: Intent): GateInput {
    const { clock, speaker } = this.#ports
    const casual = new Set(intent.casual)
    const counts = ({ name }: { readonly name: string }) => !casual.has(name)
    return {
      wanted: intent.peers.filter(counts),
      views: speaker.views.peers().filter(counts),
      synchronised: (name) => speaker.synchronised(name),
      endOfRib: (name) => {
        const restart = speaker.entry(name)?.member?.negotiated.peerRestart ?? null
        return restart === null || restart.restarting ? 'doubtful' : 'due'
      },
      readiness: intent.readiness,
      reflector: intent.node?.clusterId != null,
      secondsSinceStart: (clock.now() - this.#beganMs) / 1000,
    }
  }
}
