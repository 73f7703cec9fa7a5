/**
 * The routing engine over bytes: peers announce and withdraw through real UPDATE messages, sinks
 * stall and drain, and what each member was told, read back with the codec, must be what an obvious
 * per-peer model says. Grouped output equals ungrouped output, whatever the history.
 */
import fc from 'fast-check'
import t from 'tap'
import { Engine, type EnginePeer } from '../../bgp/engine.ts'
import { formatPrefix } from '../../bgp/prefix.ts'
import { judge, verdict } from '../../bgp/rib/export.ts'
import type { MemberSink } from '../../bgp/rib/update-group.ts'
import type { NextHopState, PeerConfig, RouteChanges, SpeakerConfig } from '../../bgp/types.ts'
import { encodeOwnAttributes, viewAttributes } from '../../bgp/wire/attribute.ts'
import { Writer } from '../../bgp/wire/bytes.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { UpdateWriter } from '../../bgp/wire/encode.ts'
import { rewriteAttributes } from '../../bgp/wire/rewrite.ts'
import { NlriCursor, UpdateReader } from '../../bgp/wire/update.ts'

const seed = 417_179
t.comment(`fast-check seed ${seed}`)

const speaker: SpeakerConfig = {
  asn: 64512,
  routerId: '10.0.0.1',
  listen: [],
  localPreference: 100,
  maxPaths: 16,
  asPathRelax: true,
  refuse: [],
  defaultRoute: 'Ignore',
}

function peerConfig(name: string, changes: Partial<PeerConfig> = {}): PeerConfig {
  return {
    name,
    origin: 'test',
    description: '',
    address: null,
    range: null,
    rangeLimit: 0,
    port: 179,
    asn: 64512,
    localAsn: 64512,
    localAddress: null,
    passive: false,
    password: null,
    holdSeconds: 90,
    keepaliveSeconds: null,
    connectRetrySeconds: 5,
    families: ['ipv4-unicast'],
    routeReflectorClient: true,
    clusterId: '10.0.0.1',
    nextHopMode: 'Auto',
    export: 'Auto',
    allowedLocalAsns: 0,
    asOverride: false,
    ttlSecurity: null,
    ebgpMultihop: null,
    gracefulRestart: 'Enabled',
    restartSeconds: 120,
    staleSeconds: 360,
    addPathReceive: false,
    addPathSend: 'None',
    maxPrefixes: null,
    filters: [],
    shutdown: false,
    heldDown: null,
    ...changes,
  }
}

function negotiated(number: number, changes: Partial<Negotiated> = {}): Negotiated {
  return {
    ebgp: false,
    localAsn: 64512,
    peerAsn: 64512,
    localRouterId: 0x0a000001,
    peerRouterId: 0x0a010000 + number,
    as4: true,
    families: ['ipv4-unicast'],
    addPathReceive: [],
    addPathSend: [],
    extendedMessage: false,
    extendedNextHop: false,
    refresh: true,
    enhancedRefresh: false,
    holdSeconds: 90,
    keepaliveSeconds: 30,
    peerRestart: null,
    ...changes,
  }
}

/** A member that keeps what it was told, and can be made to stall. */
class Listener implements MemberSink {
  queuedBytes = 0
  stalled = false
  endOfRibs = 0
  /** By prefix, or by prefix and path id where the session has such. */
  readonly told = new Map<string, string>()
  readonly #reader = new UpdateReader()
  readonly #cursor = new NlriCursor()
  readonly #negotiated: Negotiated

  constructor(context: Negotiated) {
    this.#negotiated = context
  }

  send(parts: readonly Uint8Array[]): boolean {
    for (const part of parts) {
      this.#read(part)
      if (this.stalled) this.queuedBytes += part.length
    }
    return !this.stalled
  }

  /** The socket drains: what it held is gone. */
  drain(): void {
    this.queuedBytes = 0
  }

  #read(part: Uint8Array): void {
    const view = new DataView(part.buffer, part.byteOffset, part.byteLength)
    for (let at = 0; at < part.length; at += view.getUint16(at + 16)) {
      const reader = this.#reader
      // What we send with path ids, the member receives so.
      const context = { ...this.#negotiated, addPathReceive: this.#negotiated.addPathSend }
      reader.read(part, view, at, at + view.getUint16(at + 16), context)
      if (reader.endOfRib !== null) this.endOfRibs++
      this.#each(part, view, reader.withdrawn, (prefix) => this.told.delete(prefix))
      this.#each(part, view, reader.mpUnreach, (prefix) => this.told.delete(prefix))
      const shown = JSON.stringify(viewAttributes(reader.attributes, 0, reader.attributesLength))
      const text = `${[...reader.nextHop.subarray(0, reader.nextHopLength)].join('.')} ${shown}`
      this.#each(part, view, reader.announced, (prefix) => this.told.set(prefix, text))
    }
  }

