/**
 * Aligned tables for people. Two spaces between columns, numbers to the right, no lines drawn: what
 * is printed can be piped into awk as it is.
 */
import { printable } from './terminal.ts'

export type Tone = 'good' | 'bad' | 'warn' | 'dim' | 'strong'

export interface Cell {
  readonly text: string
  readonly tone: Tone
}

export type CellValue = string | number | null | Cell

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => CellValue
  readonly align?: 'left' | 'right'
}

const GAP = '  '
const ABSENT = '-'
/** SGR parameters (ECMA-48 §8.3.117). */
const TONES: Readonly<Record<Tone, string>> = {
  good: '32',
  bad: '31',
  warn: '33',
  dim: '2',
  strong: '1',
}

/** Text in a tone, where colour is wanted. */
export function paint(text: string, tone: Tone, colour: boolean): string {
  return colour ? `\u001b[${TONES[tone]}m${text}\u001b[0m` : text
}

/** Columns in which every row is empty are left out, so that a table has no idle width. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  colour: boolean,
): string {
  const grid = columns
    .map((column) => ({ column, cells: rows.map((row) => toCell(column.value(row))) }))
    .filter(({ cells }) => rows.length === 0 || cells.some(({ text }) => text !== ''))
    .map(({ column, cells }) => ({
      ...column,
      cells,
      width: Math.max(column.title.length, ...cells.map(({ text }) => widthOf(text))),
    }))
  const lines = [
    grid.map((column) => pad(column.title, column.width, column.align)).join(GAP),
    ...rows.map((_, row) =>
      grid
        .map((column) => {
          const { text, tone } = column.cells[row]!
          const padded = pad(text === '' ? ABSENT : text, column.width, column.align)
          return tone === null ? padded : paint(padded, tone, colour)
        })
        .join(GAP),
    ),
  ]
  return `${[paint(lines[0]!.trimEnd(), 'dim', colour), ...lines.slice(1).map(trimLine)].join('\n')}\n`
}

/** `label  value` lines, labels aligned. */
export function formatFields(fields: readonly (readonly [string, string | null])[]): string {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null)
  const width = Math.max(0, ...shown.map(([label]) => label.length))
  return shown
    .map(([label, value]) => `${`${label.padEnd(width)}${GAP}${printable(value)}`.trimEnd()}\n`)
    .join('')
}

function toCell(value: CellValue): { text: string; tone: Tone | null } {
  if (value === null) return { text: '', tone: null }
  if (typeof value === 'object') return { text: printable(value.text), tone: value.tone }
  return { text: printable(String(value)), tone: null }
}

/** Trailing blanks go, also in front of the sequence that ends a tone. */
function trimLine(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC begins the sequence
  return line.replace(/ +(\u001b\[0m)?$/, '$1')
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(width - widthOf(text))
  return align === 'right' ? `${blanks}${text}` : `${text}${blanks}`
}

/** Code points; names here are ASCII, and a wide letter in a description costs only alignment. */
function widthOf(text: string): number {
  return [...text].length
}
