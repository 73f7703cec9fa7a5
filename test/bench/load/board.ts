/**
 * Who knows what: a table of prefix number → next hop for each sink, and what it should be. A sink is
 * *complete* when it has every prefix it should have, and *right* when each leads exactly where best
 * path selection must lead it. Both are kept by counting, so that asking costs nothing.
 *
 * A player is written as its number plus one; 0 is "no route".
 */

export class Sink {
  readonly player: number
  /** Prefix → player whose address is the next hop. */
  table = new Uint16Array(0)
  missing = 0
  wrong = 0
  complete = false
  right = false
  /** When it became so, in milliseconds of the generator's clock. */
  completeAt = 0
  rightAt = 0
  lastUpdateAt = 0
  /** One of those that must be right; see `Board.count`. */
  counted = true

  constructor(player: number) {
    this.player = player
  }
}

/** What a prefix in an UPDATE meant to the sink that received it. */
export const effect = { changed: 0, same: 1, own: 2, foreign: 3 } as const

export class Board {
  readonly sinks: Sink[] = []
  /** Sinks that count and aren't right. */
  open = 0
  /** Prefix → the right next hop. */
  #want = new Uint16Array(0)
  /** Prefix → the only player that announces it, who isn't sent it back; 0 where several do. */
  #home = new Uint16Array(0)

  addSink(player: number): Sink {
    const sink = new Sink(player)
    this.sinks.push(sink)
    this.open++
    return sink
  }

  /** Whether all must wait for this sink: not while its session is meant to be down. */
  count(sink: Sink, counted: boolean): void {
    if (counted !== sink.counted && !sink.right) this.open += counted ? 1 : -1
    sink.counted = counted
  }

  /** Sets the whole expectation. */
  expect(want: Uint16Array, home: Uint16Array): void {
    this.#want = want.slice()
    this.#home = home.slice()
    for (const sink of this.sinks) {
      if (sink.table.length !== want.length) sink.table = new Uint16Array(want.length)
      this.#recount(sink)
    }
  }

  /** Changes it for prefixes `first` … `last − 1`, and begins a new measurement. */
  expectRange(first: number, last: number, want: number): void {
    for (let prefix = first; prefix < last; prefix++) {
      const before = this.#want[prefix] as number
      this.#want[prefix] = want
      for (const sink of this.sinks) {
        if (this.#home[prefix] === sink.player + 1) continue
        const have = sink.table[prefix] as number
        if (have === 0) sink.missing += Number(want !== 0) - Number(before !== 0)
        sink.wrong += Number(have !== want) - Number(have !== before)
      }
    }
    this.restamp()
  }

  /** Forgets when sinks became right: the coming event is timed afresh. */
  restamp(): void {
    for (const sink of this.sinks) {
      sink.complete = false
      this.#mark(sink, false, 0)
      sink.completeAt = 0
      sink.rightAt = 0
      this.evaluate(sink, 0)
    }
  }

  /** Notes one prefix of an UPDATE; gives an `effect`. */
  put(sink: Sink, prefix: number, from: number): number {
    if (prefix < 0 || prefix >= this.#want.length) return effect.foreign
    if (this.#home[prefix] === sink.player + 1) return effect.own
    const before = sink.table[prefix] as number
    if (before === from) return effect.same
    sink.table[prefix] = from
    const want = this.#want[prefix] as number
    if (want !== 0) sink.missing += Number(from === 0) - Number(before === 0)
    sink.wrong += Number(from !== want) - Number(before !== want)
    return effect.changed
  }

  /** Looks at a sink after a read. */
  evaluate(sink: Sink, now: number): void {
    const complete = sink.missing === 0
    if (complete && !sink.complete) sink.completeAt = now
    sink.complete = complete
    this.#mark(sink, sink.wrong === 0, now)
  }

  /** Its session ended: it knows nothing. */
  clear(sink: Sink): void {
    sink.table.fill(0)
    this.#recount(sink)
  }

  /** In words: what is still wrong, for an error. */
  describe(name: (prefix: number) => string): string {
    const open = this.sinks.filter((sink) => sink.counted && !sink.right)
    const missing = open.reduce((sum, sink) => sum + sink.missing, 0)
    const wrong = open.reduce((sum, sink) => sum + sink.wrong, 0)
    const [first] = open
    const example = first === undefined ? '' : `; ${this.#example(first, name)}`
    return (
      `${open.length} of ${this.sinks.length} sinks are not right: ` +
      `${missing} prefixes missing, ${wrong} not as they should be${example}`
    )
  }

  #example(sink: Sink, name: (prefix: number) => string): string {
    const say = (player: number) => (player === 0 ? 'nothing' : `player ${player - 1}`)
    const prefix = sink.table.findIndex(
      (have, at) => have !== this.#want[at] && this.#home[at] !== sink.player + 1,
    )
    if (prefix < 0) return `sink ${sink.player} has none wrong`
    const [have, want] = [sink.table[prefix] as number, this.#want[prefix] as number]
    return `sink ${sink.player} has ${name(prefix)} via ${say(have)} instead of ${say(want)}`
  }

  #mark(sink: Sink, right: boolean, now: number): void {
    if (right === sink.right) return
    sink.right = right
    if (right) sink.rightAt = now
    if (sink.counted) this.open += right ? -1 : 1
  }

  #recount(sink: Sink): void {
    sink.missing = 0
    sink.wrong = 0
    for (let prefix = 0; prefix < this.#want.length; prefix++) {
      if (this.#home[prefix] === sink.player + 1) continue
      const want = this.#want[prefix] as number
      sink.missing += Number(want !== 0 && sink.table[prefix] === 0)
      sink.wrong += Number(want !== sink.table[prefix])
    }
    this.evaluate(sink, 0)
  }
}
