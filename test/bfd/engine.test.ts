/**
 * Many sessions in one engine, over a network in memory and a clock that stands still: whose packet is
 * whose, what is refused and why, and how a set of wanted sessions changes.
 */
import t from 'tap'
import type { BfdSessionConfig, BfdView } from '../../bgp/bfd/index.ts'
import type { Packet } from '../../bgp/bfd/packet.ts'
import type { BfdPath } from '../../bgp/bfd/types.ts'
import { FakeClock } from '../bgp/clock.ts'
import { Ether, Host } from './ether.ts'
import { timers } from './scene.ts'

const settled = 5000

function scene() {
  const clock = new FakeClock()
  const ether = new Ether()
  const node = new Host(ether, clock, ['192.0.2.1', '2001:db8::1'])
  const tor = new Host(ether, clock, ['192.0.2.2', '2001:db8::2'])
  const up = (host: Host) => host.engine.views().every((view) => view.state === 'Up')
  return { clock, ether, node, tor, up }
}

function session(name: string, change: Partial<BfdSessionConfig> = {}): BfdSessionConfig {
  return { name, ...timers, remoteAddress: '192.0.2.2', ...change }
}

const toNode = (change: Partial<BfdSessionConfig> = {}) =>
  session('node', { remoteAddress: '192.0.2.1', ...change })

const torToNode: BfdPath = {
  remoteAddress: '192.0.2.1',
  localAddress: '192.0.2.2',
  interface: null,
  multihop: false,
}

const stranger: Packet = {
  state: 'Down',
  diagnostic: 0,
  poll: false,
  final: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 99,
  yourDiscriminator: 0,
  desiredTransmitMicros: 1_000_000,
  requiredReceiveMicros: 100_000,
}

