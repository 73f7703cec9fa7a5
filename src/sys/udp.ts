/**
 * UDP as BFD wants it, by FFI: Node's dgram tells neither the interface nor the TTL of a packet. One
 * receiving socket a family and kind of hop, on every address; one sending socket a session, with TTL
 * 255 and traffic class CS6, from a port of its own (RFC 5881 §4 and §5, RFC 5883 §5). Linux knows no
 * lowest TTL for UDP (IP_MINTTL is for TCP), so a socket filter drops what has come over a router
 * before it costs a wakeup.
 */
import { randomInt } from 'node:crypto'
import { Address6 } from 'ip-address'
import koffi from 'koffi'
import type { Arrival, BfdNetwork, BfdPath, Ear, HearingKind, Sender } from '../../bgp/bfd/index.ts'
import { bind, close, errnoName, setsockopt, setsockoptInt, socket } from './libc.ts'
import { familyOf, socketAddress } from './tcp-options.ts'
import { ReceivedMessage } from './udp-message.ts'

const ports = { singleHop: 3784, multihop: 4784 } as const
/** RFC 5881 §4: the dynamic range. */
const sourcePorts = { first: 49_152, last: 65_535 } as const
const sourcePortTries = 64

const ttlMax = 255
/** CS6, network control, as a TOS octet. */
const trafficClass = 0xc0
/** The highest SO_PRIORITY that needs no privilege. */
const priority = 6

/** Packets handed over in one go; what is left makes the socket readable again. */
const packetsPerTurnMax = 256
const receiveBytes = 1024 * 1024
/** Remotes whose address is kept as text. */
const addressesMax = 4096
/** An interface's index may become another's: its name is asked for again after so long. */
const nameMs = 1000

const datagram = 2 | 0o4000 | 0o2000000
const dontWait = 0x40
const solSocket = 1
const options = { bindToDevice: 25, priority: 12, rcvBuf: 8, attachFilter: 26 } as const
const errnos = { interrupted: 4, again: 11, addressInUse: 98 } as const

/** Numbers of Linux: options, the control messages they bring, and where the TTL lies. */
interface Family {
  readonly domain: number
  readonly level: number
  readonly ttl: number
  readonly trafficClass: number
  readonly receiveInfo: number
  readonly receiveTtl: number
  readonly infoMessage: number
  readonly ttlMessage: number
  /** Of the address in sockaddr, and of what the control message says. */
  readonly addressAt: number
  readonly addressLength: number
  readonly infoAddressAt: number
  readonly infoIndexAt: number
  readonly ttlInHeaderAt: number
}

const families: { readonly 4: Family; readonly 6: Family } = {
  4: {
    domain: 2,
    level: 0,
    ttl: 2,
    trafficClass: 1,
    receiveInfo: 8,
    receiveTtl: 12,
    infoMessage: 8,
    ttlMessage: 2,
    addressAt: 4,
    addressLength: 4,
    infoAddressAt: 8,
    infoIndexAt: 0,
    ttlInHeaderAt: 8,
  },
  6: {
    domain: 10,
    level: 41,
    ttl: 16,
    trafficClass: 67,
    receiveInfo: 49,
    receiveTtl: 51,
    infoMessage: 50,
    ttlMessage: 52,
    addressAt: 8,
    addressLength: 16,
    infoAddressAt: 0,
    infoIndexAt: 16,
    ttlInHeaderAt: 7,
  },
}
const ipv6Only = 26

const libc = koffi.load(null)
const sendto = libc.func('intptr_t sendto(int, const void *, size_t, int, const void *, uint)') as (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array,
  addressLength: number,
) => number
const ifNameToIndex = libc.func('uint if_nametoindex(const char *)') as (name: string) => number
const ifIndexToName = libc.func('void *if_indextoname(uint, _Out_ uint8_t *)') as (
  index: number,
  name: Uint8Array,
) => unknown

/** What koffi's poll gives; its own declaration lacks the status argument. */
interface PollHandle {
  close(): void
}
type Poll = (fd: number, callback: (status: number) => void) => PollHandle

/** UDP of the thread's network namespace. */
export function createBfdNetwork(): BfdNetwork {
  const names = new InterfaceNames()
  return {
    listen: (kind, hear) => new UdpEar(kind, hear, names),
    dial: (path) => new UdpSender(path),
  }
}

class UdpEar implements Ear {
  readonly #fd: number
  readonly #poll: PollHandle
  readonly #family: Family
  readonly #hear: (arrival: Arrival) => void
  readonly #message = new ReceivedMessage()
  readonly #names: InterfaceNames
  readonly #addresses = new Map<string, string>()
  #open = true

