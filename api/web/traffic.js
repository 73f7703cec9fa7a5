/**
 * How many messages a session carries, as a small line: the page remembers the counters of its last
 * looks, so the line begins when the page is opened.
 */
import { svg } from './dom.js'

/** Looks remembered for each peer: five minutes of them, one every five seconds. */
const SAMPLES_MAX = 60
/** Fewer make a dot and no line. */
const RATES_MIN = 4
/** Peers remembered; a reflector may have thousands, and the table shows fewer. */
const PEERS_MAX = 500
const WIDTH = 90
const HEIGHT = 20

export class Traffic {
  #peers = new Map()

  /** @param {number} now milliseconds of a clock that only goes on */
  look(peers, now) {
    const before = this.#peers
    this.#peers = new Map()
    for (const peer of peers.slice(0, PEERS_MAX)) {
      const total = sum(peer.messages.received) + sum(peer.messages.sent)
      const last = before.get(peer.name)
      const rates = last === undefined ? [] : last.rates
      if (last !== undefined && now > last.at) {
        // Counters begin anew when the agent does.
        rates.push(Math.max(0, total - last.total) / ((now - last.at) / 1000))
        if (rates.length > SAMPLES_MAX) rates.shift()
      }
      this.#peers.set(peer.name, { at: now, total, rates })
    }
  }

  /** An svg element, or null before there is a line to see. */
  line(name) {
    const rates = this.#peers.get(name)?.rates ?? []
    if (rates.length < RATES_MIN) return null
    const most = Math.max(1, ...rates)
    const step = WIDTH / (SAMPLES_MAX - 1)
    const begin = WIDTH - (rates.length - 1) * step
    const points = rates.map((rate, index) => {
      const x = begin + index * step
      const y = HEIGHT - 1 - (rate / most) * (HEIGHT - 3)
      return `${x.toFixed(1)},${y.toFixed(1)}`
    })
    const words = `${rates.at(-1).toFixed(1)} messages a second now, at most ${most.toFixed(1)}`
    return svg(
      'svg',
      { class: 'spark', width: WIDTH, height: HEIGHT, role: 'img', 'aria-label': words },
      svg('title', {}, words),
      svg('polyline', { points: [`${begin.toFixed(1)},${HEIGHT - 1}`, ...points].join(' ') }),
    )
  }
}

function sum(counts) {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
