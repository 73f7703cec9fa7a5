/**
 * What peers are told, case by case: several paths (RFC 7911), peers that share an update group
 * though their next hops differ, why others don't, IPv4 over an IPv6 next hop (RFC 8950), reflection
 * (RFC 4456 §8).
 */
import t from 'tap'
import { GroupViews } from '../../bgp/group-views.ts'
import type { FilterConfig } from '../../bgp/policy/types.ts'
import { sentPaths } from '../../bgp/sent-paths.ts'
import type { FamilyName, PeerConfig } from '../../bgp/types.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import {
  Bench,
  join,
  Listener,
  negotiated,
  type Player,
  peerConfig,
  speaker,
  update,
} from './engine-scene.ts'

const family: FamilyName = 'ipv4-unicast'
const agreed = { addPathSend: [family] } as const
const prefix = '10.1.1.0/24'

/** Announces 10.1.1.0/24 from peers 0, 1, …: MEDs do not count, so the lower number is the better. */
function announceFrom(bench: Bench, count: number): Player[] {
  const sources = Array.from({ length: count }, (_, number) => join(bench, number))
  for (const [number, source] of sources.entries()) update(bench, source, 1, 20 + number, 0)
  return sources
}

/** Last octets of the next hops a member was told, in order. */
function hopsOf({ sink }: Player): number[] {
  const hops = [...sink.told.values()].map((text) => Number(/^10\.0\.0\.(\d+) /.exec(text)?.[1]))
  return hops.sort((a, b) => a - b)
}

function sentTo({ peer }: Player, bench: Bench): ReturnType<typeof sentPaths> {
  const rib = bench.engine.rib(family)
  const group = peer.groups.get(family)
  if (group === undefined) throw new Error('it has no group')
  return sentPaths(peer.number, group, rib, rib.prefixes.find(Uint32Array.of(0x0a010100), 0, 24))
}

t.test('each peer is told as many paths as it is configured for, best first', async (t) => {
  const rows: [caption: string, Partial<PeerConfig>, hops: readonly number[]][] = [
    ['None', { addPathSend: 'None' }, [20]],
    ['Best, at most 2', { addPathSend: 'Best', addPathLimit: 2 }, [20, 21]],
    ['Best, at most 9 of 5', { addPathSend: 'Best', addPathLimit: 9 }, [20, 21, 22, 23, 24]],
    ['the ECMP set', { addPathSend: 'Multipath' }, [20, 21, 22]],
    ['the ECMP set, at most 2', { addPathSend: 'Multipath', addPathLimit: 2 }, [20, 21]],
    ['All', { addPathSend: 'All' }, [20, 21, 22, 23, 24]],
    ['All, at most 4', { addPathSend: 'All', addPathLimit: 4 }, [20, 21, 22, 23]],
  ]
  const bench = new Bench({ ...speaker, maxPaths: 3 })
  const sinks = rows.map(([, config], index) => join(bench, 10 + index, config, agreed))
  const sources = announceFrom(bench, 5)
  bench.settle()
  for (const [index, [caption, , hops]] of rows.entries()) {
    t.same(hopsOf(sinks[index] as Player), hops, caption)
  }
  update(bench, sources[0] as Player, 1, 0, -1)
  bench.settle()
  t.same(hopsOf(sinks[1] as Player), [21, 22], 'the next one takes the place of one that is gone')
  bench.engine.configure({ ...speaker, maxPaths: 16 })
  bench.settle()
  t.same(hopsOf(sinks[3] as Player), [21, 22, 23, 24], 'a greater fib.maxPaths is told at once')
})

t.test('a changed limit is told under the running session', async (t) => {
  const bench = new Bench()
  let sink = join(bench, 10, { addPathSend: 'Best', addPathLimit: 2 }, agreed)
  announceFrom(bench, 4)
  bench.settle()
  for (const [limit, hops] of [
    [3, [20, 21, 22]],
    [1, [20]],
    [null, [20, 21, 22, 23]],
  ] as const) {
    const config = { ...sink.peer.config, addPathLimit: limit }
    sink = { ...sink, peer: bench.engine.update(sink.peer, config) }
    bench.settle()
    t.same(hopsOf(sink), hops, `at most ${limit}`)
  }
})

