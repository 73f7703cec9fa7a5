/**
 * Interfaces that packets leave this host by: those that some route has a gateway at (proc(5):
 * /proc/net/route, /proc/net/ipv6_route).
 */
import { readFileSync } from 'node:fs'
import { errnoOf } from './errno.ts'

/** linux/route.h: RTF_GATEWAY. */
const gatewayFlag = 0x2

export interface Uplinks {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

export function findUplinks(folder = '/proc/net'): Uplinks {
  return {
    ipv4: unique(readRoutes4(read(`${folder}/route`))),
    ipv6: unique(readRoutes6(read(`${folder}/ipv6_route`))),
  }
}

/** A heading, then `Iface Destination Gateway Flags …`, numbers in hexadecimal. */
function readRoutes4(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .filter((fields) => (Number.parseInt(fields[3] ?? '', 16) & gatewayFlag) !== 0)
    .map(([name = '']) => name)
}

/** Ten fields a line; the ninth is the flags, the last the interface. */
function readRoutes6(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 10)
    .filter((fields) => (Number.parseInt(fields[8]!, 16) & gatewayFlag) !== 0)
    .map((fields) => fields[9]!)
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => name !== '' && name !== 'lo').sort()
}

/** Empty where the kernel has no such table: IPv6 may be off. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}