  #each(
    bytes: Uint8Array,
    view: DataView,
    range: UpdateReader['withdrawn'],
    visit: (prefix: string) => void,
  ): void {
    if (range.family === null) return
    this.#cursor.start(bytes, view, range)
    while (this.#cursor.next()) {
      const words = Uint32Array.of(this.#cursor.w0)
      const prefix = formatPrefix('ipv4-unicast', words, 0, this.#cursor.length)
      visit(range.addPath ? `${prefix} ${this.#cursor.pathId}` : prefix)
    }
  }
}

/** An engine whose turns run when told. */
class Bench {
  readonly routes = new Map<string, string>()
  readonly engine: Engine
  readonly #due: (() => void)[] = []
  #tell: (states: readonly NextHopState[]) => void = () => {}
  readonly #sets = new Map<number, string>()

  constructor(config: SpeakerConfig = speaker) {
    this.engine = new Engine(config, {
      clock: {
        now: () => 0,
        wall: () => 0,
        schedule: (_milliseconds, run) => {
          this.#due.push(run)
          return { cancel: () => void this.#due.splice(this.#due.indexOf(run), 1) }
        },
      },
      tracker: {
        track: (nextHop) =>
          void this.#due.push(() => this.#tell([{ nextHop, reachable: true, metric: 0 }])),
        untrack: () => {},
        onChange: (listener) => {
          this.#tell = listener
        },
      },
      onRoutes: (changes) => this.#note(changes),
      onEndOfRibSent: () => {},
      selfAddress: (family) => (family === 'ipv4-unicast' ? '10.0.0.1' : null),
      subnetOf: () => '10.0.0.0/24',
    })
  }

  /** Runs turns until nothing is due. */
  settle(): void {
    for (let run = this.#due.shift(); run !== undefined; run = this.#due.shift()) run()
  }

  nextHop(nextHop: string, reachable: boolean): void {
    this.#tell([{ nextHop, reachable, metric: 0 }])
  }

  #note(changes: RouteChanges): void {
    for (const { id, nextHops } of changes.sets) this.#sets.set(id, nextHops.join(','))
    for (let row = 0; row < changes.count; row++) {
      const length = changes.lengths[row] as number
      const prefix = formatPrefix('ipv4-unicast', changes.addresses, row, length)
      const set = changes.nextHopSets[row] as number
      if (set === 0) this.routes.delete(prefix)
      else this.routes.set(prefix, this.#sets.get(set) as string)
    }
  }
}

interface Player {
  readonly peer: EnginePeer
  readonly sink: Listener
}

function join(
  bench: Bench,
  number: number,
  changes: Partial<PeerConfig> = {},
  agreed: Partial<Negotiated> = {},
): Player {
  const ebgp = changes.asn !== undefined && changes.asn !== 64512
  const context = negotiated(number, { ebgp, peerAsn: changes.asn ?? 64512, ...agreed })
  const sink = new Listener(context)
  const config = peerConfig(`p${number}`, changes)
  const addresses = { remote: `10.0.0.${number + 10}`, local: '10.0.0.1' }
  return { peer: bench.engine.join(config, context, addresses, sink), sink }
}

/** One UPDATE from a peer: prefix 10.1.N.0/24, next hop and MED as given; MED -1 withdraws. */
function update(bench: Bench, player: Player, prefix: number, hop: number, med: number): void {
  const out = new Writer(4096)
  const writer = new UpdateWriter(out)
  const words = Uint32Array.of((0x0a010000 + prefix * 256) >>> 0)
  if (med < 0) {
    writer.beginWithdraw('ipv4-unicast', 4096)
  } else {
    const own = encodeOwnAttributes({ origin: 'igp', localPref: 100, med, communities: [] })
    const attributes = new Writer(1024)
    const { ebgp, peerAsn } = player.peer.negotiated
    rewriteAttributes(
      own,
      0,
      own.length,
      {
        prependAsn: ebgp ? peerAsn : 0,
        prependCount: ebgp ? 1 : 0,
        localPref: ebgp ? null : 100,
        keepMed: true,
        originatorId: null,
        prependClusterId: null,
        replaceAsn: null,
        as4: true,
        nextHop: Uint8Array.of(10, 0, 0, hop),
        stripReflection: true,
      },
      attributes,
    )
    writer.beginAnnounce(
      'ipv4-unicast',
      attributes.buffer,
      attributes.position,
      new Uint8Array(),
      4096,
    )
  }
  writer.addPrefix(words, 0, 24, -1)
  writer.finish()
  const bytes = out.written()
  const view = new DataView(bytes.buffer)
  bench.engine.intake.apply(player.peer, bytes, view, 0, bytes.length, (fault) => {
    throw new Error(fault.text)
  })
  bench.engine.schedule()
}

/** What this member should have been told: every path it may hear of and didn't send itself. */
function expected(bench: Bench, player: Player): string[] {
  const rib = bench.engine.rib('ipv4-unicast')
  const group = player.peer.groups.get('ipv4-unicast')
  const lines: string[] = []
  for (let row = 0; row < rib.prefixes.limit; row++) {
    if (!rib.prefixes.used(row) || group === undefined) continue
    const { decision } = rib
    decision.run(rib.head[row] as number)
    const several = group.profile.addPath !== null
    const paths = decision.multipath.slice(0, several ? decision.multipathCount : 1)
    for (const path of decision.best === 0 ? [] : paths) {
      const source = rib.paths.peer[path] as number
      if (judge(group.profile, rib, path) !== verdict.send) continue
      if (source === player.peer.number) continue
      const prefix = formatPrefix('ipv4-unicast', rib.prefixes.addresses, row, 24)
      lines.push(`${prefix} from ${rib.peers.names[source]?.slice(1)}`)
    }
  }
  return lines.sort()
}

/** The number a route's attributes name as its source: hop 20+n is announced by peer n only. */
function saysSource(text: string): number {
  return Number(/^10\.0\.0\.(\d+) /.exec(text)?.[1]) - 20
}

for (const addPath of [false, true]) {
  const sends = addPath ? 'the ECMP set, with path ids,' : 'the best path'
  t.test(`a reflector tells every client ${sends} but not its own`, async (t) => {
    const agreed: Partial<Negotiated> = addPath ? { addPathSend: ['ipv4-unicast'] } : {}
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('announce' as const),
          peer: fc.nat(4),
          prefix: fc.nat(7),
          med: fc.nat(2),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('withdraw' as const),
          peer: fc.nat(4),
          prefix: fc.nat(7),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('stall' as const), peer: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), peer: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('bounce' as const), peer: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('refresh' as const), peer: fc.nat(4) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const bench = new Bench()
        const players = Array.from({ length: 5 }, (_, number) => join(bench, number, {}, agreed))
        const at = (number: number): Player => players[number] as Player
        for (const each of steps) {
          if (each.do === 'announce')
            update(bench, at(each.peer), each.prefix, 20 + each.peer, each.med)
          if (each.do === 'withdraw') update(bench, at(each.peer), each.prefix, 0, -1)
          if (each.do === 'settle') bench.settle()
          if (each.do === 'stall') {
            at(each.peer).sink.stalled = true
            at(each.peer).sink.queuedBytes = 1 << 21
          }
          if (each.do === 'drain') resume(bench, at(each.peer))
          if (each.do === 'refresh') bench.engine.refresh(at(each.peer).peer, 'ipv4-unicast')
          if (each.do === 'bounce') {
            bench.engine.leave(at(each.peer).peer)
            players[each.peer] = join(bench, each.peer, {}, agreed)
          }
        }
        for (const player of players) resume(bench, player)
        bench.engine.schedule()
        bench.settle()
        for (const player of players) {
          compareWithModel(bench, player)
          if (player.sink.endOfRibs !== 1) throw new Error(`${player.sink.endOfRibs} End-of-RIBs`)
        }
        return true
      }),
      { seed, numRuns: 400 },
    )
    t.pass('400 random histories agree with the model')
  })
}

