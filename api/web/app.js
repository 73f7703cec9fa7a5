/**
 * The looking glass: asks the public API, shows the answers, and asks again when an event says that
 * something changed. It knows nothing that curl couldn't ask.
 */
import { AgentError, follow, get, setToken } from './agent.js'
import { byId, element, replace } from './dom.js'
import * as panels from './panels.js'

/** A change shows at once; a flood of events asks this often. */
const REFRESH_MS_MIN = 500
/** Ages and counters move without any event. */
const REFRESH_MS_MAX = 5000
/** Nobody looks. */
const REFRESH_MS_HIDDEN = 30_000
/** The agent reads the whole of its kernel's table for it. */
const DIFFERENCE_MS_MIN = 15_000
const EVENTS_MAX = 200
const ROUTES_STEP = 100

let routesShown = ROUTES_STEP
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
    await Promise.all([showNode(), showPeers(), showKernel(), showDifference()])
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
  const node = await get('/v1/node')
  const [word, tone] = panels.judge(node)
  document.title = `${node.name} · ${word}`
  byId('name').textContent = node.name
  byId('health').textContent = node.readyReason === null ? word : `${word}: ${node.readyReason}`
  byId('health').className = `pill ${tone}`
  byId('facts').textContent = panels.facts(node)
  replace(byId('summary'), ...panels.summary(node))
  replace(byId('conditions'), ...panels.conditions(node.conditions))
  byId('conditions').hidden = node.conditions.length === 0
}

async function showPeers() {
  const { items } = await get('/v1/peers')
  replace(byId('peer-list'), items.length === 0 ? nothing('no peers') : panels.peers(items))
}

async function showKernel() {
  const items = []
  let token = null
  do {
    const page = await get('/v1/fib', { limit: ROUTES_STEP, continue: token })
    items.push(...page.items)
    token = page.continue
  } while (token !== null && items.length < routesShown)
  replace(byId('fib-list'), items.length === 0 ? nothing('none') : panels.kernelRoutes(items, ask))
  byId('fib-more').hidden = token === null
}

async function showDifference() {
  if (performance.now() - comparedAt < DIFFERENCE_MS_MIN) return
  comparedAt = performance.now()
  const { mode } = await get('/v1/fib/status')
  byId('fib-difference').textContent =
    mode === 'none'
      ? 'The agent runs with --fib none: nothing is written to the kernel.'
      : panels.difference((await get('/v1/fib/diff')).items)
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

/** The question stands in the address bar, so that an answer can be sent to somebody. */
function ask(prefix) {
  const hash = `#explain=${encodeURIComponent(prefix)}`
  if (location.hash === hash) void explainFromHash()
  else location.hash = hash
  byId('prefix').scrollIntoView({ block: 'center' })
}

async function explainFromHash() {
  const prefix = new URLSearchParams(location.hash.slice(1)).get('explain')
  if (prefix === null) return
  byId('prefix').value = prefix
  const target = byId('explanation')
  try {
    replace(target, ...panels.explanation(await get('/v1/explain', { prefix })))
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    replace(target, element('p', { class: 'bad' }, error.message), nothing(error.remedy))
  }
}

function addEvent(item) {
  const list = byId('events')
  list.prepend(item)
  while (list.children.length > EVENTS_MAX) list.lastChild.remove()
}

byId('search').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  ask(byId('prefix').value.trim())
})
byId('access').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  setToken(byId('token').value.trim())
  void refresh()
})
byId('fib-more').addEventListener('click', () => {
  routesShown += ROUTES_STEP
  void refresh()
})
document.addEventListener('keydown', (pressed) => {
  if (pressed.key !== '/' || pressed.target instanceof HTMLInputElement) return
  pressed.preventDefault()
  byId('prefix').focus()
})
document.addEventListener('visibilitychange', () => refreshWithin(REFRESH_MS_MIN))
addEventListener('hashchange', explainFromHash)

void refresh()
void explainFromHash()
void follow({
  event(event) {
    addEvent(panels.event(event))
    refreshWithin(REFRESH_MS_MIN)
  },
  remark: (text) => addEvent(panels.remark(text)),
  connected(yes) {
    byId('stream').textContent = yes ? 'live' : 'not connected; trying again'
  },
})
