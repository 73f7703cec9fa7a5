/**
 * Everything that reads octets or text from outside, each with what must hold for it. A target makes
 * its own input from chance, so that a seed and an index replay it.
 */
import { strict as assert } from 'node:assert'
import { SessionDecoder } from '../../bgp/decode.ts'
import { hexOf, Writer } from '../../bgp/wire/bytes.ts'
import { formatCapability } from '../../bgp/wire/capability.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { Framer } from '../../bgp/wire/framer.ts'
import {
  decodeRefresh,
  headerLength,
  maxExtendedLength,
  maxMessageLength,
  messageType,
} from '../../bgp/wire/message.ts'
import { MrtReader } from '../../bgp/wire/mrt.ts'
import { MrtError, mrtLengthAt } from '../../bgp/wire/mrt-record.ts'
import { decodeNotification, NotificationError } from '../../bgp/wire/notification.ts'
import { decodeOpen, encodeOpen } from '../../bgp/wire/open.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { InputError, readInput } from '../../src/decode/input.ts'
import { parseSelector, SelectorError } from '../../src/intent/selector.ts'
import { context } from '../bgp/wire/vectors.ts'
import { bgp4mpMessage, peerIndex, rib } from '../decode/archive.ts'
import { writeMessage } from './messages.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import { manifestTexts, mutateText, selectorTexts } from './text.ts'
import { readUpdate } from './update-target.ts'

export interface Target {
  readonly name: string
  /** How often, beside the others. */
  readonly weight: number
  /** Makes one input and reads it; gives the class of the outcome. Anything thrown is a finding. */
  run(random: Random): string
}

export const contexts: readonly Negotiated[] = [
  context(),
  context({ ebgp: false, peerAsn: 65001 }),
  context({ as4: false }),
  context({ as4: false, ebgp: false, peerAsn: 65001 }),
  context({ addPathReceive: ['ipv4-unicast', 'ipv6-unicast'] }),
  context({ families: ['ipv6-unicast'], extendedNextHop: true, extendedMessage: true }),
  context({ ebgp: false, peerAsn: 65001, extendedNextHop: true, families: ['ipv4-unicast'] }),
]

const room = 0x10000 + 64
/** A message is written here, in the middle of nothing: what lies behind it is older messages. */
const out = new Writer(2 * room)
/** Where splices come from: always the same messages, so that an index alone replays its own. */
const donors: readonly Uint8Array[] = Array.from({ length: 64 }, (_, index) => {
  const random = new Random()
  random.restart(0, index)
  out.reset()
  writeMessage(random, out, 1 + (index % 5), contexts[index % contexts.length] as Negotiated)
  return out.written()
})

/** Writes a message of this type, mutated one time in three; gives its length. */
function makeMessage(random: Random, type: number, negotiated: Negotiated): number {
  out.reset()
  writeMessage(random, out, type, negotiated)
  const length = out.position
  return random.once(3) ? mutate(random, out.buffer, length, random.pick(donors), room) : length
}

/** Runs what may end a session; gives the fault's name. */
function reset(run: () => string): string {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof NotificationError)) throw error
    assert(error.message !== '', 'an error says what is wrong')
    return `reset ${error.fault}`
  }
}

function fuzzUpdate(random: Random): string {
  const negotiated = random.pick(contexts)
  const length = makeMessage(random, messageType.update, negotiated)
  if (length < 23) return 'too short for a message'
  return reset(() => readUpdate(random, out.buffer, out.view, 0, length, negotiated))
}

function fuzzOpen(random: Random): string {
  const length = makeMessage(random, messageType.open, contexts[0] as Negotiated)
  if (length < 29) return 'too short for a message'
  return reset(() => {
    const open = decodeOpen(out.buffer, out.view, 0, length)
    for (const capability of open.capabilities) formatCapability(capability)
    // Text is cleaned when it is read, so a host name doesn't come back as it was.
    if (open.capabilities.every(({ kind }) => kind !== 'fqdn')) {
      const bytes = encodeOpen(open)
      assert.deepEqual(decodeOpen(bytes, new DataView(bytes.buffer), 0, bytes.length), open)
    }
    return 'accepted'
  })
}

function fuzzNotification(random: Random): string {
  const length = makeMessage(random, messageType.notification, contexts[0] as Negotiated)
  if (length < 21) return 'too short for a message'
  const { name, text } = decodeNotification(out.buffer, 0, length)
  assert(name.length > 0)
  return text === null ? 'without text' : 'with a text'
}

function fuzzRefresh(random: Random): string {
  const length = makeMessage(random, messageType.refresh, contexts[0] as Negotiated)
  if (length !== 23) return 'refused by the framer'
  const { family } = decodeRefresh(out.buffer, out.view, 0, length)
  return family === null ? 'unknown family' : 'known family'
}

