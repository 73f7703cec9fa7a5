/** The session as the speaker sees it: orders, changed settings, and what people are shown. */
import t from 'tap'
import type { PeerSession } from '../../../bgp/session/peer.ts'
import { compareSettings } from '../../../bgp/session/settings.ts'
import type { PeerConfig, SessionState } from '../../../bgp/types.ts'
import {
  keepalive,
  message,
  ourAddress,
  peerConfig,
  stage,
  stageEstablished,
  theirOpen,
} from './scene.ts'

t.test('the view of an Established session', async (t) => {
  const { clock, speaker } = await stageEstablished({
    password: null,
    families: ['ipv4-unicast', 'ipv6-unicast'],
  })
  t.match(speaker.peer.view(), {
    name: 'rack',
    origin: 'BGPPeer rack',
    address: '10.0.0.2',
    asn: 65002,
    localAsn: 65001,
    localAddress: ourAddress,
    type: 'ebgp',
    state: 'Established',
    reason: null,
    remoteRouterId: '10.0.0.2',
    holdSeconds: 90,
    keepaliveSeconds: 30,
    password: false,
    capabilities: {
      local: [
        'multiprotocol ipv4-unicast',
        'multiprotocol ipv6-unicast',
        'route refresh',
        'enhanced route refresh',
        '4-octet AS 65001',
        'graceful restart 120 s: notification, ipv4-unicast, ipv6-unicast',
        'extended message',
      ],
      remote: ['multiprotocol ipv4-unicast', '4-octet AS 65002', 'route refresh'],
    },
    messages: {
      sent: { open: 1, keepalive: 1, update: 0, notification: 0, refresh: 0 },
      received: { open: 1, keepalive: 1, update: 0, notification: 0, refresh: 0 },
    },
    flaps: 0,
    lastError: null,
    queuedBytes: 0,
  })
  const { since } = speaker.peer.view()
  t.ok(since !== null && since > clock.epoch && since <= clock.wall())
  t.match(speaker.events.at(-2), {
    kind: 'peer.established',
    level: 'info',
    peer: 'rack',
    text: 'session with rack (AS 65002) established: ipv4-unicast, hold time 90 s',
  })
})

t.test('the MD5 key is never shown', async (t) => {
  const { speaker } = await stage({ password: 'hush-hush' })
  const view = speaker.peer.view()
  t.equal(view.password, true)
  t.notMatch(JSON.stringify(view), 'hush-hush')
})

t.test('before a session, the view says what is configured and what is going on', async (t) => {
  const { speaker } = await stage({ holdSeconds: 0 })
  t.match(speaker.peer.view(), { state: 'Idle', holdSeconds: null, keepaliveSeconds: null })
  speaker.peer.start()
  t.match(speaker.peer.view(), {
    state: 'Connect',
    reason: 'connecting to 10.0.0.2 port 179',
    remoteRouterId: null,
    capabilities: { remote: [] },
  })
})

t.test('every state it passes through is an event', async (t) => {
  const { speaker } = await stageEstablished()
  const states = speaker.events
    .filter(({ kind }) => kind === 'peer.state')
    .map(({ data }) => data?.['state'])
  t.same(states, ['Connect', 'OpenSent', 'OpenConfirm', 'Established'] satisfies SessionState[])
})

t.test('what happened lately is remembered, and only lately', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  t.match(speaker.peer.history.at(-1)?.text, 'OpenConfirm to Established')
  script.last.connection.destroy()
  clock.advance(48 * 3600_000)
  t.equal(speaker.peer.history.length, 32)
})

t.test('stopping tells the peer, with the words of the administrator (RFC 9003)', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  let quiet = false
  const stopped = speaker.peer.stop('cease/administrativeShutdown', 'rack move').then(() => {
    quiet = true
  })
  t.equal(speaker.peer.state, 'Idle', 'at once')
  t.equal(quiet, false, 'but the words are still on their way')
  clock.advance(100)
  await stopped
  t.equal(script.last.notification, `060209${Buffer.from('rack move').toString('hex')}`)
  t.equal(speaker.peer.view().reason, 'rack move')
  clock.advance(3600_000)
  t.equal(script.connections.length, 1, 'it is not dialled again')
  t.equal(clock.pending, 0)
  speaker.peer.start()
  clock.advance(100)
  t.equal(script.connections.length, 2, 'until it is started')
})