t.test('two engines come up, tell each step once, and notice a cut', async (t) => {
  const { clock, ether, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  t.same(
    tor.states.map((one) => one.state),
    ['Init', 'Up'],
  )
  t.match(node.engine.views(), [
    {
      name: 'tor',
      state: 'Up',
      remoteState: 'Up',
      transmitMs: 100,
      detectionMs: 300,
      problem: null,
    },
  ])
  ether.cut = true
  clock.advance(300)
  t.match(node.last('tor'), {
    state: 'Down',
    failed: true,
    diagnostic: 'Control Detection Time Expired',
  })
  t.match(node.events.at(-1), { kind: 'bfd.down', level: 'warn' })
  t.match(node.engine.views(), [{ state: 'Down', failures: 1, remoteDiscriminator: 0 }])
  ether.cut = false
  clock.advance(settled)
  t.match(node.engine.views(), [
    { state: 'Up', failures: 1, diagnostic: 'Control Detection Time Expired' },
  ])
})

t.test('packets that wait unread when time is up are read first', async (t) => {
  const { clock, ether, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  ether.held = true
  clock.advance(3000)
  t.ok(node.engine.views()[0]!.state === 'Up' && node.states.every((one) => !one.failed))
})

t.test('a session is found by its discriminator, but only over its own kind of path', async (t) => {
  const { clock, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  const { localDiscriminator } = node.engine.views()[0]!
  const down = { ...stranger, yourDiscriminator: localDiscriminator }
  const refusedSoFar = () => node.engine.views()[0]!.refusedPackets
  tor.transmitPacket(down, { ...torToNode, multihop: true })
  t.equal(refusedSoFar(), 0, 'nobody listens there')
  tor.transmitPacket(down, { ...torToNode, localAddress: '192.0.2.3' })
  t.equal(refusedSoFar(), 1)
  t.equal(node.engine.views()[0]!.state, 'Up')
  tor.transmitPacket({ ...stranger, yourDiscriminator: 4711 }, torToNode)
  t.equal(node.engine.refusals().get('unknown'), 1)
  tor.transmitPacket(down, torToNode)
  t.equal(node.last('tor')?.state, 'Down')
})

t.test('what came over a router is not believed on a single hop', async (t) => {
  const { clock, node, tor } = scene()
  for (const ttl of [254, 1, null]) {
    tor.ttl = ttl
    node.engine.setSessions([session('tor')])
    clock.advance(1)
    tor.transmitPacket(stranger, torToNode)
    t.equal(node.engine.views()[0]!.state, 'Down', `TTL ${ttl}`)
  }
  t.equal(node.engine.refusals().get('ttl'), 3)
})

t.test('on multihop any TTL will do', async (t) => {
  const { clock, node, tor, up } = scene()
  node.ttl = 1
  tor.ttl = 64
  const ends = { localAddress: '192.0.2.1', multihop: true }
  node.engine.setSessions([session('tor', ends)])
  tor.engine.setSessions([toNode({ multihop: true, localAddress: '192.0.2.2' })])
  clock.advance(settled)
  t.ok(up(node))
})

/** What a remote does that keeps a session down, and the words it is shown with. */
const troubles: readonly {
  caption: string
  send: (tor: Host) => void
  problem: RegExp
}[] = [
  {
    caption: 'authentication',
    send: (tor) => tor.transmit(authenticated(), torToNode),
    problem: /authenticates.*switch authentication off/,
  },
  {
    caption: 'another version',
    send: (tor) => tor.transmit(raw(0x40), torToNode),
    problem: /another version/,
  },
  {
    caption: 'a multiplier of 0',
    send: (tor) => tor.transmit(raw(0x20, 0), torToNode),
    problem: /malformed packets \(multiplier\)/,
  },
  {
    caption: 'the other kind of hop',
    send: (tor) => tor.transmitPacket(stranger, { ...torToNode, multihop: true }),
    problem: /other kind of hop/,
  },
  {
    caption: 'another interface',
    send: (tor) => tor.transmitPacket(stranger, { ...torToNode, interface: 'eth9' }),
    problem: /another address or interface/,
  },
]

for (const { caption, send, problem } of troubles) {
  t.test(`a remote's mistake is told once, with the remedy: ${caption}`, async (t) => {
    const { clock, node, tor, up } = scene()
    const other = { localAddress: '192.0.2.1', multihop: true, remoteAddress: '192.0.2.9' }
    node.engine.setSessions([session('tor', { interface: 'eth0' }), session('far', other)])
    clock.advance(1)
    for (let times = 0; times < 3; times++) send(tor)
    const view = node.engine.views()[0]!
    t.match(view, { state: 'Down', problem, refusedPackets: 3 })
    t.equal(node.events.filter((event) => event.kind === 'bfd.problem').length, 1)
    tor.engine.setSessions([toNode({ interface: 'eth0' })])
    node.engine.setSessions([session('tor', { interface: 'eth0' })])
    clock.advance(settled)
    t.ok(up(node))
    t.equal(node.engine.views()[0]!.problem, null, 'and forgotten when it is up')
  })
}

t.test('a taken port is told with its words, tried again, and the session comes up', async (t) => {
  const { clock, node, tor, up } = scene()
  node.listenFault = 'cannot listen on UDP port 3784: EADDRINUSE'
  node.engine.setSessions([session('tor'), session('other', { remoteAddress: '192.0.2.3' })])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  t.match(node.engine.views()[0], { state: 'Down', problem: /3784/, sentPackets: 0 })
  t.equal(node.senders, 0, 'what could not be answered is not sent')
  node.listenFault = null
  clock.advance(settled)
  t.match(node.engine.views()[0], { state: 'Up', problem: null })
  t.notOk(up(node), 'the other has no remote')
})

t.test('a sending socket that fails is made anew as long as the session is not up', async (t) => {
  const { clock, node, tor } = scene()
  node.dialFault = 'cannot send from 192.0.2.1: EADDRNOTAVAIL'
  node.engine.setSessions([session('tor', { localAddress: '192.0.2.1' })])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  t.match(node.engine.views()[0], { problem: /EADDRNOTAVAIL/ })
  node.dialFault = null
  node.sendFault = 'cannot send to 192.0.2.2: ENETUNREACH'
  clock.advance(settled)
  t.match(node.engine.views()[0], { problem: /ENETUNREACH/ })
  t.equal(node.senders, 0)
  node.sendFault = null
  clock.advance(settled)
  t.match(node.engine.views()[0], { state: 'Up', problem: null })
  const problems = node.events.filter((event) => event.kind === 'bfd.problem')
  t.equal(problems.length, 2, 'one line each, however often it was tried')
  t.equal(node.senders, 1)
})

t.test('the same set again changes nothing', async (t) => {
  const { clock, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  const before = { sent: node.sent.length, states: node.states.length, view: node.engine.views() }
  node.engine.setSessions([session('tor')])
  t.same({ sent: node.sent.length, states: node.states.length, view: node.engine.views() }, before)
})

t.test('new timers are negotiated with the session up', async (t) => {
  const { clock, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  const { localDiscriminator } = node.engine.views()[0]!
  const faster = { transmitMs: 10, receiveMs: 30, multiplier: 5 }
  node.engine.setSessions([session('tor', faster)])
  tor.engine.setSessions([toNode({ receiveMs: 20, transmitMs: 20 })])
  clock.advance(settled)
  t.match(node.engine.views(), [
    { state: 'Up', localDiscriminator, transmitMs: 20, detectionMs: 90, failures: 0 },
  ])
  t.match(tor.engine.views(), [{ transmitMs: 30, detectionMs: 100, remoteMultiplier: 5 }])
})

t.test('a session no longer wanted says AdminDown, for a while, and is gone', async (t) => {
  const { clock, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  node.engine.setSessions([])
  clock.flush()
  t.same(node.engine.views(), [])
  t.match(node.last('tor'), { state: 'AdminDown', failed: false })
  t.match(tor.last('node'), { state: 'Down', remoteState: 'AdminDown', failed: false })
  clock.advance(settled)
  t.ok(node.sent.filter(({ packet }) => packet.state === 'AdminDown').length >= 3)
  t.equal(node.engine.size, 0)
  t.equal(node.senders, 0)
  t.equal(node.hearing, 0, 'the port is free for others')
  const said = node.sent.length
  clock.advance(settled)
  t.equal(node.sent.length, said)
})

t.test('a remote that wants to be left alone for an hour holds up no leaving', async (t) => {
  const { clock, node, tor } = scene()
  node.engine.setSessions([session('tor')])
  clock.advance(1)
  tor.transmitPacket({ ...stranger, requiredReceiveMicros: 0xffff_ffff }, torToNode)
  node.engine.setSessions([])
  clock.advance(30_000)
  t.equal(node.engine.size, 0)
})

t.test('wanted again while it leaves, it begins again', async (t) => {
  const { clock, node, tor, up } = scene()
  node.engine.setSessions([session('tor')])
  tor.engine.setSessions([toNode()])
  clock.advance(settled)
  node.engine.setSessions([])
  node.engine.setSessions([session('again')])
  clock.advance(settled)
  t.ok(up(node))
  t.same(
    node.engine.views().map((view) => view.name),
    ['again'],
  )
  t.equal(node.senders, 1)
})

t.test('at the end every remote is told, and every socket is closed', async (t) => {
  const { clock, node, tor } = scene()
  node.engine.setSessions([session('tor'), session('tor6', { remoteAddress: '2001:db8::2' })])
  tor.engine.setSessions([
    toNode(),
    session('node6', { remoteAddress: '2001:db8::1', localAddress: '2001:db8::2' }),
  ])
  clock.advance(settled)
  node.engine.close()
  clock.flush()
  t.match(tor.last('node'), { remoteState: 'AdminDown', failed: false })
  t.match(tor.last('node6'), { remoteState: 'AdminDown', failed: false })
  t.equal(node.senders, 0)
  t.equal(node.hearing, 0)
})

t.test('two names for one path share a session, at the quickest of their settings', async (t) => {
  const { clock, node, tor } = scene()
  const slow = session('slow', { transmitMs: 300, receiveMs: 50, multiplier: 5 })
  node.engine.setSessions([slow])
  tor.engine.setSessions([toNode({ receiveMs: 10, transmitMs: 10 })])
  clock.advance(settled)
  t.equal(node.last('fast'), undefined)
  node.engine.setSessions([slow, session('fast')])
  t.match(node.last('fast'), { state: 'Up', failed: false }, 'the newcomer is told how things are')
  clock.advance(settled)
  const views: readonly BfdView[] = node.engine.views()
  t.match(views, [
    { name: 'slow', transmitMs: 100, detectionMs: 150 },
    { name: 'fast', transmitMs: 100, detectionMs: 150 },
  ])
  t.equal(node.engine.size, 1)
  tor.engine.setSessions([])
  clock.flush()
  t.match(node.last('slow'), { state: 'Down', remoteState: 'AdminDown' })
  t.match(node.last('fast'), { state: 'Down', remoteState: 'AdminDown' })
})

t.test('sessions beyond the ceiling are refused, with the number', async (t) => {
  const { node } = scene()
  const many = Array.from({ length: 4100 }, (_, index) =>
    session(`peer-${index}`, { remoteAddress: `10.0.${index >> 8}.${index & 255}` }),
  )
  node.engine.setSessions(many)
  t.equal(node.engine.views().length, 4096)
  t.match(node.events, [{ level: 'error', text: /^4 BFD sessions are not run: at most 4096 are$/ }])
})

t.test('settings that can not be sent are refused by name', async (t) => {
  const { node } = scene()
  const rows: readonly [Partial<BfdSessionConfig>, RegExp][] = [
    [{ multiplier: 0 }, /tor: multiplier is 0; 1 to 255/],
    [{ multiplier: 1.5 }, /tor: multiplier is 1.5/],
    [{ transmitMs: 0 }, /tor: transmitMs is 0; 1 to 4294967/],
    [{ receiveMs: Number.NaN }, /tor: receiveMs is NaN/],
    [{ remoteAddress: 'fe80::2%eth0', interface: 'eth1' }, /fe80::2%eth0 is not on interface eth1/],
  ]
  for (const [change, words] of rows) {
    t.throws(() => node.engine.setSessions([session('tor', change)]), words)
  }
  t.throws(() => node.engine.setSessions([session('tor'), session('tor')]), /two BFD sessions/)
})

/** RFC 5880 §4.2: a simple password. */
function authenticated(): Uint8Array {
  return Uint8Array.of(...raw(0x20, 3, 0x44, 31), 1, 7, 1, 112, 97, 115, 115)
}

function raw(first: number, multiplier = 3, second = 0x40, length = 24): Uint8Array {
  const head = [first, second, multiplier, length, 0, 0, 0, 99, 0, 0, 0, 0]
  return Uint8Array.of(...head, ...[0, 15, 66, 64], ...[0, 1, 134, 160], ...[0, 0, 0, 0])
}