/** A stream has one meaning, however TCP cuts it. */
function fuzzFraming(random: Random): string {
  const negotiated = random.pick(contexts)
  const maxLength = negotiated.extendedMessage ? maxExtendedLength : maxMessageLength
  const parts: Uint8Array[] = []
  for (let left = 1 + random.below(4); left > 0; left--) {
    const length = makeMessage(random, 1 + random.below(5), negotiated)
    parts.push(out.buffer.slice(0, length))
  }
  const stream = Buffer.concat(parts)
  if (random.once(20)) stream[random.below(stream.length)] = random.octet()
  const whole = frame([stream], maxLength)
  const chunks: Uint8Array[] = []
  for (let at = 0; at < stream.length; ) {
    const size = 1 + random.below(random.once(3) ? 3 : 90)
    chunks.push(stream.subarray(at, at + size))
    at += size
  }
  assert.deepEqual(frame(chunks, maxLength), whole)
  return whole.at(-1) as string
}

/** Types and lengths visited, and how it ended. */
function frame(chunks: readonly Uint8Array[], maxLength: number): string[] {
  const framer = new Framer()
  framer.maxLength = maxLength
  const visited: string[] = []
  const end = reset(() => {
    for (const chunk of chunks) {
      framer.push(chunk, (type, start, stop) => {
        assert(stop - start >= headerLength && stop - start <= maxLength)
        visited.push(`${type}:${stop - start}`)
      })
    }
    return framer.pending === 0 ? 'whole messages' : 'waiting for more'
  })
  return [...visited, end]
}

const decoder = new SessionDecoder()
const states = [undefined, 'Idle', 'OpenSent', 'OpenConfirm', 'Established'] as const

/** The way of `routelet decode`: a line of text, a message in words, a line of JSON. */
function fuzzDecode(random: Random): string {
  const negotiated = random.pick(contexts)
  const length = makeMessage(random, 1 + random.below(6), negotiated)
  const state = random.pick(states)
  const line = JSON.stringify({
    hex: hexOf(out.buffer, 0, Math.max(1, length)),
    context: {
      as4: negotiated.as4,
      peerType: negotiated.ebgp ? 'ebgp' : 'ibgp',
      addPath: negotiated.addPathReceive,
      families: negotiated.families,
      ...(state === undefined ? {} : { state }),
    },
  })
  const text = random.once(4) ? mutateText(random, line) : line
  try {
    const { bytes, context: given } = readInput(text, {})
    const described = decoder.describe(bytes, given)
    assert(JSON.stringify(described).length > 0)
    return 'type' in described ? described.type : 'an error of a session'
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return 'a line refused'
  }
}

const mrt = new MrtReader()
const archives = [
  peerIndex,
  rib(2, '10 0a01', [{ peer: 0, attributes: '400101 00 400200 400304 0a000001' }]),
  rib(10, '20 20010db8', [
    { peer: 1, pathId: 1, attributes: `800e11 10 ${'20010db8'.padEnd(32, '0')} 400101 00` },
  ]),
] as const

function fuzzMrt(random: Random): string {
  let length = makeMessage(random, 1 + random.below(5), random.pick(contexts))
  const record = random.once(2)
    ? bgp4mpMessage(out.buffer.subarray(0, length))
    : random.pick(archives)
  out.buffer.set(record)
  length = record.length
  if (random.once(2)) length = mutate(random, out.buffer, length, random.pick(donors), room)
  if (random.once(8)) out.buffer[random.below(12)] = random.octet()
  const measured = mrtLengthAt(out.view, 0, length)
  if (measured === 0 || measured > length) return 'no record'
  try {
    const { type } = mrt.describe(out.buffer, out.view, 0, measured) as { type?: string }
    return type ?? 'an error of a session'
  } catch (error) {
    if (!(error instanceof MrtError)) throw error
    return 'a damaged record'
  }
}

function fuzzManifests(random: Random): string {
  const text = mutateText(random, random.pick(manifestTexts))
  const { resources, problems } = readManifests('fuzz.yaml', text)
  for (const { message } of problems) assert(message !== '')
  return problems.length > 0 ? 'problems' : `${Math.min(resources.length, 1)} or more resources`
}

function fuzzSelector(random: Random): string {
  const text = mutateText(random, random.pick(selectorTexts))
  try {
    parseSelector(text).matches({ rack: 'a', spare: '' })
    return 'a selector'
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error
    return 'refused'
  }
}

export const targets: readonly Target[] = [
  { name: 'update', weight: 8400, run: fuzzUpdate },
  { name: 'open', weight: 700, run: fuzzOpen },
  { name: 'notification', weight: 300, run: fuzzNotification },
  { name: 'refresh', weight: 200, run: fuzzRefresh },
  { name: 'framing', weight: 150, run: fuzzFraming },
  { name: 'decode', weight: 120, run: fuzzDecode },
  { name: 'mrt', weight: 80, run: fuzzMrt },
  { name: 'selector', weight: 49, run: fuzzSelector },
  { name: 'manifests', weight: 1, run: fuzzManifests },
]
