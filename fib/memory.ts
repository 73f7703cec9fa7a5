/**
 * A kernel in a Map, behind the same port and speaking the same bytes: for tests, dry runs and
 * platforms without netlink. It keeps the rules that matter (EXCL and REPLACE by prefix, table and
 * metric; deletion by protocol; IPv4 routes that vanish in silence with their interface, and any
 * with their nexthop object) and can be told to fail in ways the real one rarely does: refuse, lose
 * replies, drop notifications, know no nexthop objects. It is long because a kernel has many sides.
 */
import { formatPrefix, parsePrefix } from './address.ts'
import { encodeNexthop, MemoryNexthops } from './memory-nexthops.ts'
import {
  align,
  familyNumber,
  legsMax,
  littleEndian,
  RouteMessage,
  readRoute,
  visitMessages,
} from './netlink.ts'
import { type NexthopObject, readNexthop } from './nexthop-message.ts'
import { errnos, linkFlags, messageFlags, messageTypes, routeTypes } from './numbers.ts'
import { type Kernel, KernelError, type KernelListener } from './port.ts'
import { encodeLegs, encodeNexthopId, type Leg, RouteBatch } from './request.ts'
import { encodeRule, type Rule, readRule, ruleText } from './rules.ts'
import { Ways } from './way.ts'

/** Port ids of our own requests and of everybody else's. */
const ownPort = 4711
const otherPort = 815
/** Replies that wait at most; more than any batch makes. */
const repliesMax = 4096
/** Routes in one datagram of a dump. */
const dumpRoutes = 100

export interface MemoryRoute {
  readonly prefix: string
  readonly table: number
  readonly protocol: number
  readonly metric: number
  readonly type: number
  readonly legs: readonly Leg[]
  /** The nexthop object it names; it has no legs of its own then. */
  readonly nexthop?: number
}

interface MemoryLink {
  readonly index: number
  readonly name: string
  readonly up: boolean
  readonly running: boolean
}

