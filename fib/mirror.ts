/**
 * Keeps our picture of the kernel true: full dumps at start and after loss, notifications in
 * between. Changes we made ourselves are known by the port id they carry and skipped; a change of
 * our routes by anybody else is found by the mark they bear, whoever made it.
 *
 * What Linux does without telling is done here as well: IPv4 routes vanish silently when their
 * interface goes down or away, and with their preferred source address.
 */
import { bitsOf, type Family, formatAddress, wordsOf } from './address.ts'
import type { Dumper } from './dumper.ts'
import type { Intruders } from './intruders.ts'
import type { Journal } from './journal.ts'
import {
  type LinkMessage,
  RouteMessage,
  readAddress4,
  readLink,
  readNeighbour,
  readRoute,
  visitMessages,
} from './netlink.ts'
import type { NexthopMirror } from './nexthop-mirror.ts'
import {
  messageFlags,
  messageTypes,
  protocolNames,
  routeTypes,
  tables as tableNumbers,
} from './numbers.ts'
import type { Clock, Kernel } from './port.ts'
import { families, type State } from './state.ts'
import { type RouteTable, rowFlags } from './table.ts'
import type { Foreign } from './view.ts'
import { noWay } from './way.ts'
import type { Writer } from './writer.ts'

const kernelProtocol = 2

export interface MirrorParts {
  readonly state: State
  readonly dumper: Dumper
  readonly nexthops: NexthopMirror
  readonly kernel: Kernel
  readonly writer: Writer
  readonly journal: Journal
  readonly intruders: Intruders
  readonly clock: Clock
  readonly requestScan: (reason: string) => void
}

export class Mirror {
  readonly #state: State
  readonly #dumper: Dumper
  readonly #nexthops: NexthopMirror
  readonly #kernel: Kernel
  readonly #writer: Writer
  readonly #journal: Journal
  readonly #intruders: Intruders
  readonly #clock: Clock
  readonly #requestScan: (reason: string) => void
  readonly #route: RouteMessage = new RouteMessage()
  /** The view of the last datagram's buffer: most arrive in the same one. */
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor(parts: MirrorParts) {
    this.#state = parts.state
    this.#dumper = parts.dumper
    this.#nexthops = parts.nexthops
    this.#kernel = parts.kernel
    this.#writer = parts.writer
    this.#journal = parts.journal
    this.#intruders = parts.intruders
    this.#clock = parts.clock
    this.#requestScan = parts.requestScan
  }

