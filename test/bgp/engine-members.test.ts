/**
 * What members of update groups are told as peers come, go and return, and how they share the time of
 * a turn (RFC 4456 §8, RFC 4724 §4.2).
 */
import t from 'tap'
import { decisionMsMax } from '../../bgp/engine.ts'
import { prefixesPerLook, prefixesPerTurnMax } from '../../bgp/rib/family-rib.ts'
import { memberLagBytesMax } from '../../bgp/rib/member.ts'
import { encodingMsMax } from '../../bgp/rib/update-group.ts'
import type { FamilyName } from '../../bgp/types.ts'
import { Bench, join, Listener, speaker, update } from './engine-scene.ts'

const family: FamilyName = 'ipv4-unicast'
const agreed = { addPathSend: [family] } as const
const prefix = '10.1.1.0/24'

t.test('a peer that returns with another router id is reflected under that one', async (t) => {
  const bench = new Bench()
  const { engine } = bench
  const { peer } = join(bench, 0)
  const other = join(bench, 2)
  const { sink } = join(bench, 1)
  for (const source of [{ peer, sink }, other]) update(bench, source, 1, 20, 0)
  bench.settle()
  t.match(sink.told.get(prefix), '"originatorId":"10.1.0.0"')
  engine.leave(peer, [family])
  bench.settle()
  const renumbered = { ...peer.negotiated, peerRouterId: 0x0a010009 }
  const { addresses, number, config } = peer
  const back = engine.join(config, renumbered, addresses, new Listener(renumbered), number)
  bench.settle()
  t.match(sink.told.get(prefix), '"originatorId":"10.1.0.2"', 'the lower router id wins now')
  engine.leave(other.peer)
  bench.settle()
  t.match(sink.told.get(prefix), '"originatorId":"10.1.0.9"')
  t.equal(back.number, number)
})

t.test('what is kept of a peer is told anew when it returns with another router id', async (t) => {
  const bench = new Bench()
  const { engine } = bench
  const { peer } = join(bench, 0)
  const { sink } = join(bench, 1)
  update(bench, { peer, sink }, 1, 20, 0)
  bench.settle()
  engine.leave(peer, [family])
  bench.settle()
  const { updates } = sink
  for (const [peerRouterId, told] of [
    [peer.negotiated.peerRouterId, 0],
    [0x0a010009, 1],
  ] as const) {
    const agreed = { ...peer.negotiated, peerRouterId }
    const again = engine.join(
      peer.config,
      agreed,
      peer.addresses,
      new Listener(agreed),
      peer.number,
    )
    bench.settle()
    t.equal(sink.updates - updates, told, told === 0 ? 'the same: nothing is said' : 'another')
    engine.leave(again, [family])
    bench.settle()
  }
  t.match(sink.told.get(prefix), '"originatorId":"10.1.0.9"')
})

t.test('a number that groups still know is not given to another peer', async (t) => {
  const bench = new Bench()
  const { engine } = bench
  const [gone, , reader] = [join(bench, 5), join(bench, 9), join(bench, 1)]
  const stays = join(bench, 8)
  for (const source of [gone, stays]) update(bench, source, 1, 20, 0)
  bench.settle()
  engine.deferring = true
  engine.leave(gone.peer)
  bench.settle()
  t.equal(engine.peers.retired, 1, 'another has its only prefix, and nobody was told of that yet')
  update(bench, join(bench, 3), 1, 20, 0)
  bench.settle()
  engine.deferring = false
  bench.settle()
  t.match(reader.sink.told.get(prefix), '"originatorId":"10.1.0.3"')
  t.equal(engine.peers.retired, 0)
})

t.test('End-of-RIB comes behind what is known and not decided yet', async (t) => {
  const bench = new Bench()
  const source = join(bench, 0)
  bench.settle()
  const { sink } = join(bench, 1)
  const count = prefixesPerTurnMax * 2
  for (let number = 0; number < count; number++) update(bench, source, number, 20, 0)
  for (let turns = 0; sink.endOfRibs === 0 && turns < 100; turns++) bench.step()
  t.equal(sink.endOfRibs, 1)
  t.equal(sink.told.size, count)
})

t.test('the time of a turn is shared by all groups, and none of them starves', async (t) => {
  let milliseconds = 0
  // Every look at the clock costs a millisecond, and nothing else does.
  const bench = new Bench(speaker, () => milliseconds++)
  const source = join(bench, 0)
  const readers = Array.from({ length: 40 }, (_, number) =>
    join(bench, 1 + number, { addPathSend: 'Best', addPathLimit: 1 + number }, agreed),
  )
  bench.settle()
  t.equal(new Set(readers.map(({ peer }) => peer.groups.get(family))).size, 40)
  const count = 2000
  for (let number = 0; number < count; number++) update(bench, source, number, 20, 0)
  const told = (): number => readers.reduce((sum, { sink }) => sum + sink.told.size, 0)
  let most = 0
  for (let before = 0; before < 40 * count; ) {
    bench.step()
    most = Math.max(most, told() - before)
    before = told()
  }
  const inTime = encodingMsMax + decisionMsMax
  t.ok(most <= (inTime + readers.length) * prefixesPerLook, `at most ${most} prefixes in a turn`)
  t.ok(readers.every(({ sink }) => sink.told.size === count))
})

t.test('a member too far behind in the log leaves it and gets only the newest state', async (t) => {
  const bench = new Bench()
  const [slow, other] = [join(bench, 0), join(bench, 1)] as const
  bench.settle()
  slow.sink.stalled = true
  slow.sink.queuedBytes = 1 << 21
  const before = slow.sink.updates
  for (let round = 0; other.sink.bytes <= memberLagBytesMax * 1.1; round++) {
    bench.engine.announce(
      Array.from({ length: 200 }, (_, each) => ({
        ...{ prefix: `10.244.${each}.0/24`, reason: 'pod CIDR' },
        communities: Array.from({ length: 300 }, (_, at) => `${round}:${each}:${at}`),
      })),
    )
    bench.settle()
  }
  t.equal(slow.sink.updates, before, 'it was told nothing')
  t.equal(slow.peer.groups.get(family)?.logBytes, 0, 'nobody needs the log any more')
  slow.sink.stalled = false
  slow.sink.drain()
  bench.engine.feed(slow.peer)
  bench.settle()
  t.same([...slow.sink.told].sort(), [...other.sink.told].sort())
  t.equal(slow.sink.updates - before, 200, 'a message for each prefix, whatever happened between')
})
