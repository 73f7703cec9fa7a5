/** What the log writes: events as lines, a level that is lent for a while, and floods as a number. */
import t from 'tap'
import { EventLog } from '../../src/event-log.ts'
import { createLog } from '../../src/log.ts'
import { linesMax, windowMs } from '../../src/log-flood.ts'
import { FakeClock } from '../bgp/clock.ts'

function scene(level = 'info') {
  const clock = new FakeClock()
  const lines: Record<string, unknown>[] = []
  const log = createLog(level, 'n1', clock, (line) => lines.push(JSON.parse(line)))
  const events = new EventLog(clock)
  events.subscribe((event) => log.event(event))
  const tell = (level: 'debug' | 'info' | 'warn', text = 'text', kind = 'peer.state') =>
    events.add({ kind, level, peer: 'tor', text })
  return { clock, lines, log, tell }
}

t.test('an event is one line with its kind and peer', async (t) => {
  const { lines, tell } = scene()
  tell('warn', 'the session is down')
  t.match(lines, [
    { level: 40, node: 'n1', kind: 'peer.state', peer: 'tor', msg: 'the session is down' },
  ])
})

t.test('a level is lent for a while, and the usual one may change meanwhile', async (t) => {
  const { clock, lines, log, tell } = scene()
  tell('debug')
  t.equal(lines.length, 0)
  log.setLevelFor('debug', 60)
  tell('debug')
  t.equal(lines.length, 1)
  log.setLevel('Warning')
  tell('debug')
  t.equal(lines.length, 2, 'what is lent holds')
  clock.advance(60_000)
  tell('debug')
  tell('info')
  t.equal(lines.length, 2, 'then the usual one, which is another now')
  tell('warn')
  t.equal(lines.length, 3)
})

t.test('a level that is lent again ends with the newer loan', async (t) => {
  const { clock, lines, log, tell } = scene()
  log.setLevelFor('debug', 60)
  clock.advance(50_000)
  log.setLevelFor('debug', 60)
  clock.advance(50_000)
  tell('debug')
  t.equal(lines.length, 1)
  clock.advance(10_000)
  tell('debug')
  t.equal(lines.length, 1)
})

t.test('a flood of one kind is cut short and told as a number; other kinds are not', async (t) => {
  const { clock, lines, tell } = scene()
  for (let n = 0; n < linesMax + 25; n++) tell('warn', `session ${n}`)
  t.equal(lines.length, linesMax)
  tell('warn', 'another kind', 'listen')
  t.match(lines.at(-1), { msg: 'another kind' })
  clock.advance(windowMs)
  t.match(lines.at(-1), { level: 40, kind: 'peer.state', count: 25 })
  t.match(String(lines.at(-1)?.['msg']), /^25 more of peer\.state in 10 s/)
  tell('warn', 'after it')
  t.match(lines.at(-1), { msg: 'after it' })
})

t.test('what a flood owes is told at the end', async (t) => {
  const { lines, log, tell } = scene()
  for (let n = 0; n < linesMax + 2; n++) tell('warn')
  log.close()
  t.match(lines.at(-1), { count: 2 })
})