t.test('a shutdown or a reset by order carries the words of the administrator', async (t) => {
  const words = 'é'.repeat(130)
  const cut = `${'ff'}${Buffer.from('é'.repeat(127)).toString('hex')}`
  const orders: readonly [string, (peer: PeerSession) => void, string][] = [
    ['no words', (peer) => peer.reconfigure(peerConfig({ shutdown: true })), '0602'],
    [
      'shut down',
      (peer) => peer.reconfigure(peerConfig({ shutdown: true, shutdownMessage: 'moved' })),
      `060205${Buffer.from('moved').toString('hex')}`,
    ],
    ['reset', (peer) => peer.reset('moved'), `060405${Buffer.from('moved').toString('hex')}`],
    ['too many words', (peer) => peer.reset(words), `0604${cut.replace(/^ff/, 'fe')}`],
    [
      'words of a peer that is not shut down',
      (peer) => peer.reconfigure(peerConfig({ holdSeconds: 30, shutdownMessage: 'moved' })),
      '0606',
    ],
  ]
  for (const [caption, order, notification] of orders) {
    const { clock, speaker, script } = await stageEstablished()
    order(speaker.peer)
    clock.advance(100)
    t.equal(script.connections[0]?.notification, notification, caption)
  }
  const { speaker } = await stageEstablished()
  speaker.peer.reconfigure(peerConfig({ shutdown: true, shutdownMessage: 'moved' }))
  t.equal(speaker.peer.view().reason, 'administratively down: "moved"')
  t.equal(
    speaker.peer.reconfigure(peerConfig({ shutdown: true, shutdownMessage: 'moved again' })),
    'applied',
    'other words alone are no news to the peer',
  )
  t.equal(speaker.peer.view().reason, 'administratively down: "moved again"')
})

t.test('stopping waits two seconds for a peer that does not read, not longer', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  script.last.connection.pause()
  let quiet = false
  const stopped = speaker.peer.stop('cease/administrativeShutdown').then(() => {
    quiet = true
  })
  clock.advance(1_900)
  await null
  t.equal(quiet, false)
  clock.advance(200)
  await stopped
  t.equal(quiet, true)
})

t.test('stopping without a fault closes TCP and says nothing', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  await speaker.peer.stop(null)
  clock.advance(10)
  t.equal(script.last.notification, null)
  t.equal(script.last.open, false)
  t.equal(speaker.downs.length, 1)
})

t.test('a reset comes back within about a second', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  speaker.peer.reset('new line card')
  clock.advance(100)
  t.equal(script.last.notification, `06040d${Buffer.from('new line card').toString('hex')}`)
  t.equal(script.last.open, false)
  clock.advance(1000)
  t.equal(script.connections.length, 2)
  script.last.say(theirOpen(), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.state, 'Established')
  t.same(speaker.log, ['up 65002', 'down', 'up 65002'])
})

t.test('a speaker that stops the session from within its own callbacks', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  speaker.onDown = () => void speaker.peer.stop(null)
  script.last.connection.destroy()
  clock.advance(3600_000)
  t.equal(speaker.peer.state, 'Idle')
  t.equal(script.connections.length, 1)
})

t.test('refreshes are asked for where they can be answered', async (t) => {
  const able = await stageEstablished({ families: ['ipv4-unicast', 'ipv6-unicast'] })
  t.equal(able.speaker.peer.requestRefresh('ipv4-unicast'), true)
  t.equal(able.speaker.peer.requestRefresh('ipv6-unicast'), false, 'not negotiated')
  able.clock.advance(10)
  t.same(able.script.last.messages.at(-1), message(5, '0001 00 01'))
  t.equal(able.speaker.peer.view().messages.sent.refresh, 1)
  able.speaker.peer.send([message(5, '0001 01 01'), message(5, '0001 02 01')], 0)
  t.match(able.speaker.peer.view().messages.sent, { refresh: 3, update: 0 }, 'marks count too')
  const unable = await stageEstablished({}, { capabilities: [] })
  t.equal(unable.speaker.peer.requestRefresh('ipv4-unicast'), false)
  const down = await stage()
  t.equal(down.speaker.peer.requestRefresh('ipv4-unicast'), false)
  t.equal(down.speaker.peer.send([keepalive], 1), false)
})

