/**
 * The tape of one session: a ring of its recent events in memory taken once, so that a message in a
 * flood costs one short copy and no object. Old events are overwritten; what must be known of them
 * to play the rest (the configuration, the OPENs of the connection that stands) is kept aside.
 *
 * Ceilings: `tapeEventsMax` events, `tapeBytesMax` octets of messages and `tapeTextMax` characters
 * of other events for each session, and `tapedSessionsMax` sessions of a speaker; sessions beyond
 * that run without a tape until another gives its own back.
 */
import type { Clock, PeerConfig, SessionState } from '../types.ts'
import { hexOf } from '../wire/bytes.ts'
import { messageType } from '../wire/message.ts'
import type {
  LaneName,
  RecordedEvent,
  RecordedGap,
  RecordedInput,
  RecordedOutput,
  Recording,
} from './record-events.ts'

export const tapeEventsMax = 1024
export const tapeBytesMax = 256 * 1024
export const tapeTextMax = 64 * 1024
export const tapedSessionsMax = 64

/** Larger writes of the tables are only counted: a full table would push out all else. */
export const handedKeptMax = 4096

/** Of octets that make no message, so many are kept. */
const fragmentKeptMax = 64

/** Events that bring a connection about: dial, connected, two OPENs, two KEEPALIVEs. */
const openingMax = 6

/** Up to here a loop copies faster than a view of the message can be made. */
const loopCopyMax = 32

const kind = { note: 0, received: 1, sent: 2, handed: 3, fragment: 4, drained: 5 } as const
type Kind = (typeof kind)[keyof typeof kind]

const lanes = ['outgoing', 'incoming', 'refused', 'second'] as const
const laneNumber = { outgoing: 0, incoming: 1, refused: 2, second: 3 } as const

/** Events with text instead of octets. */
export type Note = Exclude<
  RecordedInput | RecordedOutput,
  { readonly event: 'received' | 'sent' | 'handed' | 'fragment' | 'drained' }
>

/** How many sessions of a speaker may record. */
export class TapeShelf {
  #left = tapedSessionsMax

  take(): boolean {
    if (this.#left === 0) return false
    this.#left -= 1
    return true
  }

  giveBack(): void {
    this.#left += 1
  }
}

/** The memory of a tape, in columns: row `first` is the oldest of `count`. */
class Reel {
  readonly at = new Float64Array(tapeEventsMax)
  readonly kind = new Uint8Array(tapeEventsMax)
  readonly lane = new Uint8Array(tapeEventsMax)
  /** Octets written to the ring before this event's. */
  readonly start = new Float64Array(tapeEventsMax)
  /** Octets kept of it. */
  readonly kept = new Uint32Array(tapeEventsMax)
  /** Octets it had. */
  readonly total = new Uint32Array(tapeEventsMax)
  readonly queued = new Uint32Array(tapeEventsMax)
  /** As long as rows were used: most tapes hold little. */
  readonly text: (string | null)[] = []
  readonly bytes = new Uint8Array(tapeBytesMax)
  first = 0
  count = 0
  written = 0
  textLength = 0
  /** What was overwritten, and when the last of it happened. */
  lostEvents = 0
  lostBytes = 0
  lostAt: number
  /** Unix milliseconds when the monotonic clock stood at 0; one value, so that times only grow. */
  readonly epoch: number

  constructor(clock: Clock) {
    this.lostAt = clock.now()
    this.epoch = clock.wall() - this.lostAt
  }
}

type Opening = { readonly [L in LaneName]: readonly RecordedEvent[] }
const nothingOpened: Opening = { outgoing: [], incoming: [], second: [] }

export class Tape {
  readonly #clock: Clock
  readonly #shelf: TapeShelf | null
  #reel: Reel | null = null
  /** Before the oldest event on the tape; without its password as soon as there is one. */
  #config: PeerConfig
  #state: SessionState = 'Idle'
  #started = false
  /** Overwritten events that brought about the connections there are. */
  #opening = nothingOpened
  /** The password is replaced by the number of times that it changed. */
  #key = 1

  /** @param shelf null: never records */
  constructor(config: PeerConfig, clock: Clock, shelf: TapeShelf | null) {
    this.#config = config
    this.#clock = clock
    this.#shelf = shelf
  }

  get recording(): boolean {
    return this.#reel !== null
  }

