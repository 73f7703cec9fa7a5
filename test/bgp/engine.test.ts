/**
 * The routing engine over bytes: peers announce and withdraw through real UPDATE messages, sinks
 * stall and drain, and what each member was told, read back with the codec, must be what an obvious
 * per-peer model says. Grouped output equals ungrouped output, whatever the history.
 */
import fc from 'fast-check'
import t from 'tap'
import type { PeerConfig } from '../../bgp/types.ts'
import { encodeOwnAttributes } from '../../bgp/wire/attribute.ts'
import { Writer } from '../../bgp/wire/bytes.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { NotificationError } from '../../bgp/wire/notification.ts'
import { Bench, expected, join, type Player, saysSource, speaker, update } from './engine-scene.ts'

const seed = 417_179
t.comment(`fast-check seed ${seed}`)

for (const addPath of [false, true]) {
  const sends = addPath ? 'the ECMP set, with path ids,' : 'the best path'
  t.test(`a reflector tells every client ${sends} but not its own`, async (t) => {
    const agreed: Partial<Negotiated> = addPath ? { addPathSend: ['ipv4-unicast'] } : {}
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('announce' as const),
          peer: fc.nat(4),
          prefix: fc.nat(7),
          med: fc.nat(2),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('withdraw' as const),
          peer: fc.nat(4),
          prefix: fc.nat(7),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('stall' as const), peer: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), peer: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('bounce' as const), peer: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('refresh' as const), peer: fc.nat(4) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const bench = new Bench()
        const config: Partial<PeerConfig> = { addPathSend: addPath ? 'Multipath' : 'None' }
        const players = Array.from({ length: 5 }, (_, each) => join(bench, each, config, agreed))
        const at = (number: number): Player => players[number] as Player
        for (const each of steps) {
          if (each.do === 'announce')
            update(bench, at(each.peer), each.prefix, 20 + each.peer, each.med)
          if (each.do === 'withdraw') update(bench, at(each.peer), each.prefix, 0, -1)
          if (each.do === 'settle') bench.settle()
          if (each.do === 'stall') {
            at(each.peer).sink.stalled = true
            at(each.peer).sink.queuedBytes = 1 << 21
          }
          if (each.do === 'drain') resume(bench, at(each.peer))
          if (each.do === 'refresh') bench.engine.refresh(at(each.peer).peer, 'ipv4-unicast')
          if (each.do === 'bounce') {
            bench.engine.leave(at(each.peer).peer)
            players[each.peer] = join(bench, each.peer, config, agreed)
          }
        }
        for (const player of players) resume(bench, player)
        bench.engine.schedule()
        bench.settle()
        for (const player of players) {
          compareWithModel(bench, player)
          if (player.sink.endOfRibs !== 1) throw new Error(`${player.sink.endOfRibs} End-of-RIBs`)
        }
        return true
      }),
      { seed, numRuns: 400 },
    )
    t.pass('400 random histories agree with the model')
  })
}

function compareWithModel(bench: Bench, player: Player): void {
  const told = [...player.sink.told.entries()]
    .map(([prefix, text]) => `${prefix.split(' ')[0]} from ${saysSource(text)}`)
    .sort()
  const wanted = expected(bench, player)
  if (JSON.stringify(told) !== JSON.stringify(wanted)) {
    throw new Error(`p${player.peer.number}: told ${told} instead of ${wanted}`)
  }
  for (const text of player.sink.told.values()) {
    const originator = `"originatorId":"10.1.0.${saysSource(text)}"`
    if (!text.includes(originator)) throw new Error(`${text} lacks ${originator}`)
  }
}

function resume(bench: Bench, player: Player): void {
  player.sink.stalled = false
  player.sink.drain()
  player.peer.groups.get('ipv4-unicast')?.pump(player.peer.number)
  bench.engine.schedule()
}

t.test('a stalled member slows nobody, and its backlog is one bit a prefix', async (t) => {
  const bench = new Bench()
  const [source, slow, other] = [join(bench, 0), join(bench, 1), join(bench, 2)] as const
  bench.settle()
  slow.sink.stalled = true
  slow.sink.queuedBytes = 1 << 21
  for (let round = 0; round < 300; round++) {
    for (let prefix = 0; prefix < 256; prefix++) update(bench, source, prefix, 20, round)
    bench.settle()
    t.equal(other.sink.told.size, 256) || t.bailout('the other member waits')
  }
  t.equal(slow.sink.told.size, 0)
  resume(bench, slow)
  bench.settle()
  t.same(
    [...slow.sink.told],
    [...other.sink.told].filter(() => true),
  )
})

t.test('export Auto makes no transit: eBGP-learned goes to iBGP, never to eBGP', async (t) => {
  const bench = new Bench()
  const plain = { routeReflectorClient: false, clusterId: null }
  const tor = join(bench, 0, { asn: 65001, ...plain })
  const otherTor = join(bench, 1, { asn: 65002, ...plain })
  const node = join(bench, 2, plain)
  const secondNode = join(bench, 3, plain)
  bench.engine.announce([{ prefix: '10.244.1.0/24', reason: 'pod CIDR', communities: [] }])
  update(bench, tor, 1, 20, 0)
  update(bench, node, 2, 22, 0)
  bench.settle()
  t.same([...tor.sink.told.keys()], ['10.244.1.0/24'])
  t.same([...otherTor.sink.told.keys()], ['10.244.1.0/24'])
  t.same([...node.sink.told.keys()].sort(), ['10.1.1.0/24', '10.244.1.0/24'])
  t.same([...secondNode.sink.told.keys()].sort(), ['10.1.1.0/24', '10.244.1.0/24'])
  t.match(tor.sink.told.get('10.244.1.0/24'), /^10\.0\.0\.1 .*64512/, 'next hop self, own AS')
  t.match(node.sink.told.get('10.1.1.0/24'), /^10\.0\.0\.20 .*"localPref":100/, 'unchanged')
  t.same([...bench.routes.keys()].sort(), ['10.1.1.0/24', '10.1.2.0/24'], 'own is not installed')
})