t.test('every path has its rank, and what keeps it from being sent', async (t) => {
  const bench = new Bench({ ...speaker, maxPaths: 2 })
  const best = join(bench, 10, { addPathSend: 'Best', addPathLimit: 2 }, agreed)
  const level = join(bench, 11, { addPathSend: 'Multipath' }, agreed)
  const single = join(bench, 12)
  announceFrom(bench, 3)
  update(bench, best, 1, 30, 0)
  bench.settle()
  bench.nextHop('10.0.0.22', false)
  bench.settle()
  const words = (player: Player): string[] =>
    sentTo(player, bench).map(({ peer, rank, reason }) => `${rank} ${peer}: ${reason}`)
  t.same(words(best), [
    '1 p0: sent',
    '2 p1: sent',
    '3 p10: it came from this peer: it is never sent back',
    'null p2: it is not usable',
  ])
  t.same(words(level), [
    '1 p0: sent',
    '2 p1: sent',
    '3 p10: not in the ECMP set: it has fib.maxPaths, or takes no other neighbour AS',
    'null p2: it is not usable',
  ])
  t.same(sentTo(single, bench), [], 'without path ids there is nothing to tell')
  update(bench, single, 1, 20, 0)
  bench.settle()
  t.match(words(level)[3], 'a better path has the same next hop')
  const ids = sentTo(best, bench).flatMap(({ sentAs }) => sentAs ?? [])
  t.same(
    [...best.sink.told.keys()].sort(),
    ids.map((id) => `${prefix} ${id}`).sort(),
    'the ids are those on the wire',
  )
})

t.test('ECMP over two AS comes and goes with asPathRelax, and no session does', async (t) => {
  const bench = new Bench()
  const plain = { routeReflectorClient: false, clusterId: null }
  const tors = [0, 1].map((each) => join(bench, each, { asn: 65001 + each, ...plain }))
  const sink = join(bench, 10, { addPathSend: 'Multipath' }, agreed)
  for (const [each, tor] of tors.entries()) update(bench, tor, 1, 20 + each, 0)
  bench.settle()
  t.equal(bench.routes.get(prefix), '10.0.0.20,10.0.0.21')
  for (const [asPathRelax, hops, heard] of [
    [false, '10.0.0.20', [20]],
    [true, '10.0.0.20,10.0.0.21', [20, 21]],
  ] as const) {
    bench.engine.configure({ ...speaker, asPathRelax })
    bench.settle()
    t.equal(bench.routes.get(prefix), hops, `relax: ${asPathRelax}`)
    t.same(hopsOf(sink), heard, 'and those who take the ECMP set hear of it')
    t.equal(sink.sink.endOfRibs, 1)
  }
  const same = join(bench, 2, { asn: 65001, ...plain })
  update(bench, same, 1, 22, 0)
  bench.engine.configure({ ...speaker, asPathRelax: false })
  bench.settle()
  t.equal(bench.routes.get(prefix), '10.0.0.20,10.0.0.22', 'paths of one AS are together anyway')
})

