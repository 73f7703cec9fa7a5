/**
 * Keeps our picture of the kernel's nexthop objects true, and that of the routes that rest on them.
 * Linux removes the routes of an object with it, IPv4 without a notification; and it removes objects
 * without a notification too, when their interface goes down or loses its carrier. So the loss of an
 * object is taken as the loss of every route that names it, and after each change of a link the
 * objects are read anew: they are few, and are read in no time.
 */
import type { Dumper } from './dumper.ts'
import type { Journal } from './journal.ts'
import { type NexthopObject, readNexthop } from './nexthop-message.ts'
import { messageTypes } from './numbers.ts'
import { type Clock, KernelError } from './port.ts'
import { families, type State } from './state.ts'
import { noWay } from './way.ts'

export class NexthopMirror {
  readonly #state: State
  readonly #dumper: Dumper
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #requestScan: (reason: string) => void
  #doubted = false

  constructor(
    state: State,
    dumper: Dumper,
    clock: Clock,
    journal: Journal,
    requestScan: (reason: string) => void,
  ) {
    this.#state = state
    this.#dumper = dumper
    this.#clock = clock
    this.#journal = journal
    this.#requestScan = requestScan
  }

  /** Reads every object, and drops what rested on those that are gone. Throws KernelError. */
  read(): void {
    this.#doubted = false
    const objects: NexthopObject[] = []
    this.#dumper.dump('reading nexthops', messageTypes.getNexthop, null, (view, start, end) => {
      const object = readNexthop(view, start, end)
      if (object !== null) objects.push(object)
    })
    this.#state.groups.supported = true
    this.dropRoutes(this.#state.nexthops.replaceAll(objects))
    this.#state.groups.adopt()
    this.#state.nextHops.touchAll()
  }

  /** The kernel may have removed objects without telling. */
  doubt(): void {
    this.#doubted = true
  }

  /** Reads the objects if there is reason to. */
  recheck(): void {
    if (!this.#doubted || !this.#state.groups.supported) return
    try {
      this.read()
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#requestScan(error.message)
    }
  }

  /** A notification about an object. `port`: that of the program which caused it; 0: the kernel. */
  notified(type: number, view: DataView, start: number, end: number, port: number): void {
    const object = readNexthop(view, start, end)
    if (object === null) return
    const { groups, nextHops, nexthops } = this.#state
    const ours = groups.ids.isOwn(nexthops.get(object.id))
    if (ours && port !== 0) groups.interfered(object.id, this.#clock.now())
    if (type === messageTypes.newNexthop) {
      nexthops.learn(object)
      nextHops.touchAll()
      groups.touchAll()
      return
    }
    groups.touchAll()
    const rows = this.dropRoutes(nexthops.forget(object.id))
    if (!ours || rows === 0) return
    this.#journal.counters.repairs += rows
    const text = `nexthop object ${object.id} was removed by another program, ${rows} routes with it`
    this.#journal.tell('fib.repaired', 'info', text, { nexthop: object.id, routes: rows })
  }

  /** Objects went, and with them every route that named one. Gives the number of ours. */
  dropRoutes(ids: readonly number[]): number {
    const { tables, ways, view, nextHops } = this.#state
    let dropped = 0
    for (const way of ids.flatMap((id) => ways.allThrough(id))) {
      for (const family of families) {
        const table = tables[family]
        view.foreign[family].loseWay(way)
        if (table.uses(way) === 0) continue
        for (const row of table.rows()) {
          if (table.ways[row] !== way) continue
          table.hold(row, noWay)
          table.enqueue(row)
          dropped++
        }
      }
    }
    if (ids.length > 0) nextHops.touchAll()
    return dropped
  }
}