  constructor(kind: HearingKind, hear: (arrival: Arrival) => void, names: InterfaceNames) {
    this.#family = families[kind.family]
    this.#hear = hear
    this.#names = names
    this.#fd = openReceiver(kind)
    const poll = koffi.node.poll as unknown as Poll
    this.#poll = poll(this.#fd, (status) => {
      if (status < 0) throw failure('wait for BFD packets', -status)
      this.receive()
    })
  }

  receive(): void {
    for (let packets = 0; packets < packetsPerTurnMax && this.#open; packets++) {
      const message = this.#message
      const length = message.receive(this.#fd, dontWait)
      if (length >= 0) {
        this.#hear(this.#arrival(message, length))
        continue
      }
      const errno = koffi.errno()
      if (errno === errnos.again) return
      if (errno !== errnos.interrupted) throw failure('receive BFD packets', errno)
    }
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#poll.close()
    close(this.#fd)
  }

  #arrival(message: ReceivedMessage, length: number): Arrival {
    const { addressAt, addressLength, level, infoMessage, ttlMessage } = this.#family
    const info = message.control(level, infoMessage)
    const ttl = message.control(level, ttlMessage)
    const { infoIndexAt, infoAddressAt } = this.#family
    const device =
      info === null ? '' : this.#names.of(message.controlView.getUint32(info + infoIndexAt, true))
    const local = info === null ? null : message.controlBytes(info + infoAddressAt, addressLength)
    return {
      bytes: message.bytes,
      length,
      remoteAddress: this.#text(message.sourceBytes(addressAt, addressLength), device),
      localAddress: local === null ? '' : this.#text(local, device),
      interface: device,
      ttl: ttl === null ? null : message.controlView.getInt32(ttl, true),
    }
  }

  /** Canonical text, with the zone where an address means nothing without it. */
  #text(bytes: Uint8Array, device: string): string {
    const key = String.fromCharCode(...bytes)
    let text = this.#addresses.get(key)
    if (text === undefined) {
      text = formatAddress(bytes)
      if (this.#addresses.size >= addressesMax) this.#addresses.clear()
      this.#addresses.set(key, text)
    }
    const linkLocal = bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80
    return linkLocal ? `${text}%${device}` : text
  }
}

class UdpSender implements Sender {
  readonly #fd: number
  readonly #destination: Uint8Array
  readonly #remoteAddress: string

  constructor(path: BfdPath) {
    const family = familyOf(path.remoteAddress)
    this.#remoteAddress = path.remoteAddress
    this.#destination = destinationOf(path)
    this.#fd = openSender(path, families[family])
  }

