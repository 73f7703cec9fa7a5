/**
 * The looking glass: asks the public API, shows the answers, and asks again when an event says that
 * something changed. It knows nothing that curl couldn't ask. What is looked at (a prefix, a peer)
 * stands behind the # of the address, so that an answer can be sent to somebody.
 */
import { AgentError, follow, get, setToken } from './agent.js'
import { byId, element, replace } from './dom.js'
import { Feed } from './events.js'
import { Moves } from './moves.js'
import { conditions, facts, judge, summary } from './overview.js'
import { PeerPanel } from './peer-panel.js'
import { peerTable, troubledFirst } from './peers.js'
import { difference, ecmpGroups, explanation, kernelRoutes, nextHops } from './routes.js'
import { topology } from './topology.js'
import { Traffic } from './traffic.js'

/** A change shows at once; a flood of events asks this often. */
const REFRESH_MS_MIN = 500
/** Ages and counters move without any event. */
const REFRESH_MS_MAX = 5000
/** Nobody looks. */
const REFRESH_MS_HIDDEN = 30_000
/** The agent reads the whole of its kernel's table for it. */
const DIFFERENCE_MS_MIN = 15_000
const ROWS_STEP = 100

const traffic = new Traffic()
const feed = new Feed(byId('events'))
const moves = new Moves(byId('moves-list'), ask)
const peerPanel = new PeerPanel(ask)
let routesShown = ROWS_STEP
let peersShown = ROWS_STEP
let lastLook = null
let timer = null
let due = Number.POSITIVE_INFINITY
let running = false
let comparedAt = Number.NEGATIVE_INFINITY

async function refresh() {
  if (running) return
  running = true
  clearTimeout(timer)
  due = Number.POSITIVE_INFINITY
  try {
    await Promise.all([showNode(), showKernel(), showDifference(), peerPanel.refresh()])
    showProblem(null)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    showProblem(error)
  } finally {
    running = false
    refreshWithin(document.hidden ? REFRESH_MS_HIDDEN : REFRESH_MS_MAX)
  }
}

/** Never later than what was promised before: a stream of events cannot put it off for ever. */
function refreshWithin(milliseconds) {
  const now = performance.now()
  if (now + milliseconds >= due) return
  due = now + milliseconds
  clearTimeout(timer)
  timer = setTimeout(refresh, milliseconds)
}

async function showNode() {
  const [node, { items }] = await Promise.all([get('/v1/node'), get('/v1/peers')])
  const [word, tone] = judge(node)
  document.title = `${node.name} · ${word}`
  byId('name').textContent = node.name
  byId('health').textContent = node.readyReason === null ? word : `${word}: ${node.readyReason}`
  byId('health').className = `pill ${tone}`
  byId('facts').textContent = facts(node)
  replace(byId('summary'), ...summary(node, items))
  replace(byId('conditions'), ...conditions(node.conditions))
  byId('conditions').hidden = node.conditions.length === 0
  const peers = troubledFirst(items)
  traffic.look(peers, performance.now())
  lastLook = { node, peers }
  showPeers()
}

function showPeers() {
  if (lastLook === null) return
  const { node, peers } = lastLook
  const shown = peers.slice(0, peersShown)
  const { clientWidth } = byId('topology')
  replace(byId('topology'), topology(node, peers, clientWidth))
  replace(byId('peer-list'), shown.length === 0 ? nothing('no peers') : peerTable(shown, traffic))
  byId('peers-more').hidden = peers.length <= peersShown
  const chosen = byId('event-peer').value
  const options = ['', ...shown.map(({ name }) => name)].map((name) =>
    element('option', { value: name, selected: name === chosen }, name === '' ? 'all' : name),
  )
  replace(byId('event-peer'), ...options)
}

