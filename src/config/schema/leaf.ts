/**
 * The kinds of text a manifest holds. A row says what is expected, in words, and reads a value into
 * the form the rest of the program uses: canonical addresses, numbers for AS numbers, seconds for
 * durations. A schema names its row by JSON Schema's `format`; docs and errors use the same words.
 */
import Type, { type TSchemaOptions, type TUnsafe } from 'typebox'
import { parseSelector, SelectorError } from '../../intent/selector.ts'
import {
  bad,
  good,
  parseAddress,
  parseEndpoint,
  parseInterfaceAddress,
  parsePrefix,
  type Read,
} from '../address.ts'

interface LeafKind {
  readonly expected: string
  /** `integerOrString` is Kubernetes' int-or-string. */
  readonly type: 'string' | 'integerOrString'
  readonly read: (value: unknown) => Read<unknown>
}

const asnMax = 4_294_967_295
/** Twelve bits on the wire (RFC 4724 §3). */
const restartSecondsMax = 4095
const holdSecondsMax = 65_535
const daySeconds = 86_400

/** Names for communities that RFC 1997, 7611, 7999 and 8326 give a meaning. */
const wellKnownCommunities: Readonly<Record<string, string>> = {
  'graceful-shutdown': '65535:0',
  'accept-own': '65535:1',
  blackhole: '65535:666',
  'no-export': '65535:65281',
  'no-advertise': '65535:65282',
  'no-export-subconfed': '65535:65283',
  'no-peer': '65535:65284',
}

export const leafKinds = {
  'as-number': {
    expected: 'an AS number: 1 to 4294967295, or "high.low"',
    type: 'integerOrString',
    read: readAsn,
  },
  address: {
    expected: 'an IPv4 or IPv6 address',
    type: 'string',
    read: text((value) => map(parseAddress(value), (address) => address.text)),
  },
  'next-hop': {
    expected: 'an IPv4 or IPv6 address, or self',
    type: 'string',
    read: text((value) =>
      value === 'self' ? good(value) : map(parseAddress(value), (address) => address.text),
    ),
  },
  'interface-address': {
    expected: 'an address, with or without a prefix length',
    type: 'string',
    read: text((value) =>
      map(parseInterfaceAddress(value), ({ address, length }) =>
        length === null ? address : `${address}/${length}`,
      ),
    ),
  },
  prefix: {
    expected: 'a prefix such as 10.0.0.0/16 or 2001:db8::/48',
    type: 'string',
    read: text((value) => map(parsePrefix(value), (prefix) => prefix.text)),
  },
  endpoint: {
    expected: 'an address, or an address and port as in 10.0.0.1:179 or [2001:db8::1]:179',
    type: 'string',
    read: text(readPeerEndpoint),
  },
  'cluster-id': {
    expected: 'a cluster id in dotted form such as 244.0.0.1',
    type: 'string',
    read: text(readDottedQuad),
  },
  selector: {
    expected: 'a selector such as rack == "a" && !has(spare)',
    type: 'string',
    read: text(readSelector),
  },
  community: {
    expected: 'a community: aa:nn, aa:nn:mm, or a well-known name such as no-export',
    type: 'string',
    read: text(readCommunity),
  },
  'community-pattern': {
    expected: 'a community such as 65001:100 or 65001:1:2, in which "*" stands for any number',
    type: 'string',
    read: text(readCommunityPattern),
  },
  'community-or-name': {
    expected: 'a community, or the name of one from spec.communities',
    type: 'string',
    read: text((value) => (value.includes(':') ? readCommunity(value) : good(value))),
  },
  duration: {
    expected: 'a duration in whole seconds such as 90s, 2m or 1m30s, at most 24h',
    type: 'string',
    read: text((value) => readSeconds(value, 0, daySeconds)),
  },
  'retry-time': {
    expected: 'a duration of 1s to 65535s such as 5s',
    type: 'string',
    read: text((value) => readSeconds(value, 1, holdSecondsMax)),
  },
  'hold-time': {
    expected: 'a duration: 0s (off), or 3s to 65535s',
    type: 'string',
    read: text((value) => {
      const read = readSeconds(value, 0, holdSecondsMax)
      return read.ok && read.value !== 0 && read.value < 3
        ? bad('the hold time is 0 or at least 3 seconds (RFC 4271 §4.2)')
        : read
    }),
  },
  'restart-time': {
    expected: 'a duration of 0s to 4095s such as 120s',
    type: 'string',
    read: text((value) => readSeconds(value, 0, restartSecondsMax)),
  },
  interval: {
    expected: 'a duration in milliseconds such as 300ms or 1s',
    type: 'string',
    read: text((value) => {
      const milliseconds = readDuration(value)
      if (milliseconds === null) return bad('it is not a duration')
      return milliseconds >= 1 ? good(milliseconds) : bad('it is shorter than a millisecond')
    }),
  },
  'local-preference': {
    expected: 'a number from 0 to 4294967295, or Calico',
    type: 'integerOrString',
    read: (value) => {
      if (value === 'Calico') return good(value)
      const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
      return Number.isInteger(number) && Number(number) >= 0 && Number(number) <= asnMax
        ? good(number)
        : bad('it is neither')
    },
  },
  'log-level': {
    expected: 'one of Trace, Debug, Info, Warning, Error, Fatal',
    type: 'string',
    read: text((value) => {
      const levels = ['trace', 'debug', 'info', 'warning', 'error', 'fatal']
      const level = value.toLowerCase()
      return levels.includes(level) ? good(level) : bad('it is none of them')
    }),
  },
} as const satisfies Record<string, LeafKind>