t.test('peers that differ in nothing but the next hop share a group and its bytes', async (t) => {
  const bench = new Bench()
  const tors = [1, 2, 3].map((number) => {
    const changes = { asn: 65000 + number, routeReflectorClient: false, clusterId: null }
    const context = negotiated(number, { ebgp: true, peerAsn: changes.asn })
    const sink = new Listener(context)
    // Three links, and on each an own address.
    const addresses = { remote: `10.0.${number}.254`, local: `10.0.${number}.1` }
    const config = peerConfig(`tor${number}`, changes)
    return { peer: bench.engine.join(config, context, addresses, sink), sink }
  })
  bench.engine.announce([{ prefix, reason: 'pod CIDR', communities: [] }])
  bench.settle()
  t.equal(new Set(tors.map(({ peer }) => peer.groups.get(family))).size, 1, 'one group')
  for (const [index, { sink }] of tors.entries()) {
    t.match(sink.told.get(prefix), new RegExp(`^10\\.0\\.${index + 1}\\.1 `), `link ${index + 1}`)
  }
  bench.engine.announce([{ prefix, reason: 'pod CIDR', communities: ['65000:1'] }])
  bench.settle()
  const told = tors.map(({ sink }) => sink.told.get(prefix)?.replace(/^\S+/, 'self'))
  t.equal(new Set(told).size, 1, 'and apart from it the same')
})

t.test('a peer that has a group of its own can be told why', async (t) => {
  const rejects: FilterConfig = {
    name: 'none',
    ...{ importV4: [], importV6: [], exportV6: [] },
    exportV4: [
      {
        ...{ action: 'Reject', cidr: null, matchOperator: null, prefixLength: null, source: null },
        ...{ interface: null, peerType: null, community: null, asPathPrefix: null, priority: null },
        operations: [],
      },
    ],
  }
  const rows: [words: string, Partial<PeerConfig>, Partial<Negotiated>][] = [
    ['routeReflectorClient', { routeReflectorClient: false }, {}],
    ['nextHopMode', { nextHopMode: 'Self' }, {}],
    ['the paths sent (addPaths)', { addPathSend: 'All' }, agreed],
    ['four-octet AS numbers', {}, { as4: false }],
    ['the filters on export', { filters: [rejects] }, {}],
    ['the cluster id, export', { export: 'Own', clusterId: null }, {}],
  ]
  for (const [words, config, context] of rows) {
    const bench = new Bench()
    const clients = [join(bench, 0), join(bench, 1)] as const
    t.equal(viewOf(bench, clients[0]).apart, null, 'one group alone')
    const other = join(bench, 2, config, context)
    const { number, members } = viewOf(bench, clients[1])
    t.equal(members, 2)
    t.match(viewOf(bench, other), { members: 1, apart: `differs from group ${number} in ${words}` })
  }
})

function viewOf(bench: Bench, { peer }: Player): ReturnType<GroupViews['of']> {
  const group = peer.groups.get(family)
  if (group === undefined) throw new Error('it has no group')
  return new GroupViews(bench.engine.groups).of(group)
}

t.test('IPv4 goes over an IPv6 next hop where both can, and elsewhere not at all', async (t) => {
  const bench = new Bench()
  const mapped = [32, 1, 13, 184, ...new Array(11).fill(0), 1].join('.')
  const sink = (number: number, extendedNextHop: boolean): Player => {
    const context = negotiated(number, { extendedNextHop })
    const listener = new Listener(context)
    const addresses = { remote: `2001:db8::${number}`, local: 'fe80::1%eth0' }
    return {
      peer: bench.engine.join(peerConfig(`p${number}`), context, addresses, listener),
      sink: listener,
    }
  }
  bench.self = (each) => (each === 'ipv4-unicast' ? null : '2001:db8::1')
  const [able, unable] = [sink(1, true), sink(2, false)] as const
  bench.engine.announce([{ prefix, reason: 'pod CIDR', communities: [] }])
  bench.settle()
  t.match(able.sink.told.get(prefix), new RegExp(`^${mapped} `), 'its own address of the session')
  t.equal(unable.sink.told.size, 0)
  bench.engine.announce([])
  bench.settle()
  t.equal(able.sink.told.size, 0, 'and withdrawn')
})