  /** Begins to record, where the shelf has a tape left. */
  begin(): void {
    if (this.#reel !== null || !this.#shelf?.take()) return
    this.#reel = new Reel(this.#clock)
    this.#config = this.#withoutSecret(this.#config)
  }

  /** Forgets everything and gives the tape back. */
  discard(): void {
    if (this.#reel !== null) this.#shelf?.giveBack()
    this.#reel = null
  }

  /** The whole message at [start, end). */
  received(lane: LaneName, bytes: Uint8Array, start: number, end: number): void {
    const reel = this.#reel
    if (reel === null) return
    const row = this.#append(reel, kind.received, laneNumber[lane], end - start)
    reel.kept[row] = end - start
    this.#copy(reel, bytes, start, end)
  }

  /** What the session itself says: one message. */
  sent(lane: LaneName | 'refused', message: Uint8Array): void {
    const reel = this.#reel
    if (reel === null) return
    const row = this.#append(reel, kind.sent, laneNumber[lane], message.length)
    reel.kept[row] = message.length
    this.#copy(reel, message, 0, message.length)
  }

  /** What it was given to send. */
  handed(lane: LaneName, blocks: readonly Uint8Array[], queuedBytes: number): void {
    const reel = this.#reel
    if (reel === null) return
    let total = 0
    for (const block of blocks) total += block.length
    const kept = total <= handedKeptMax ? total : 0
    const row = this.#append(reel, kind.handed, laneNumber[lane], kept)
    reel.kept[row] = kept
    reel.total[row] = total
    reel.queued[row] = queuedBytes
    if (kept > 0) for (const block of blocks) this.#copy(reel, block, 0, block.length)
  }

  fragment(lane: LaneName, bytes: Uint8Array): void {
    const reel = this.#reel
    if (reel === null) return
    const kept = Math.min(bytes.length, fragmentKeptMax)
    const row = this.#append(reel, kind.fragment, laneNumber[lane], kept)
    reel.kept[row] = kept
    this.#copy(reel, bytes, 0, kept)
  }

  drained(lane: LaneName): void {
    if (this.#reel !== null) this.#append(this.#reel, kind.drained, laneNumber[lane], 0)
  }

  note(note: Note): void {
    const reel = this.#reel
    if (reel === null) {
      this.#remember(note)
      return
    }
    const text = JSON.stringify(note)
    const row = this.#append(reel, kind.note, 0, 0, text.length)
    reel.text[row] = text
    reel.textLength += text.length
  }

  /** Changed settings, before they are applied. */
  configure(before: PeerConfig, config: PeerConfig, fault: RecordedConfigure['fault']): void {
    if (before.password !== config.password) this.#key += 1
    const shown = this.#withoutSecret(config)
    this.note({ event: 'configure', config: shown, fault })
  }

  /** What is on the tape; null when nothing was recorded. */
  read(): Recording | null {
    const reel = this.#reel
    if (reel === null) return null
    const events = this.#rows(reel)
    const whole = reel.lostEvents === 0 && !this.#started && this.#state === 'Idle'
    if (whole) return { peer: this.#config, events }
    const opening = Object.values(this.#opening).flat()
    const gap: RecordedEvent = {
      at: unix(reel, reel.lostAt),
      event: 'gap',
      events: reel.lostEvents,
      bytes: reel.lostBytes,
      started: this.#started,
      state: this.#state,
    }
    return { peer: this.#config, events: [...opening.sort((a, b) => a.at - b.at), gap, ...events] }
  }

  /** As `read`, and what was read is forgotten: for one who follows along. */
  drain(): readonly RecordedEvent[] {
    const reel = this.#reel
    if (reel === null) return []
    const events = this.#rows(reel)
    reel.text.fill(null)
    reel.count = 0
    reel.textLength = 0
    return events
  }

  #rows(reel: Reel): RecordedEvent[] {
    return Array.from({ length: reel.count }, (_, index) =>
      this.#event(reel, (reel.first + index) % tapeEventsMax),
    )
  }

  /** A row for an event of so many octets and characters; the oldest make room. */
  #append(reel: Reel, of: Kind, lane: number, bytes: number, text = 0): number {
    while (
      reel.count === tapeEventsMax ||
      (reel.count > 0 &&
        (reel.written + bytes - (reel.start[reel.first] as number) > tapeBytesMax ||
          reel.textLength + text > tapeTextMax))
    ) {
      this.#overwrite(reel)
    }
    const row = (reel.first + reel.count) % tapeEventsMax
    reel.count += 1
    reel.at[row] = this.#clock.now()
    reel.kind[row] = of
    reel.lane[row] = lane
    reel.start[row] = reel.written
    reel.kept[row] = 0
    reel.text[row] = null
    return row
  }

  #copy(reel: Reel, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    const to = reel.written % tapeBytesMax
    const ring = reel.bytes
    reel.written += length
    if (length <= loopCopyMax && to + length <= tapeBytesMax) {
      for (let i = 0; i < length; i++) ring[to + i] = bytes[start + i] as number
      return
    }
    const room = Math.min(length, tapeBytesMax - to)
    ring.set(bytes.subarray(start, start + room), to)
    if (room < length) ring.set(bytes.subarray(start + room, end), 0)
  }

  /** Lets the oldest event go, and keeps what those that follow need of it. */
  #overwrite(reel: Reel): void {
    const row = reel.first
    const type = reel.bytes[((reel.start[row] as number) + 18) % tapeBytesMax]
    const of = reel.kind[row]
    if (of === kind.note) this.#outlive(this.#event(reel, row))
    else if (
      (of === kind.received || of === kind.sent) &&
      (type === messageType.open || type === messageType.keepalive)
    ) {
      this.#outlive(this.#event(reel, row))
    }
    reel.lostEvents += 1
    reel.lostBytes += of === kind.handed ? (reel.total[row] as number) : (reel.kept[row] as number)
    reel.lostAt = reel.at[row] as number
    reel.textLength -= reel.text[row]?.length ?? 0
    reel.text[row] = null
    reel.first = (row + 1) % tapeEventsMax
    reel.count -= 1
  }

  /** Where the session stands before the oldest event on the tape, or without one. */
  #remember(event: RecordedInput | RecordedOutput | RecordedGap): void {
    if (event.event === 'state') this.#state = event.to
    else if (event.event === 'start') this.#started = true
    else if (event.event === 'stop') this.#started = false
    else if (event.event === 'configure') this.#config = event.config
  }

  #outlive(event: RecordedEvent): void {
    this.#remember(event)
    switch (event.event) {
      case 'dial':
        this.#open('outgoing', [event])
        break
      case 'accept':
        if (event.lane !== 'refused') this.#open(event.lane, [event])
        break
      case 'ended':
      case 'closed':
        this.#open(event.lane, [])
        break
      case 'connected':
      case 'received':
      case 'sent': {
        if (event.lane === 'refused') break
        const opening = this.#opening[event.lane]
        if (opening.length === 0 || opening.length >= openingMax) break
        this.#open(event.lane, [...opening, event])
      }
    }
  }

