/**
 * Everything an agent has to do with its cluster, put together: the store it is configured by, and
 * what it tells back.
 */
import type { EventView, NodeView } from '../../api/views.ts'
import type { Clock, PeerView } from '../../bgp/types.ts'
import type { EventLog } from '../event-log.ts'
import { EventPoster } from '../status/event-poster.ts'
import { StatusWriter } from '../status/status-writer.ts'
import { createApiClient, type RequestTally } from './api-client.ts'
import { StateFile } from './state-file.ts'
import { ClusterStore } from './store.ts'

export interface ClusterOptions {
  readonly node: string
  /** null: the default places, or the service account. */
  readonly kubeconfig: string | null
  readonly stateDir: string | null
}

export interface ClusterPorts {
  readonly clock: Clock
  readonly random: () => number
  readonly events: EventLog
}

export interface Cluster {
  readonly store: ClusterStore
  /** What the API server was asked so far. */
  readonly requests: Iterable<RequestTally>
  /** From now on the cluster is told what the agent shows. */
  tell(views: {
    readonly node: () => Promise<NodeView>
    readonly peers: () => readonly PeerView[]
  }): void
  close(): void
}

/** @throws Error in words when there is no way to an API server */
export async function joinCluster(
  { node, kubeconfig, stateDir }: ClusterOptions,
  { clock, random, events }: ClusterPorts,
): Promise<Cluster> {
  const client = await createApiClient(kubeconfig)
  const state = stateDir === null ? null : new StateFile(stateDir, node)
  const store = new ClusterStore(node, { client, clock, random, state })
  const report = (text: string) => events.add({ kind: 'status', level: 'warn', text })
  const poster = new EventPoster(node, { client, clock, report })
  let writer: StatusWriter | null = null
  let unsubscribe = () => {}
  return {
    store,
    get requests() {
      return client.requests
    },
    tell({ node: view, peers }) {
      writer = new StatusWriter(node, { client, clock, random, node: view, peers, report })
      writer.start()
      unsubscribe = events.subscribe((event: EventView) => void poster.take(event))
    },
    close() {
      unsubscribe()
      writer?.close()
      store.close()
    },
  }
}