export class MemoryKernel implements Kernel {
  readonly port = ownPort
  readonly repliesMax: number = repliesMax
  /** By `prefix table metric`. */
  readonly routes = new Map<string, MemoryRoute>()
  readonly links = new Map<number, MemoryLink>()
  /** Route requests carried out, in order: `add 10.0.0.0/24`, `replace …`, `remove …`. */
  readonly log: string[] = []
  /** Requests for nexthop objects carried out, in order: `hop 1790000000`, `group …`, `remove …`. */
  readonly objectLog: string[] = []
  /** Policy rules by their text. */
  readonly rules = new Map<string, Rule>()
  readonly nexthops = new MemoryNexthops((ids) => this.#vanish(ids))
  /** Whether this kernel knows nexthop objects (Linux 5.3). */
  nexthopSupport = true
  /** net.ipv4.nexthop_compat_mode: routes that name an object tell its next hops as well. */
  compatMode = true
  /** As `refuse`, for nexthop objects. */
  refuseObject: (operation: string, id: number) => number = () => 0
  /** Called with each route request before it is carried out; a positive errno refuses it. */
  refuse: (operation: string, prefix: string) => number = () => 0
  /** Replies are thrown away, as when the receive buffer is full. */
  losingReplies = false

  #listener: KernelListener | null = null
  #replies: Uint8Array[] = []
  #notifications: Uint8Array[] = []
  readonly #route = new RouteMessage()
  readonly #ways = new Ways()

  open(listener: KernelListener): void {
    this.#listener = listener
  }

  close(): void {
    this.#listener = null
  }

  send(bytes: Uint8Array, length: number): void {
    if (this.#listener === null) throw new KernelError('sending to the kernel', 9)
    const view = new DataView(bytes.buffer, bytes.byteOffset, length)
    visitMessages(view, length, (type, flags, sequence, _port, start, end) => {
      if ((flags & messageFlags.dump) === messageFlags.dump && type !== messageTypes.newRoute) {
        this.#dump(type, sequence, view.getUint8(start))
        return
      }
      const errno = this.#request(view, type, flags, start, end)
      if (errno !== 0 || (flags & messageFlags.ack) !== 0) this.#reply(sequence, errno)
    })
  }

  receive(into: Uint8Array): number {
    const reply = this.#replies.shift()
    if (this.losingReplies) this.#replies = []
    if (reply === undefined || this.losingReplies) {
      throw new KernelError('waiting for the kernel to answer', errnos.noBuffers)
    }
    into.set(reply)
    return reply.length
  }

  drain(): void {
    for (;;) {
      const next = this.#notifications.shift()
      if (next === undefined || this.#listener === null) return
      this.#listener.notified(next, next.length)
    }
  }

  /** Somebody else makes or replaces a route. */
  put(route: MemoryRoute, port: number = otherPort): void {
    const replaced = this.routes.has(keyOf(route))
    this.routes.set(keyOf(route), route)
    const flags = replaced ? messageFlags.replace : messageFlags.create
    this.#notify(this.#encode(messageTypes.newRoute, route, flags, 0, port))
  }

  /** Somebody else removes a route. */
  take(prefix: string, table: number, metric: number, port: number = otherPort): void {
    const route = this.routes.get(`${prefix} ${table} ${metric}`)
    if (route === undefined) return
    this.routes.delete(keyOf(route))
    this.#notify(this.#encode(messageTypes.delRoute, route, 0, 0, port))
  }

  setLink(link: MemoryLink): void {
    const before = this.links.get(link.index)
    this.links.set(link.index, link)
    this.#notify(encodeLink(link, 0))
    if (before?.running && !link.running) this.nexthops.loseInterface(link.index)
    if (!before?.up || link.up) return
    for (const [key, route] of this.routes) {
      const rests = route.legs.length > 0 && route.legs.every((leg) => leg.interface === link.index)
      if (rests && !route.prefix.includes(':')) this.routes.delete(key)
    }
  }

  /** Somebody else makes or replaces a nexthop object. */
  putNexthop(object: NexthopObject, port: number = otherPort): void {
    this.nexthops.put(object)
    this.#notify(encodeNexthop(messageTypes.newNexthop, object, 0, port))
  }

  /** Somebody else removes a nexthop object: of its routes nobody is told. */
  takeNexthop(id: number, port: number = otherPort): void {
    const object = this.nexthops.get(id)
    if (object === undefined) return
    const holders = this.nexthops.objects().filter(({ members }) => members.includes(id))
    this.#notify(encodeNexthop(messageTypes.delNexthop, object, 0, port))
    this.nexthops.remove(id)
    for (const { id: holder } of holders) {
      const shrunk = this.nexthops.get(holder)
      if (shrunk !== undefined) {
        this.#notify(encodeNexthop(messageTypes.newNexthop, shrunk, 0, port))
      }
    }
  }

  /** A neighbour's state changes (NUD_*). */
  setNeighbour(interfaceIndex: number, address: string, state: number): void {
    this.#notify(encodeNeighbour(interfaceIndex, address, state))
  }

  /** Somebody else removes a rule. */
  takeRule(key: string): void {
    const rule = this.rules.get(key)
    if (rule === undefined) return
    this.rules.delete(key)
    this.#notify(encodeRule('remove', rule, 0))
  }

  /** Drops what waits to be notified, and says so. */
  overflow(): void {
    this.#notifications = []
    this.#listener?.overflowed()
  }

  /** Text of each route, sorted: for comparison in tests. */
  list(protocol: number): string[] {
    return [...this.routes.values()]
      .filter((route) => route.protocol === protocol)
      .map((route) => {
        // In the order a way has: it is the same through a nexthop object and without.
        const { legs } = this.#ways.get(this.#ways.unicast(this.#legsOf(route)))
        const texts = legs.map((leg) => `${leg.gateway ?? 'link'}@${leg.interface}`)
        const kind = route.type === routeTypes.unicast ? texts.join(' ') : `type ${route.type}`
        return `${route.prefix} ${kind}`
      })
      .sort()
  }

  #request(view: DataView, type: number, flags: number, start: number, end: number): number {
    if (type === messageTypes.newNeighbour) {
      this.log.push('prompt')
      return 0
    }
    if (type === messageTypes.newRule || type === messageTypes.delRule) {
      return this.#ruleRequest(type, readRule(view, start, end))
    }
    if (type === messageTypes.newNexthop || type === messageTypes.delNexthop) {
      return this.#nexthopRequest(view, type, flags, start, end)
    }
    if (!readRoute(view, start, end, this.#route)) return errnos.protocol
    const { family, destination, length, table, metric, protocol } = this.#route
    const prefix = formatPrefix(family, destination, 0, length)
    const key = `${prefix} ${table} ${metric}`
    const present = this.routes.get(key)
    const replaces = (flags & messageFlags.replace) !== 0
    const operation = type === messageTypes.delRoute ? 'remove' : replaces ? 'replace' : 'add'
    const refused = this.refuse(operation, prefix)
    if (refused !== 0) return refused
    if (operation === 'remove') {
      if (present === undefined || present.protocol !== protocol) return errnos.noSuchRoute
      this.routes.delete(key)
    } else {
      if (present !== undefined && !replaces) return errnos.exists
      const { nexthop } = this.#route
      if (nexthop !== 0 && !this.nexthops.has(nexthop)) return errnos.invalid
      const legs = nexthop === 0 ? this.#ways.get(this.#ways.fromMessage(this.#route)).legs : []
      const route = { prefix, table, protocol, metric, type: this.#route.type, legs }
      this.routes.set(key, nexthop === 0 ? route : { ...route, nexthop })
    }
    this.log.push(`${operation} ${prefix}`)
    return 0
  }

  #ruleRequest(type: number, rule: Rule | null): number {
    if (rule === null) return errnos.invalid
    const key = ruleText(rule)
    const operation = type === messageTypes.delRule ? 'remove' : 'add'
    const refused = this.refuse(operation, key)
    if (refused !== 0) return refused
    if (operation === 'remove') return this.rules.delete(key) ? 0 : errnos.noEntry
    if (this.rules.has(key)) return errnos.exists
    this.rules.set(key, rule)
    return 0
  }

  #nexthopRequest(view: DataView, type: number, flags: number, start: number, end: number): number {
    if (!this.nexthopSupport) return errnos.notSupported
    const object = readNexthop(view, start, end)
    if (object === null) return errnos.invalid
    const kind = object.members.length > 0 ? 'group' : 'hop'
    const operation = type === messageTypes.delNexthop ? 'remove' : kind
    const errno = this.refuseObject(operation, object.id)
    const result = errno === 0 ? this.nexthops.request(view, type, flags, start, end) : errno
    if (result === 0) this.objectLog.push(`${operation} ${object.id}`)
    return result
  }

  /** Nexthop objects are gone: so are their routes; of IPv6 the kernel tells in compat mode. */
  #vanish(ids: readonly number[]): void {
    for (const [key, route] of this.routes) {
      if (route.nexthop === undefined || !ids.includes(route.nexthop)) continue
      this.routes.delete(key)
      if (!this.compatMode || !route.prefix.includes(':')) continue
      this.#notify(this.#encode(messageTypes.delRoute, route, 0, 0, 0))
    }
  }

  #legsOf(route: MemoryRoute): readonly Leg[] {
    return route.nexthop === undefined ? route.legs : this.nexthops.legsOf(route.nexthop)
  }

  /** A route as the kernel tells it: by its object, its next hops, or both. */
  #encode(
    type: number,
    route: MemoryRoute,
    flags: number,
    sequence: number,
    port: number,
  ): Uint8Array {
    const told = route.nexthop === undefined || this.compatMode ? this.#legsOf(route) : []
    return encodeRoute(type, { ...route, legs: told }, flags, sequence, port)
  }

