/**
 * Restarts under traffic, the short form: `npm run chaos -- restart` is the whole.
 */
import t from 'tap'
import { cannotRun } from './campaign.ts'
import { restartUnderTraffic } from './restart.ts'

t.setTimeout(240_000)

const skip = await cannotRun()

t.test('an agent killed five times costs no packet, in either direction', { skip }, async (t) => {
  const { lost, rows } = await restartUnderTraffic(t, {
    cycles: 5,
    packetsPerSecond: 1000,
    tell: (line) => t.comment(line),
  })
  t.equal(rows.length, 4, 'both directions in both families')
  t.ok(
    rows.every(({ sent }) => sent > 1000),
    'traffic flowed all the time',
  )
  t.equal(lost, 0)
})
