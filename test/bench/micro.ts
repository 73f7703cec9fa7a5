/**
 * Micro questions, in this process: what one step of an UPDATE's way costs. They point at the step to
 * look at; what a user gets is measured by the scenarios alone. Each round does the whole table; a
 * few rounds before the first one counted give the compiler its time.
 */
import { Writer } from '../../bgp/wire/bytes.ts'
import { UpdateWriter } from '../../bgp/wire/encode.ts'
import { NlriCursor, UpdateReader } from '../../bgp/wire/update.ts'
import { Bench, join, negotiated, type Player } from '../bgp/engine-scene.ts'
import type { Measures } from './load/job.ts'
import { encodeFeed, Universe } from './load/universe.ts'
import { parseAddress, short } from './load/wire.ts'
import { site } from './site.ts'

const prefixes = 100_000
const feeders = 10
const warmRounds = 3
const rounds = 9

interface Message {
  readonly start: number
  readonly end: number
}

interface Question {
  /** Name of the measure; report.ts has its title. */
  readonly measure: string
  /** What the time is divided by. */
  readonly count: number
  /** Makes what a round needs and doesn't count. */
  readonly prepare: () => () => void
}

/** What identifies it in the results. */
export const microSize = { prefixes } as const

/** Of each round: nanoseconds for one UPDATE, prefix or attribute set. */
export function runMicro(): Measures[] {
  const universe = new Universe(true, parseAddress(site.playerBase))
  const style = { rich: true, med: false }
  const feeds = Array.from({ length: feeders }, (_, feeder) => {
    return encodeFeed(universe, feeder, 0, prefixes, style).bytes.slice()
  })
  const [feed] = feeds as [Uint8Array]
  const found = Array.from({ length: rounds }, (): Measures => ({}))
  for (const question of [...wireQuestions(feed), ...tableQuestions(feeds)]) {
    time(question).forEach((nanoseconds, round) => {
      ;(found[round] as Measures)[question.measure] = nanoseconds
    })
  }
  return found
}

/** Nanoseconds for one unit, in each round. */
function time({ count, prepare }: Question): number[] {
  const times: number[] = []
  for (let round = -warmRounds; round < rounds; round++) {
    const run = prepare()
    const start = performance.now()
    run()
    const nanoseconds = (performance.now() - start) * 1e6
    if (round >= 0) times.push(Number((nanoseconds / count).toPrecision(6)))
  }
  return times
}

function wireQuestions(feed: Uint8Array): Question[] {
  const messages = messagesOf(feed)
  const view = new DataView(feed.buffer, feed.byteOffset, feed.byteLength)
  const context = negotiated(1)
  const reader = new UpdateReader()
  const cursor = new NlriCursor()
  const [some] = messages as [Message]
  reader.read(feed, view, some.start, some.end, context)
  const attributes = reader.attributes.slice(0, reader.attributesLength)
  return [
    {
      measure: 'decodeNs',
      count: messages.length,
      prepare: () => () => {
        for (const { start, end } of messages) {
          reader.read(feed, view, start, end, context)
          reader.check(context)
          cursor.start(feed, view, reader.announced)
          while (cursor.next());
        }
      },
    },
    {
      measure: 'encodeNs',
      count: prefixes,
      prepare: () => () => encodeAll(attributes),
    },
  ]
}

function encodeAll(attributes: Uint8Array): void {
  const out = new Writer(1024 * 1024)
  const writer = new UpdateWriter(out)
  const key = new Uint32Array(1)
  writer.beginAnnounce('ipv4-unicast', attributes, attributes.length, new Uint8Array(), 4096)
  for (let number = 0; number < prefixes; number++) {
    key[0] = 0x20000000 + number * 256
    if (writer.addPrefix(key, 0, 24, -1)) continue
    writer.finish()
    writer.beginAnnounce('ipv4-unicast', attributes, attributes.length, new Uint8Array(), 4096)
    writer.addPrefix(key, 0, 24, -1)
  }
  writer.finish()
}

function tableQuestions(feeds: readonly Uint8Array[]): Question[] {
  const [feed] = feeds as [Uint8Array]
  const one = fill(feeds.slice(0, 1))
  const ten = fill(feeds)
  const { attributes } = one.engine
  const sets = storedSets(one)
  return [
    {
      measure: 'internNs',
      count: sets.length,
      prepare: () => () => {
        for (const { bytes, nextHop } of sets) attributes.find(bytes, bytes.length, nextHop)
      },
    },
    {
      measure: 'intakeNs',
      count: prefixes,
      prepare: () => {
        const bench = new Bench()
        const player = join(bench, 1)
        return () => play(bench, player, feed)
      },
    },
    decideQuestion('decideOneNs', one),
    decideQuestion('decideTenNs', ten),
  ]
}

function decideQuestion(measure: string, bench: Bench): Question {
  const rib = bench.engine.rib('ipv4-unicast')
  return {
    measure,
    count: prefixes,
    prepare: () => () => {
      for (let row = 0; row < rib.prefixes.limit; row++) {
        if (rib.prefixes.used(row)) rib.decision.run(rib.head[row] as number)
      }
    },
  }
}

/** An engine that has heard these feeds, each from a client of its own. */
function fill(feeds: readonly Uint8Array[]): Bench {
  const bench = new Bench()
  feeds.forEach((feed, index) => {
    play(bench, join(bench, index + 1), feed)
    bench.settle()
  })
  return bench
}

function play({ engine }: Bench, { peer }: Player, feed: Uint8Array): void {
  const view = new DataView(feed.buffer, feed.byteOffset, feed.byteLength)
  for (const { start, end } of messagesOf(feed)) {
    engine.intake.apply(peer, feed, view, start, end, (fault) => {
      throw new Error(`the feed has a fault: ${fault.text}`)
    })
  }
}

interface StoredSet {
  readonly bytes: Uint8Array
  readonly nextHop: number
}

function storedSets({ engine }: Bench): StoredSet[] {
  const { paths } = engine.rib('ipv4-unicast')
  const { heap, offset, length, nextHop } = engine.attributes
  const ids = new Set(paths.attributes.subarray(1, paths.limit))
  ids.delete(0)
  return [...ids].map((id) => {
    const start = offset[id] as number
    const bytes = heap.slice(start, start + (length[id] as number))
    return { bytes, nextHop: nextHop[id] as number }
  })
}

function messagesOf(feed: Uint8Array): Message[] {
  const messages: Message[] = []
  for (let at = 0; at < feed.length; at += short(feed, at + 16)) {
    messages.push({ start: at, end: at + short(feed, at + 16) })
  }
  return messages
}
