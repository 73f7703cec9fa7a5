/** What is told of routes that move after a peer or a next hop went or came. */
import fc from 'fast-check'
import t from 'tap'
import { formatPrefix } from '../../bgp/index.ts'
import type { RouteChanges } from '../../bgp/types.ts'
import { EventLog } from '../../src/event-log.ts'
import { FirstPrefixes } from '../../src/first-prefixes.ts'
import { movesNamedMax, RouteMoves } from '../../src/route-moves.ts'
import { FakeClock } from '../bgp/clock.ts'

function stage() {
  const clock = new FakeClock()
  const events = new EventLog(clock)
  const peers = [
    { name: 'tor-a', address: '192.0.2.1' },
    { name: 'tor-b', address: '192.0.2.2' },
  ]
  const moves = new RouteMoves(clock, events, () => peers)
  const told = () => events.after(0, 100).filter(({ kind }) => kind === 'routes.moved')
  const happen = (kind: string, level: 'info' | 'warn' = 'warn', peer: string | null = 'tor-a') =>
    events.add({ kind, level, peer, text: `${kind} told` })
  const lose = (nextHop: string, reason: string) =>
    events.add({
      kind: 'fib.nexthop',
      level: 'warn',
      text: `next hop ${nextHop} is unreachable: ${reason}`,
      data: { nextHop, reachable: false, reason },
    })
  return { clock, moves, told, happen, lose }
}

/** 10.0.x.0/24, each with this set; 0: no longer wanted. */
function changes(sets: readonly number[]): RouteChanges {
  return {
    family: 'ipv4-unicast',
    count: sets.length,
    addresses: Uint32Array.from(sets, (_, row) => 0x0a000000 + (row << 8)),
    lengths: new Uint8Array(sets.length).fill(24),
    nextHopSets: Uint32Array.from(sets),
    sets: [{ id: 7, nextHops: ['192.0.2.1', '192.0.2.9'], peers: ['192.0.2.1', '192.0.2.3'] }],
  }
}

t.test('a burst after a cause is one event, once it is quiet', async (t) => {
  const { clock, moves, told, happen } = stage()
  happen('peer.down')
  moves.note(changes([7, 0, 9]))
  t.same(told(), [])
  clock.advance(1000)
  t.match(told(), [
    {
      peer: 'tor-a',
      text:
        'after tor-a went down: 2 routes moved, 1 gone: ' +
        '10.0.0.0/24 now via 192.0.2.1, 192.0.2.9 (tor-a, 192.0.2.3); 10.0.1.0/24 gone; 10.0.2.0/24',
      data: {
        changed: 2,
        gone: 1,
        routes: [
          { prefix: '10.0.0.0/24', peers: ['tor-a', '192.0.2.3'] },
          { prefix: '10.0.1.0/24', nextHops: null, peers: [] },
          { prefix: '10.0.2.0/24', nextHops: [], peers: [] },
        ],
      },
    },
  ])
})

t.test('a prefix that changes again in a burst is told once, as it is in the end', async (t) => {
  const { clock, moves, told, happen } = stage()
  happen('peer.down')
  moves.note(changes([7, 0]))
  moves.note(changes([0, 7]))
  moves.note(changes(new Array(movesNamedMax + 10).fill(7)))
  moves.note(changes([0, 0]))
  clock.advance(1000)
  const [event] = told()
  t.match(event?.data, { changed: movesNamedMax + 8, gone: 2 })
  const routes = event?.data?.['routes'] as readonly { prefix: string; nextHops: unknown }[]
  t.same(
    routes.slice(0, 3).map(({ prefix, nextHops }) => [prefix, nextHops === null]),
    [
      ['10.0.0.0/24', true],
      ['10.0.1.0/24', true],
      ['10.0.2.0/24', false],
    ],
    'in the order of addresses',
  )
})

t.test('what has no cause, or moves nothing, is not told', async (t) => {
  const { clock, moves, told, happen } = stage()
  moves.note(changes([7, 7]))
  happen('peer.error')
  happen('fib.nexthop', 'info', null)
  moves.note(changes([7]))
  happen('peer.established')
  clock.advance(60_000)
  t.same(told(), [])
})

t.test('several causes share an event; a peer is named only when it is the one', async (t) => {
  const { clock, moves, told, happen } = stage()
  happen('fib.nexthop', 'warn', null)
  happen('peer.down')
  moves.note(changes([0]))
  clock.advance(1000)
  t.match(told(), [{ peer: null, text: /^after fib\.nexthop told; tor-a went down: 1 gone/ }])
})

t.test(
  'next hops that one thing made unreachable are one cause, the peers among them named',
  async (t) => {
    const table = [
      {
        caption: 'a link with a peer behind it and what that peer passed on',
        lost: ['192.0.2.1', '192.0.2.7', '192.0.2.8'],
        cause: 'tor-a and 2 other next hops became unreachable (link eth0 has no carrier)',
        peer: 'tor-a',
      },
      {
        caption: 'two peers and one more',
        lost: ['192.0.2.1', '192.0.2.2', '192.0.2.7'],
        cause: 'tor-a, tor-b and 1 other next hop became unreachable (link eth0 has no carrier)',
        peer: null,
      },
      {
        caption: 'nobody who has a name',
        lost: ['192.0.2.7'],
        cause: 'next hop 192.0.2.7 became unreachable (link eth0 has no carrier)',
        peer: null,
      },
    ]
    for (const { caption, lost, cause, peer } of table) {
      const { clock, moves, told, lose } = stage()
      for (const nextHop of lost) lose(nextHop, 'link eth0 has no carrier')
      moves.note(changes([0]))
      clock.advance(1000)
      t.match(told(), [{ peer, data: { cause } }], caption)
    }
  },
)