export type LeafName = keyof typeof leafKinds

export function findLeaf(format: string): LeafKind | null {
  return Object.hasOwn(leafKinds, format) ? leafKinds[format as LeafName] : null
}

/** A schema for one row. `T` is the type after reading, not the one in the file. */
export function leaf<T>(format: LeafName, options: TSchemaOptions = {}): TUnsafe<T> {
  const type = leafKinds[format].type
  const shape = type === 'string' ? { type } : { 'x-kubernetes-int-or-string': true }
  return Type.Unsafe<T>({ ...shape, format, ...options })
}

export const asn = (options: TSchemaOptions = {}) => leaf<number>('as-number', options)
export const prefix = (options: TSchemaOptions = {}) => leaf<string>('prefix', options)
/** Seconds after reading. */
export const seconds = (
  format: 'duration' | 'retry-time' | 'hold-time' | 'restart-time',
  options: TSchemaOptions,
) => leaf<number>(format, options)
export const selector = (options: TSchemaOptions = {}) =>
  leaf<string>('selector', { maxLength: 1024, ...options })
/** String to string, as labels and Secret data. */
export const textMap = (options: TSchemaOptions = {}) =>
  Type.Unsafe<Readonly<Record<string, string>>>({
    type: 'object',
    additionalProperties: { type: 'string' },
    ...options,
  })

function text<T>(read: (value: string) => Read<T>): (value: unknown) => Read<T> {
  return (value) => (typeof value === 'string' ? read(value) : bad('it is not text'))
}

function map<T, U>(read: Read<T>, change: (value: T) => U): Read<U> {
  return read.ok ? good(change(read.value)) : read
}

function readAsn(value: unknown): Read<number> {
  const number = typeof value === 'string' ? asnOfText(value) : value
  if (typeof number !== 'number') return bad('it is not an AS number')
  if (!Number.isInteger(number)) return bad('write a dotted AS number in quotes')
  if (number < 1 || number > asnMax) return bad('it is out of range')
  return good(number)
}

function asnOfText(value: string): number | null {
  const dotted = /^(\d{1,5})\.(\d{1,5})$/.exec(value)
  if (dotted !== null) {
    const [high, low] = [Number(dotted[1]), Number(dotted[2])]
    return high > 65_535 || low > 65_535 ? null : high * 65_536 + low
  }
  return /^\d{1,10}$/.test(value) ? Number(value) : null
}

function readPeerEndpoint(value: string): Read<string> {
  const read = parseEndpoint(value)
  if (!read.ok) return read
  const { address, port } = read.value
  if (/^fe[89ab]/.test(address.text) && address.zone === null) {
    return bad(`a link-local address needs its interface: ${address.text}%eth0`)
  }
  if (port === null) return good(address.text)
  return good(address.family === 6 ? `[${address.text}]:${port}` : `${address.text}:${port}`)
}

function readDottedQuad(value: string): Read<string> {
  const read = parseAddress(value)
  if (!read.ok) return read
  if (read.value.family !== 4) return bad('it is not written as four numbers')
  return read.value.text === '0.0.0.0' ? bad('0.0.0.0 identifies nothing') : good(read.value.text)
}

function readSelector(value: string): Read<string> {
  try {
    return good(parseSelector(value).text)
  } catch (error) {
    if (error instanceof SelectorError) return bad(error.message)
    throw error
  }
}

/** `no-export` → `65535:65281`; null when the name means nothing to everybody. */
export function findWellKnownCommunity(name: string): string | null {
  const known = name.toLowerCase().replaceAll('_', '-')
  return Object.hasOwn(wellKnownCommunities, known) ? (wellKnownCommunities[known] ?? null) : null
}

function readCommunity(value: string): Read<string> {
  const known = findWellKnownCommunity(value)
  if (known !== null) return good(known)
  const parts = value.split(':')
  const max = parts.length === 2 ? 65_535 : asnMax
  const numbers = parts.map((part) => (/^\d{1,10}$/.test(part) ? Number(part) : Number.NaN))
  if (parts.length < 2 || parts.length > 3) return bad('it has neither two nor three parts')
  return numbers.every((number) => number <= max)
    ? good(numbers.join(':'))
    : bad(`every part is a number from 0 to ${max}`)
}

function readCommunityPattern(value: string): Read<string> {
  const parts = value.split(':')
  const read = readCommunity(parts.map((part) => (part === '*' ? '0' : part)).join(':'))
  if (!read.ok || !parts.includes('*')) return read
  const numbers = read.value.split(':')
  return good(parts.map((part, i) => (part === '*' ? part : numbers[i])).join(':'))
}

/** Go's notation (`1m30s`); milliseconds, or null. */
function readDuration(value: string): number | null {
  if (value === '0') return 0
  if (!/^(\d{1,9}(\.\d{1,9})?(h|ms|us|µs|ns|m|s))+$/.test(value) || value.length > 64) return null
  const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 }
  let milliseconds = 0
  for (const [, count, unit] of value.matchAll(/([\d.]+)(h|ms|us|µs|ns|m|s)/g)) {
    milliseconds += Number(count) * units[unit as keyof typeof units]
  }
  return milliseconds
}

function readSeconds(value: string, min: number, max: number): Read<number> {
  const milliseconds = readDuration(value)
  if (milliseconds === null) return bad('it is not a duration; write a number and its unit')
  const whole = milliseconds / 1000
  if (!Number.isInteger(whole)) return bad('it is not a whole number of seconds')
  return whole < min || whole > max ? bad('it is out of range') : good(whole)
}
