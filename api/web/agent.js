/**
 * The page's side of the API. Events are read with fetch and not with EventSource, which would need to
 * know every kind of event beforehand and cannot carry a token.
 */
const RECONNECT_MS = 2000
const FRAME_CHARACTERS_MAX = 1024 * 1024

let token = null

/** Kept in this page's memory only. */
export function setToken(value) {
  token = value
}

/** The agent refused, or isn't there. `status` is 0 in the latter case. */
export class AgentError extends Error {
  constructor(status, detail, remedy) {
    super(detail)
    this.status = status
    this.remedy = remedy
  }
}

/** @throws AgentError */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null)
  const search = given.length === 0 ? '' : `?${new URLSearchParams(given)}`
  const response = await ask(path + search, { accept: 'application/json' })
  return response.json()
}

/**
 * Hands a reply to the browser as a file; a link could not carry the token.
 * @throws AgentError
 */
export async function download(path, name) {
  const response = await ask(path, {})
  const address = URL.createObjectURL(await response.blob())
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  URL.revokeObjectURL(address)
}

/**
 * Follows the events for as long as the page lives.
 * @param handlers `event(event)`, `remark(text)`, `connected(true|false)`.
 */
export async function follow(handlers) {
  let last = '0'
  for (;;) {
    try {
      const response = await ask('/v1/events', {
        accept: 'text/event-stream',
        'last-event-id': last,
      })
      handlers.connected(true)
      await readFrames(response, (frame) => {
        if (frame.event === 'restarted') last = '0'
        last = frame.id ?? last
        deliver(frame, handlers)
      })
    } catch (error) {
      // A stream that breaks ends in a TypeError of fetch; anything else is a fault of this page.
      if (!(error instanceof AgentError || error instanceof TypeError)) throw error
    }
    handlers.connected(false)
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
  }
}

function deliver(frame, handlers) {
  if (frame.id !== null) handlers.event(JSON.parse(frame.data))
  else if (frame.event === 'restarted') handlers.remark('the agent has started anew')
  else if (frame.event === 'dropped') {
    handlers.remark(`${JSON.parse(frame.data).events} events were missed`)
  }
}

async function ask(path, headers) {
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` }
  let response
  try {
    response = await fetch(path, { headers: { ...headers, ...authorization }, cache: 'no-store' })
  } catch {
    throw new AgentError(
      0,
      'The agent does not answer.',
      'Is it running? journalctl and routelet status tell.',
    )
  }
  if (response.ok) return response
  const { detail, remedy } = await response.json()
  throw new AgentError(response.status, detail, remedy)
}

async function readFrames(response, onFrame) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let pending = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (pending + value).split('\n\n')
    pending = blocks.pop()
    if (pending.length > FRAME_CHARACTERS_MAX) throw new AgentError(0, 'An event is too long.', '')
    for (const block of blocks) {
      const frame = parseFrame(block)
      if (frame.data !== null) onFrame(frame)
    }
  }
}

function parseFrame(block) {
  const frame = { event: 'message', id: null, data: null }
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ')
    if (colon > 0) frame[line.slice(0, colon)] = line.slice(colon + 2)
  }
  return frame
}
