/** Every cell of the state machine: what follows from each event in each state. */
import t from 'tap'
import { type Action, type Event, type Session, step } from '../../../bgp/session/fsm.ts'
import type { SessionState } from '../../../bgp/types.ts'
import type { Negotiated } from '../../../bgp/wire/context.ts'
import { NotificationError } from '../../../bgp/wire/notification.ts'

const negotiated: Negotiated = {
  ebgp: true,
  localAsn: 65001,
  peerAsn: 65002,
  localRouterId: 1,
  peerRouterId: 2,
  as4: true,
  families: ['ipv4-unicast'],
  addPathReceive: [],
  addPathSend: [],
  extendedMessage: false,
  extendedNextHop: false,
  refresh: true,
  enhancedRefresh: false,
  holdSeconds: 90,
  keepaliveSeconds: 30,
  peerRestart: null,
}
const silent: Negotiated = { ...negotiated, holdSeconds: null, keepaliveSeconds: null }
const context = { retrySeconds: 5, noAnswer: 'no answer' }

const events = {
  start: { type: 'start' },
  stop: {
    type: 'stop',
    error: new NotificationError('cease/administrativeShutdown', 'by order'),
    reason: 'by order',
  },
  connected: { type: 'connected' },
  disconnected: { type: 'disconnected', reason: 'gone' },
  open: { type: 'open', negotiated },
  fault: { type: 'fault', error: new NotificationError('header/badLength', 'too short') },
  notification: { type: 'notification', reason: 'they said no', code: 3, subcode: 1 },
  cease: { type: 'notification', reason: 'they said goodbye', code: 6, subcode: 2 },
  keepalive: { type: 'keepalive' },
  update: { type: 'update' },
  refresh: { type: 'refresh' },
  connectRetryExpires: { type: 'connectRetryExpires' },
  holdExpires: { type: 'holdExpires' },
  keepaliveExpires: { type: 'keepaliveExpires' },
  sendHoldExpires: { type: 'sendHoldExpires' },
} as const satisfies { [name: string]: Event }
type EventName = keyof typeof events

const same = 'same'
const greeted = 'OpenSent: connectRetry off, sendOpen, hold 240'
const retry = 'hangUp, connectRetry 5, failed connect'
const expected: { readonly [S in SessionState]: { readonly [E in EventName]: string } } = {
  Idle: {
    start: 'Connect: connectRetry 5, dial',
    stop: same,
    connected: same,
    disconnected: same,
    open: same,
    fault: same,
    notification: same,
    cease: same,
    keepalive: same,
    update: same,
    refresh: same,
    connectRetryExpires: same,
    holdExpires: same,
    keepaliveExpires: same,
    sendHoldExpires: same,
  },
  Connect: {
    start: same,
    stop: 'Idle: hangUp 6/2',
    connected: greeted,
    disconnected: `Active: ${retry}`,
    open: same,
    fault: same,
    notification: same,
    cease: same,
    keepalive: same,
    update: same,
    refresh: same,
    connectRetryExpires: 'Connect: hangUp, failed connect, connectRetry 5, dial',
    holdExpires: same,
    keepaliveExpires: same,
    sendHoldExpires: same,
  },
  Active: {
    start: same,
    stop: 'Idle: hangUp 6/2',
    connected: greeted,
    disconnected: same,
    open: same,
    fault: same,
    notification: same,
    cease: same,
    keepalive: same,
    update: same,
    refresh: same,
    connectRetryExpires: 'Connect: connectRetry 5, dial',
    holdExpires: same,
    keepaliveExpires: same,
    sendHoldExpires: same,
  },
  OpenSent: {
    start: same,
    stop: 'Idle: hangUp 6/2',
    connected: 'Idle: hangUp 5/1, failed error',
    disconnected: `Active: ${retry}`,
    open: 'OpenConfirm: sendKeepalive, keepalive 30, hold 90',
    fault: 'Idle: hangUp 1/2, failed error',
    notification: 'Idle: hangUp, failed error',
    cease: 'Idle: hangUp, failed closed',
    keepalive: 'Idle: hangUp 5/1 04, failed error',
    update: 'Idle: hangUp 5/1 02, failed error',
    refresh: 'Idle: hangUp 5/1 05, failed error',
    connectRetryExpires: 'Idle: hangUp 5/1, failed error',
    holdExpires: 'Idle: hangUp 4/0, failed error',
    keepaliveExpires: 'Idle: hangUp 5/1, failed error',
    sendHoldExpires: 'Idle: hangUp 5/1, failed error',
  },
  OpenConfirm: {
    start: same,
    stop: 'Idle: hangUp 6/2',
    connected: 'Idle: hangUp 5/2, failed error',
    disconnected: 'Idle: hangUp, failed closed',
    open: 'Idle: hangUp 5/2 01, failed error',
    fault: 'Idle: hangUp 1/2, failed error',
    notification: 'Idle: hangUp, failed error',
    cease: 'Idle: hangUp, failed closed',
    keepalive: 'Established: restartHold, up',
    update: 'Idle: hangUp 5/2 02, failed error',
    refresh: 'Idle: hangUp 5/2 05, failed error',
    connectRetryExpires: 'Idle: hangUp 5/2, failed error',
    holdExpires: 'Idle: hangUp 4/0, failed error',
    keepaliveExpires: 'OpenConfirm: sendKeepalive, keepalive 30',
    sendHoldExpires: 'Idle: hangUp 5/2, failed error',
  },
  Established: {
    start: same,
    stop: 'Idle: hangUp 6/2, down',
    connected: 'Idle: hangUp 5/3, down, failed error',
    disconnected: 'Idle: hangUp, down, failed closed',
    open: 'Idle: hangUp 5/3 01, down, failed error',
    fault: 'Idle: hangUp 1/2, down, failed error',
    notification: 'Idle: hangUp, down, failed error',
    cease: 'Idle: hangUp, down, failed closed',
    keepalive: 'Established: restartHold',
    update: 'Established: restartHold, deliver',
    refresh: 'Established: restartHold, deliver',
    connectRetryExpires: 'Idle: hangUp 5/3, down, failed error',
    holdExpires: 'Idle: hangUp 4/0, down, failed error',
    keepaliveExpires: 'Established: sendKeepalive, keepalive 30',
    sendHoldExpires: 'Idle: hangUp, down, failed error',
  },
}

