/**
 * docs/interop.md: the matrix as people read it. Its table is made by the run, column by column, and
 * read back to see whether a cell has changed.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { waitFor } from '../../network/wait.ts'
import { type Row, rowKeys, rows } from './rows.ts'

/** Tests run at the top of the repository. */
const page = path.resolve('docs/interop.md')
const lock = `${page}.lock`
/** What takes milliseconds is not under way any more: its process was killed. */
const lockSecondsMax = 10

const head = `# Interoperability

What is tried, against real daemons in network namespaces, on every run of \`npm test\`
(\`test/interop/matrix\`). In a cell, **yes** means: sessions Established on both ends, and the routes
of both sides compared with their attributes, as the daemon's own command shows them and as our API
does. A number is a reason below the table: what the daemon can't do.

This page is written by the run: \`UPDATE_GOLDEN=1 npm test -- test/interop/matrix\` rewrites it, and a
cell that has changed fails the test.
`

/** Cells by column and row: `yes`, or the reason why not. */
type Cells = Map<string, Map<Row, string>>

interface Page {
  /** Column names with the versions tried: `BIRD 2.0.12`. */
  readonly columns: readonly string[]
  readonly cells: Cells
}

const daemons = ['BIRD', 'FRR', 'GoBGP', 'OpenBGPD', 'ExaBGP'] as const

export function readColumn(name: string): Record<string, string> {
  return Object.fromEntries(parse(read()).cells.get(name) ?? [])
}

/**
 * Several columns may end at once, each in its process: a directory is the lock. Readers need none:
 * the page is changed as a whole.
 */
export async function writeColumn(
  name: string,
  version: string,
  found: ReadonlyMap<Row, string>,
): Promise<void> {
  await waitFor(`${lock} to go`, takeLock)
  try {
    const { columns, cells } = parse(read())
    cells.set(name, new Map(found))
    const titles = daemons.map((daemon) => {
      const known = columns.find((column) => column.startsWith(`${daemon} `))
      return daemon === name ? `${name} ${version}` : (known ?? `${daemon} –`)
    })
    const draft = `${lock}/page`
    writeFileSync(draft, render(titles, cells))
    renameSync(draft, page)
  } finally {
    rmSync(lock, { recursive: true })
  }
}

function takeLock(): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch (error) {
    const madeAt = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
    const abandoned = madeAt !== undefined && Date.now() - madeAt > lockSecondsMax * 1000
    if (abandoned) rmSync(lock, { recursive: true, force: true })
    throw error
  }
}

/** Empty before the first run. */
function read(): string {
  return existsSync(page) ? readFileSync(page, 'utf8') : ''
}

function render(columns: readonly string[], cells: Cells): string {
  const reasons: string[] = []
  const cell = (daemon: string, row: Row) => {
    const found = cells.get(daemon)?.get(row)
    if (found === undefined) return '?'
    if (found === 'yes') return found
    const reason = `${daemon}: ${found}`
    if (!reasons.includes(reason)) reasons.push(reason)
    return `[${reasons.indexOf(reason) + 1}]`
  }
  const table = rowKeys.map((row) =>
    line([rows[row], ...daemons.map((daemon) => cell(daemon, row))]),
  )
  const notes = reasons.map((reason, index) => `${index + 1}. ${reason}`)
  return [
    head,
    line(['', ...columns]),
    line(['---', ...columns.map(() => ':-:')]),
    ...table,
    '',
    ...notes,
    '',
  ].join('\n')
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function parse(text: string): Page {
  const lines = text.split('\n')
  const table = lines.filter((one) => one.startsWith('| ')).map(split)
  const reasons = lines.flatMap((one) => /^\d+\. \w+: (.*)$/.exec(one)?.[1] ?? [])
  const columns = table[0]?.slice(1) ?? []
  const cells: Cells = new Map()
  for (const [index, column] of columns.entries()) {
    const found = new Map<Row, string>()
    for (const row of rowKeys) {
      const text = table.find(([title]) => title === rows[row])?.[index + 1]
      if (text === undefined || text === '?') continue
      const note = /^\[(\d+)\]$/.exec(text)?.[1]
      found.set(row, note === undefined ? text : (reasons[Number(note) - 1] ?? text))
    }
    cells.set(column.split(' ')[0] ?? '', found)
  }
  return { columns, cells }
}

function split(row: string): string[] {
  return row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
}