  send(packet: Uint8Array): string | null {
    const to = this.#destination
    const sent = sendto(this.#fd, packet, packet.length, dontWait, to, to.length)
    return sent < 0 ? failure(`send to ${this.#remoteAddress}`, koffi.errno()).message : null
  }

  close(): void {
    close(this.#fd)
  }
}

/** Names by index, as they were a moment ago. */
class InterfaceNames {
  readonly #known = new Map<number, { readonly name: string; readonly until: number }>()
  readonly #buffer: Uint8Array = new Uint8Array(new ArrayBuffer(16))

  of(index: number): string {
    const now = performance.now()
    const known = this.#known.get(index)
    if (known !== undefined && now < known.until) return known.name
    this.#buffer.fill(0)
    ifIndexToName(index, this.#buffer)
    const name = new TextDecoder().decode(this.#buffer.subarray(0, this.#buffer.indexOf(0)))
    this.#known.set(index, { name, until: now + nameMs })
    return name
  }
}

function openReceiver({ family, multihop }: HearingKind): number {
  const { domain, level, receiveInfo, receiveTtl, ttlInHeaderAt } = families[family]
  const port = multihop ? ports.multihop : ports.singleHop
  const fd = check('open a UDP socket', socket(domain, datagram, 0))
  try {
    if (family === 6) check('set IPV6_V6ONLY', setsockoptInt(fd, level, ipv6Only, 1))
    check('ask for the interface', setsockoptInt(fd, level, receiveInfo, 1))
    check('ask for the TTL', setsockoptInt(fd, level, receiveTtl, 1))
    check('size the receive buffer', setsockoptInt(fd, solSocket, options.rcvBuf, receiveBytes))
    if (!multihop) attachTtlFilter(fd, ttlInHeaderAt)
    // Not shared (SO_REUSEADDR): two daemons on one port would take each other's packets unseen.
    const everyAddress = socketAddress(family === 4 ? '0.0.0.0' : '::', port)
    check(`listen on UDP port ${port}`, bind(fd, everyAddress))
  } catch (error) {
    close(fd)
    throw error
  }
  return fd
}

/** Classic BPF: load the TTL from the network header, take the packet only if it is 255. */
function attachTtlFilter(fd: number, ttlAt: number): void {
  /** SKF_NET_OFF: offsets from here on count from the network header. */
  const networkHeader = 0xfff0_0000
  const program = new Uint8Array(new ArrayBuffer(32))
  const view = new DataView(program.buffer)
  const instruction = (at: number, code: number, onTrue: number, onFalse: number, k: number) => {
    view.setUint16(at, code, true)
    view.setUint8(at + 2, onTrue)
    view.setUint8(at + 3, onFalse)
    view.setUint32(at + 4, k, true)
  }
  instruction(0, 0x30, 0, 0, networkHeader + ttlAt)
  instruction(8, 0x15, 0, 1, ttlMax)
  instruction(16, 0x06, 0, 0, 0xffff_ffff)
  instruction(24, 0x06, 0, 0, 0)
  const sockFprog = new Uint8Array(16)
  const fprog = new DataView(sockFprog.buffer)
  fprog.setUint16(0, 4, true)
  fprog.setBigUint64(8, BigInt(koffi.address(program)), true)
  const result = setsockopt(fd, solSocket, options.attachFilter, sockFprog)
  check('attach the TTL filter', result)
}

function openSender(path: BfdPath, family: Family): number {
  const { domain, level, ttl, trafficClass: trafficClassName } = family
  const fd = check('open a UDP socket', socket(domain, datagram, 0))
  try {
    if (domain === families[6].domain) {
      check('set IPV6_V6ONLY', setsockoptInt(fd, level, ipv6Only, 1))
    }
    check('set the TTL', setsockoptInt(fd, level, ttl, ttlMax))
    check('set the traffic class', setsockoptInt(fd, level, trafficClassName, trafficClass))
    check('set SO_PRIORITY', setsockoptInt(fd, solSocket, options.priority, priority))
    // Nothing is ever read from it: whoever sends here fills next to no memory.
    check('size the receive buffer', setsockoptInt(fd, solSocket, options.rcvBuf, 0))
    if (path.interface !== null) {
      const name = new TextEncoder().encode(`${path.interface}\0`)
      const bound = setsockopt(fd, solSocket, options.bindToDevice, name)
      check(`bind to interface ${path.interface}`, bound)
    }
    bindSourcePort(fd, path)
  } catch (error) {
    close(fd)
    throw error
  }
  return fd
}

function bindSourcePort(fd: number, path: BfdPath): void {
  const everyAddress = familyOf(path.remoteAddress) === 4 ? '0.0.0.0' : '::'
  const from = path.localAddress ?? everyAddress
  let result = -errnos.addressInUse
  for (let tries = 0; tries < sourcePortTries && result === -errnos.addressInUse; tries++) {
    const port = randomInt(sourcePorts.first, sourcePorts.last + 1)
    result = bind(fd, withZone(from, path.interface, port))
  }
  check(`send from ${from}`, result)
}

function destinationOf(path: BfdPath): Uint8Array {
  const port = path.multihop ? ports.multihop : ports.singleHop
  return withZone(path.remoteAddress, path.interface, port)
}

/** A sockaddr whose scope is the interface's index, for link-local addresses. */
function withZone(address: string, device: string | null, port: number): Uint8Array {
  const [plain = '', zone = device] = address.split('%')
  const bytes = socketAddress(plain, port)
  if (!plain.startsWith('fe80:') || zone === null) return bytes
  const index = ifNameToIndex(zone)
  if (index === 0) throw new Error(`there is no interface ${zone}`)
  new DataView(bytes.buffer).setUint32(24, index, true)
  return bytes
}

function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  return Address6.fromUnsignedByteArray([...bytes]).correctForm()
}

const hints: { readonly [code: string]: string } = {
  EADDRINUSE: 'another BFD daemon holds it: stop its BFD, or configure none here',
  EADDRNOTAVAIL: 'the address is not on this host',
  EHOSTUNREACH: 'there is no route or no neighbour',
  ENETUNREACH: 'there is no route',
  ENODEV: 'there is no such interface',
  EPERM: 'a firewall rule on this host forbids it, or a capability is missing',
}

function check(what: string, result: number): number {
  if (result < 0) throw failure(what, -result)
  return result
}

function failure(what: string, errno: number): Error {
  const code = errnoName(errno)
  const hint = hints[code]
  return new Error(`cannot ${what}: ${code}${hint === undefined ? '' : ` (${hint})`}`)
}
