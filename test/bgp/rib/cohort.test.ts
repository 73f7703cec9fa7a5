/**
 * Members that join an update group together: they are told the table in the same bytes, each without
 * its own routes, and none of them waits for another, whatever changes meanwhile.
 */
import t from 'tap'
import { Bench, join, type Player, update } from '../engine-scene.ts'

/** More than one turn tells. */
const tableSize = 9000

function own(bench: Bench, count: number, communities: readonly string[] = []): void {
  bench.engine.announce(
    Array.from({ length: count }, (_, each) => ({
      prefix: `10.${128 + (each >> 8)}.${each & 255}.0/24`,
      reason: 'pod CIDR',
      communities,
    })),
  )
}

/** The blocks that a member is sent, as the objects they are. */
function watch({ sink }: Player): Uint8Array[] {
  const seen: Uint8Array[] = []
  const send = sink.send.bind(sink)
  sink.send = (parts) => {
    seen.push(...parts)
    return send(parts)
  }
  return seen
}

function stall({ sink }: Player): void {
  sink.stalled = true
  sink.queuedBytes = 1 << 21
}

function resume(bench: Bench, { peer, sink }: Player): void {
  sink.stalled = false
  sink.drain()
  bench.engine.feed(peer)
  bench.settle()
}

function told({ sink }: Player): string[] {
  return [...sink.told].map((each) => each.join(' ')).sort()
}

t.test('members that join in one turn are told the table in the same bytes', async (t) => {
  const bench = new Bench()
  own(bench, tableSize)
  bench.settle()
  const [one, other] = [join(bench, 1), join(bench, 2)] as const
  const [ofOne, ofOther] = [watch(one), watch(other)]
  bench.settle()
  t.equal(one.sink.told.size, tableSize)
  t.equal(one.sink.endOfRibs, 1)
  // End-of-RIB is encoded for each.
  t.ok(ofOne.length > 2)
  for (const [at, block] of ofOne.slice(0, -1).entries()) t.equal(ofOther[at], block)
})

t.test('each is told all routes but its own', async (t) => {
  const bench = new Bench()
  const [one, other] = [join(bench, 1), join(bench, 2)] as const
  update(bench, one, 1, 20, 0)
  update(bench, other, 2, 20, 0)
  bench.settle()
  t.same([...one.sink.told.keys()], ['10.1.2.0/24'])
  t.same([...other.sink.told.keys()], ['10.1.1.0/24'])
})

t.test('what changes while the table is told is told as it is at last', async (t) => {
  const bench = new Bench()
  own(bench, tableSize)
  bench.settle()
  const joined = [join(bench, 1), join(bench, 2), join(bench, 3)] as const
  bench.step()
  const early = joined[0].sink.told.size
  t.ok(early > 0 && early < tableSize, 'under way')
  const late = join(bench, 4)
  own(bench, tableSize - 100, ['65000:1'])
  bench.step()
  own(bench, tableSize - 50, ['65000:2'])
  bench.settle()
  const [first] = joined
  t.equal(first.sink.told.size, tableSize - 50)
  for (const each of [...joined, late]) t.same(told(each), told(first))
  t.ok([...first.sink.told.values()].every((text) => text.includes('65000:2')))
})

t.test('one that stalls holds up nobody, and goes on where it was left', async (t) => {
  const bench = new Bench()
  own(bench, tableSize)
  bench.settle()
  const [one, slow] = [join(bench, 1), join(bench, 2)] as const
  bench.step()
  stall(slow)
  bench.settle()
  t.equal(one.sink.endOfRibs, 1)
  t.equal(slow.sink.endOfRibs, 0)
  own(bench, tableSize - 100)
  bench.settle()
  resume(bench, slow)
  t.same(told(slow), told(one))
  t.equal(slow.sink.endOfRibs, 1)
})

t.test('one that leaves while the table is told takes nothing from the others', async (t) => {
  const bench = new Bench()
  own(bench, tableSize)
  bench.settle()
  const [one, gone] = [join(bench, 1), join(bench, 2)] as const
  bench.step()
  bench.engine.leave(gone.peer)
  bench.settle()
  t.equal(one.sink.told.size, tableSize)
  t.equal(one.peer.groups.get('ipv4-unicast')?.holdsNumbers(), false, 'and nothing is left over')
})
