/** Two connections, and when to try again. */
import t from 'tap'
import type { DialOptions, Incoming, Transport } from '../../../bgp/types.ts'
import { FakeClock } from '../clock.ts'
import { PipeNetwork } from '../pipe.ts'
import {
  keepalive,
  message,
  ourAddress,
  ourRouterId,
  peerConfig,
  Script,
  Speaker,
  stage,
  stageEstablished,
  theirAddress,
  theirOpen,
} from './scene.ts'

/** Our OPEN's answer from a peer whose identifier makes our own dialling the preferred one. */
const lowerOpen = theirOpen({ routerId: 1 })

/** A session whose dialling is recorded as seconds since the start, without jitter. */
function recorded(overrides: Parameters<typeof peerConfig>[0] = {}) {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock)
  const host = network.host(ourAddress)
  const dials: number[] = []
  const options: DialOptions[] = []
  const transport: Transport = {
    dial(wanted, events) {
      dials.push(Math.round(clock.now() / 1000))
      options.push(wanted)
      return host.dial(wanted, events)
    },
    listen: host.listen,
  }
  const config = peerConfig(overrides)
  const speaker = new Speaker(config, clock, transport, ourRouterId, () => 1)
  return { clock, network, speaker, dials, options, script: new Script(network.host(theirAddress)) }
}

t.test('a peer that refuses is dialled again after growing pauses', async (t) => {
  const { clock, speaker, dials } = recorded()
  speaker.peer.start()
  clock.advance(240_000)
  t.same(dials, [0, 5, 15, 35, 75, 135, 195])
  t.match(
    speaker.peer.view().reason,
    /10\.0\.0\.2 refused the connection: nothing listens on port 179/,
  )
  t.equal(speaker.peer.state, 'Active')
})