t.test('a peer that is held down or shut down says why and does nothing', async (t) => {
  for (const [settings, reason] of [
    [{ heldDown: 'Secret tor-key is missing' }, 'Secret tor-key is missing'],
    [{ shutdown: true }, 'administratively down'],
  ] as const) {
    const { clock, speaker, script } = await stage(settings)
    speaker.peer.start()
    const line = script.dial(ourAddress)
    clock.advance(3600_000)
    t.equal(speaker.peer.state, 'Idle')
    t.equal(speaker.peer.view().reason, reason)
    t.same(script.connections.length, 1, 'nobody was dialled')
    t.equal(line.open, false, 'nor let in')
    speaker.peer.reconfigure(peerConfig())
    clock.advance(100)
    t.equal(script.connections.length, 2, 'until it is allowed')
  }
})

const changes: readonly [Partial<PeerConfig>, 'unchanged' | 'applied' | 'reset'][] = [
  [{}, 'unchanged'],
  [{ families: ['ipv4-unicast'] }, 'unchanged'],
  [{ description: 'top of rack' }, 'applied'],
  [{ origin: 'mesh' }, 'applied'],
  [{ passive: true }, 'applied'],
  [{ keepaliveSeconds: 10 }, 'applied'],
  [{ connectRetrySeconds: 60 }, 'applied'],
  [{ routeReflectorClient: true }, 'applied'],
  [{ clusterId: '1.1.1.1' }, 'applied'],
  [{ nextHopMode: 'Self' }, 'applied'],
  [{ export: 'All' }, 'applied'],
  [{ allowedLocalAsns: 1 }, 'applied'],
  [{ asOverride: true }, 'applied'],
  [{ address: '10.0.0.9' }, 'reset'],
  [{ port: 1179 }, 'reset'],
  [{ asn: 65009 }, 'reset'],
  [{ localAsn: 65009 }, 'reset'],
  [{ localAddress: '10.0.0.8' }, 'reset'],
  [{ password: 'secret' }, 'reset'],
  [{ holdSeconds: 30 }, 'reset'],
  [{ families: ['ipv4-unicast', 'ipv6-unicast'] }, 'reset'],
  [{ ttlSecurity: 1 }, 'reset'],
  [{ ebgpMultihop: 2 }, 'reset'],
  [{ restartSeconds: 10 }, 'reset'],
  [{ shutdown: true }, 'reset'],
  [{ heldDown: 'a filter is missing' }, 'reset'],
]

t.test('only parameters of TCP and OPEN reset a session', async (t) => {
  for (const [change, outcome] of changes) {
    const { clock, speaker, script } = await stageEstablished()
    const what = JSON.stringify(change)
    t.equal(speaker.peer.reconfigure(peerConfig(change)), outcome, `${what}: ${outcome}`)
    t.match(speaker.peer.config, change)
    clock.advance(100)
    if (outcome === 'reset') {
      t.equal(speaker.downs.length, 1)
      const told = change.shutdown ? '0602' : '0606'
      t.equal(script.connections[0]?.notification, told, `the peer is told ${told}`)
    } else {
      t.same(speaker.downs, [])
      t.equal(speaker.peer.state, 'Established')
    }
  }
})

t.test('a key that takes the place of another resets nothing', async (t) => {
  const [none, first, second] = [null, 'first', 'second'].map((password) =>
    peerConfig({ password }),
  ) as [PeerConfig, PeerConfig, PeerConfig]
  t.equal(compareSettings(first, second), 'applied')
  t.equal(compareSettings(none, first), 'reset', 'a first key is another connection')
  t.equal(compareSettings(second, none), 'reset', 'and so is none any more')
})

