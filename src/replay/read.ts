/**
 * Reads a recording from its JSON lines (docs/replay.md). Files come from people, cut and edited:
 * every field is checked, and what a peer's settings don't say has its default, so that a recording
 * can also be written by hand.
 */
import { isIP } from 'node:net'
import { type RecordedEvent, type Recording, recordingFormat } from '../../bgp/index.ts'
import type { PeerConfig } from '../../bgp/types.ts'
import { isRecord } from '../config/validate.ts'
import { lineLengthMax, readLines } from '../decode/lines.ts'

/** Many times what a tape holds: recordings may be put together by hand. */
export const recordedEventsMax = 100_000

/** A file that is no recording; the message says where and why. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError'
}

/** What a value must be: the test, and the word for it. */
interface Kind {
  readonly words: string
  readonly fits: (value: unknown) => boolean
}

const asnMax = 0xffff_ffff
const messageOctetsMax = 65_535
const faultPattern = /^[A-Za-z]+(\/[A-Za-z]+)?$/

const text: Kind = { words: 'a string', fits: (value) => typeof value === 'string' }
const flag: Kind = { words: 'true or false', fits: (value) => typeof value === 'boolean' }
const count: Kind = numeral(0, Number.MAX_SAFE_INTEGER)
const seconds: Kind = numeral(0, 65_535)
const port: Kind = numeral(0, 65_535)
const asn: Kind = numeral(1, asnMax)
const ttl: Kind = numeral(1, 255)
const instant: Kind = { words: 'Unix milliseconds', fits: (value) => Number.isFinite(value) }
const lane: Kind = oneOf('outgoing', 'incoming', 'second')
const state: Kind = oneOf('Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established')
const address: Kind = {
  words: 'an IP address',
  fits: (value) => typeof value === 'string' && isIP(value.replace(/%.*/, '')) !== 0,
}
const octets: Kind = {
  words: `octets in hexadecimal, at most ${messageOctetsMax}`,
  fits: (value) =>
    typeof value === 'string' &&
    value.length <= 2 * messageOctetsMax &&
    value.length % 2 === 0 &&
    /^[0-9a-f]*$/i.test(value),
}
const fault: Kind = {
  words: 'a NOTIFICATION such as "cease/administrativeReset"',
  fits: (value) => typeof value === 'string' && faultPattern.test(value),
}
const failure: Kind = {
  words: '{"code":…,"message":…}',
  fits: (value) => isRecord(value) && text.fits(value['code']) && text.fits(value['message']),
}
const families: Kind = {
  words: 'a list of ipv4-unicast and ipv6-unicast',
  fits: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one) => one === 'ipv4-unicast' || one === 'ipv6-unicast'),
}
const limits: Kind = {
  words: '{"limit":…,"warningPercent":…,"restartSeconds":…}',
  fits: (value) =>
    isRecord(value) &&
    count.fits(value['limit']) &&
    orNull(count).fits(value['warningPercent']) &&
    orNull(count).fits(value['restartSeconds']),
}
const timers: Kind = {
  words: '{"transmitMs":…,"receiveMs":…,"multiplier":…}',
  fits: (value) =>
    isRecord(value) &&
    count.fits(value['transmitMs']) &&
    count.fits(value['receiveMs']) &&
    count.fits(value['multiplier']),
}
const list: Kind = { words: 'a list of objects', fits: isListOfRecords }

/** Every setting of a peer: what it must be, and what it is where a recording doesn't say. */
const peerFields: { readonly [K in keyof PeerConfig]-?: readonly [Kind, PeerConfig[K]] } = {
  name: [text, 'peer'],
  origin: [text, 'recording'],
  description: [text, ''],
  address: [address, '192.0.2.2'],
  range: [orNull(text), null],
  rangeLimit: [count, 0],
  port: [port, 179],
  asn: [asn, 65001],
  localAsn: [asn, 65000],
  localAddress: [orNull(address), null],
  passive: [flag, false],
  password: [orNull(text), null],
  holdSeconds: [seconds, 90],
  keepaliveSeconds: [orNull(seconds), null],
  connectRetrySeconds: [seconds, 5],
  families: [families, ['ipv4-unicast']],
  routeReflectorClient: [flag, false],
  clusterId: [orNull(address), null],
  nextHopMode: [oneOf('Auto', 'Self', 'Keep'), 'Auto'],
  export: [oneOf('Auto', 'Own', 'All'), 'Auto'],
  allowedLocalAsns: [count, 0],
  asOverride: [flag, false],
  enforceFirstAs: [flag, false],
  ttlSecurity: [orNull(ttl), null],
  ebgpMultihop: [orNull(ttl), null],
  gracefulRestart: [oneOf('Enabled', 'Helper', 'Disabled'), 'Enabled'],
  restartSeconds: [seconds, 120],
  staleSeconds: [seconds, 360],
  addPathReceive: [flag, false],
  addPathSend: [oneOf('None', 'Best', 'Multipath', 'All'), 'None'],
  addPathLimit: [orNull(count), null],
  maxPrefixes: [orNull(limits), null],
  bfd: [orNull(timers), null],
  filters: [list, []],
  shutdown: [flag, false],
  shutdownMessage: [orNull(text), null],
  heldDown: [orNull(text), null],
}

type Fields = Readonly<Record<string, Kind>>

