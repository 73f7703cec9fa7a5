/** A connection as whole messages: turns, borrowed bytes, orderly ends. The connection is a stub. */
import fc from 'fast-check'
import t from 'tap'
import {
  Channel,
  type ChannelEvents,
  lingerMs,
  messagesPerTurnMax,
} from '../../../bgp/session/channel.ts'
import type { Connection } from '../../../bgp/types.ts'
import { NotificationError } from '../../../bgp/wire/notification.ts'
import { FakeClock } from '../clock.ts'
import { endOfRib, keepalive, message } from './scene.ts'

const { FC_SEED: seedText } = process.env
const seed = Number(seedText ?? 4271)

/** What was done to a connection, and by whom the channel was called. */
function open(onMessage: (channel: Channel, type: number) => void = () => {}) {
  const clock = new FakeClock()
  const done: string[] = []
  const types: number[] = []
  const bodies: string[] = []
  const events: ChannelEvents = {
    connected: () => done.push('connected'),
    message(channel, type, start, end) {
      types.push(type)
      bodies.push(Buffer.from(channel.framer.bytes.subarray(start, end)).toString('hex'))
      onMessage(channel, type)
    },
    broken: (_channel, error) =>
      done.push(error instanceof NotificationError ? error.fault : String(error)),
    drained: () => done.push('drained'),
    closed: (_channel, error) => done.push(`closed ${error?.code ?? 'in order'}`),
    gone: () => done.push('gone'),
  }
  const channel = new Channel(clock, events)
  const connection: Connection = {
    localAddress: '10.0.0.1',
    localPort: 1,
    remoteAddress: '10.0.0.2',
    remotePort: 179,
    queuedBytes: 0,
    write: (bytes) => done.push(`write ${bytes.length}`) > 0,
    writeAll: (blocks) => done.push(`write ${blocks.map(({ length }) => length)}`) > 0,
    pause: () => done.push('pause'),
    resume: () => done.push('resume'),
    end: () => done.push('end'),
    destroy: () => done.push('destroy'),
  }
  channel.attach(connection, true)
  /** Hands over a chunk and spoils it, as the transport may. */
  const feed = (chunk: Uint8Array): void => {
    const borrowed = Uint8Array.from(chunk)
    channel.data(borrowed)
    borrowed.fill(0)
  }
  return { clock, channel, connection, done, types, bodies, feed }
}

function joined(messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(messages))
}

t.test('a flood is read in turns, with the socket paused in between', async (t) => {
  const { clock, done, types, feed } = open()
  feed(joined(Array.from({ length: 1000 }, () => endOfRib)))
  t.equal(types.length, messagesPerTurnMax)
  t.same(done, ['pause'])
  clock.flush()
  t.equal(types.length, 1000)
  t.same(done, ['pause', 'resume'])
})

t.test('what comes during a pause is kept, in order', async (t) => {
  const { clock, bodies, feed } = open()
  const messages = Array.from({ length: 700 }, (_, i) =>
    message(2, `0000 0000 ${i.toString(16).padStart(4, '0')}`),
  )
  feed(joined(messages.slice(0, 300)))
  feed(joined(messages.slice(300, 500)))
  feed(joined(messages.slice(500)))
  clock.flush()
  t.same(
    bodies,
    messages.map((one) => Buffer.from(one).toString('hex')),
  )
})

t.test('a chunk may be of any size', async (t) => {
  const { clock, types, feed } = open()
  const long = message(2, `0000 0000${'00'.repeat(4000)}`)
  feed(joined(Array.from({ length: 200 }, () => long)))
  clock.flush()
  t.equal(types.length, 200)
})

t.test('cut anywhere, the same messages come out', async (t) => {
  t.comment(`seed ${seed}`)
  const stream = joined([keepalive, endOfRib, message(5, '0001 00 01'), keepalive, endOfRib])
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 12 }), (cuts) => {
      const { types, feed } = open()
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length]
      places.slice(1).forEach((end, i) => {
        feed(stream.subarray(places[i], end))
      })
      return types.join() === '4,2,5,4,2'
    }),
    { seed, numRuns: 200 },
  )
})

t.test('a halt stops after the message at hand, until it may proceed', async (t) => {
  const { clock, channel, done, types, feed } = open((channel, type) => {
    if (type === 5) channel.halt()
  })
  feed(joined([keepalive, message(5, '0001 00 01'), endOfRib]))
  t.same(types, [4, 5])
  t.same(done, ['pause'])
  clock.advance(1000)
  feed(keepalive)
  t.same(types, [4, 5])
  channel.proceed()
  clock.flush()
  t.same(types, [4, 5, 2, 4])
  t.same(done, ['pause', 'resume'])
})

t.test('an end sends the farewell, and drops a peer that does not close', async (t) => {
  const { clock, channel, done, types, feed } = open()
  channel.end(keepalive)
  t.same(done, ['write 19', 'end', 'resume'])
  feed(keepalive)
  t.same(types, [], 'nothing is read any more')
  t.equal(channel.write([keepalive]), false)
  clock.advance(lingerMs)
  t.same(done.slice(3), ['destroy', 'gone'])
  channel.closed(null)
  t.same(done.slice(5), [], 'once')
})

t.test('an end is over when the other side closes', async (t) => {
  const { clock, channel, done } = open()
  channel.end(null)
  channel.closed(null)
  t.same(done, ['end', 'resume', 'gone'])
  t.equal(clock.pending, 0)
})

t.test('the message that ends the channel is the last', async (t) => {
  const { clock, types, feed } = open((channel) => channel.destroy())
  feed(joined([keepalive, keepalive]))
  clock.flush()
  t.same(types, [4])
})

t.test('faults of the framing and of the reader are reported, once', async (t) => {
  const garbled = open()
  garbled.feed(new Uint8Array(40))
  t.same(garbled.done, ['header/unsynchronized'])
  const failing = open(() => {
    throw new Error('a bug')
  })
  failing.feed(keepalive)
  t.same(failing.done, ['Error: a bug'])
})

t.test('a connection that ends by itself is reported with its error', async (t) => {
  const { channel, done } = open()
  channel.closed({ code: 'ECONNRESET', message: 'read ECONNRESET' })
  channel.drained()
  channel.connected()
  t.same(done, ['closed ECONNRESET'])
})

t.test('an attempt that is given up never writes', async (t) => {
  const { connection, done } = open()
  const channel = new Channel(new FakeClock(), {
    connected: () => done.push('connected'),
    message() {},
    broken() {},
    drained() {},
    closed: () => done.push('closed'),
    gone: () => done.push('gone'),
  })
  channel.attach(connection, false)
  t.equal(channel.localAddress, null)
  channel.end(keepalive)
  channel.connected()
  t.same(done, ['destroy', 'gone'])
})

t.test('what has left is what was written and does not wait', async (t) => {
  const { channel, connection } = open()
  channel.write([keepalive, endOfRib])
  t.equal(channel.leftBytes, keepalive.length + endOfRib.length)
  Object.assign(connection, { queuedBytes: 12 })
  t.equal(channel.leftBytes, keepalive.length + endOfRib.length - 12)
  t.equal(channel.queuedBytes, 12)
})
