/** The ring of events: what a reader that comes back with an id is given. */
import t from 'tap'
import { EventLog, eventsMax } from '../../src/event-log.ts'
import { systemClock } from '../../src/sys/clock.ts'

function filled(count: number): EventLog {
  const log = new EventLog(systemClock)
  for (let at = 1; at <= count; at++) log.add({ kind: 'test', level: 'info', text: `${at}` })
  return log
}

t.test('a reader continues behind the id it has seen', async (t) => {
  const log = filled(5)
  t.same(
    log.after(3, 100).map(({ id, text }) => [id, text]),
    [
      [4, '4'],
      [5, '5'],
    ],
  )
  t.same(log.after(5, 100), [])
  t.same(log.after(9, 100), [])
  t.same(
    log.after(0, 2).map(({ id }) => id),
    [1, 2],
  )
})

t.test(
  'the oldest are overwritten, and a reader that fell behind begins with what is left',
  async (t) => {
    const log = filled(eventsMax + 3)
    const all = log.after(0, eventsMax * 2)
    t.equal(all.length, eventsMax)
    t.equal(all[0]?.id, 4)
    t.equal(all.at(-1)?.text, `${eventsMax + 3}`)
    t.same(
      all.map(({ id }) => id),
      all.map((_, index) => index + 4),
    )
  },
)

t.test('a listener hears each event once, until it leaves', async (t) => {
  const log = filled(0)
  const heard: number[] = []
  const leave = log.subscribe(({ id }) => heard.push(id))
  log.add({ kind: 'test', level: 'info', text: 'a' })
  leave()
  log.add({ kind: 'test', level: 'info', text: 'b' })
  t.same(heard, [1])
})