function at(state: SessionState, passive = false, agreed = negotiated): Session {
  if (state === 'OpenConfirm' || state === 'Established') {
    return { state, passive, negotiated: agreed }
  }
  return { state, passive }
}

function inWords(action: Action): string {
  if (action.do === 'setTimer') return `${action.timer} ${action.seconds ?? 'off'}`
  if (action.do === 'failed') return `failed ${action.failure.kind}`
  if (action.do !== 'hangUp' || action.notify === null) return action.do
  const { code, subcode, data } = action.notify
  return `hangUp ${code}/${subcode} ${Buffer.from(data).toString('hex')}`.trim()
}

function outcome(session: Session, event: Event): string {
  const [next, actions] = step(session, event, context)
  if (next === session && actions.length === 0) return same
  const done = actions.map(inWords).join(', ')
  return done === '' ? next.state : `${next.state}: ${done}`
}

for (const state of Object.keys(expected) as SessionState[]) {
  t.test(`in ${state}, every event has its outcome`, async (t) => {
    for (const name of Object.keys(events) as EventName[]) {
      const wanted = expected[state][name]
      t.equal(outcome(at(state), events[name]), wanted, `${name} leads to ${wanted}`)
    }
  })
}

t.test('a passive session waits instead of dialling, and sets no retry timer', async (t) => {
  t.equal(outcome(at('Idle', true), events.start), 'Active')
  const [next] = step(at('Idle', true), events.start, context)
  t.same(next, { state: 'Active', passive: true })
  t.equal(outcome(at('Active', true), events.connected), greeted)
  t.equal(
    outcome(at('OpenSent', true), events.disconnected),
    'Active: hangUp, connectRetry off, failed connect',
  )
})

t.test('hold time zero starts no timer', async (t) => {
  const open: Event = { type: 'open', negotiated: silent }
  const confirmed = 'OpenConfirm: sendKeepalive, keepalive off, hold off'
  t.equal(outcome(at('OpenSent'), open), confirmed)
  t.equal(
    outcome(at('OpenConfirm', false, silent), events.keepalive),
    'Established: restartHold, up',
  )
})

t.test('stopping without an error closes without a NOTIFICATION', async (t) => {
  const stop: Event = { type: 'stop', error: null, reason: 'restarting' }
  t.equal(outcome(at('Established'), stop), 'Idle: hangUp, down')
  t.equal(outcome(at('OpenSent'), stop), 'Idle: hangUp')
})

t.test('what comes by the million makes no new action lists', async (t) => {
  const session = at('Established')
  const [first, actions] = step(session, events.update, context)
  t.equal(first, session)
  t.equal(step(session, events.update, context)[1], actions)
})
