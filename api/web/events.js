/** The feed of events: what is kept, which of it is shown, and how. */
import { element } from './dom.js'
import { clockTime, countsOfMoves } from './words.js'

/** Events kept, so that another filter has something to show. */
const KEPT_MAX = 2000
const SHOWN_MAX = 200
const levels = ['debug', 'info', 'warn', 'error']
const tones = { debug: 'quiet', info: null, warn: 'warn', error: 'bad' }

export class Feed {
  #kept = []
  #list
  #filter = { level: 'info', peer: '' }

  /** @param list The element that holds the events, newest first. */
  constructor(list) {
    this.#list = list
    // It scrolls, and so must be reached by keyboard.
    list.tabIndex = 0
  }

  add(event) {
    this.#kept.push(event)
    if (this.#kept.length > KEPT_MAX) this.#kept.shift()
    if (this.#passes(event)) this.#show(event)
  }

  /** What the stream says of itself stands among the events, whatever the filter. */
  remark(text) {
    this.#put(element('li', { class: 'warn' }, element('span', {}, text)))
  }

  /** @param filter `{ level }` the least grave one shown, `{ peer }` a name or '' for all. */
  filter(filter) {
    this.#filter = filter
    this.#list.replaceChildren()
    const passing = this.#kept.filter((event) => this.#passes(event))
    for (const event of passing.slice(-SHOWN_MAX)) this.#show(event)
  }

  #passes({ level, peer }) {
    const { level: least, peer: wanted } = this.#filter
    return levels.indexOf(level) >= levels.indexOf(least) && (wanted === '' || peer === wanted)
  }

  #show(event) {
    this.#put(item(event))
  }

  #put(made) {
    this.#list.prepend(made)
    while (this.#list.children.length > SHOWN_MAX) this.#list.lastChild.remove()
  }
}

function item({ at, level, kind, peer, text, data }) {
  // The prefixes of one that tells of routes stand under "What moved".
  const said = kind === 'routes.moved' ? `${countsOfMoves(data)} after ${data.cause}` : text
  return element(
    'li',
    { class: tones[level] },
    element(
      'time',
      { datetime: new Date(at).toISOString(), title: String(new Date(at)) },
      clockTime(at),
    ),
    element('span', { class: 'kind' }, kind),
    element('span', {}, peer === null || said.includes(peer) ? said : `${peer}: ${said}`),
  )
}