async function showKernel() {
  const status = await get('/v1/fib/status')
  if (status.mode === 'none') {
    replace(byId('fib-list'), nothing('Nothing is written: the agent runs with --fib none.'))
    replace(byId('hop-list'), nothing('Every next hop counts as reachable.'))
    return
  }
  const { items: objects } = await get('/v1/fib/nexthops')
  replace(
    byId('hop-list'),
    status.nextHops.length === 0 ? nothing('none') : nextHops(status.nextHops),
  )
  replace(byId('group-list'), ...(objects.length === 0 ? [] : [ecmpGroups(objects)]))
  const items = []
  let token = null
  do {
    const page = await get('/v1/fib', { limit: ROWS_STEP, continue: token })
    items.push(...page.items)
    token = page.continue
  } while (token !== null && items.length < routesShown)
  replace(byId('fib-list'), items.length === 0 ? nothing('none') : kernelRoutes(items, ask))
  byId('fib-more').hidden = token === null
}

async function showDifference() {
  if (document.hidden || performance.now() - comparedAt < DIFFERENCE_MS_MIN) return
  comparedAt = performance.now()
  const { mode } = await get('/v1/fib/status')
  if (mode === 'none') return
  replace(byId('fib-difference'), ...difference((await get('/v1/fib/diff')).items, ask))
}

function nothing(text) {
  return element('p', { class: 'quiet' }, text)
}

function showProblem(error) {
  const notice = byId('notice')
  notice.hidden = error === null
  byId('access').hidden = error?.status !== 401
  if (error === null) return
  notice.className = 'notice bad'
  replace(notice, error.message, element('span', { class: 'quiet' }, ` ${error.remedy}`))
  if (error.status === 0) {
    byId('health').textContent = 'no answer'
    byId('health').className = 'pill bad'
  }
}

/** Digits, dots, colons and a slash make an address; anything else is the name of a peer. */
function ask(question) {
  const subject = /^[\da-f.:/]*[.:/][\da-f.:/]*$/i.test(question) ? 'explain' : 'peer'
  const hash = `#${subject}=${encodeURIComponent(question)}`
  if (location.hash === hash) void answer()
  else location.hash = hash
}

/** Answers what stands behind the # of the address. */
async function answer() {
  const asked = new URLSearchParams(location.hash.slice(1))
  const peer = asked.get('peer')
  const prefix = asked.get('explain')
  const target = byId('explanation')
  // A link to a part of this page moves the view and changes nothing.
  if (peer === null && prefix === null && location.hash.length > 1 && location.hash !== '#peers')
    return
  try {
    await peerPanel.open(peer)
    if (peer !== null) {
      replace(target)
      byId('peer-title').focus()
    }
    if (prefix === null) return
    byId('question').value = prefix
    replace(target, ...explanation(await get('/v1/explain', { prefix })))
    byId('search').scrollIntoView({ block: 'start' })
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    replace(target, element('p', { class: 'bad' }, error.message), nothing(error.remedy))
  }
}

byId('search').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  ask(byId('question').value.trim())
})
byId('access').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  setToken(byId('token').value.trim())
  void refresh()
})
byId('event-filter').addEventListener('change', () =>
  feed.filter({ level: byId('event-level').value, peer: byId('event-peer').value }),
)
byId('fib-more').addEventListener('click', () => {
  routesShown += ROWS_STEP
  void refresh()
})
byId('peers-more').addEventListener('click', () => {
  peersShown += ROWS_STEP
  showPeers()
})
document.addEventListener('keydown', (pressed) => {
  const typing = pressed.target instanceof HTMLInputElement
  if (pressed.key !== '/' || typing || pressed.ctrlKey || pressed.metaKey || pressed.altKey) return
  pressed.preventDefault()
  byId('question').focus()
})
document.addEventListener('visibilitychange', () => refreshWithin(REFRESH_MS_MIN))
addEventListener('hashchange', answer)
addEventListener('resize', showPeers)

void refresh()
void answer()
void follow({
  event(event) {
    feed.add(event)
    moves.add(event)
    refreshWithin(REFRESH_MS_MIN)
  },
  remark: (text) => feed.remark(text),
  connected(yes) {
    byId('stream').textContent = yes ? 'live' : 'not connected; trying again'
  },
})