t.test('a peer that does not answer is dialled again, with the reason', async (t) => {
  const { clock, network, speaker, dials } = recorded()
  network.silence(theirAddress)
  speaker.peer.start()
  clock.advance(4_000)
  t.equal(speaker.peer.state, 'Connect')
  clock.advance(60_000)
  t.same(dials, [0, 5, 10, 20, 40])
  t.match(speaker.peer.view().reason, /no answer from 10\.0\.0\.2 port 179 \(unreachable, filtered/)
})

t.test('repeated failures are news once', async (t) => {
  const { clock, speaker } = recorded()
  speaker.peer.start()
  clock.advance(120_000)
  const errors = speaker.events.filter(({ kind }) => kind === 'peer.error')
  t.same(
    errors.map(({ level }) => level),
    ['warn', 'debug', 'debug', 'debug', 'debug'],
  )
})

t.test('an error is not hidden by what follows from it', async (t) => {
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(100)
  script.last.say(theirOpen({ asn: 7, capabilities: [] }))
  clock.advance(6_000)
  t.equal(script.connections.length, 2)
  script.last.connection.destroy()
  clock.advance(100)
  t.match(
    speaker.peer.view().reason,
    /^10\.0\.0\.2 says AS 7, configured 65002; since then: 10\.0\.0\.2 closed the connection/,
  )
  t.match(speaker.peer.view().lastError, { direction: 'sent', text: /says AS 7/ })
  clock.advance(20_000)
  script.last.say(theirOpen(), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.view().reason, null)
})

t.test('jitter keeps the pauses of two speakers apart', async (t) => {
  const clock = new FakeClock()
  const network = new PipeNetwork(clock)
  const speaker = new Speaker(peerConfig(), clock, network.host(ourAddress), ourRouterId, () => 0)
  network.host(theirAddress)
  speaker.peer.start()
  clock.advance(1)
  t.ok(
    clock.until(() => speaker.peer.state === 'Connect', 3_760),
    'after 3.75 of 5 seconds',
  )
})

t.test('after an error the peer rests, longer every time', async (t) => {
  const { clock, speaker, script, dials } = recorded()
  await script.listen()
  speaker.peer.start()
  for (let times = 1; times <= 7; times++) {
    clock.until(() => script.connections.length === times, 100_000)
    script.last.say(message(9))
    clock.until(() => speaker.peer.state === 'Idle', 100)
    t.equal(speaker.peer.state, 'Idle')
  }
  t.same(dials, [0, 5, 15, 35, 75, 135, 195])
})

t.test('who comes during the pause after an error is told so', async (t) => {
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(100)
  script.last.say(message(9))
  clock.advance(100)
  const line = script.dial(ourAddress)
  clock.advance(100)
  t.equal(line.notification, '0605', 'Connection Rejected')
  t.equal(line.open, false)
  clock.advance(5_000)
  t.equal(script.connections.length, 3, 'then it is dialled again')
  script.last.say(theirOpen(), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established')
})

t.test('after an end in good order the peer may come back at once', async (t) => {
  for (const [caption, end] of [
    ['closed', []],
    ['Cease', [message(3, '0604')]],
  ] as const) {
    const { clock, speaker, script } = await stageEstablished()
    script.last.say(...end)
    script.last.connection.end()
    clock.advance(100)
    t.equal(speaker.peer.state, 'Active', caption)
    const line = script.dial(ourAddress)
    clock.advance(10)
    line.say(theirOpen(), keepalive)
    clock.advance(10)
    t.equal(speaker.peer.state, 'Established', caption)
    t.equal(speaker.peer.view().flaps, 1)
  }
})

t.test('only a session that has lasted makes the pauses short again', async (t) => {
  const { clock, speaker, script, dials } = recorded()
  await script.listen()
  speaker.peer.start()
  const pauses = [1, 1, 1, 299, 301, 1].map((seconds, i) => {
    clock.until(() => script.connections.length === i + 1, 100_000)
    script.last.say(theirOpen({ holdSeconds: 0 }), keepalive)
    clock.advance(seconds * 1000)
    t.equal(speaker.peer.state, 'Established')
    script.last.connection.destroy()
    clock.advance(100)
    const end = Math.round(clock.now() / 1000)
    clock.until(() => dials.length === i + 2, 100_000)
    return (dials[i + 1] ?? 0) - end
  })
  t.same(pauses, [5, 10, 20, 40, 5, 10])
})

t.test('a passive peer is never dialled', async (t) => {
  const { clock, speaker, dials } = recorded({ passive: true })
  speaker.peer.start()
  clock.advance(3600_000)
  t.same(dials, [])
  t.equal(speaker.peer.state, 'Active')
  t.equal(speaker.peer.view().reason, 'waiting for 10.0.0.2 to connect (passive)')
})

t.test('a passive peer that comes gets a session', async (t) => {
  const { clock, speaker, script } = await stage({ passive: true })
  speaker.peer.start()
  const line = script.dial(ourAddress)
  clock.advance(10)
  line.say(theirOpen(), keepalive)
  clock.advance(10)
  t.equal(speaker.peer.state, 'Established')
  line.connection.destroy()
  clock.advance(600_000)
  t.equal(speaker.peer.state, 'Active')
  t.equal(script.connections.length, 1)
})

t.test('an Established session wins over a new connection', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  const line = script.dial(ourAddress)
  clock.advance(100)
  t.equal(line.notification, '0607', 'Connection Collision Resolution')
  t.equal(speaker.peer.state, 'Established')
  t.same(speaker.downs, [])
})

t.test('a peer that dials again replaces what it dialled before', async (t) => {
  const { clock, speaker, script } = await stage({ passive: true })
  speaker.peer.start()
  const first = script.dial(ourAddress)
  clock.advance(100)
  const second = script.dial(ourAddress)
  clock.advance(100)
  t.equal(first.notification, '0607')
  second.say(theirOpen(), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established')
  t.equal(second.open, true)
})

t.test('the verdict waits for the OPEN of the preferred connection', async (t) => {
  // Ours is the higher identifier, so the connection we dialled is preferred.
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(100)
  const dialled = script.last
  const theirs = script.dial(ourAddress)
  clock.advance(100)
  theirs.say(lowerOpen, keepalive)
  clock.advance(100)
  t.same(theirs.types, [1], 'no KEEPALIVE on the one that may have to go')
  t.equal(speaker.peer.state, 'OpenSent')
  dialled.say(lowerOpen)
  clock.advance(100)
  t.equal(theirs.notification, '0607')
  t.same(dialled.types, [1, 4])
  dialled.say(keepalive)
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established')
})

t.test('if the preferred connection ends instead, the other goes on', async (t) => {
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(100)
  const dialled = script.last
  const theirs = script.dial(ourAddress)
  clock.advance(100)
  theirs.say(lowerOpen, keepalive)
  clock.advance(100)
  dialled.connection.destroy()
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established', 'its KEEPALIVE was waiting')
  t.equal(speaker.ups, 1)
})

t.test('a preferred connection that stays silent does not block the other', async (t) => {
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(100)
  const dialled = script.last
  const theirs = script.dial(ourAddress)
  clock.advance(100)
  theirs.say(lowerOpen, keepalive)
  clock.advance(4_000)
  t.equal(speaker.peer.state, 'OpenSent')
  clock.advance(2_000)
  t.equal(speaker.peer.state, 'Established')
  t.equal(dialled.notification, '0607')
})

t.test('when one connection fails, one that has greeted carries on', async (t) => {
  const { clock, speaker, script } = await stage()
  speaker.peer.start()
  clock.advance(100)
  const dialled = script.last
  const theirs = script.dial(ourAddress)
  clock.advance(100)
  dialled.say(message(9))
  clock.advance(100)
  theirs.say(theirOpen(), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established')
})

t.test('TTL options: GTSM, multihop, neither', async (t) => {
  for (const [settings, ttl, minTtl] of [
    [{}, null, null],
    [{ ebgpMultihop: 3 }, 3, null],
    [{ ttlSecurity: 1 }, 255, 255],
    [{ ttlSecurity: 4, ebgpMultihop: 9 }, 255, 252],
  ] as const) {
    const { clock, speaker, options } = recorded(settings)
    speaker.peer.start()
    clock.advance(10)
    t.match(options[0], { ttl, minTtl }, JSON.stringify(settings))
  }
})

t.test('the TTL of an accepted connection is set before anything else (RFC 5082)', async (t) => {
  const { speaker } = recorded({ passive: true, ttlSecurity: 1 })
  const calls: string[] = []
  const incoming = (fails: boolean): Incoming => ({
    remoteAddress: theirAddress,
    remotePort: 1,
    localAddress: ourAddress,
    setTtl(ttl, minTtl) {
      calls.push(`ttl ${ttl} ${minTtl}`)
      if (fails) throw new Error('cannot set the lowest TTL: EPERM')
    },
    accept() {
      calls.push('accept')
      throw new Error('far enough')
    },
    reject: () => calls.push('reject'),
  })
  speaker.peer.start()
  t.throws(() => speaker.peer.incoming(incoming(false)), /far enough/)
  t.same(calls.splice(0), ['ttl 255 255', 'accept'])
  speaker.peer.incoming(incoming(true))
  t.same(calls, ['ttl 255 255', 'reject'], 'what cannot be enforced is refused')
  t.match(speaker.peer.view().lastError, { direction: 'local', text: /EPERM/ })
})
