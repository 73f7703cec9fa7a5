/** One peer in full: why it is (not) up, what it sent and was sent, and the recording of its session. */
import { download, get } from './agent.js'
import { byId, element, replace } from './dom.js'
import { peerDetail } from './peers.js'
import { pathTable } from './routes.js'

const ROUTES_STEP = 50
const captions = {
  received: 'Received routes',
  accepted: 'Accepted routes',
  advertised: 'Routes sent to it',
}

export class PeerPanel {
  #name = null
  #view = 'received'
  #routesShown = ROUTES_STEP
  #onPrefix

  constructor(onPrefix) {
    this.#onPrefix = onPrefix
    for (const button of document.querySelectorAll('button.view')) {
      button.addEventListener('click', () => this.#choose(button.dataset.view))
    }
    byId('peer-more').addEventListener('click', () => {
      this.#routesShown += ROUTES_STEP
      void this.refresh()
    })
    byId('peer-recording').addEventListener('click', () =>
      download(pathOf(this.#name, '/recording'), `${this.#name}.jsonl`),
    )
  }

  /**
   * @param name null closes it
   * @throws AgentError
   */
  async open(name) {
    if (name !== this.#name) this.#routesShown = ROUTES_STEP
    this.#name = name
    if (name === null) byId('peer').hidden = true
    else await this.refresh()
  }

  /** @throws AgentError, and is closed then */
  async refresh() {
    const name = this.#name
    if (name === null) return
    try {
      const [peer, explanation] = await Promise.all([
        get(pathOf(name)),
        get(pathOf(name, '/explain')),
      ])
      const routes = await this.#readRoutes(name)
      // Another one was opened meanwhile.
      if (name !== this.#name) return
      byId('peer-title').textContent = `Peer ${name}`
      replace(byId('peer-detail'), ...peerDetail(peer, explanation))
      this.#showRoutes(routes)
      byId('peer').hidden = false
    } catch (error) {
      if (name !== this.#name) return
      this.#name = null
      byId('peer').hidden = true
      throw error
    }
  }

  async #readRoutes(name) {
    const items = []
    let token = null
    do {
      const query = { view: this.#view, limit: ROUTES_STEP, continue: token }
      const page = await get(pathOf(name, '/routes'), query)
      items.push(...page.items)
      token = page.continue
    } while (token !== null && items.length < this.#routesShown)
    return { items, more: token !== null }
  }

  #showRoutes({ items, more }) {
    const none = element('p', { class: 'quiet' }, `${captions[this.#view]}: none`)
    const from = this.#view === 'advertised'
    const table = pathTable(captions[this.#view], items, this.#onPrefix, from)
    replace(byId('peer-routes'), items.length === 0 ? none : table)
    byId('peer-more').hidden = !more
  }

  #choose(view) {
    this.#view = view
    this.#routesShown = ROUTES_STEP
    for (const button of document.querySelectorAll('button.view')) {
      button.setAttribute('aria-pressed', String(button.dataset.view === view))
    }
    void this.refresh()
  }
}

function pathOf(name, rest = '') {
  return `/v1/peers/${encodeURIComponent(name)}${rest}`
}