t.test('a changed keepalive interval holds at once', async (t) => {
  const { clock, speaker, script } = await stageEstablished()
  speaker.peer.reconfigure(peerConfig({ keepaliveSeconds: 2 }))
  t.equal(speaker.peer.view().keepaliveSeconds, 2)
  const before = script.last.messages.length
  clock.advance(20_000)
  t.ok(script.last.messages.length - before >= 10)
})

t.test('a change that resets a peer in trouble tries at once', async (t) => {
  const { clock, speaker, script } = await stage({ asn: 65009 })
  speaker.peer.start()
  clock.advance(100)
  script.last.say(theirOpen(), keepalive)
  clock.advance(100)
  t.equal(speaker.peer.view().reason, '10.0.0.2 says AS 65002, configured 65009')
  t.match(speaker.peer.view().lastError, { direction: 'sent', text: /says AS 65002/ })
  speaker.peer.reconfigure(peerConfig())
  clock.advance(10)
  t.equal(script.connections.length, 2)
  script.last.say(theirOpen(), keepalive)
  clock.advance(10)
  t.equal(speaker.peer.state, 'Established')
})

t.test('turning passive ends what is being dialled', async (t) => {
  const { clock, network, speaker } = await stage()
  network.silence('10.0.0.2')
  speaker.peer.start()
  clock.advance(100)
  t.equal(speaker.peer.state, 'Connect')
  speaker.peer.reconfigure(peerConfig({ passive: true }))
  t.equal(speaker.peer.state, 'Active')
  clock.advance(3600_000)
  t.equal(speaker.peer.state, 'Active')
})

t.test('reasons name the remedy', async (t) => {
  const closing = await stage()
  closing.speaker.peer.start()
  closing.clock.advance(100)
  closing.script.last.connection.destroy()
  closing.clock.advance(100)
  t.match(
    closing.speaker.peer.view().reason,
    /10\.0\.0\.2 closed the connection before its OPEN: is 10\.0\.0\.1 configured as a peer there\?/,
  )
  for (const [body, words] of [
    ['0202', /Bad Peer AS: it expects another AS number of us than 65001/],
    ['0603', /Peer De-configured: it was removed from the configuration there/],
    ['0602 03 627965', /Administrative Shutdown: .*it says "bye"/],
    ['0601', /more prefixes than it allows/],
    ['0909', /received NOTIFICATION code 9/],
  ] as const) {
    const { clock, speaker, script } = await stage()
    speaker.peer.start()
    clock.advance(100)
    script.last.say(message(3, body))
    clock.advance(100)
    t.match(speaker.peer.view().reason, words)
    t.match(speaker.peer.view().lastError, { direction: 'received', text: words })
  }
})

t.test(
  'a session in OpenSent says what it waits for, and what ttlSecurity asks of it',
  async (t) => {
    for (const [settings, words] of [
      [{}, 'connected, waiting for the OPEN of 10.0.0.2'],
      [{ ttlSecurity: 1 }, /waiting for the OPEN .* TTL of at least 255 .* at most 1 hop away/],
      [{ ttlSecurity: 3 }, /waiting for the OPEN .* TTL of at least 253 .* at most 3 hops away/],
    ] as const) {
      const { clock, speaker } = await stage(settings)
      speaker.peer.start()
      clock.advance(100)
      t.equal(speaker.peer.state, 'OpenSent')
      t.match(speaker.peer.view().reason, words)
    }
  },
)

t.test('no answer names ttlSecurity among the causes where it is set', async (t) => {
  const { clock, network, speaker } = await stage({ ttlSecurity: 2, password: 'secret' })
  network.silence('10.0.0.2')
  speaker.peer.start()
  clock.advance(60_000)
  t.equal(
    speaker.peer.view().reason,
    'no answer from 10.0.0.2 port 179 (unreachable, filtered, more than 2 hops away (ttlSecurity), or the MD5 key differs)',
  )
})

t.test('a peer without an address is a mistake of the caller', async (t) => {
  await t.rejects(stage({ address: null, range: '10.0.0.0/24' }), /peer rack has no address/)
})