function compareWithModel(bench: Bench, player: Player): void {
  const told = [...player.sink.told.entries()]
    .map(([prefix, text]) => `${prefix.split(' ')[0]} from ${saysSource(text)}`)
    .sort()
  const wanted = expected(bench, player)
  if (JSON.stringify(told) !== JSON.stringify(wanted)) {
    throw new Error(`p${player.peer.number}: told ${told} instead of ${wanted}`)
  }
  for (const text of player.sink.told.values()) {
    const originator = `"originatorId":"10.1.0.${saysSource(text)}"`
    if (!text.includes(originator)) throw new Error(`${text} lacks ${originator}`)
  }
}

function resume(bench: Bench, player: Player): void {
  player.sink.stalled = false
  player.sink.drain()
  player.peer.groups.get('ipv4-unicast')?.pump(player.peer.number)
  bench.engine.schedule()
}

t.test('a stalled member slows nobody, and its backlog is one bit a prefix', async (t) => {
  const bench = new Bench()
  const [source, slow, other] = [join(bench, 0), join(bench, 1), join(bench, 2)] as const
  bench.settle()
  slow.sink.stalled = true
  slow.sink.queuedBytes = 1 << 21
  for (let round = 0; round < 300; round++) {
    for (let prefix = 0; prefix < 256; prefix++) update(bench, source, prefix, 20, round)
    bench.settle()
    t.equal(other.sink.told.size, 256) || t.bailout('the other member waits')
  }
  t.equal(slow.sink.told.size, 0)
  resume(bench, slow)
  bench.settle()
  t.same(
    [...slow.sink.told],
    [...other.sink.told].filter(() => true),
  )
})