t.test('a drained node keeps what its filters set', async (t) => {
  const bench = new Bench()
  const sets: FilterConfig = {
    name: 'med',
    ...{ importV4: [], importV6: [], exportV6: [] },
    exportV4: [
      {
        ...{ action: 'Accept', cidr: null, matchOperator: null, prefixLength: null, source: null },
        ...{ interface: null, peerType: null, community: null, asPathPrefix: null, priority: null },
        operations: [{ kind: 'setMED', med: 50 }],
      },
    ],
  }
  const client = join(bench, 0)
  const tor = join(bench, 1, { asn: 65001, routeReflectorClient: false, filters: [sets] })
  update(bench, client, 1, 20, 0)
  bench.settle()
  t.match(tor.sink.told.get(prefix), /"med":50/)
  bench.engine.draining = true
  bench.engine.update(tor.peer, tor.peer.config)
  bench.settle()
  t.match(tor.sink.told.get(prefix), /"med":50.*"65535:0"/)
})

t.test('a set made by a policy goes from one path to another, and then away', async (t) => {
  const bench = new Bench()
  bench.engine.draining = true
  const sink = join(bench, 10, { addPathSend: 'Best', addPathLimit: 2 }, agreed)
  const sources = [0, 1, 2].map((each) => join(bench, each)) as [Player, Player, Player]
  update(bench, sources[0], 1, 20, 0)
  update(bench, sources[2], 1, 21, 0)
  bench.settle()
  t.same(hopsOf(sink), [20, 21])
  // The same attributes from a better peer: only the path id is another.
  update(bench, sources[1], 1, 21, 0)
  bench.settle()
  t.same(hopsOf(sink), [20, 21])
  for (const { peer } of [sink, ...sources]) bench.engine.leave(peer)
  bench.settle()
  t.equal(bench.engine.attributes.size, 0)
})

t.test('a changed default of LOCAL_PREF is told to iBGP peers', async (t) => {
  const bench = new Bench()
  const client = join(bench, 0)
  bench.engine.announce([{ prefix, reason: 'pod CIDR', communities: [] }])
  bench.settle()
  t.match(client.sink.told.get(prefix), /"localPref":100/)
  bench.engine.configure({ ...speaker, localPreference: 300 })
  bench.settle()
  t.match(client.sink.told.get(prefix), /"localPref":300/)
})

t.test('ORIGINATOR_ID and CLUSTER_LIST are right for each source and each sink', async (t) => {
  const plain = { routeReflectorClient: false }
  const sources: [name: string, Partial<PeerConfig>, originator: string | null][] = [
    ['client', {}, '10.1.0.0'],
    ['other iBGP', plain, '10.1.0.0'],
    ['eBGP', { asn: 65001, ...plain }, null],
  ]
  const sinks: [name: string, Partial<PeerConfig>, cluster: string | null, heard: string[]][] = [
    ['client', {}, '10.0.0.1', ['client', 'other iBGP', 'eBGP']],
    ['other iBGP', plain, '10.0.0.1', ['client', 'eBGP']],
    [
      'client under another cluster id',
      { clusterId: '10.9.9.9' },
      '10.9.9.9',
      ['client', 'other iBGP', 'eBGP'],
    ],
    ['iBGP, not reflected to', { ...plain, clusterId: null }, null, ['eBGP']],
    ['eBGP', { asn: 65002, ...plain, export: 'All' }, null, ['client', 'other iBGP', 'eBGP']],
  ]
  for (const [from, config, originator] of sources) {
    const bench = new Bench()
    const source = join(bench, 0, config)
    const told = sinks.map(([, sink], index) => join(bench, index + 1, sink))
    update(bench, source, 1, 20, 0)
    bench.settle()
    for (const [index, [to, { asn }, cluster, heard]] of sinks.entries()) {
      const text = told[index]?.sink.told.get(prefix)
      const caption = `from ${from} to ${to}`
      t.equal(text !== undefined, heard.includes(from), caption)
      const view = JSON.parse(text?.replace(/^\S+ /, '') ?? '{}')
      const reflected = text !== undefined && originator !== null && asn === undefined
      t.equal(view.originatorId, reflected ? originator : undefined, `${caption}: ORIGINATOR_ID`)
      t.same(view.clusterList, reflected ? [cluster] : undefined, `${caption}: CLUSTER_LIST`)
    }
  }
})
