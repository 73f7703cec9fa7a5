/** The load generator's own parts, whose mistakes would look like somebody's speed. */
import fc from 'fast-check'
import t from 'tap'
import { Board } from './board.ts'
import { PathSink } from './path-sink.ts'
import { encodeFeed, encodeWithdrawals, foreign, Universe } from './universe.ts'
import {
  formatAddress,
  headerBytes,
  messageBytesMax,
  parseAddress,
  short,
  UpdateScan,
} from './wire.ts'

const seed = 4271

t.test('a prefix finds its number again', async (t) => {
  const base = parseAddress('10.1.0.1')
  const cases = fc.record({ mixed: fc.boolean(), number: fc.nat(3_000_000) })
  fc.assert(
    fc.property(cases, ({ mixed, number }) => {
      const universe = new Universe(mixed, base)
      const [address = '', length = ''] = universe.name(number).split('/')
      return universe.numberOf(parseAddress(address), Number(length)) === number
    }),
    { seed },
  )
  t.equal(new Universe(true, base).numberOf(parseAddress('10.0.0.0'), 24), foreign)
  t.equal(formatAddress(parseAddress('223.255.0.1')), '223.255.0.1')
})

t.test('a feed announces every prefix once, withdrawals take all back', async (t) => {
  const universe = new Universe(true, parseAddress('10.1.0.1'))
  const feed = encodeFeed(universe, 3, 100, 5100, { rich: true, med: true })
  const withdrawals = encodeWithdrawals(universe, 100, 5100)
  t.equal(messagesIn(feed.bytes), feed.messages)
  for (const [name, bytes] of Object.entries({ feed: feed.bytes, withdrawals })) {
    const seen = numbersIn(universe, bytes)
    t.equal(seen.length, 5000, `${name}: as many as there are`)
    t.equal(new Set(seen).size, 5000, `${name}: each once`)
    t.same([Math.min(...seen), Math.max(...seen)], [100, 5099], `${name}: the range`)
  }
  t.ok(feed.hops.every((hops) => hops >= 3 && hops <= 6))
})

t.test('a scan of any bytes stays inside the message', async (t) => {
  const scan = new UpdateScan()
  const universe = new Universe(true, parseAddress('10.1.0.1'))
  const { bytes: feed } = encodeFeed(universe, 0, 0, 8, { rich: true, med: true })
  const first = feed.slice(0, short(feed, 16))
  const damage = fc.array(fc.tuple(fc.nat(first.length - headerBytes - 1), fc.nat(255)), {
    maxLength: 4,
  })
  let understood = 0
  fc.assert(
    fc.property(damage, fc.nat(first.length - headerBytes), (changes, cut) => {
      const bytes = first.slice()
      for (const [at, value] of changes) bytes[headerBytes + at] = value
      const end = bytes.length - cut
      if (!scan.read(bytes, 0, end)) return true
      understood++
      const places = [scan.withdrawnStart, scan.withdrawnEnd, scan.prefixesStart, scan.prefixesEnd]
      return places.every((at, index) => at >= (places[index - 1] ?? 0) && at <= end)
    }),
    { seed, numRuns: 2000 },
  )
  t.ok(understood > 100, `${understood} of the damaged messages could still be read`)
})

t.test('the board counts as one would by looking', async (t) => {
  const prefixes = 6
  const step = fc.record({
    sink: fc.nat(2),
    prefix: fc.nat(prefixes - 1),
    from: fc.nat(3),
    want: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const board = new Board()
      const sinks = [0, 1, 2].map((player) => board.addSink(player))
      const want = Uint16Array.from({ length: prefixes }, (_, prefix) => (prefix % 3) + 1)
      const home = want.slice()
      board.expect(want, home)
      for (const { sink, prefix, from, want: changes } of steps) {
        if (changes) {
          want[prefix] = from
          board.expectRange(prefix, prefix + 1, from)
        } else {
          board.put(sinks[sink]!, prefix, from)
          board.evaluate(sinks[sink]!, 1)
        }
      }
      return (
        sinks.every((sink) => {
          const heard = [...want.keys()].filter((prefix) => home[prefix] !== sink.player + 1)
          const wrong = heard.filter((prefix) => sink.table[prefix] !== want[prefix])
          const missing = heard.filter((prefix) => want[prefix] !== 0 && sink.table[prefix] === 0)
          return sink.wrong === wrong.length && sink.missing === missing.length
        }) && board.open === sinks.filter((sink) => sink.wrong > 0).length
      )
    }),
    { seed, numRuns: 500 },
  )
  t.pass('missing, wrong and open agree')
})

t.test('what is wrong with the paths of a sink with ADD-PATH', async (t) => {
  const all = Uint8Array.of(1, 1, 1, 1, 0)
  const rows: [
    caption: string,
    limit: number,
    paths: [id: number, from: number][],
    RegExp | null,
  ][] = [
    [
      'all of the others',
      16,
      [
        [1, 2],
        [2, 3],
        [3, 4],
      ],
      null,
    ],
    [
      'one too few',
      16,
      [
        [1, 2],
        [2, 3],
      ],
      /has 2 paths of prefix 0 instead of 3 to 3/,
    ],
    [
      'the limit',
      2,
      [
        [1, 2],
        [2, 3],
      ],
      null,
    ],
    ['its own left out of the limit', 2, [[1, 2]], null],
    [
      'more than the limit',
      2,
      [
        [1, 2],
        [2, 3],
        [3, 4],
      ],
      /has 3 paths/,
    ],
    [
      'the same twice',
      16,
      [
        [1, 2],
        [2, 2],
        [3, 4],
      ],
      /two paths of a prefix via player 1/,
    ],
    [
      'one that withdrew',
      16,
      [
        [1, 2],
        [2, 3],
        [3, 5],
      ],
      /via player 4, which withdrew it/,
    ],
  ]
  for (const [caption, limit, paths, expected] of rows) {
    const sink = new PathSink(0, 1)
    for (const [id, from] of paths) sink.put(0, id, from)
    const fault = sink.fault(all, limit)
    if (expected === null) t.equal(fault, null, caption)
    else t.match(fault, expected, caption)
  }
})

function messagesIn(bytes: Uint8Array): number {
  let count = 0
  for (let at = 0; at < bytes.length; at += short(bytes, at + 16)) count++
  return count
}

/** Numbers of all prefixes announced or withdrawn, as a receiver finds them. */
function numbersIn(universe: Universe, bytes: Uint8Array): number[] {
  const numbers: number[] = []
  const scan = new UpdateScan()
  for (let at = 0; at < bytes.length; at += short(bytes, at + 16)) {
    const end = at + short(bytes, at + 16)
    if (end - at > messageBytesMax || !scan.read(bytes, at, end)) throw new Error(`bad at ${at}`)
    for (const [from, to] of [
      [scan.withdrawnStart, scan.withdrawnEnd],
      [scan.prefixesStart, scan.prefixesEnd],
    ] as const) {
      for (let place = from; place < to; ) {
        const length = bytes[place] as number
        const octets = [...bytes.subarray(place + 1, place + 1 + Math.ceil(length / 8)), 0, 0, 0]
        numbers.push(universe.numberOf(parseAddress(octets.slice(0, 4).join('.')), length))
        place += 1 + Math.ceil(length / 8)
      }
    }
  }
  return numbers
}
