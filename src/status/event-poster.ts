/**
 * Sessions that are lost and conditions that are new, as Kubernetes events of the Node, so that
 * `kubectl describe node` shows them with their reason. Rationed: what a flapping peer says is
 * counted, and told with the next one.
 */
import type { EventView } from '../../api/views.ts'
import type { Clock } from '../../bgp/types.ts'
import { type ApiClient, ApiError } from '../cluster/api-client.ts'

export interface PosterPorts {
  readonly client: ApiClient
  readonly clock: Clock
  /** Told of the first event in a row that can't be posted. */
  readonly report: (problem: string) => void
}

/** So many events at once, and one more each so many seconds. */
export const burst = 10
export const refillSeconds = 60
/** Of the API (`note` of events.k8s.io/v1). */
const noteMax = 1024
/** Events of objects without a namespace stand here. */
const namespace = 'default'

/** Which happenings are told, and the reason each has in the cluster. */
const reasons: Readonly<Record<string, string>> = {
  'peer.down': 'SessionLost',
  'peer.established': 'SessionEstablished',
  'peer.limit': 'TooManyPrefixes',
}

export class EventPoster {
  readonly #node: string
  readonly #ports: PosterPorts
  #tokens = burst
  #refilledAt: number
  #untold = 0
  #failing = false
  #posted = 0
  /** Peers whose loss was told: their return is news too. */
  readonly #lost = new Set<string>()

  constructor(node: string, ports: PosterPorts) {
    this.#node = node
    this.#ports = ports
    this.#refilledAt = ports.clock.now()
  }

  /** Never throws; what can't be posted is reported once and not tried again. */
  async take(event: EventView): Promise<void> {
    const reason = this.#reasonOf(event)
    if (reason === null) return
    if (!this.#spend()) {
      this.#untold += 1
      return
    }
    const more = this.#untold === 0 ? '' : ` (${this.#untold} events before it were not told)`
    this.#untold = 0
    const about = event.peer === null ? event.text : `${event.peer}: ${event.text}`
    try {
      await this.#post(event, reason, `${about}${more}`)
      this.#failing = false
    } catch (error) {
      if (!this.#failing) {
        const words = error instanceof ApiError ? error.message : String(error)
        this.#ports.report(`events can't be posted: ${words}`)
      }
      this.#failing = true
    }
  }

  #reasonOf({ kind, peer, level, data }: EventView): string | null {
    if (kind === 'condition') {
      const reason = data?.['reason']
      return level !== 'info' && typeof reason === 'string' ? reason : null
    }
    const reason = reasons[kind] ?? null
    if (peer === null || reason === null) return reason
    if (kind === 'peer.down') this.#lost.add(peer)
    // That a session comes up for the first time is no news to the cluster.
    else if (kind === 'peer.established' && !this.#lost.delete(peer)) return null
    return reason
  }

  #spend(): boolean {
    const now = this.#ports.clock.now()
    const earned = Math.floor((now - this.#refilledAt) / (refillSeconds * 1000))
    if (earned > 0) {
      this.#tokens = Math.min(burst, this.#tokens + earned)
      this.#refilledAt += earned * refillSeconds * 1000
    }
    if (this.#tokens === 0) return false
    this.#tokens -= 1
    return true
  }

  async #post(event: EventView, reason: string, note: string): Promise<void> {
    const at = event.at
    this.#posted += 1
    const name = `${this.#node}.${at.toString(16)}.${this.#posted.toString(16)}`
    await this.#ports.client.send({
      verb: 'create',
      path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name, namespace },
        eventTime: new Date(at).toISOString().replace('Z', '000Z'),
        type: event.level === 'info' ? 'Normal' : 'Warning',
        reason,
        action: 'Routing',
        note: note.length <= noteMax ? note : `${note.slice(0, noteMax - 1)}…`,
        // The kubelet's events have the name for the uid too; `kubectl describe node` finds both.
        regarding: { apiVersion: 'v1', kind: 'Node', name: this.#node, uid: this.#node },
        reportingController: 'routelet.io/routelet',
        reportingInstance: this.#node,
      },
    })
  }
}
