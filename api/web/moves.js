/**
 * What moved: the bursts of routes that followed a peer or a next hop that went or came, the newest
 * first and open. It is the answer to "which prefixes did that switch take with it?".
 */
import { element, replace, table } from './dom.js'
import { prefixButton } from './routes.js'
import { clockTime, countsOfMoves } from './words.js'

/** Bursts kept; older ones are events. */
const BURSTS_MAX = 10

export class Moves {
  #bursts = []
  #target
  #onPrefix

  /** @param target The element that holds the list. */
  constructor(target, onPrefix) {
    this.#target = target
    this.#onPrefix = onPrefix
    this.#show()
  }

  /** @param event Of any kind; those that tell of no routes are left out. */
  add(event) {
    if (event.kind !== 'routes.moved') return
    this.#bursts.unshift(event)
    this.#bursts.splice(BURSTS_MAX)
    this.#show()
  }

  #show() {
    const [first, ...older] = this.#bursts
    const none = 'No route has moved with a peer or a next hop.'
    const list =
      first === undefined
        ? [element('p', { class: 'quiet' }, none)]
        : [this.#burst(first, true), ...older.map((event) => this.#burst(event, false))]
    replace(this.#target, ...list)
  }

  #burst({ at, id, data }, open) {
    const { cause, changed, gone, routes } = data
    const more = changed + gone - routes.length
    return element(
      'details',
      { class: 'burst', open },
      element(
        'summary',
        {},
        element('time', { datetime: new Date(at).toISOString() }, clockTime(at)),
        element('b', {}, ` ${countsOfMoves(data)}`),
        element('span', { class: 'quiet' }, ` after ${cause}`),
      ),
      this.#routes(routes, id),
      more > 0 ? element('p', { class: 'quiet' }, `And ${more} more that are not named.`) : null,
    )
  }

  #routes(routes, id) {
    return table(
      'Prefixes that moved',
      [
        {
          title: 'Prefix',
          value: ({ prefix }) => prefixButton(prefix, `moved-${id}`, this.#onPrefix),
        },
        {
          title: 'Now via',
          value: ({ nextHops }) => (nextHops === null ? 'gone' : nextHops.join(', ')),
          tone: ({ nextHops }) => (nextHops === null ? 'bad' : null),
        },
        { title: 'Learned from', value: ({ peers = [] }) => peers.join(', ') },
      ],
      routes,
    )
  }
}
