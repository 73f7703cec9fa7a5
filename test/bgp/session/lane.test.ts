/** One connection's conversation: what malformed or misplaced messages are answered with, and time. */
import fc from 'fast-check'
import t from 'tap'
import { NotificationError } from '../../../bgp/wire/notification.ts'
import {
  byHand,
  endOfRib,
  keepalive,
  message,
  ourAddress,
  type Scene,
  stage,
  stageEstablished,
  theirOpen,
} from './scene.ts'

const day = 24 * 3600 * 1000
const { FC_SEED: seedText } = process.env
const seed = Number(seedText ?? 4271)

t.test('two OPENs and two KEEPALIVEs make a session', async (t) => {
  const { speaker, script } = await stageEstablished()
  t.same(script.last.types.slice(0, 2), [1, 4])
  t.same(speaker.log, ['up 65002'])
  t.equal(speaker.peer.negotiated?.holdSeconds, 90)
  t.equal(speaker.peer.localAddress, ourAddress)
})

t.test('hold time zero means no timer at all, through a day of silence', async (t) => {
  const { clock, speaker, script } = await stageEstablished({ holdSeconds: 0 })
  const heard = script.last.messages.length
  t.equal(clock.pending, 0, 'nothing is scheduled')
  clock.advance(day)
  t.equal(speaker.peer.state, 'Established')
  t.equal(script.last.messages.length, heard, 'not one KEEPALIVE')
  script.last.say(endOfRib)
  clock.advance(10)
  t.equal(speaker.updates.length, 1)
})

t.test('KEEPALIVEs go out at a third of the hold time, a little early', async (t) => {
  const { clock, script } = await stageEstablished({ holdSeconds: 9 })
  const before = script.last.messages.length
  for (let second = 0; second < 60; second++) {
    clock.advance(1000)
    script.last.say(keepalive)
  }
  const sent = script.last.messages.length - before
  t.ok(sent >= 20 && sent <= 27, `${sent} in a minute`)
})

t.test('an UPDATE we send takes the place of a KEEPALIVE', async (t) => {
  const { clock, script, speaker } = await stageEstablished({ holdSeconds: 9 })
  for (let second = 0; second < 60; second++) {
    clock.advance(1000)
    script.last.say(keepalive)
    speaker.peer.send([endOfRib], 1)
  }
  clock.advance(10)
  t.equal(script.last.types.filter((type) => type === 2).length, 60)
  t.equal(script.last.types.filter((type) => type === 4).length, 1)
  t.equal(speaker.peer.view().messages.sent.update, 60)
})

t.test('a silent peer is given up when the hold time has passed', async (t) => {
  const { clock, speaker, script } = await stageEstablished({ holdSeconds: 9 })
  clock.advance(8_800)
  t.equal(speaker.peer.state, 'Established')
  clock.advance(300)
  t.equal(speaker.peer.state, 'Idle')
  t.equal(script.last.notification, '0400', 'Hold Timer Expired')
  t.match(speaker.downs, [/hold timer expired/])
})

t.test('what lies in the socket when the hold timer is due still counts', async (t) => {
  const { clock, speaker, events } = byHand({ holdSeconds: 9 })
  speaker.peer.start()
  events().connected()
  events().data(theirOpen())
  events().data(keepalive)
  t.equal(speaker.peer.state, 'Established')
  // As after a busy spell: both are due, and the timer is looked at first.
  clock.schedule(9_000, () => events().data(keepalive))
  clock.advance(9_000)
  t.equal(speaker.peer.state, 'Established')
  clock.advance(9_001)
  t.equal(speaker.peer.state, 'Idle', 'there is one such extension, not an endless one')
})

t.test('UPDATEs and ROUTE-REFRESHs keep a session alive as KEEPALIVEs do', async (t) => {
  const { clock, speaker, script } = await stageEstablished({ holdSeconds: 9 })
  for (let i = 0; i < 10; i++) {
    clock.advance(8_000)
    script.last.say(i % 2 === 0 ? endOfRib : message(5, '0001 00 01'))
  }
  t.equal(speaker.peer.state, 'Established')
  t.same(speaker.log.slice(1, 3), ['refresh ipv4-unicast 0', 'refresh ipv4-unicast 0'])
})

