/** Rules between the fields of one object: each broken alone, and what is said. */
import t from 'tap'
import { complaints, configuration, filter, peer, resources } from './texts.ts'

t.test('a fault between fields', async (t) => {
  const table: readonly [string, string, string][] = [
    [
      'nobody',
      peer('{asNumber: 1}'),
      'spec.peerIP: nothing says who the peer is; set peerIP, peerSelector or peerRange',
    ],
    [
      'no AS',
      peer('{peerIP: 10.0.0.1}'),
      'spec.asNumber: peerIP needs the AS number of the peer; set asNumber',
    ],
    [
      'AS zero is no AS',
      peer('{peerIP: 10.0.0.1, asNumber: 0}'),
      'spec.asNumber: peerIP needs the AS number of the peer; set asNumber',
    ],
    [
      'AS beside a selector',
      peer('{peerSelector: all(), asNumber: 1}'),
      'spec.asNumber: it excludes peerSelector; remove it; the AS is that of each node',
    ],
    [
      'two scopes',
      peer('{node: a, nodeSelector: all(), peerIP: 10.0.0.1, asNumber: 1}'),
      'spec.nodeSelector: it excludes node; keep one of the two',
    ],
    [
      'two next hop modes',
      peer('{peerIP: 10.0.0.1, asNumber: 1, keepOriginalNextHop: true, nextHopMode: Self}'),
      'spec.nextHopMode: it excludes keepOriginalNextHop; keep one of the two',
    ],
    [
      'TTL twice',
      peer('{peerIP: 10.0.0.1, asNumber: 1, ttlSecurity: 1, ebgpMultihop: 2}'),
      'spec.ttlSecurity: it excludes ebgpMultihop; keep one of the two',
    ],
    [
      'a dialling range',
      peer('{peerRange: 10.0.0.0/8, asNumber: 1, passive: false}'),
      'spec.passive: a range is always passive; remove it',
    ],
    [
      'a slow keepalive',
      peer('{peerIP: 10.0.0.1, asNumber: 1, keepaliveTime: 90s}'),
      'spec.keepaliveTime: 90s is not shorter than the hold time of 90s; use 30s',
    ],
    [
      'a gateway of the other family',
      peer('{peerIP: 10.0.0.1, asNumber: 1, reachableBy: "::1"}'),
      'spec.reachableBy: its address family is not that of peerIP; use one family',
    ],
    [
      'a configuration nobody reads',
      configuration('{}', 'other'),
      'metadata.name: "other" configures nothing; name it default, or node.NAME for one node',
    ],
    [
      'a cluster field on a node',
      configuration('{asNumber: 1}', 'node.n1'),
      'spec.asNumber: it has no effect on one node; move it to the BGPConfiguration default',
    ],
    [
      'communities for nothing',
      configuration('{communities: [{name: a, value: "1:2"}]}'),
      'spec.communities: no prefixAdvertisements use them; add some, or remove it',
    ],
    [
      'an unknown community',
      configuration('{prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [a]}]}'),
      'spec.prefixAdvertisements[0].communities[0]: no community is called "a"; add it to spec.communities',
    ],
    [
      'a password without a mesh',
      configuration(
        '{nodeToNodeMeshEnabled: false, nodeMeshPassword: {secretKeyRef: {name: a, key: b}}}',
      ),
      'spec.nodeMeshPassword: the mesh is disabled; remove it, or enable the mesh',
    ],
    [
      'half a comparison',
      filter('{action: Accept, cidr: 10.0.0.0/8}'),
      'spec.importV4[0].matchOperator: cidr and matchOperator go together; set both, or neither',
    ],
    [
      'the wrong family',
      filter('{action: Accept, cidr: "::/0", matchOperator: In}'),
      'spec.importV4[0].cidr: ::/0 is not IPv4; move the rule to the other list',
    ],
    [
      'a length without a prefix',
      filter('{action: Accept, prefixLength: {min: 1}}'),
      'spec.importV4[0].prefixLength: it needs cidr; set cidr and matchOperator',
    ],
    [
      'operations of a Reject',
      filter('{action: Reject, operations: [{setPriority: {value: 1}}]}'),
      'spec.importV4[0].operations: only an Accept rule changes a route; remove them',
    ],
    [
      'two operations in one',
      filter(
        '{action: Accept, operations: [{setPriority: {value: 1}, addCommunity: {value: "1:2"}}]}',
      ),
      'spec.importV4[0].operations[0]: an operation says exactly one thing; write one for each thing to change, as in - addCommunity: {value: "65001:1"}',
    ],
    [
      'an operation that says nothing',
      filter('{action: Accept, operations: [{}]}'),
      'spec.importV4[0].operations[0]: an operation says exactly one thing',
    ],
    [
      'a prefix list of the wrong family',
      filter('{action: Accept, prefixes: [{cidr: 10.0.0.0/8}, {cidr: "::/0"}]}'),
      'spec.importV4[0].prefixes[1].cidr: ::/0 is not IPv4; move the rule to the other list',
    ],
    [
      'a range that holds nothing',
      filter('{action: Accept, prefixes: [{cidr: 10.0.0.0/8, max: 7}]}'),
      'spec.importV4[0].prefixes[0]: no prefix in 10.0.0.0/8 has a length from 8 to 7; 8 <= min <= max is needed',
    ],
    [
      'a range that begins outside its prefix',
      filter('{action: Accept, prefixes: [{cidr: 10.0.0.0/8, min: 7}]}'),
      'spec.importV4[0].prefixes[0]: min 7 is shorter than 10.0.0.0/8 itself; 8 <= min <= max is needed',
    ],
    [
      'a next hop of the wrong family',
      filter('{action: Accept, operations: [{setNextHop: {value: "2001:db8::1"}}]}'),
      'spec.importV4[0].operations[0].setNextHop.value: 2001:db8::1 is not IPv4; give an address of the family',
    ],
    [
      'this node as the next hop of what it receives',
      filter('{action: Accept, operations: [{setNextHop: {value: self}}]}'),
      'spec.importV4[0].operations[0].setNextHop.value: a received route whose next hop is this node leads nowhere; give the address of another router, or move the rule to the export list',
    ],
    [
      'a pattern where a community is added',
      filter('{action: Accept, operations: [{addCommunity: {value: "65001:*"}}]}'),
      'spec.importV4[0].operations[0].addCommunity.value: expected a community: aa:nn, aa:nn:mm',
    ],
    [
      'a pattern with more than numbers and *',
      filter('{action: Accept, anyCommunity: ["65001:1*"]}'),
      'spec.importV4[0].anyCommunity[0]: expected a community such as 65001:100 or 65001:1:2, in which',
    ],
  ]
  for (const [caption, text, message] of table) {
    const [only, ...more] = complaints(text)
    t.match(only, message, caption)
    t.same(more, [], caption)
    t.same(resources(text), [], caption)
  }
})
