/** Nothing is kept of what is gone: tables, columns and heap after churn, era after era. */
import t from 'tap'
import { Churn } from './churn.ts'

const seed = 417_179
const eras = 4
const cyclesPerEra = 50_000
/** What compiled code, caches and the collector's own moods may account for. */
const slackBytes = 3 * 1024 * 1024

t.test(
  'after each era of announcing, withdrawing, leaving and returning nothing is left',
  async (t) => {
    const churn = new Churn(seed)
    // The first one makes the room; from then on there is enough of it.
    const first = churn.era(cyclesPerEra)
    for (let era = 1; era < eras; era++) {
      const { left, room, columnBytes, heapBytes } = churn.era(cyclesPerEra)
      for (const [what, count] of Object.entries(left)) t.equal(count, 0, `${what} in era ${era}`)
      t.same(room, first.room, 'columns are used again')
      t.ok(
        columnBytes - first.columnBytes < slackBytes,
        `columns +${columnBytes - first.columnBytes}`,
      )
      t.ok(heapBytes - first.heapBytes < slackBytes, `heap +${heapBytes - first.heapBytes}`)
    }
    t.equal(churn.cycles, eras * cyclesPerEra)
  },
)
