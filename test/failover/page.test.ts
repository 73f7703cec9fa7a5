/** docs/failover.md says what docs/failover.json holds, and how measurements become cells of it. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { renderInstalls } from '../bench/fib/page.ts'
import { page, withTables } from './document.ts'
import { type Kept, readKept } from './kept.ts'
import { renderFailovers } from './page.ts'

const outage = { daemon: 'BIRD', prefixes: 1000, death: 'killed' } as const
const row = { count: 100_000, from: 'order', session: '2026-01-02T03:04:05.000Z' } as const
const kept: Kept = {
  machine: 'Linux 6',
  versions: { BIRD: 'BIRD 2' },
  date: '2026-01-02',
  outages: [
    { ...outage, outageMs: 12.34, lost: 20 },
    { ...outage, outageMs: 1234, lost: 4000 },
    { ...outage, outageMs: 3, lost: 9 },
    { ...outage, daemon: 'FRR', outageMs: 0, lost: 0 },
  ],
  failures: [{ daemon: 'FRR', prefixes: 500_000, reason: 'no answer in 100 s' }],
  installs: [
    { ...row, contender: 'C', version: '', times: [300, 200, 100] },
    { ...row, contender: 'BIRD', version: 'BIRD 2', times: [500] },
    { ...row, contender: 'ip -batch', version: '', session: 'another', times: [600] },
    { ...row, contender: 'FRR', version: '', from: 'BGP', times: [2000, 3000] },
  ],
}

t.test('the tables of the page are what the measurements give', async (t) => {
  const text = readFileSync(page, 'utf8')
  t.equal(withTables(text, readKept()), text)
  t.throws(() => withTables('# Failover', kept), /has lost <!-- table: made by/)
})

t.test(
  'failovers: medians with their spread, a dash for none, a line for each failure',
  async (t) => {
    const text = renderFailovers(kept)
    t.match(text, 'Measured on 2026-01-02, Linux 6; BIRD 2.')
    t.match(text, '| killed | 1,000 | 12 ms (3.0–1,234), 20 lost | 0.0 ms, 0 lost |')
    t.match(text, '| silenced | 1,000 | – | – |')
    t.match(text, '- FRR with 500,000 prefixes did not come to the end: no answer in 100 s')
  },
)

t.test('installations: compared with the C program of the same session alone', async (t) => {
  const text = renderInstalls(kept)
  t.match(text, '| C, nexthop object | 200 (100–300) | 1.00 |')
  t.match(text, '| BIRD | 500 | 2.50 |')
  t.match(text, '| `ip -batch` | 600 | – |', 'measured in another session')
  t.match(text, '| FRR | 3,000 (2,000–3,000) |', 'no C program learns from BGP')
})