const config: Kind = { words: "a peer's settings", fits: isRecord }
const eventFields: { readonly [E in RecordedEvent['event']]: Fields } = {
  start: {},
  stop: { fault: orNull(fault), text: orNull(text) },
  reset: { text: orNull(text) },
  fail: { fault, reason: text },
  configure: { config, fault },
  accept: {
    localAddress: address,
    remotePort: port,
    lane: oneOf('outgoing', 'incoming', 'second', 'refused'),
  },
  connected: { lane, localAddress: address },
  received: { lane, hex: octets },
  fragment: { lane, hex: octets },
  handed: { lane, bytes: numeral(0, 1 << 26), hex: orNull(octets), queuedBytes: count },
  drained: { lane },
  closed: { lane, error: orNull(failure) },
  timer: { lane: oneOf('outgoing', 'incoming', 'second', 'peer'), timer: text, queuedBytes: count },
  dial: { address, port, localAddress: orNull(address) },
  sent: { lane: oneOf('outgoing', 'incoming', 'second', 'refused'), hex: octets },
  ended: { lane },
  state: { from: state, to: state },
  told: { kind: text, text },
  gap: { events: count, bytes: count, started: flag, state },
}

export interface ReadRecording extends Recording {
  /** Name and version of what wrote it. */
  readonly software: string
}

/**
 * Reads a whole recording; blank lines are passed over.
 * @throws RecordingError
 */
export async function readRecording(chunks: AsyncIterable<Uint8Array>): Promise<ReadRecording> {
  let header: { readonly software: string; readonly peer: PeerConfig } | null = null
  const events: RecordedEvent[] = []
  for await (const lines of readLines(chunks)) {
    for (const { number, text: line } of lines) {
      if (line?.trim() === '') continue
      const value = parseLine(number, line)
      if (header === null) header = readHeader(number, value)
      else events.push(readEvent(number, value, events.at(-1)?.at ?? Number.NEGATIVE_INFINITY))
      if (events.length > recordedEventsMax) {
        throw new RecordingError(`it has more than ${recordedEventsMax} events`)
      }
    }
  }
  if (header === null) throw new RecordingError('it is empty')
  return { ...header, events }
}

function parseLine(number: number, line: string | null): Record<string, unknown> {
  if (line === null) throw wrong(number, `it is longer than ${lineLengthMax} characters`)
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw wrong(number, `it is no JSON: ${(error as Error).message}`)
  }
  if (!isRecord(value)) throw wrong(number, 'it is no JSON object')
  return value
}

function readHeader(
  number: number,
  value: Record<string, unknown>,
): { readonly software: string; readonly peer: PeerConfig } {
  const { recording, software = 'unknown software', peer } = value
  if (recording !== recordingFormat) {
    throw wrong(
      number,
      recording === undefined
        ? 'a recording begins with a line {"recording":1,"peer":{…}}'
        : `this is a recording of format ${JSON.stringify(recording)}; format ${recordingFormat} is read`,
    )
  }
  check(number, 'software', text, software)
  check(number, 'peer', config, peer)
  return { software: software as string, peer: readPeer(number, 'peer', peer) }
}

function readPeer(number: number, place: string, value: unknown): PeerConfig {
  const given = value as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(peerFields, name))
      throw wrong(number, `there is no setting ${place}.${name}`)
  }
  const settings = Object.entries(peerFields).map(([name, [kind, preset]]) => {
    const own = given[name]
    if (own !== undefined) check(number, `${place}.${name}`, kind, own)
    return [name, own === undefined ? preset : own]
  })
  return Object.fromEntries(settings) as PeerConfig
}

function readEvent(number: number, value: Record<string, unknown>, after: number): RecordedEvent {
  const { at, event: name } = value
  if (typeof name !== 'string' || !Object.hasOwn(eventFields, name)) {
    const known = Object.keys(eventFields).join(', ')
    throw wrong(number, `event: ${show(name)} is none of ${known}`)
  }
  check(number, 'at', instant, at)
  if ((at as number) < after) throw wrong(number, 'at: it is earlier than the event before it')
  const fields = eventFields[name as RecordedEvent['event']]
  const event: Record<string, unknown> = { at, event: name }
  for (const [field, kind] of Object.entries(fields)) {
    check(number, field, kind, value[field])
    event[field] = field === 'config' ? readPeer(number, field, value[field]) : value[field]
  }
  // Checked against the table of its kind.
  return event as unknown as RecordedEvent
}

function check(number: number, field: string, kind: Kind, value: unknown): void {
  if (kind.fits(value)) return
  throw wrong(number, `${field}: expected ${kind.words}, found ${show(value)}`)
}

const shownMax = 60

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? 'nothing'
  return shown.length > shownMax ? `${shown.slice(0, shownMax)}…` : shown
}

function wrong(number: number, why: string): RecordingError {
  return new RecordingError(`line ${number}: ${why}`)
}

function numeral(minimum: number, maximum: number): Kind {
  return {
    words: maximum === Number.MAX_SAFE_INTEGER ? 'a whole number' : `${minimum} to ${maximum}`,
    fits: (value) =>
      Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum,
  }
}

function oneOf(...words: readonly string[]): Kind {
  return { words: words.join(' or '), fits: (value) => words.includes(value as string) }
}

function orNull(kind: Kind): Kind {
  return { words: `${kind.words} or null`, fits: (value) => value === null || kind.fits(value) }
}

function isListOfRecords(value: unknown): boolean {
  return Array.isArray(value) && value.every(isRecord)
}
