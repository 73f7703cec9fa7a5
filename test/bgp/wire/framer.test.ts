/**
 * Messages cut out of a stream, however it is cut: lengths and markers that end it, large messages
 * (RFC 8654), bounded steps.
 */
import fc from 'fast-check'
import t from 'tap'
import { Framer } from '../../../bgp/wire/framer.ts'
import { encodeRefresh, keepaliveMessage } from '../../../bgp/wire/message.ts'
import { faultOf, hex, hexText, seed, updateOf } from './vectors.ts'

const marker = 'ff'.repeat(16)

/** Every visited message in hexadecimal. */
function cut(chunks: readonly Uint8Array[], framer = new Framer()): string[] {
  const messages: string[] = []
  for (const chunk of chunks) {
    framer.push(chunk, (type, start, end) => {
      messages.push(`${type} ${hexText(framer.bytes.slice(start, end))}`)
    })
  }
  return messages
}

function join(messages: readonly Uint8Array[]): Uint8Array {
  return hex(messages.map(hexText).join(''))
}

const refresh = encodeRefresh('ipv6-unicast', 0)
const update = updateOf({ withdrawn: '10 0a01' })
const stream = join([keepaliveMessage, update, refresh, keepaliveMessage])
const whole = [
  `4 ${hexText(keepaliveMessage)}`,
  `2 ${hexText(update)}`,
  `5 ${hexText(refresh)}`,
  `4 ${hexText(keepaliveMessage)}`,
]

t.test(`a stream gives the same messages however it is cut (seed ${seed})`, async (t) => {
  t.same(cut([stream]), whole, 'in one chunk')
  t.same(cut(Array.from(stream, (octet) => Uint8Array.of(octet))), whole, 'octet by octet')
  const cuts = fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 8 })
  fc.assert(
    fc.property(cuts, (places) => {
      const sorted = [0, ...places.sort((a, b) => a - b), stream.length]
      const chunks = sorted.slice(1).map((end, i) => stream.slice(sorted[i], end))
      t.same(cut(chunks), whole)
    }),
    { seed },
  )
})

t.test('a header that cannot be right ends the stream', async (t) => {
  const table: readonly [what: string, header: string, fault: string][] = [
    ['no marker', `fe${'ff'.repeat(15)} 0013 04`, 'header/unsynchronized'],
    ['marker wrong at its end', `${'ff'.repeat(15)}7f 0013 04`, 'header/unsynchronized'],
    ['shorter than a header', `${marker} 0012 04`, 'header/badLength 0012'],
    ['longer than 4096', `${marker} 1001 02`, 'header/badLength 1001'],
    ['KEEPALIVE with a body', `${marker} 0014 04`, 'header/badLength 0014'],
    ['short OPEN', `${marker} 001c 01`, 'header/badLength 001c'],
    ['short UPDATE', `${marker} 0016 02`, 'header/badLength 0016'],
    ['short NOTIFICATION', `${marker} 0014 03`, 'header/badLength 0014'],
    ['short ROUTE-REFRESH', `${marker} 0016 05`, 'header/badLength 0016'],
    ['type 0', `${marker} 0013 00`, 'header/badType 00'],
    ['type 6', `${marker} 0013 06`, 'header/badType 06'],
    ['type 255', `${marker} 0013 ff`, 'header/badType ff'],
  ]
  for (const [what, header, fault] of table)
    t.equal(
      faultOf(() => cut([hex(header)])),
      fault,
      what,
    )
})

t.test('a long ROUTE-REFRESH is sent back whole (RFC 7313)', async (t) => {
  const message = hex(`${marker} 0018 05 0001 00 01 00`)
  t.equal(
    faultOf(() => cut([message])),
    `refresh/invalidLength ${hexText(message)}`,
  )
  t.equal(
    faultOf(() => cut([message.slice(0, 23)])),
    'accepted',
    'it is waited for',
  )
})

t.test('messages up to 65535 octets pass once they are negotiated, save OPEN', async (t) => {
  const framer = new Framer()
  framer.maxLength = 65535
  const long = new Uint8Array(65535)
  long.set(hex(`${marker} ffff 02`))
  t.equal(cut([long, keepaliveMessage], framer).length, 2)
  t.equal(
    faultOf(() => cut([hex(`${marker} 1001 01`)], framer)),
    'header/badLength 1001',
  )
})

t.test('a chunk may be of any size', async (t) => {
  const count = 20000
  const chunk = new Uint8Array(count * keepaliveMessage.length)
  for (let i = 0; i < count; i++) chunk.set(keepaliveMessage, i * keepaliveMessage.length)
  t.equal(cut([chunk]).length, count)
})

t.test('step visits as many messages as it is allowed and says when more wait', async (t) => {
  const framer = new Framer()
  let visited = 0
  const visit = () => {
    visited++
  }
  framer.take(stream)
  t.equal(framer.step(2, visit), true)
  t.equal(visited, 2)
  t.equal(framer.step(0, visit), true)
  t.equal(framer.step(2, visit), false)
  t.equal(visited, 4)
  t.equal(framer.pending, 0)
  framer.take(keepaliveMessage.slice(0, 18))
  t.equal(framer.step(1, visit), false, 'part of a message is no message')
  t.equal(framer.pending, 18)
})

t.test(
  'what is left of a chunk outlives it, and nothing of it is held when all was visited',
  async (t) => {
    const lent = join([stream, keepaliveMessage.slice(0, 7)])
    const framer = new Framer()
    const types: number[] = []
    const visit = (type: number) => types.push(type)
    framer.take(lent)
    framer.step(1, visit)
    framer.keep()
    lent.fill(0)
    framer.take(keepaliveMessage.slice(7))
    framer.step(9, visit)
    framer.keep()
    t.same(types, [4, 2, 5, 4, 4])
    t.equal(framer.pending, 0)
    t.equal(framer.bytes.length, 0)
  },
)

t.test('chunks that come before the first is visited follow it in order', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 9 }), (cuts) => {
      const framer = new Framer()
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length]
      places.slice(1).forEach((end, i) => {
        const lent = stream.slice(places[i], end)
        framer.take(lent)
        framer.keep()
        lent.fill(0)
      })
      t.same(framer.rest, stream)
      const messages: string[] = []
      framer.step(Number.POSITIVE_INFINITY, (type, start, end) => {
        messages.push(`${type} ${hexText(framer.bytes.slice(start, end))}`)
      })
      return messages.join() === cut([stream]).join()
    }),
    { seed, numRuns: 200 },
  )
})

t.test('a visitor that stops the framer sees nothing more', async (t) => {
  const framer = new Framer()
  let visited = 0
  framer.push(stream, () => {
    visited++
    framer.stop()
  })
  framer.push(stream, () => visited++)
  t.equal(visited, 1)
  t.equal(framer.pending, 0)
})
