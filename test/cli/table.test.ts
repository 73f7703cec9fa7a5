/**
 * Tables and small values, as people read them.
 */
import t from 'tap'
import { type Column, formatFields, formatTable } from '../../src/cli/table.ts'
import {
  formatAsPath,
  formatDuration,
  formatInstant,
  formatRank,
  plural,
} from '../../src/cli/words.ts'
import { path } from '../api/fake-views.ts'

interface Row {
  readonly name: string
  readonly count: number | null
  readonly note: string | null
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', value: (row: Row) => row.name },
  { title: 'COUNT', value: (row: Row) => row.count, align: 'right' },
  { title: 'NOTE', value: (row: Row) => row.note },
]

t.test('columns are aligned, and end where their text ends', async (t) => {
  const rows: readonly Row[] = [
    { name: 'a', count: 1, note: 'x' },
    { name: 'longer', count: 1000, note: null },
  ]
  t.equal(
    formatTable(rows, columns, false),
    'NAME    COUNT  NOTE\na           1  x\nlonger   1000  -\n',
  )
})

t.test('a column in which nothing stands is left out', async (t) => {
  const rows: readonly Row[] = [{ name: 'a', count: null, note: null }]
  t.equal(formatTable(rows, columns, false), 'NAME\na\n')
})

t.test('colour does not disturb the alignment', async (t) => {
  const rows: readonly Row[] = [
    { name: 'up', count: 1, note: null },
    { name: 'down', count: 2, note: null },
  ]
  const toned: readonly Column<Row>[] = [
    { title: 'NAME', value: ({ name }: Row) => ({ text: name, tone: 'good' }) },
    columns[1]!,
  ]
  const plain = formatTable(rows, toned, false)
  const coloured = formatTable(rows, toned, true)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC begins the sequence
  t.equal(coloured.replace(/\u001b\[\d+m/g, ''), plain)
  t.ok(coloured.includes('\u001b[32mup'))
})

t.test('a table without rows still shows what it would hold', async (t) => {
  t.equal(formatTable([], columns, false), 'NAME  COUNT  NOTE\n')
})

t.test('fields that are absent are left out', async (t) => {
  t.equal(
    formatFields([
      ['name', 'a'],
      ['reason', null],
      ['description', 'b'],
    ]),
    'name         a\ndescription  b\n',
  )
})

t.test('durations have their two largest units', async (t) => {
  for (const [seconds, text] of [
    [0, '0s'],
    [-5, '0s'],
    [59, '59s'],
    [60, '1m'],
    [3661, '1h 1m'],
    [3605, '1h'],
    [90_061, '1d 1h'],
    [86_400 * 400, '400d'],
  ] as const) {
    t.equal(formatDuration(seconds * 1000), text, `${seconds} s`)
  }
})

t.test('instants are UTC to the second, and nonsense stays visible', async (t) => {
  t.equal(formatInstant(1_700_000_000_123), '2023-11-14T22:13:20Z')
  t.equal(formatInstant(Number.MAX_VALUE), String(Number.MAX_VALUE))
})

t.test('AS paths show their sets', async (t) => {
  const asPath = [
    { type: 'sequence', asns: [65001, 65002] },
    { type: 'set', asns: [1, 2] },
    { type: 'confed-sequence', asns: [3] },
  ] as const
  t.equal(formatAsPath({ asPath }), '65001 65002 {1 2} (3)')
  t.equal(formatAsPath({}), '')
})

t.test('the rank of a path is one word', async (t) => {
  const prefix = '10.0.0.0/8'
  for (const [changes, rank] of [
    [{ best: true }, 'best'],
    [{ best: false, multipath: true }, 'multipath'],
    [{ best: false, eligible: true }, 'backup'],
    [{ best: false, eligible: false }, 'unusable'],
    [{ best: true, stale: true }, 'best, stale'],
  ] as const) {
    t.equal(formatRank(path(prefix, changes)), rank)
  }
})

t.test('one is not many', async (t) => {
  t.equal(plural(1, 'path'), '1 path')
  t.equal(plural(0, 'path'), '0 paths')
  t.equal(plural(2, 'prefix', 'prefixes'), '2 prefixes')
})