t.test(
  'a path over a next hop that dies is left at once, and used again when it is back',
  async (t) => {
    const bench = new Bench()
    const [first, second] = [join(bench, 0), join(bench, 1)] as const
    update(bench, first, 1, 20, 0)
    update(bench, second, 1, 21, 0)
    bench.settle()
    t.equal(bench.routes.get('10.1.1.0/24'), '10.0.0.20,10.0.0.21')
    bench.nextHop('10.0.0.20', false)
    bench.settle()
    t.equal(bench.routes.get('10.1.1.0/24'), '10.0.0.21')
    bench.nextHop('10.0.0.21', false)
    bench.settle()
    t.equal(bench.routes.has('10.1.1.0/24'), false)
    bench.nextHop('10.0.0.20', true)
    bench.settle()
    t.equal(bench.routes.get('10.1.1.0/24'), '10.0.0.20')
  },
)

t.test('what is gone leaves nothing behind', async (t) => {
  const bench = new Bench()
  for (let round = 0; round < 20; round++) {
    const players = [join(bench, 0), join(bench, 1)] as const
    for (let prefix = 0; prefix < 256; prefix++) update(bench, players[0], prefix, 20, round)
    bench.settle()
    for (const { peer } of players) bench.engine.leave(peer)
    bench.settle()
  }
  const rib = bench.engine.rib('ipv4-unicast')
  t.equal(rib.prefixes.size, 0)
  t.equal(rib.paths.size, 0)
  t.equal(bench.engine.attributes.size, 0)
  t.ok(rib.prefixes.limit <= 512, 'rows are used again')
  t.ok(bench.engine.peers.names.length <= 4, 'peer numbers are used again')
  t.equal(bench.routes.size, 0)
})

t.test('refused prefixes and loops are kept, shown, and not used', async (t) => {
  const bench = new Bench({
    ...speaker,
    refuse: [{ prefix: '10.1.5.0/24', match: 'covered', reason: 'own pod CIDR' }],
  })
  const tor = join(bench, 0, { asn: 65001, routeReflectorClient: false, clusterId: null })
  update(bench, tor, 5, 20, 0)
  update(bench, tor, 6, 1, 0)
  bench.settle()
  const rib = bench.engine.rib('ipv4-unicast')
  t.equal(rib.paths.size, 2)
  t.equal(bench.routes.size, 0)
  t.equal(rib.counts.received[tor.peer.number], 2)
  t.equal(rib.counts.accepted[tor.peer.number], 0)
  bench.engine.configure(speaker)
  bench.settle()
  t.same([...bench.routes.keys()], ['10.1.5.0/24'], 'no longer refused; the own next hop still is')
})

t.test('what is only passed on reaches clients and the switch, and not the kernel', async (t) => {
  const range = { prefix: '10.1.5.0/24', match: 'covered', reason: 'service range' } as const
  const bench = new Bench({ ...speaker, refuse: [{ ...range, passOn: true }] })
  const [client, other] = [join(bench, 0), join(bench, 1)]
  const tor = join(bench, 2, { asn: 65001, routeReflectorClient: false })
  update(bench, client, 5, 20, 0)
  update(bench, client, 6, 20, 0)
  bench.settle()
  const both = ['10.1.5.0/24', '10.1.6.0/24']
  t.same([...other.sink.told.keys()].sort(), both)
  t.same([...tor.sink.told.keys()].sort(), both)
  t.same([...bench.routes.keys()], ['10.1.6.0/24'])
  bench.engine.configure(speaker)
  bench.settle()
  t.same([...bench.routes.keys()].sort(), both, 'once it is a prefix like any other')
})

t.test(
  'an IPv6 route whose next hop is an IPv4 address is not used, known attributes or not',
  async (t) => {
    const bench = new Bench()
    const families = ['ipv4-unicast', 'ipv6-unicast'] as const
    const player = join(bench, 0, { families }, { families })
    update(bench, player, 1, 20, 0)
    bench.settle()
    const known = encodeOwnAttributes({ origin: 'igp', localPref: 100, med: 0, communities: [] })
    const mpReach = [0x80, 14, 26, 0, 2, 1, 4, 10, 0, 0, 20, 0, 128, ...new Array(16).fill(0x20)]
    const out = new Writer(4096)
    out.bytes(new Uint8Array(16).fill(0xff))
    const attributes = [...mpReach, ...known]
    out.u16(23 + attributes.length)
    out.u8(2)
    out.u16(0)
    out.u16(attributes.length)
    out.bytes(Uint8Array.from(attributes))
    const bytes = out.written()
    const apply = (): unknown =>
      bench.engine.intake.apply(
        player.peer,
        bytes,
        new DataView(bytes.buffer),
        0,
        bytes.length,
        () => {},
      )
    try {
      apply()
    } catch (error) {
      t.type(error, NotificationError)
    }
    bench.settle()
    t.equal(bench.engine.rib('ipv6-unicast').paths.size, 0)
  },
)