t.test('export Auto makes no transit: eBGP-learned goes to iBGP, never to eBGP', async (t) => {
  const bench = new Bench()
  const plain = { routeReflectorClient: false, clusterId: null }
  const tor = join(bench, 0, { asn: 65001, ...plain })
  const otherTor = join(bench, 1, { asn: 65002, ...plain })
  const node = join(bench, 2, plain)
  const secondNode = join(bench, 3, plain)
  bench.engine.announce([{ prefix: '10.244.1.0/24', reason: 'pod CIDR', communities: [] }])
  update(bench, tor, 1, 20, 0)
  update(bench, node, 2, 22, 0)
  bench.settle()
  t.same([...tor.sink.told.keys()], ['10.244.1.0/24'])
  t.same([...otherTor.sink.told.keys()], ['10.244.1.0/24'])
  t.same([...node.sink.told.keys()].sort(), ['10.1.1.0/24', '10.244.1.0/24'])
  t.same([...secondNode.sink.told.keys()].sort(), ['10.1.1.0/24', '10.244.1.0/24'])
  t.match(tor.sink.told.get('10.244.1.0/24'), /^10\.0\.0\.1 .*64512/, 'next hop self, own AS')
  t.match(node.sink.told.get('10.1.1.0/24'), /^10\.0\.0\.20 .*"localPref":100/, 'unchanged')
  t.same([...bench.routes.keys()].sort(), ['10.1.1.0/24', '10.1.2.0/24'], 'own is not installed')
})

t.test(
  'a path over a next hop that dies is left at once, and used again when it is back',
  async (t) => {
    const bench = new Bench()
    const [first, second] = [join(bench, 0), join(bench, 1)] as const
    update(bench, first, 1, 20, 0)
    update(bench, second, 1, 21, 0)
    bench.settle()
    t.equal(bench.routes.get('10.1.1.0/24'), '10.0.0.20,10.0.0.21')
    bench.nextHop('10.0.0.20', false)
    bench.settle()
    t.equal(bench.routes.get('10.1.1.0/24'), '10.0.0.21')
    bench.nextHop('10.0.0.21', false)
    bench.settle()
    t.equal(bench.routes.has('10.1.1.0/24'), false)
    bench.nextHop('10.0.0.20', true)
    bench.settle()
    t.equal(bench.routes.get('10.1.1.0/24'), '10.0.0.20')
  },
)

t.test('what is gone leaves nothing behind', async (t) => {
  const bench = new Bench()
  for (let round = 0; round < 20; round++) {
    const players = [join(bench, 0), join(bench, 1)] as const
    for (let prefix = 0; prefix < 256; prefix++) update(bench, players[0], prefix, 20, round)
    bench.settle()
    for (const { peer } of players) bench.engine.leave(peer)
    bench.settle()
  }
  const rib = bench.engine.rib('ipv4-unicast')
  t.equal(rib.prefixes.size, 0)
  t.equal(rib.paths.size, 0)
  t.equal(bench.engine.attributes.size, 0)
  t.ok(rib.prefixes.limit <= 512, 'rows are used again')
  t.ok(bench.engine.peers.names.length <= 4, 'peer numbers are used again')
  t.equal(bench.routes.size, 0)
})

t.test('refused prefixes and loops are kept, shown, and not used', async (t) => {
  const bench = new Bench({
    ...speaker,
    refuse: [{ prefix: '10.1.5.0/24', match: 'covered', reason: 'own pod CIDR' }],
  })
  const tor = join(bench, 0, { asn: 65001, routeReflectorClient: false, clusterId: null })
  update(bench, tor, 5, 20, 0)
  update(bench, tor, 6, 1, 0)
  bench.settle()
  const rib = bench.engine.rib('ipv4-unicast')
  t.equal(rib.paths.size, 2)
  t.equal(bench.routes.size, 0)
  t.equal(rib.counts.received[tor.peer.number], 2)
  t.equal(rib.counts.accepted[tor.peer.number], 0)
  bench.engine.configure(speaker)
  bench.settle()
  t.same([...bench.routes.keys()], ['10.1.5.0/24'], 'no longer refused; the own next hop still is')
})