  #dump(type: number, sequence: number, family: number): void {
    if (type === messageTypes.getNexthop) {
      if (!this.nexthopSupport) {
        this.#reply(sequence, errnos.notSupported)
        return
      }
      for (const object of this.nexthops.objects()) {
        this.#replies.push(encodeNexthop(messageTypes.newNexthop, object, sequence, ownPort))
      }
    } else if (type === messageTypes.getRule) {
      for (const rule of this.rules.values()) {
        if (familyNumber(rule.prefix.family) !== family) continue
        this.#replies.push(encodeRule('add', rule, sequence))
      }
    } else if (type === messageTypes.getLink) {
      for (const link of this.links.values()) this.#replies.push(encodeLink(link, sequence))
    } else if (type === messageTypes.getRoute) {
      const routes = [...this.routes.values()].filter(
        (route) => route.prefix.includes(':') === (family === 10),
      )
      for (let at = 0; at < routes.length; at += dumpRoutes) {
        const part = routes.slice(at, at + dumpRoutes)
        const messages = part.map((route) =>
          this.#encode(messageTypes.newRoute, route, 0, sequence, ownPort),
        )
        this.#replies.push(join(messages))
      }
    }
    this.#replies.push(message(messageTypes.done, 0, sequence, ownPort, new Uint8Array(4)))
  }

  #reply(sequence: number, errno: number): void {
    const payload = new Uint8Array(20)
    new DataView(payload.buffer).setInt32(0, -errno, littleEndian)
    this.#replies.push(message(messageTypes.error, 0x100, sequence, ownPort, payload))
  }

  #notify(datagram: Uint8Array): void {
    if (this.#listener === null) return
    this.#notifications.push(datagram)
    // As a socket would: not within the call, but soon.
    setImmediate(() => this.drain())
  }
}