t.test('refreshes of families or kinds we do not know are passed over', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  script.last.say(message(5, '0019 00 46'), message(5, '0001 09 01'), message(5, '0002 01 01'))
  clock.advance(10)
  t.same(speaker.log.slice(1), ['refresh ipv6-unicast 1'])
  t.equal(speaker.peer.state, 'Established')
})

t.test('a peer that says nothing after connecting is given four minutes', async (t) => {
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(239_000)
  t.equal(speaker.peer.state, 'OpenSent')
  clock.advance(2_000)
  t.equal(script.connections[0]?.notification, '0400')
  t.match(speaker.peer.view().reason, /sent no OPEN for 240 s/)
})

const v4open = '04 fdea 005a 0a000002'
const openRows: readonly [caption: string, say: readonly Uint8Array[], answer: string][] = [
  ['a broken marker', [Uint8Array.from(theirOpen()).fill(0, 0, 1)], '0101'],
  ['a length below the header', [Uint8Array.from(keepalive).fill(3, 17, 18)], '01020003'],
  ['a KEEPALIVE that is too long', [message(4, '00')], '01020014'],
  ['an unknown type', [message(9)], '010309'],
  ['another version', [message(1, '03 fdea 005a 0a000002 00')], '02010004'],
  ['another AS', [message(1, '04 fde9 005a 0a000002 00')], '0202'],
  ['router id zero', [message(1, '04 fdea 005a 00000000 00')], '0203'],
  ['an unknown parameter', [message(1, `${v4open} 03 01 01 00`)], '0204'],
  ['a hold time of two', [message(1, '04 fdea 0002 0a000002 00')], '0206'],
  ['no family in common', [message(1, `${v4open} 08 02 06 01 04 0002 00 01`)], '0207010400010001'],
  ['a parameter that overruns', [message(1, `${v4open} 02 02 09`)], '0200'],
  ['KEEPALIVE before OPEN', [keepalive], '050104'],
  ['UPDATE before OPEN', [endOfRib], '050102'],
  ['ROUTE-REFRESH before OPEN', [message(5, '0001 00 01')], '050105'],
  ['UPDATE before KEEPALIVE', [theirOpen(), endOfRib], '050202'],
  ['a second OPEN', [theirOpen(), theirOpen()], '050201'],
  ['a third OPEN', [theirOpen(), keepalive, theirOpen()], '050301'],
  ['a refresh of the wrong length', [theirOpen(), keepalive, message(5, '00010001 00')], '0701'],
]

t.test('what cannot be accepted is answered with its NOTIFICATION', async (t) => {
  for (const [caption, say, answer] of openRows) {
    const { clock, speaker, script } = await stage()
    speaker.peer.start()
    clock.advance(100)
    script.last.say(...say)
    clock.advance(100)
    const line = script.connections[0]
    t.ok(line?.notification?.startsWith(answer), `${caption}: ${answer} (${line?.notification})`)
    t.equal(line?.open, false, 'and the connection is closed')
    t.equal(speaker.peer.state, 'Idle')
    t.equal(line?.types.filter((type) => type === 3).length, 1, 'one NOTIFICATION')
  }
})

t.test('a NOTIFICATION is never answered', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  script.last.say(message(3, '0602 05') /* a text that is not there */)
  clock.advance(10)
  t.equal(script.last.notification, null)
  t.match(speaker.downs, [/Administrative Shutdown.*shut down there/])
})

t.test('the speaker may end a session by throwing a NotificationError', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  speaker.onUpdate = () => {
    throw new NotificationError('update/malformedAttributes', 'nonsense', Uint8Array.of(7))
  }
  script.last.say(endOfRib, endOfRib)
  clock.advance(10)
  t.equal(script.last.notification, '030107')
  t.same(speaker.downs, ['nonsense'])
})

