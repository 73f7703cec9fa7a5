/**
 * Tells the cluster how its node's routing is: the NodeRouting object, and the Node's condition
 * NetworkUnavailable, which is cleared once when routes flow and never set again (a lost session is
 * no reason to empty a node). Written sparsely: a cluster of thousands of agents must not be heard
 * by the API server because a counter moves.
 */
import type { NodeView } from '../../api/views.ts'
import type { Clock, PeerView, Timer } from '../../bgp/types.ts'
import { type ApiClient, ApiError, answerOf } from '../cluster/api-client.ts'
import { waitBeforeRetry } from '../cluster/pace.ts'
import type { NodeRoutingStatus } from '../config/schema/node-routing.ts'
import { describeRouting, differs, differsUrgently } from './node-routing.ts'

export interface StatusPorts {
  readonly client: ApiClient
  readonly clock: Clock
  readonly random: () => number
  readonly node: () => Promise<NodeView>
  readonly peers: () => readonly PeerView[]
  /** Told once of a trouble that lasts, in words. */
  readonly report: (problem: string) => void
}

/** Between two looks at whether there is something to write. */
const lookSeconds = 5
/** Between two writes of what is urgent, and of counters. */
export const urgentSeconds = 10
export const countersSeconds = 300
const fieldManager = 'routelet'
const applyType = 'application/apply-patch+yaml'

export class StatusWriter {
  readonly #name: string
  readonly #ports: StatusPorts
  #timer: Timer | null = null
  #closed = false
  #written: NodeRoutingStatus | null = null
  #writtenAt = 0
  /** Whether the Node says that its network is there. */
  #cleared = false
  #failures = 0
  #reported = ''

  constructor(name: string, ports: StatusPorts) {
    this.#name = name
    this.#ports = ports
  }

  start(): void {
    this.#arm(lookSeconds * 1000 * this.#ports.random())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #arm(milliseconds: number): void {
    if (this.#closed) return
    this.#timer = this.#ports.clock.schedule(milliseconds, () => void this.#turn())
  }

  async #turn(): Promise<void> {
    let wait = lookSeconds * 1000
    try {
      await this.#look()
      this.#failures = 0
      this.#reported = ''
    } catch (error) {
      this.#failures += 1
      const { status, retryAfterSeconds } = answerOf(error)
      const { random } = this.#ports
      wait = Math.max(wait, waitBeforeRetry(this.#failures, status, retryAfterSeconds, random()))
      this.#complain(error as Error)
    }
    this.#arm(wait)
  }

  #complain({ message }: Error): void {
    if (this.#closed || message === this.#reported) return
    this.#reported = message
    this.#ports.report(`the status of the node can't be written: ${message}`)
  }

  async #look(): Promise<void> {
    const { clock } = this.#ports
    const view = await this.#ports.node()
    const before = this.#written
    const status = describeRouting(view, this.#ports.peers(), clock.wall(), before)
    const sinceSeconds = (clock.now() - this.#writtenAt) / 1000
    const due =
      before === null ||
      (differsUrgently(before, status) && sinceSeconds >= urgentSeconds) ||
      (differs(before, status) && sinceSeconds >= countersSeconds)
    if (due) {
      await this.#writeRouting(status)
      this.#written = status
      this.#writtenAt = clock.now()
    }
    if (!view.ready || this.#cleared) return
    await this.#clearCondition()
    this.#cleared = true
  }

  /** The object is made at the first write, as a dependant of its Node. */
  async #writeRouting(status: NodeRoutingStatus): Promise<void> {
    try {
      await this.#apply('/status', { status })
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error
      await this.#apply('', { metadata: { name: this.#name, ...(await this.#owner()) } })
      await this.#apply('/status', { status })
    }
  }

  /** Server-side apply: fields that we no longer name go. */
  async #apply(subresource: string, rest: object): Promise<void> {
    const identity = { apiVersion: 'routelet.io/v1', kind: 'NodeRouting' }
    await this.#ports.client.send({
      verb: 'patch',
      path: `/apis/routelet.io/v1/noderoutings/${this.#name}${subresource}`,
      query: { fieldManager, force: 'true' },
      contentType: applyType,
      body: { ...identity, metadata: { name: this.#name }, ...rest },
    })
  }

  /** With its Node, the object goes too. */
  async #owner(): Promise<object> {
    const node = await this.#ports.client.send({
      verb: 'get',
      path: `/api/v1/nodes/${this.#name}`,
    })
    const { uid } = (node as { readonly metadata: { readonly uid: string } }).metadata
    return { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: this.#name, uid }] }
  }

  async #clearCondition(): Promise<void> {
    const now = new Date(this.#ports.clock.wall()).toISOString()
    const condition = {
      type: 'NetworkUnavailable',
      status: 'False',
      reason: 'RouteletIsUp',
      message: 'routelet: routes flow',
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    }
    await this.#ports.client.send({
      verb: 'patch',
      path: `/api/v1/nodes/${this.#name}/status`,
      query: { fieldManager },
      contentType: 'application/strategic-merge-patch+json',
      body: { status: { conditions: [condition] } },
    })
  }
}