  /**
   * Reads links, nexthop objects, neighbours and routes whole, and queues whatever differs from what
   * is wanted. Gives the number of routes of ours that were not known, by family. Throws KernelError.
   */
  scan(): Readonly<Record<Family, number>> {
    const state = this.#state
    this.#scanLinks()
    if (state.groups.supported) this.#nexthops.read()
    state.nexthops.usedByOthers.clear()
    this.#dumper.dump('reading neighbours', messageTypes.getNeighbour, null, (view, start, end) => {
      const neighbour = readNeighbour(view, start, end)
      if (neighbour !== null) state.view.recallNeighbour(neighbour)
    })
    const foreign = state.view.emptyForeign()
    const adopted = { 4: 0, 6: 0 }
    for (const family of families) {
      const table = state.tables[family]
      for (const row of table.rows()) table.clear(row, rowFlags.seen)
      this.readRoutes(family, (route) => {
        const mark = state.ownMark(route)
        if (mark < 0) this.#learn(foreign, route, false)
        else if (this.#found(table, route, mark)) adopted[family]++
      })
      this.#missed(table)
    }
    state.view.foreign = foreign
    this.#journal.counters.scans++
    state.nextHops.touchAll()
    for (const family of families) this.#queueHeld(state.tables[family])
    return adopted
  }

  /** Visits every route of a family that can matter; the message is only lent. */
  readRoutes(family: Family, visit: (route: RouteMessage) => void): void {
    this.#dumper.dump('reading routes', messageTypes.getRoute, family, (view, start, end) => {
      if (readRoute(view, start, end, this.#route) && isRoute(this.#route)) visit(this.#route)
    })
  }

  /** Works through one datagram of notifications. */
  notified(bytes: Uint8Array, length: number): void {
    if (this.#view.buffer !== bytes.buffer || this.#view.byteOffset !== bytes.byteOffset) {
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    const view = this.#view
    const whole = visitMessages(view, length, (type, flags, _sequence, port, start, end) => {
      if (port === this.#kernel.port) return
      this.#message(view, type, flags, port, start, end)
    })
    if (!whole) this.#requestScan('a notification was cut short')
  }

  #message(
    view: DataView,
    type: number,
    flags: number,
    port: number,
    start: number,
    end: number,
  ): void {
    switch (type) {
      case messageTypes.newRoute:
      case messageTypes.delRoute:
        if (!readRoute(view, start, end, this.#route) || !isRoute(this.#route)) return
        if (type === messageTypes.newRoute) this.#routeMade(this.#route, flags, port)
        else this.#routeGone(this.#route, port)
        return
      case messageTypes.newLink:
      case messageTypes.delLink: {
        const link = readLink(view, start, end)
        if (link !== null) this.#linkChanged(link, type === messageTypes.delLink)
        return
      }
      case messageTypes.newNeighbour:
      case messageTypes.delNeighbour: {
        const neighbour = readNeighbour(view, start, end)
        const gone = type === messageTypes.delNeighbour
        if (neighbour !== null && this.#state.view.meetNeighbour(neighbour, gone)) {
          this.#state.nextHops.touchAll()
        }
        return
      }
      case messageTypes.newNexthop:
      case messageTypes.delNexthop:
        this.#nexthops.notified(type, view, start, end, port)
        return
      case messageTypes.delAddress: {
        const address = readAddress4(view, start, end)
        if (address !== null) this.#addressGone(formatAddress(4, Uint32Array.of(address)))
        return
      }
    }
  }

  #routeMade(route: RouteMessage, flags: number, port: number): void {
    const table = this.#state.tables[route.family]
    const mark = this.#state.ownMark(route)
    if (mark < 0) {
      this.#foreignMade(table, route, (flags & messageFlags.replace) !== 0)
      return
    }
    const row = table.insert(route.destination, 0, route.length)
    const way = this.#state.ways.fromMessage(route)
    const known = table.ways[row] === way && table.marks[row] === mark
    if (known) return
    if (table.ways[row] !== noWay && table.marks[row] !== mark) {
      this.#writer.leave(table, row, table.marks[row]!)
    }
    table.hold(row, way)
    table.marks[row] = mark
    if (!table.isWanted(row)) table.set(row, rowFlags.stale)
    if (way === table.targets[row] && table.isWanted(row)) return
    this.#interfered(table, row, port, 'was changed')
  }

  #routeGone(route: RouteMessage, port: number): void {
    const table = this.#state.tables[route.family]
    const mark = this.#state.ownMark(route)
    if (mark < 0) {
      this.#foreignGone(table, route)
      return
    }
    const row = table.index.find(route.destination, 0, route.length)
    if (row < 0 || table.ways[row] === noWay || table.marks[row] !== mark) return
    const left = this.#legsLeft(route, table.ways[row]!)
    if (left === table.ways[row]) return
    table.hold(row, left)
    this.#interfered(table, row, port, 'was removed')
  }

  /** What is left of an IPv6 multipath route when single legs of it were removed. */
  #legsLeft(route: RouteMessage, way: number): number {
    const { ways } = this.#state
    const gone = ways.fromMessage(route)
    // What named a nexthop object that ours doesn't name is old news: ours took its place since.
    const named = ways.get(gone).nexthop !== 0 || ways.get(way).nexthop !== 0
    if (gone !== way && named) return way
    if (route.family === 4 || gone === way) return noWay
    const lost = ways.get(gone).legs
    const left = ways
      .get(way)
      .legs.filter(
        (leg) => !lost.some((l) => l.interface === leg.interface && l.gateway === leg.gateway),
      )
    return left.length === ways.get(way).legs.length ? noWay : ways.unicast(left)
  }

  /**
   * A row of ours isn't what it was, and it wasn't us: it is set right, at once when the kernel itself
   * did it (links come and go), with patience when another program did.
   */
  #interfered(table: RouteTable, row: number, port: number, what: string): void {
    const { addresses, lengths, words } = table.index
    this.#state.nextHops.touch(table.family, addresses, row * words, lengths[row]!)
    if (port === 0) {
      table.enqueue(row)
      return
    }
    const prefix = this.#state.prefixText(table, row)
    // Anybody may delete a route by hand; who makes one with our mark takes it for his own.
    if (what === 'was changed') this.#intruders.note(port, prefix, this.#clock.now())
    if (table.isWanted(row)) {
      const text = `${prefix} ${what} by another program; set right`
      this.#journal.counters.repairs++
      this.#journal.tell('fib.repaired', 'info', text, { prefix })
    }
    this.#writer.repair(table, row)
  }

  #foreignMade(table: RouteTable, route: RouteMessage, replaces: boolean): void {
    if (!this.#learn(this.#state.view.foreign, route, replaces)) return
    this.#touch(route)
    const row = table.index.find(route.destination, 0, route.length)
    if (row >= 0 && route.type === routeTypes.local) table.enqueue(row)
    if (row < 0 || !replaces || table.ways[row] === noWay) return
    const mark = this.#state.markOf(table.marks[row]!)
    if (mark.table !== route.table || mark.metric !== route.metric) return
    // REPLACE ignores the protocol: it was our route that gave way.
    table.hold(row, noWay)
    const by = protocolNames[route.protocol] ?? String(route.protocol)
    const prefix = this.#state.prefixText(table, row)
    this.#journal.tell('fib.conflict', 'warn', `${prefix} was overwritten by a route of ${by}`, {
      prefix,
      protocol: by,
    })
    // The line above has said it.
    if (table.isWanted(row)) table.set(row, rowFlags.conflict)
    table.enqueue(row)
  }

  #foreignGone(table: RouteTable, route: RouteMessage): void {
    this.#state.view.foreign[route.family].forget(route)
    this.#touch(route)
    const row = table.index.find(route.destination, 0, route.length)
    if (row < 0) return
    if (table.has(row, rowFlags.conflict) || route.type === routeTypes.local) table.enqueue(row)
  }

  #touch(route: RouteMessage): void {
    this.#state.nextHops.touch(route.family, route.destination, 0, route.length)
  }

  #learn(foreign: Foreign, route: RouteMessage, replaces: boolean): boolean {
    if (route.nexthop !== 0) this.#state.nexthops.usedByOthers.add(route.nexthop)
    const { table } = route
    const matters =
      table === tableNumbers.main ||
      table === tableNumbers.local ||
      table === this.#state.settings.table
    if (matters) foreign[route.family].learn(route, replaces)
    return matters
  }

  #scanLinks(): void {
    const { links } = this.#state.view
    const seen = new Set<number>()
    this.#dumper.dump('reading links', messageTypes.getLink, null, (view, start, end) => {
      const link = readLink(view, start, end)
      if (link === null) return
      seen.add(link.index)
      links.set(link.index, link)
    })
    for (const index of links.keys()) {
      if (!seen.has(index)) this.#state.view.forgetInterface(index)
    }
  }

  #linkChanged(link: LinkMessage, gone: boolean): void {
    const { view } = this.#state
    const before = view.links.get(link.index)
    if (gone) view.forgetInterface(link.index)
    else view.links.set(link.index, link)
    const up = !gone && link.up
    const changed =
      gone ||
      before === undefined ||
      before.up !== link.up ||
      before.running !== link.running ||
      before.name !== link.name
    if (!changed) return
    this.#state.nextHops.touchAll()
    this.#nexthops.doubt()
    if (before?.up && !up) this.#interfaceLost(link.index)
    const runs = up && link.running
    if (runs && !(before?.up && before.running)) view.acquitInterface(link.index)
    // What was refused while it was down may work now.
    if (up && !before?.up) this.#writer.wake(true)
    if (runs) this.#state.groups.wake()
  }

  #interfaceLost(interfaceIndex: number): void {
    const { tables, ways, view } = this.#state
    const table = tables[4]
    view.foreign[4].loseInterface(interfaceIndex, (row) => {
      const { index } = view.foreign[4]
      const own = table.index.find(index.addresses, row, index.lengths[row]!)
      if (own >= 0) table.enqueue(own)
    })
    for (const row of table.rows()) {
      const { legs, nexthop } = ways.get(table.ways[row]!)
      // Those that name a nexthop object went with that, if they went.
      if (
        nexthop !== 0 ||
        legs.length === 0 ||
        !legs.every((leg) => leg.interface === interfaceIndex)
      )
        continue
      table.hold(row, noWay)
      table.enqueue(row)
    }
  }

  #addressGone(address: string): void {
    if (this.#state.view.foreign[4].prefers(address, kernelProtocol)) {
      this.#requestScan(`routes that preferred ${address} have gone with it`)
    }
  }

  /** A route of ours met in a dump; true when it was unknown. */
  #found(table: RouteTable, route: RouteMessage, mark: number): boolean {
    const row = table.insert(route.destination, 0, route.length)
    const way = this.#state.ways.fromMessage(route)
    const known = table.ways[row] !== noWay
    if (known && table.marks[row] !== mark && table.has(row, rowFlags.seen)) {
      this.#writer.leave(table, row, mark)
      return false
    }
    table.set(row, rowFlags.seen)
    if (!known && !table.isWanted(row)) table.set(row, rowFlags.stale)
    if (known && table.ways[row] === way && table.marks[row] === mark) return false
    table.hold(row, way)
    table.marks[row] = mark
    table.enqueue(row)
    return !known
  }

  /** Routes of ours that the dump didn't show are not there. */
  #missed(table: RouteTable): void {
    for (const row of table.rows()) {
      if (table.ways[row] === noWay || table.has(row, rowFlags.seen)) continue
      table.hold(row, noWay)
      this.#journal.counters.repairs++
      table.enqueue(row)
    }
  }

  /** Rows in conflict or waiting for a retry are decided anew. */
  #queueHeld(table: RouteTable): void {
    for (const row of table.rows()) {
      if (table.has(row, rowFlags.conflict)) table.enqueue(row)
    }
    this.#writer.wake(true)
  }
}

/** Cache entries, routes for a type of service, and lengths that aren't whole are no concern. */
function isRoute(route: RouteMessage): boolean {
  if (route.cloned || route.tos !== 0 || route.length > bitsOf(route.family)) return false
  return route.destination.length >= wordsOf(route.family)
}
