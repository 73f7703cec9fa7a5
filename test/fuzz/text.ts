/** Texts that people write, nearly right, and changes to them. */
import type { Random } from './random.ts'

export const manifestTexts: readonly string[] = [
  `apiVersion: routelet.io/v1
kind: BGPPeer
metadata:
  name: rack-a
  labels: {rack: a}
spec:
  peerIP: "[2001:db8::1]:179"
  asNumber: "1.10"
  holdTime: 1m30s
  filters: [import]
  nodeSelector: rack == 'a' && !has(spare)
  password: {secretKeyRef: {name: bgp, key: rack-a}}
  maxPrefixes: {limit: 1000, warning: 80, restartAfter: 5m}
`,
  `apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 64512
  nodeToNodeMeshEnabled: false
  serviceClusterIPs:
    - cidr: 10.96.0.0/12
  communities:
    - {name: bgp-large, value: "64512:300:100"}
  prefixAdvertisements:
    - cidr: 172.16.0.0/12
      communities: [bgp-large, "64512:120"]
---
apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {podCIDRs: [10.244.0.0/24, "fd00:10:244::/64"]}
---
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: kube-system}
stringData: {rack-a: not-a-secret}
`,
  `apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata:
  name: import
spec:
  importV4:
    - &rule
      action: Accept
      matchOperator: In
      cidr: 10.0.0.0/8
      prefixLength: {min: 16, max: 24}
    - <<: *rule
      action: Reject
  exportV6: [{action: Reject, source: RemotePeers, interface: "cali*"}]
`,
  '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{}}]}',
]

export const selectorTexts: readonly string[] = [
  `rack == "a" && !has(spare)`,
  `all()`,
  `(tier in {"gold", 'silver'} || rack not in {"b"}) && name starts with "node-"`,
  `has(node-role.kubernetes.io/control-plane) && zone contains "eu" && zone ends with "1"`,
  `!(a != 'b')`,
]

const pieces = [
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ': ',
  '\n',
  '  ',
  '- ',
  '&a ',
  '*a',
  '<<: *a',
  '!!binary ',
  '---\n',
  '0',
  '-1',
  '1e999',
  '99999999999999999999',
  'null',
  '\u0000',
  '\ud800',
  '\u202e',
  '((((',
  '&&',
  '||',
  '__proto__: ',
  'constructor: ',
  '",',
] as const

/** Up to four changes: a piece put in or over, a stretch taken out, doubled or moved. */
export function mutateText(random: Random, text: string): string {
  let changed = text
  for (let left = random.below(5); left > 0; left--) {
    const at = random.below(changed.length + 1)
    const size = random.below(12)
    const head = changed.slice(0, at)
    const stretch = changed.slice(at, at + size)
    const tail = changed.slice(at + size)
    switch (random.below(4)) {
      case 0:
        changed = head + random.pick(pieces) + stretch + tail
        break
      case 1:
        changed = head + random.pick(pieces) + tail
        break
      case 2:
        changed = head + tail
        break
      default:
        changed = head + stretch + stretch + tail
    }
  }
  return changed
}