t.test('what went and what came are told apart, however close', async (t) => {
  const { clock, moves, told, happen } = stage()
  happen('peer.established')
  moves.note(changes([7]))
  happen('peer.down')
  moves.note(changes([0]))
  happen('peer.established')
  clock.advance(1000)
  t.match(
    told().map(({ text }) => text),
    [/^after tor-a came up: 1 route moved/, /^after tor-a went down: 1 gone/],
  )
  t.equal(told().length, 2, 'nothing moved when it came again')
  moves.close()
  t.equal(clock.pending, 0)
})

t.test('the newest sets of next hops are known, however many there have been', async (t) => {
  const { clock, moves, told, happen } = stage()
  const sets = Array.from({ length: 5000 }, (_, id) => ({ id, nextHops: [`hop ${id}`], peers: [] }))
  moves.note({ ...changes([]), sets })
  happen('peer.down')
  moves.note({ ...changes([4999]), sets: [] })
  clock.advance(1000)
  t.match(told(), [{ text: /10\.0\.0\.0\/24 now via hop 4999$/ }])
})

t.test('further prefixes are counted, and an endless burst is told in parts', async (t) => {
  const { clock, moves, told, happen } = stage()
  happen('peer.down')
  const many = changes(new Array(movesNamedMax + 50).fill(7))
  for (let second = 0; second < 62; second++) {
    moves.note(many)
    clock.advance(500)
  }
  const [first] = told()
  const named = first?.data?.['routes'] ?? []
  t.equal((named as readonly unknown[]).length, movesNamedMax)
  t.match(first?.text, /; and \d+ more$/)
  moves.close()
  t.equal(clock.pending, 0)
})

t.test('IPv4 comes before IPv6, and the shorter of two prefixes of an address first', async (t) => {
  const { clock, moves, told, happen } = stage()
  happen('peer.down')
  const sixes: RouteChanges = {
    family: 'ipv6-unicast',
    count: 3,
    addresses: Uint32Array.of(0xfd000000, 0, 0, 1, 0xfd000000, 0, 0, 0, 0x20010db8, 0, 0, 0),
    lengths: Uint8Array.of(128, 8, 32),
    nextHopSets: new Uint32Array(3),
    sets: [],
  }
  moves.note(sixes)
  moves.note({ ...changes([0, 0]), addresses: Uint32Array.of(0x0a000000, 0x0a000000) })
  moves.note({ ...changes([0]), lengths: Uint8Array.of(8) })
  clock.advance(1000)
  const routes = (told()[0]?.data?.['routes'] ?? []) as readonly { prefix: string }[]
  t.same(
    routes.map(({ prefix }) => prefix),
    ['10.0.0.0/8', '10.0.0.0/24', '2001:db8::/32', 'fd00::/8', 'fd00::1/128'],
  )
})

const seed = 1792

/** Few different prefixes, so that they come again. */
const batches = fc.array(
  fc
    .record({
      family: fc.constantFrom('ipv4-unicast' as const, 'ipv6-unicast' as const),
      networks: fc.array(fc.nat(7), { maxLength: 20 }),
      length: fc.constantFrom(24, 32),
    })
    .map(({ family, networks, length }): RouteChanges => {
      const size = family === 'ipv4-unicast' ? 1 : 4
      const words = networks.flatMap((network) => [network << 24, 0, 0, 0].slice(0, size))
      return {
        family,
        count: networks.length,
        addresses: Uint32Array.from(words),
        lengths: new Uint8Array(networks.length).fill(length),
        nextHopSets: new Uint32Array(networks.length),
        sets: [],
      }
    }),
  { maxLength: 8 },
)

t.test(
  `the first prefixes are told from all others as by their texts (seed ${seed})`,
  async (t) => {
    const max = 5
    fc.assert(
      fc.property(batches, (all) => {
        const first = new FirstPrefixes(max)
        const texts: string[] = []
        for (const batch of all) {
          const size = batch.family === 'ipv4-unicast' ? 1 : 4
          let next = first.nextRow(batch, 0)
          for (let row = 0; row < batch.count; row++) {
            const length = batch.lengths[row] as number
            const text = formatPrefix(batch.family, batch.addresses, row * size, length)
            if (texts.length < max && !texts.includes(text)) texts.push(text)
            const place = row < next ? -1 : first.placeOf(batch, row)
            if (place !== texts.indexOf(text)) return false
            if (place >= 0 && first.format(place) !== text) return false
            if (row === next) next = first.nextRow(batch, row + 1)
          }
        }
        return first.count === texts.length
      }),
      { seed, numRuns: 500 },
    )
    t.pass('in the same places')
  },
)
