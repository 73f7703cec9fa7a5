/**
 * What an agent shows, as plain data, and an API server that remembers what it was told.
 */
import type { NodeView } from '../../api/views.ts'
import type { PeerView } from '../../bgp/types.ts'
import { type ApiClient, ApiError, type ApiRequest } from '../../src/cluster/api-client.ts'

/** Only what the status is made of; the rest of the views has no say in it. */
export function nodeView(overrides: Partial<NodeView> = {}): NodeView {
  return {
    name: 'n1',
    version: '1.2.3',
    asn: 64512,
    routerId: '10.0.0.1',
    clusterId: null,
    ready: true,
    readyReason: null,
    peers: { wanted: 2, established: 1 },
    announcements: [{ prefix: '10.1.0.0/24', reason: 'pod CIDR', communities: [] }],
    fib: { wanted: 3, installed: 2 },
    conditions: [],
    ...overrides,
  } as unknown as NodeView
}

export function peerView(name: string, overrides: Partial<PeerView> = {}): PeerView {
  return {
    name,
    address: '10.0.0.2',
    asn: 65000,
    state: 'Established',
    since: 0,
    reason: null,
    lastError: null,
    families: [],
    ...overrides,
  } as unknown as PeerView
}

export class Recorder implements ApiClient {
  readonly server = 'https://api.test'
  readonly namespace = null
  readonly requests: ApiClient['requests'] = []
  readonly sent: ApiRequest[] = []
  /** Statuses of the next answers; afterwards all is well. */
  readonly refusals: number[] = []

  async send(request: ApiRequest): Promise<unknown> {
    this.sent.push(request)
    const status = this.refusals.shift()
    if (status !== undefined) throw new ApiError(`refused with ${status}`, status, null)
    return { metadata: { uid: 'uid-of-n1' } }
  }

  async watch(): Promise<void> {
    throw new Error('nothing is watched here')
  }

  /** `patch PATH`, in order, and forgets them. */
  take(): string[] {
    return this.sent.splice(0).map(({ verb, path }) => `${verb} ${path}`)
  }
}
