/**
 * The one door through which the text of an address or prefix comes into the configuration. Reading
 * is strict, what comes out is canonical (RFC 5952 for IPv6), and what is wrong is said in words.
 */
import { Address4, Address6 } from 'ip-address'

export type IpVersion = 4 | 6

export interface Address {
  /** Canonical; with `%zone` when the text had one. */
  readonly text: string
  readonly family: IpVersion
  readonly zone: string | null
}

export interface Prefix {
  /** Canonical `address/length`, no host bits. */
  readonly text: string
  readonly family: IpVersion
  readonly length: number
  readonly first: bigint
  readonly last: bigint
}

/** An address of an interface: the host's own address, and the length of its subnet when known. */
export interface InterfaceAddress {
  readonly address: string
  readonly family: IpVersion
  readonly length: number | null
}

export interface Endpoint {
  readonly address: Address
  /** null when the text names none. */
  readonly port: number | null
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string }

/** Longer text can't be an address, and isn't looked at. */
const textLengthMax = 128

export const good = <T>(value: T): Read<T> => ({ ok: true, value })
export const bad = (error: string): { ok: false; error: string } => ({ ok: false, error })

/** Reads `10.0.0.1`, `2001:db8::1`, `fe80::1%eth0`; no prefix length, no port. */
export function parseAddress(text: string): Read<Address> {
  if (text.includes('/')) return bad('a prefix length does not belong here')
  const parsed = parseAny(text)
  if (!parsed.ok) return parsed
  const { ip, family } = parsed.value
  const zone = ip instanceof Address6 && ip.zone !== '' ? ip.zone.slice(1) : null
  if (zone !== null && !/^[\w.:@-]{1,15}$/.test(zone)) {
    return bad(`"${zone}" is not an interface name`)
  }
  const plain = ip.correctForm()
  return good({ text: zone === null ? plain : `${plain}%${zone}`, family, zone })
}

/** Reads `10.1.0.0/24` or `2001:db8::/48`; bits set beyond the length are an error. */
export function parsePrefix(text: string): Read<Prefix> {
  if (!text.includes('/')) return bad('the prefix length is missing, as in "/24"')
  const parsed = parseAny(text)
  if (!parsed.ok) return parsed
  const { ip, family } = parsed.value
  if (ip instanceof Address6 && ip.zone !== '') return bad('a prefix has no zone')
  const start = ip.startAddress()
  const canonical = `${start.correctForm()}/${ip.subnetMask}`
  if (start.correctForm() !== ip.correctForm()) {
    return bad(`bits are set beyond the prefix length; the network is ${canonical}`)
  }
  const first = start.bigInt()
  const size = 1n << BigInt((family === 4 ? 32 : 128) - ip.subnetMask)
  return good({ text: canonical, family, length: ip.subnetMask, first, last: first + size - 1n })
}

/** Reads an address with or without a prefix length, as Calico's Node annotations carry it. */
export function parseInterfaceAddress(text: string): Read<InterfaceAddress> {
  const parsed = parseAny(text)
  if (!parsed.ok) return parsed
  const { ip, family } = parsed.value
  if (ip instanceof Address6 && ip.zone !== '') return bad('a zone does not belong here')
  const length = text.includes('/') ? ip.subnetMask : null
  return good({ address: ip.correctForm(), family, length })
}

/** Reads Calico's `peerIP`: `v4`, `v6`, `v4:port`, `[v6]:port`. */
export function parseEndpoint(text: string): Read<Endpoint> {
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text)
  const dotted = bracketed ?? /^(\d[\d.]*):(\d{1,5})$/.exec(text)
  const host = parseAddress(dotted?.[1] ?? text)
  if (!host.ok) return host
  if (bracketed !== null && host.value.family === 4) return bad('only IPv6 goes in brackets')
  const port = dotted?.[2] === undefined ? null : Number(dotted[2])
  if (port !== null && (port < 1 || port > 65_535)) return bad(`${port} is not a port`)
  return good({ address: host.value, port })
}

/** Whether every address of `inner` lies in `outer`. */
export function coversPrefix(outer: Prefix, inner: Prefix): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last
}

export function overlapsPrefix(one: Prefix, other: Prefix): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last
}

/** For text that was validated when it was read; anything else is a fault in our own code. */
export function knownPrefix(text: string): Prefix {
  const read = parsePrefix(text)
  if (!read.ok) throw new TypeError(`"${text}" is not a prefix: ${read.error}`)
  return read.value
}

export const versionOf = (address: string): IpVersion => (address.includes(':') ? 6 : 4)

type AnyAddress = { readonly ip: Address4 | Address6; readonly family: IpVersion }

function parseAny(text: string): Read<AnyAddress> {
  if (text === '') return bad('it is empty')
  if (text.length > textLengthMax) return bad('it is too long for an address')
  if (!/^[0-9a-fA-F:./]+(%[^/]*)?(\/\d{1,3})?$/.test(text)) {
    return bad('it has characters that no address has')
  }
  try {
    if (!text.includes(':')) return good({ ip: new Address4(text), family: 4 })
    const ip = new Address6(text)
    // A socket shows such a peer as plain IPv4; two spellings of one address would not meet.
    if (ip.isMapped4()) return bad(`it is IPv4 inside IPv6; write ${ip.to4().correctForm()}`)
    return good({ ip, family: 6 })
  } catch (error) {
    // The package throws its own AddressError; its text is the reason.
    const reason = error instanceof Error ? error.message : String(error)
    return bad(reason.replace(/\.$/, '').replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase()))
  }
}

/** The address of this number; IPv6 with all of its eight groups. */
export function formatNumber(value: bigint, family: 4 | 6): string {
  const [count, bits] = family === 4 ? [4, 8n] : [8, 16n]
  const parts = Array.from({ length: count }, (_, index) => {
    const part = (value >> (bits * BigInt(count - 1 - index))) & ((1n << bits) - 1n)
    return family === 4 ? String(part) : part.toString(16)
  })
  return parts.join(family === 4 ? '.' : ':')
}
