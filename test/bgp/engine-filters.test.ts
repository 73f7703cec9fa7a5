/**
 * Filters at work in the engine, changed under running sessions, on import and on export; draining
 * (RFC 8326), and what is kept of a peer over its restart.
 */
import t from 'tap'
import type { FilterConfig, FilterRule } from '../../bgp/policy/types.ts'
import type { PeerConfig } from '../../bgp/types.ts'

import {
  Bench,
  join,
  Listener,
  negotiated,
  type Player,
  peerConfig,
  update,
} from './engine-scene.ts'

const anyRule: FilterRule = {
  action: 'Accept',
  cidr: null,
  matchOperator: null,
  prefixLength: null,
  source: null,
  interface: null,
  peerType: null,
  community: null,
  asPathPrefix: null,
  priority: null,
  operations: [],
}

function filter(rules: Partial<FilterConfig>): readonly FilterConfig[] {
  return [{ name: 'f', importV4: [], exportV4: [], importV6: [], exportV6: [], ...rules }]
}

/** Applies changed routing parameters to a running peer. */
function change(bench: Bench, player: Player, changes: Partial<PeerConfig>): Player {
  const config = { ...player.peer.config, ...changes }
  return { ...player, peer: bench.engine.update(player.peer, config) }
}

t.test('filters act on what was received and are changed without a new session', async (t) => {
  const bench = new Bench()
  let tor = join(bench, 0, { asn: 65001, routeReflectorClient: false, clusterId: null })
  const node = join(bench, 1, { routeReflectorClient: false, clusterId: null })
  for (const prefix of [1, 2, 3]) update(bench, tor, prefix, 20, 0)
  bench.settle()
  t.equal(bench.routes.size, 3)
  const reject: FilterRule = {
    ...anyRule,
    action: 'Reject',
    cidr: '10.1.2.0/24',
    matchOperator: 'Equal',
  }
  const prefer: FilterRule = { ...anyRule, operations: [{ kind: 'setLocalPref', localPref: 250 }] }
  tor = change(bench, tor, { filters: filter({ importV4: [reject, prefer] }) })
  bench.settle()
  t.same([...bench.routes.keys()].sort(), ['10.1.1.0/24', '10.1.3.0/24'])
  t.same([...node.sink.told.keys()].sort(), ['10.1.1.0/24', '10.1.3.0/24'])
  t.match(node.sink.told.get('10.1.1.0/24'), /"localPref":250/)
  const rib = bench.engine.rib('ipv4-unicast')
  t.equal(rib.counts.received[tor.peer.number], 3)
  t.equal(rib.counts.accepted[tor.peer.number], 2)
  tor = change(bench, tor, { filters: [] })
  bench.settle()
  t.equal(bench.routes.size, 3)
  t.match(node.sink.told.get('10.1.1.0/24'), /"localPref":100/)
  t.equal(node.sink.endOfRibs, 1)
})

t.test('a changed export filter withdraws exactly what it no longer allows', async (t) => {
  const bench = new Bench()
  const plain = { routeReflectorClient: false, clusterId: null }
  const tor = join(bench, 0, { asn: 65001, ...plain })
  let other = join(bench, 1, { asn: 65002, ...plain })
  const twin = join(bench, 2, { asn: 65003, ...plain })
  for (const prefix of [1, 2]) update(bench, tor, prefix, 20, 7)
  bench.engine.announce([{ prefix: '10.244.1.0/24', reason: 'pod CIDR', communities: [] }])
  bench.settle()
  t.same([...other.sink.told.keys()], ['10.244.1.0/24'])
  const accept: FilterRule = {
    ...anyRule,
    cidr: '10.1.1.0/24',
    matchOperator: 'Equal',
    operations: [
      { kind: 'addCommunity', community: '65001:7' },
      { kind: 'setMED', med: 42 },
      { kind: 'prependASPath', asns: [64512, 64512] },
    ],
  }
  const hide: FilterRule = { ...anyRule, action: 'Reject' }
  other = change(bench, other, { filters: filter({ exportV4: [accept, hide] }) })
  bench.settle()
  t.same(
    [...other.sink.told.keys()],
    ['10.1.1.0/24'],
    'an Accept lifts the default, a Reject rules',
  )
  t.match(other.sink.told.get('10.1.1.0/24'), /64512,64512,64512,65001.*"med":42.*65001:7/)
  t.same([...twin.sink.told.keys()], ['10.244.1.0/24'], 'nobody else is touched')
  other = change(bench, other, { filters: [] })
  bench.settle()
  t.same([...other.sink.told.keys()], ['10.244.1.0/24'])
  t.equal(other.sink.endOfRibs, 1)
})

t.test(
  'draining marks everything with GRACEFUL_SHUTDOWN, and a receiver prefers it least',
  async (t) => {
    const bench = new Bench()
    const plain = { routeReflectorClient: false, clusterId: null }
    let tor = join(bench, 0, { asn: 65001, ...plain })
    let node = join(bench, 1, plain)
    bench.engine.announce([{ prefix: '10.244.1.0/24', reason: 'pod CIDR', communities: [] }])
    bench.settle()
    bench.engine.draining = true
    tor = change(bench, tor, {})
    node = change(bench, node, {})
    bench.settle()
    t.match(tor.sink.told.get('10.244.1.0/24'), /"65535:0"/)
    t.match(node.sink.told.get('10.244.1.0/24'), /"localPref":0.*"65535:0"/)
    bench.engine.draining = false
    tor = change(bench, tor, {})
    bench.settle()
    t.notMatch(tor.sink.told.get('10.244.1.0/24'), /65535:0/)
  },
)

t.test('what a peer said before a restart stays until it has said everything again', async (t) => {
  const bench = new Bench()
  const first = join(bench, 0)
  const other = join(bench, 1)
  for (const prefix of [1, 2]) update(bench, first, prefix, 20, 0)
  bench.settle()
  bench.engine.leave(first.peer, ['ipv4-unicast'])
  bench.settle()
  t.equal(bench.routes.size, 2, 'forwarding goes on')
  t.equal(other.sink.told.size, 2)
  const context = negotiated(0)
  const sink = new Listener(context)
  const addresses = { remote: '10.0.0.10', local: '10.0.0.1' }
  const config = peerConfig('p0')
  const peer = bench.engine.join(config, context, addresses, sink, first.peer.number)
  update(bench, { peer, sink }, 1, 20, 0)
  bench.settle()
  t.equal(bench.routes.size, 2, 'the other one may still come')
  t.equal(bench.engine.sweep(peer.number, 'ipv4-unicast'), 1)
  bench.settle()
  t.same([...bench.routes.keys()], ['10.1.1.0/24'])
  t.same([...other.sink.told.keys()], ['10.1.1.0/24'])
})