  #open(lane: LaneName, events: readonly RecordedEvent[]): void {
    this.#opening = { ...this.#opening, [lane]: events }
  }

  #event(reel: Reel, row: number): RecordedEvent {
    const at = unix(reel, reel.at[row] as number)
    const text = reel.text[row]
    if (text != null) return { at, ...JSON.parse(text) }
    const lane = lanes[reel.lane[row] as number] as LaneName
    const bytes = reel.total[row] as number
    const queuedBytes = reel.queued[row] as number
    switch (reel.kind[row]) {
      case kind.received:
        return { at, event: 'received', lane, hex: this.#hex(reel, row) }
      case kind.sent:
        return { at, event: 'sent', lane, hex: this.#hex(reel, row) }
      case kind.fragment:
        return { at, event: 'fragment', lane, hex: this.#hex(reel, row) }
      case kind.handed: {
        const hex = bytes <= handedKeptMax ? this.#hex(reel, row) : null
        return { at, event: 'handed', lane, bytes, hex, queuedBytes }
      }
      default:
        return { at, event: 'drained', lane }
    }
  }

  #hex(reel: Reel, row: number): string {
    const from = (reel.start[row] as number) % tapeBytesMax
    const end = from + (reel.kept[row] as number)
    if (end <= tapeBytesMax) return hexOf(reel.bytes.subarray(from, end))
    return hexOf(reel.bytes.subarray(from)) + hexOf(reel.bytes.subarray(0, end - tapeBytesMax))
  }

  #withoutSecret(config: PeerConfig): PeerConfig {
    return { ...config, password: config.password === null ? null : `key ${this.#key}` }
  }
}

/** Unix milliseconds of a moment of the monotonic clock, to the microsecond. */
function unix({ epoch }: Reel, now: number): number {
  return Math.round((epoch + now) * 1000) / 1000
}

type RecordedConfigure = Extract<RecordedInput, { readonly event: 'configure' }>
