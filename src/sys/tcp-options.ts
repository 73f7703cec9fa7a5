/**
 * Socket options that Node has no word for, on a file descriptor: MD5 signatures (RFC 2385), TTL and
 * the lowest TTL accepted (RFC 5082); and opening a socket that has them before its first packet.
 * Every function throws an Error with the errno's name as `code`. Numbers are those of Linux.
 */

import { networkInterfaces } from 'node:os'
import { Address4, Address6 } from 'ip-address'
import * as libc from './libc.ts'

const solSocket = 1
const soReuseAddr = 2
const sockStream = 1
const sockNonBlock = 0o4000
const sockCloseOnExec = 0o2000000
const ipprotoTcp = 6
const tcpMd5Sig = 14
const tcpMd5SigExt = 32
const md5FlagPrefix = 1
const ipv6Only = 26

/** Longest key in octets (TCP_MD5SIG_MAXKEYLEN). */
export const keyLengthMax = 80

/** struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, ifindex, key. */
const md5Layout = { length: 216, flags: 128, prefixLength: 129, keyLength: 130, key: 136 }

interface Family {
  readonly domain: number
  readonly bits: number
  readonly level: number
  readonly ttl: number
  readonly minTtl: number
}

const families: { readonly 4: Family; readonly 6: Family } = {
  4: { domain: 2, bits: 32, level: 0, ttl: 2, minTtl: 21 },
  6: { domain: 10, bits: 128, level: 41, ttl: 16, minTtl: 73 },
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

/** A TCP socket that is neither bound nor connected. */
export function openSocket(family: 4 | 6): number {
  const type = sockStream | sockNonBlock | sockCloseOnExec
  return check('open a socket', libc.socket(families[family].domain, type, 0))
}

/** Binds for listening: the port may still be in use by connections of before, not by a listener. */
export function bindListener(fd: number, address: string, port: number): void {
  const family = familyOf(address)
  check('set SO_REUSEADDR', libc.setsockoptInt(fd, solSocket, soReuseAddr, 1))
  if (family === 6) {
    check('set IPV6_V6ONLY', libc.setsockoptInt(fd, families[6].level, ipv6Only, 1))
  }
  check(`bind to ${address} port ${port}`, libc.bind(fd, socketAddress(address, port)))
}

/** @param minTtl packets that arrive with less are dropped by the kernel */
export function setTtl(fd: number, family: 4 | 6, ttl: number | null, minTtl: number | null): void {
  const { level, ttl: ttlName, minTtl: minTtlName } = families[family]
  if (ttl !== null) {
    check(`set the TTL to ${ttl}`, libc.setsockoptInt(fd, level, ttlName, ttl))
  }
  if (minTtl !== null) {
    check(`set the lowest TTL to ${minTtl}`, libc.setsockoptInt(fd, level, minTtlName, minTtl))
  }
}

/**
 * Sets the key for segments from and to an address, or all addresses of a prefix.
 * @param password null removes the key
 */
export function setKey(fd: number, prefix: string, password: string | null): void {
  const [address = '', length] = prefix.split('/')
  const key = new TextEncoder().encode(password ?? '')
  if (password !== null && (key.length === 0 || key.length > keyLengthMax)) {
    throw problem(
      `the MD5 key for ${prefix} has ${key.length} octets; 1 to ${keyLengthMax} are allowed`,
      'EINVAL',
    )
  }
  const value = new Uint8Array(md5Layout.length)
  value.set(socketAddress(address, 0))
  value.set(new Uint8Array(Uint16Array.of(key.length).buffer), md5Layout.keyLength)
  value.set(key, md5Layout.key)
  const whole = length === undefined || Number(length) === families[familyOf(address)].bits
  if (!whole) {
    value[md5Layout.flags] = md5FlagPrefix
    value[md5Layout.prefixLength] = Number(length)
  }
  const option = whole ? tcpMd5Sig : tcpMd5SigExt
  const result = libc.setsockopt(fd, ipprotoTcp, option, value)
  // Removing what the kernel has already forgotten is no trouble.
  if (password === null && libc.errnoName(-result) === 'ENOENT') return
  check(`${password === null ? 'remove' : 'set'} the MD5 key for ${prefix}`, result)
}

/** sockaddr_in or sockaddr_in6; a zone is resolved to the interface's index. */
export function socketAddress(text: string, port: number): Uint8Array {
  const family = familyOf(text)
  const [address = '', zone] = text.split('%')
  const bytes = new Uint8Array(family === 4 ? 16 : 28)
  const view = new DataView(bytes.buffer)
  bytes.set(new Uint8Array(Uint16Array.of(families[family].domain).buffer))
  view.setUint16(2, port)
  if (family === 4) {
    bytes.set(new Address4(address).toArray(), 4)
    return bytes
  }
  const octets = new Address6(address).toUnsignedByteArray()
  // The package leaves out leading zeros.
  bytes.set(octets.slice(-16), 8 + 16 - Math.min(octets.length, 16))
  if (zone !== undefined) {
    bytes.set(new Uint8Array(Uint32Array.of(interfaceIndex(zone)).buffer), 24)
  }
  return bytes
}

/**
 * Node 22 and later dial an address whose zone doesn't exist without one, and wait in vain.
 * @throws ENODEV
 */
export function checkZone(address: string): void {
  const [, zone] = address.split('%')
  if (zone !== undefined) interfaceIndex(zone)
}

/** An interface that has a link-local address, which is the only kind a zone is used with. */
function interfaceIndex(zone: string): number {
  const address = networkInterfaces()[zone]?.find((one) => one.family === 'IPv6' && one.scopeid > 0)
  if (address?.family === 'IPv6') return address.scopeid
  throw problem(`there is no interface ${zone} with a link-local address`, 'ENODEV')
}

const hints: { readonly [code: string]: string } = {
  ENOMEM: ' (the keys exceed net.core.optmem_max; raise it)',
  EPERM: ' (CAP_NET_ADMIN is missing)',
  ENOPROTOOPT: ' (this kernel was built without it)',
}

function check(what: string, result: number): number {
  if (result >= 0) return result
  const code = libc.errnoName(-result)
  throw problem(`cannot ${what}: ${code}${hints[code] ?? ''}`, code)
}

function problem(text: string, code: string): Error {
  return Object.assign(new Error(text), { code })
}
