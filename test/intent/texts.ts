/** Manifests as the tests write them, and the intent of node n1. */
import type { Terminal } from '../../src/cli/terminal.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { assembleResources } from '../../src/config/resources.ts'
import { computeIntent } from '../../src/intent/intent.ts'
import type { Intent } from '../../src/intent/types.ts'

export function intentOf(text: string, own = 'n1', before: Intent | null = null): Intent {
  const { resources, problems } = readManifests('test.yaml', text)
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'))
  return computeIntent(assembleResources(resources).resources, own, before)
}

export const reasons = (intent: Intent) =>
  intent.problems.map(({ reason, severity, subject }) => `${severity} ${reason} ${subject}`)

export const node = `apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}
spec:
  podCIDR: 10.1.0.0/24
  podCIDRs: [10.1.0.0/24, "2001:db8:1::/64", 10.9.9.9/32]
status:
  addresses:
    - {type: Hostname, address: n1}
    - {type: InternalIP, address: 192.168.0.1}
    - {type: InternalIP, address: "2001:DB8::1"}
`
export const configuration = (spec: string, name = 'default') => `---
apiVersion: routelet.io/v1
kind: BGPConfiguration
metadata: {name: ${name}}
spec: ${spec}
`
export const peer = (name: string, spec: string) => `---
apiVersion: routelet.io/v1
kind: BGPPeer
metadata: {name: ${name}}
spec: ${spec}
`

/** A terminal that remembers what was written to it. */
export function makeTerminal(): Terminal & { text(): string } {
  let text = ''
  return {
    write: (more) => {
      text += more
    },
    warn: (more) => {
      text += more
    },
    interactive: false,
    colour: false,
    now: () => 0,
    signal: new AbortController().signal,
    text: () => text,
  }
}
