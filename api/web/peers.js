/** Peers: the list with a line of traffic each, and one of them in full. */
import { element, table } from './dom.js'
import { clockTime, duration, familyName } from './words.js'

const isUp = ({ state }) => state === 'Established'
/** Established with a reason: nothing reaches it any more, and the hold timer has yet to notice. */
const isWell = (peer) => isUp(peer) && peer.reason === null
/** Of a session: its state in a colour. */
export const toneOf = (peer) => (isWell(peer) ? 'good' : isUp(peer) ? 'warn' : 'bad')
const sum = (peer, name) => peer.families.reduce((total, family) => total + family[name], 0)
const age = ({ since }) => (since === null ? null : duration(Date.now() - since))

/** Those that are down come first, then those cut off; within each, the order of the API. */
export function troubledFirst(list) {
  const worst = ['bad', 'warn', 'good']
  return worst.flatMap((tone) => list.filter((peer) => toneOf(peer) === tone))
}

/** @param {import('./traffic.js').Traffic} traffic */
export function peerTable(list, traffic) {
  return table(
    'Peers',
    [
      { title: 'Name', value: peerLink },
      { title: 'State', value: ({ state }) => state, tone: toneOf },
      { title: 'For', value: age },
      { title: 'Address', value: ({ address }) => address },
      { title: 'AS', value: ({ asn }) => asn, number: true },
      { title: 'Received', value: (peer) => sum(peer, 'received'), number: true },
      { title: 'Accepted', value: (peer) => sum(peer, 'accepted'), number: true },
      { title: 'Sent', value: (peer) => sum(peer, 'advertised'), number: true },
      { title: 'Flaps', value: ({ flaps }) => flaps, number: true },
      { title: 'Traffic', value: ({ name }) => traffic.line(name) },
      {
        title: 'Reason',
        wide: true,
        value: (peer) => peer.reason ?? (peer.lastError && `last: ${peer.lastError.text}`),
      },
    ],
    list,
  )
}

function peerLink({ name }) {
  const href = `#peer=${encodeURIComponent(name)}`
  return element('a', { id: `peer-of-list-${name}`, href }, name)
}

/**
 * @param explanation The reply of `/v1/peers/NAME/explain`.
 */
export function peerDetail(peer, explanation) {
  return [
    element('p', { class: `pill ${toneOf(peer)}` }, peer.state),
    element('div', { class: 'words' }, ...explanation.words.filter(isNoCheck).map(paragraph)),
    ...checkList(explanation.check),
    ...triedList(explanation.tried),
    fields(peer),
    peer.families.length === 0 ? null : familyTable(peer.families),
  ]
}

/** They have a list of their own. */
const isNoCheck = (sentence) => !sentence.startsWith('Check ')
const paragraph = (text) => element('p', {}, text)

function checkList(check) {
  if (check.length === 0) return []
  const items = check.map((text) => element('li', {}, text))
  return [element('h3', {}, 'What to check'), element('ul', {}, ...items)]
}

function triedList(tried) {
  if (tried.length === 0) return []
  const tones = { debug: 'quiet', info: null, warn: 'warn', error: 'bad' }
  const items = tried
    .toReversed()
    .map(({ at, level, text }) =>
      element(
        'li',
        { class: tones[level] },
        element('time', { datetime: new Date(at).toISOString() }, clockTime(at)),
        element('span', {}, text),
      ),
    )
  return [element('h3', {}, 'What happened'), element('ol', { class: 'happenings' }, ...items)]
}

function fields(peer) {
  const { messages, lastError } = peer
  const counts = ({ open, update, keepalive, notification, refresh }) =>
    `${update} updates, ${keepalive} keepalives, ${open} opens, ${refresh} refreshes, ${notification} notifications`
  const timers =
    peer.holdSeconds === null
      ? null
      : `hold ${peer.holdSeconds} s, keepalive ${peer.keepaliveSeconds ?? '–'} s`
  const rows = [
    ['Origin', peer.origin],
    ['Description', peer.description || null],
    ['Session', `${peer.localAddress ?? 'any'} → ${peer.address} port ${peer.port}`],
    ['AS', `${peer.localAsn} → ${peer.asn} (${peer.type})`],
    ['Router id', peer.remoteRouterId],
    ['Timers', timers],
    ['MD5 key', peer.password ? 'set' : 'none'],
    ['Flaps', String(peer.flaps)],
    ['Received', counts(messages.received)],
    ['Sent', counts(messages.sent)],
    ['We offer', peer.capabilities.local.join(', ') || null],
    ['It offers', peer.capabilities.remote.join(', ') || null],
    [
      'Last error',
      lastError && `${clockTime(lastError.at)} ${lastError.direction}: ${lastError.text}`,
    ],
  ]
  return element(
    'dl',
    {},
    ...rows
      .filter(([, value]) => value !== null)
      .flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
  )
}

function familyTable(families) {
  const yes = (value) => (value ? 'yes' : 'no')
  return table(
    'Families of the session',
    [
      { title: 'Family', value: ({ family }) => familyName(family) },
      { title: 'Negotiated', value: ({ negotiated }) => yes(negotiated) },
      { title: 'Received', value: ({ received }) => received, number: true },
      { title: 'Accepted', value: ({ accepted }) => accepted, number: true },
      { title: 'Best', value: ({ best }) => best, number: true },
      { title: 'Sent', value: ({ advertised }) => advertised, number: true },
      { title: 'End-of-RIB received', value: ({ endOfRibReceived }) => yes(endOfRibReceived) },
      { title: 'End-of-RIB sent', value: ({ endOfRibSent }) => yes(endOfRibSent) },
    ],
    families,
  )
}
