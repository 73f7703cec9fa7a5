/**
 * An agent without a kernel, a folder or a network of its own: manifests are handed to it as text,
 * TCP is a pipe, time stands still, and next hops are always reachable.
 */
import { createNullFib } from '../../fib/index.ts'
import { Agent, type AgentPorts } from '../../src/agent.ts'
import type { Snapshot } from '../../src/config/folder.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { assembleResources } from '../../src/config/resources.ts'
import { EventLog } from '../../src/event-log.ts'
import { HostAddresses } from '../../src/host-addresses.ts'
import { FakeClock } from '../bgp/clock.ts'
import { PipeNetwork } from '../bgp/pipe.ts'
import { settings } from '../fib/scene.ts'

export const ownAddress = '10.0.0.1'
export const podCidr = '10.1.0.0/24'

export const node = (podCidrs = podCidr) => `apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [${podCidrs}]}
status: {addresses: [{type: InternalIP, address: ${ownAddress}}]}
`
export const configuration = (spec: string) => `---
apiVersion: routelet.io/v1
kind: BGPConfiguration
metadata: {name: default}
spec: ${spec}
`
export const peer = `---
apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.2, asNumber: 65002}
`

export interface Scene {
  readonly agent: Agent
  readonly clock: FakeClock
  readonly network: PipeNetwork
  /** Hands over changed manifests, whole. */
  write(manifests: string): void
}

export function stage(manifests: string, overrides: Partial<AgentPorts> = {}): Scene {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock)
  let listener: (snapshot: Snapshot) => void = () => {}
  const agent = new Agent('n1', {
    clock,
    transport: network.host(ownAddress),
    store: {
      start: async () => snapshotOf(manifests),
      onSnapshot: (listen) => {
        listener = listen
      },
      close() {},
    },
    fib: createNullFib(settings),
    bfd: null,
    fibSettings: settings,
    hostAddresses: new HostAddresses(),
    events: new EventLog(clock),
    random: () => 0.5,
    marker: null,
    hostIsStopping: async () => false,
    warmUp: async () => {},
    ...overrides,
  })
  return { agent, clock, network, write: (text) => listener(snapshotOf(text)) }
}

export async function started(
  manifests: string,
  overrides: Partial<AgentPorts> = {},
): Promise<Scene> {
  const scene = stage(manifests, overrides)
  await scene.agent.start()
  return scene
}

export const reasons = ({ problems }: Agent) => problems.map(({ reason }) => reason)

function snapshotOf(text: string): Snapshot {
  const { resources, problems } = readManifests('test.yaml', text)
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  return assembleResources(resources)
}
