/**
 * What the tests of the engine share: an engine on a clock that stands still, peers that join it
 * with a recorder in place of a session, and the state their UPDATEs lead to.
 */
import { Engine, type EnginePeer } from '../../bgp/engine.ts'
import { formatPrefix } from '../../bgp/prefix.ts'
import { judge, verdict } from '../../bgp/rib/export.ts'
import type { MemberSink } from '../../bgp/rib/member.ts'
import type {
  FamilyName,
  NextHopState,
  PeerConfig,
  RouteChanges,
  SpeakerConfig,
} from '../../bgp/types.ts'
import { encodeOwnAttributes, viewAttributes } from '../../bgp/wire/attribute.ts'
import { Writer } from '../../bgp/wire/bytes.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { UpdateWriter } from '../../bgp/wire/encode.ts'
import { rewriteAttributes } from '../../bgp/wire/rewrite.ts'
import { NlriCursor, UpdateReader } from '../../bgp/wire/update.ts'

/** Far more than any scene needs: an engine that never comes to rest is found out. */
const turnsMax = 100_000

export const speaker: SpeakerConfig = {
  asn: 64512,
  routerId: '10.0.0.1',
  listen: [],
  localPreference: 100,
  maxPaths: 16,
  asPathRelax: true,
  refuse: [],
  defaultRoute: 'Ignore',
}

export function peerConfig(name: string, changes: Partial<PeerConfig> = {}): PeerConfig {
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
    enforceFirstAs: false,
    ttlSecurity: null,
    ebgpMultihop: null,
    gracefulRestart: 'Enabled',
    restartSeconds: 120,
    staleSeconds: 360,
    addPathReceive: false,
    addPathSend: 'None',
    addPathLimit: null,
    maxPrefixes: null,
    bfd: null,
    filters: [],
    shutdown: false,
    shutdownMessage: null,
    heldDown: null,
    ...changes,
  }
}

export function negotiated(number: number, changes: Partial<Negotiated> = {}): Negotiated {
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
export class Listener implements MemberSink {
  queuedBytes = 0
  stalled = false
  endOfRibs = 0
  updates = 0
  bytes = 0
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
      this.bytes += part.length
      if (this.stalled) this.queuedBytes += part.length
    }
    return !this.stalled
  }

  mark(): void {}

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
      else this.updates++
      this.#each(part, view, reader.withdrawn, (prefix) => this.told.delete(prefix))
      this.#each(part, view, reader.mpUnreach, (prefix) => this.told.delete(prefix))
      const shown = JSON.stringify(viewAttributes(reader.attributes, 0, reader.attributesLength))
      const text = `${[...reader.nextHop.subarray(0, reader.nextHopLength)].join('.')} ${shown}`
      this.#each(part, view, reader.announced, (prefix) => this.told.set(prefix, text))
      const mpHop = [...reader.mpNextHop.subarray(0, reader.mpNextHopLength)].join('.')
      this.#each(part, view, reader.mpReach, (prefix) => this.told.set(prefix, `${mpHop} ${shown}`))
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
export class Bench {
  readonly routes = new Map<string, string>()
  readonly engine: Engine
  readonly #due: (() => void)[] = []
  readonly #dead = new Set<string>()
  #tell: (states: readonly NextHopState[]) => void = () => {}
  readonly #sets = new Map<number, string>()

  /** @param now milliseconds; time stands still unless told otherwise */
  constructor(config: SpeakerConfig = speaker, now: () => number = () => 0) {
    this.engine = new Engine(config, {
      clock: {
        now,
        wall: () => 0,
        schedule: (_milliseconds, run) => {
          this.#due.push(run)
          return { cancel: () => void this.#due.splice(this.#due.indexOf(run), 1) }
        },
      },
      tracker: {
        track: (nextHop) =>
          void this.#due.push(() =>
            this.#tell([{ nextHop, reachable: !this.#dead.has(nextHop), metric: 0 }]),
          ),
        untrack: () => {},
        onChange: (listener) => {
          this.#tell = listener
        },
      },
      onRoutes: (changes) => {
        if (this.keepsRoutes) this.#note(changes)
      },
      onEndOfRibSent: () => {},
      selfAddress: (family, local) => this.self(family, local),
      subnetOf: () => '10.0.0.0/24',
    })
  }

  /** The own address of a family, as the host would answer. */
  self = (family: FamilyName, local: string): string | null => {
    if (family === 'ipv6-unicast') return null
    return local.includes(':') ? '10.0.0.1' : local
  }

  /** Whether `routes` is kept; what next hop sets stood for is never forgotten. */
  keepsRoutes = true

  /** Runs turns until nothing is due. */
  settle(): void {
    let turns = 0
    for (let run = this.#due.shift(); run !== undefined; run = this.#due.shift()) {
      if (++turns > turnsMax) throw new Error(`not settled after ${turnsMax} turns`)
      run()
    }
  }

  /** Runs what is due first, if anything is. */
  step(): void {
    this.#due.shift()?.()
  }

  /** From now on, whether it is in use yet or not. */
  setNextHop(nextHop: string, reachable: boolean): void {
    if (reachable) this.#dead.delete(nextHop)
    else this.#dead.add(nextHop)
    this.nextHop(nextHop, reachable)
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

export interface Player {
  readonly peer: EnginePeer
  readonly sink: Listener
}

export function join(
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
export function update(
  bench: Bench,
  player: Player,
  prefix: number,
  hop: number,
  med: number,
): void {
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
export function expected(bench: Bench, player: Player): string[] {
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
export function saysSource(text: string): number {
  return Number(/^10\.0\.0\.(\d+) /.exec(text)?.[1]) - 20
}