t.test('any other error is our own: said so, contained to this session', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  speaker.onUpdate = () => {
    throw new TypeError('a bug')
  }
  script.last.say(endOfRib)
  clock.advance(10)
  t.equal(script.last.notification, '0600')
  t.match(speaker.downs, [/internal error while handling a message: TypeError: a bug/])
})

t.test('nothing is delivered after the speaker has stopped the session', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  speaker.onUpdate = () => void speaker.peer.stop('cease/maxPrefixes')
  script.last.say(endOfRib, endOfRib, endOfRib)
  clock.advance(10)
  t.equal(speaker.updates.length, 1)
  t.equal(script.last.notification, '0601')
})

t.test('a message longer than 4096 octets needs RFC 8654 on both sides', async (t) => {
  const long = message(2, `${'0000 0fff'}${'00'.repeat(0xfff)}`)
  const plain = await stageEstablished()
  plain.script.last.say(long)
  plain.clock.advance(10)
  t.ok(plain.script.last.notification?.startsWith('0102'))
  const capabilities = [{ kind: 'extendedMessage' } as const]
  const extended = await stageEstablished({}, { capabilities })
  extended.script.last.say(long)
  extended.clock.advance(10)
  t.equal(extended.speaker.updates.length, 1)
})

function sendMuch({ speaker, clock }: Scene): void {
  const block = new Uint8Array(60_000)
  while (speaker.peer.send([block], 1)) clock.advance(1)
}

t.test('a peer that reads nothing is given up when the send hold timer expires', async (t) => {
  const scene = await stageEstablished({ holdSeconds: 0 })
  const { clock, speaker, script } = scene
  script.last.connection.pause()
  sendMuch(scene)
  t.ok(speaker.peer.queuedBytes > 0)
  clock.advance(479_000)
  t.equal(speaker.peer.state, 'Established')
  clock.advance(2_000)
  t.match(speaker.downs, [/send hold timer expired/])
  t.equal(script.last.notification, null, 'a NOTIFICATION would only have joined the queue')
})

t.test('a peer that reads slowly is not', async (t) => {
  const scene = await stageEstablished({ holdSeconds: 0 }, {}, { chunkMax: 20_000 })
  const { clock, speaker, script } = scene
  script.last.connection.pause()
  sendMuch(scene)
  for (let i = 0; i < 5; i++) {
    clock.advance(400_000)
    script.last.connection.resume()
    clock.advance(2)
    script.last.connection.pause()
  }
  t.equal(speaker.peer.state, 'Established')
  script.last.connection.resume()
  clock.advance(10_000)
  t.ok(speaker.drains > 0)
  clock.advance(day)
  t.equal(speaker.peer.state, 'Established')
})

t.test('whatever a peer sends, nothing but a NOTIFICATION comes of it', async (t) => {
  t.comment(`seed ${seed}`)
  const valid = fc.constantFrom(theirOpen(), keepalive, endOfRib, message(5, '0001 00 01'))
  const damaged = fc
    .tuple(valid, fc.nat(), fc.integer({ min: 0, max: 255 }))
    .map(([bytes, at, octet]) => Uint8Array.from(bytes).fill(octet, at % bytes.length, 1 + at))
  const anything = fc.uint8Array({ maxLength: 80 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(valid, damaged, anything), { maxLength: 8 }),
      fc.integer({ min: 1, max: 60 }),
      async (chunks, chunkMax) => {
        const { clock, speaker, script } = await stage({}, { chunkMax })
        speaker.peer.start()
        clock.advance(100)
        const line = script.last
        line.say(...chunks)
        clock.advance(1000)
        const farewells = line.types.filter((type) => type === 3).length
        return farewells <= 1 && (line.open || speaker.peer.state !== 'Established')
      },
    ),
    { seed, numRuns: 300 },
  )
})