function keyOf(route: MemoryRoute): string {
  return `${route.prefix} ${route.table} ${route.metric}`
}

function message(
  type: number,
  flags: number,
  sequence: number,
  port: number,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(16 + align(payload.length))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 16 + payload.length, littleEndian)
  view.setUint16(4, type, littleEndian)
  view.setUint16(6, flags, littleEndian)
  view.setUint32(8, sequence, littleEndian)
  view.setUint32(12, port, littleEndian)
  bytes.set(payload, 16)
  return bytes
}

function join(messages: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(messages.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of messages) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function encodeRoute(
  type: number,
  route: MemoryRoute,
  flags: number,
  sequence: number,
  port: number,
): Uint8Array {
  const prefix = parsePrefix(route.prefix)
  if (prefix === null || route.legs.length > legsMax) {
    throw new RangeError(`${route.prefix}: not a route this kernel can hold`)
  }
  const batch = new RouteBatch()
  const told = encodeLegs(prefix.family, route.legs)
  const id = route.nexthop === undefined ? new Uint8Array(0) : encodeNexthopId(route.nexthop)
  const legs = join([id, told])
  const { family, words, length } = prefix
  batch.add(flags, route.type, sequence, family, route, words, 0, length, legs)
  const bytes = batch.bytes.slice(0, batch.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(4, type, littleEndian)
  view.setUint32(12, port, littleEndian)
  return bytes
}

function encodeLink(link: MemoryLink, sequence: number): Uint8Array {
  const name = [...link.name].map((character) => character.charCodeAt(0))
  const payload = new Uint8Array(16 + align(4 + name.length + 1))
  const view = new DataView(payload.buffer)
  const flags = (link.up ? linkFlags.up : 0) | (link.running ? linkFlags.running : 0)
  view.setInt32(4, link.index, littleEndian)
  view.setUint32(8, flags, littleEndian)
  view.setUint16(16, 4 + name.length + 1, littleEndian)
  view.setUint16(18, 3, littleEndian)
  payload.set(name, 20)
  return message(messageTypes.newLink, 0, sequence, 0, payload)
}

function encodeNeighbour(interfaceIndex: number, address: string, state: number): Uint8Array {
  const prefix = parsePrefix(`${address}/${address.includes(':') ? 128 : 32}`)
  if (prefix === null) throw new RangeError(`${address}: not an address`)
  const payload = new Uint8Array(16 + prefix.words.length * 4)
  const view = new DataView(payload.buffer)
  view.setUint8(0, prefix.family === 4 ? 2 : 10)
  view.setInt32(4, interfaceIndex, littleEndian)
  view.setUint16(8, state, littleEndian)
  view.setUint16(12, 4 + prefix.words.length * 4, littleEndian)
  view.setUint16(14, 1, littleEndian)
  for (const [index, word] of prefix.words.entries()) view.setUint32(16 + 4 * index, word)
  return message(messageTypes.newNeighbour, 0, 0, 0, payload)
}
