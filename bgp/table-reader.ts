/**
 * Reads the tables for people and programs: pages in the order of people, and stretches of everything
 * in no order. Cold code, but of tables with millions of rows while sessions are alive: what a turn
 * does is bounded, whatever is asked for. A small table is simply looked through for every page; for
 * a large one the order is built once and kept (prefix-order.ts).
 */
import { type Engine, familyNames } from './engine.ts'
import { familyOf, parsePrefix } from './prefix.ts'
import { PrefixOrder } from './prefix-order.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import type { Clock, FamilyName, PathView } from './types.ts'
import { lowestPrefixes, prefixText } from './views.ts'

/** Tables up to this size are looked through for every page. */
export const scannedRowsMax = 4096
/** Rows looked at for one page at a time; the page then ends early, and is to be read on. */
export const pageRowsMax = 32_768
/** Rows of one stretch, and rows looked at for it. */
export const stretchRowsMax = 128
const stretchLooksMax = 16_384
/** After building an order, this many times as long nothing is built: a tenth of the thread. */
const restFactor = 10
/** So long after its rest an order still serves while it is built anew; who comes later waits. */
const servesMs = 10_000

/** A page ends with the last prefix looked at; `left` prefixes were not found yet. */
export interface Page {
  readonly items: readonly PathView[]
  /** Where to read on; null: that was all. */
  readonly continue: string | null
  readonly left: number
}

export const emptyPage: Page = { items: [], continue: null, left: 0 }

/** A place in the tables by row number. */
export interface Cursor {
  readonly family: FamilyName
  readonly row: number
}

export const tablesStart: Cursor = { family: 'ipv4-unicast', row: 0 }

export interface Stretch {
  readonly items: readonly PathView[]
  readonly next: Cursor | null
}

/** Which rows are meant, and what is shown of them. */
export interface Look {
  wanted(rib: FamilyRib, row: number): boolean
  view(rib: FamilyRib, row: number): readonly PathView[]
}

interface Ordered {
  readonly rib: FamilyRib
  readonly order: PrefixOrder
  /** Shared by all who wait for it. */
  building: Promise<void> | null
  /** Monotonic milliseconds before which it isn't built again. */
  restsUntil: number
}

export class TableReader {
  readonly #clock: Clock
  readonly #engine: Engine
  readonly #ordered = new Map<FamilyName, Ordered>()

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine
    this.#clock = clock
  }

  /**
   * Builds the orders of large tables in bounded turns. One that lacks the newest prefixes is good
   * enough until it has been built again: some seconds later, at a million routes.
   */
  async prepare(): Promise<void> {
    for (const family of familyNames) {
      const ordered = this.#of(this.#engine.rib(family))
      const { complete, worn } = ordered.order
      if (ordered.rib.prefixes.size <= scannedRowsMax || (complete && !worn)) continue
      const overdueMs = this.#clock.now() - ordered.restsUntil
      const usable = ordered.order.built && !ordered.order.worn
      if (overdueMs < 0 && usable) continue
      ordered.building ??= this.#build(ordered)
      if (overdueMs > servesMs || !usable) await ordered.building
    }
  }

  async #build(ordered: Ordered): Promise<void> {
    const begun = this.#clock.now()
    try {
      for (const _step of ordered.order.build()) {
        await new Promise<void>((resolve) => this.#clock.schedule(0, resolve))
      }
    } finally {
      const now = this.#clock.now()
      ordered.restsUntil = now + restFactor * (now - begun)
      ordered.building = null
    }
  }

  #of(rib: FamilyRib): Ordered {
    const known = this.#ordered.get(rib.family)
    if (known !== undefined) return known
    const order = new PrefixOrder(rib.prefixes)
    const made: Ordered = { rib, order, building: null, restsUntil: 0 }
    this.#ordered.set(rib.family, made)
    return made
  }

  /**
   * One page over families in their order.
   * @param limit Prefixes, each with all its paths.
   * @param after The last prefix of the page before.
   */
  page(families: readonly FamilyName[], limit: number, after: string | null, look: Look): Page {
    const items: PathView[] = []
    const resumeIn = after === null ? null : familyOf(after)
    let last: (() => string) | null = null
    const stop = () => ({ items, continue: last === null ? after : last(), left })
    let left = limit
    for (const family of familyNames) {
      if (!families.includes(family)) continue
      if (resumeIn === 'ipv6-unicast' && family === 'ipv4-unicast') continue
      const rib = this.#engine.rib(family)
      let looks = 0
      for (const row of this.#rowsAfter(rib, resumeIn === family ? after : null, left, look)) {
        if (looks++ === pageRowsMax) return stop()
        if (look.wanted(rib, row)) {
          if (left === 0) return stop()
          items.push(...look.view(rib, row))
          left--
        }
        last = () => prefixText(rib, row)
      }
    }
    return { items, continue: null, left: 0 }
  }

  /** In address order: from the order where there is one, else by looking through all. */
  #rowsAfter(rib: FamilyRib, after: string | null, left: number, look: Look): Iterable<number> {
    const lower = after === null ? null : parsePrefix(after)
    const { order } = this.#of(rib)
    if (rib.prefixes.size > scannedRowsMax && order.built) return order.after(lower)
    return lowestPrefixes(rib, lower, left + 1, (row) => look.wanted(rib, row))
  }

  stretch(from: Cursor, look: Look): Stretch {
    const rib = this.#engine.rib(from.family)
    const items: PathView[] = []
    const end = Math.min(rib.prefixes.limit, from.row + stretchLooksMax)
    let row = from.row
    for (let shown = 0; row < end && shown < stretchRowsMax; row++) {
      if (!rib.prefixes.used(row) || !look.wanted(rib, row)) continue
      items.push(...look.view(rib, row))
      shown++
    }
    if (row < rib.prefixes.limit) return { items, next: { family: from.family, row } }
    const family = familyNames[familyNames.indexOf(from.family) + 1]
    return { items, next: family === undefined ? null : { family, row: 0 } }
  }
}
