/** docs/operations.md has a row for every reason code that a condition may bear, and for no other. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

/** Reasons of Kubernetes' own conditions of a Node, not of ours. */
const ofTheNode = ['RouteletIsUp']

/** By the makers of problems, and where a reason is written beside its severity. */
const patterns = [
  /\b(?:warn|fail|inform|others)\(\s*'([A-Z]\w+)'/g,
  /\breason(?:: |\()((?:'[A-Z]\w+'(?: \| )?)+)/g,
]

function codesOf(text: string): string[] {
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].flatMap(([, found = '']) => found.match(/[A-Z]\w+/g) ?? []),
  )
}

t.test('every reason of a condition is explained, and every one explained exists', async (t) => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  const sources = files.filter((file) => file.endsWith('.ts'))
  const texts = sources.map((file) => readFileSync(path.join('src', file), 'utf8'))
  const codes = new Set(texts.flatMap(codesOf).filter((code) => !ofTheNode.includes(code)))
  const page = readFileSync('docs/operations.md', 'utf8')
  const [, table = ''] = /^## Conditions\n([\s\S]*?)\n## /m.exec(page) ?? []
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  const explained = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, code = '']) => code),
  )
  const all = texts.join('\n')
  t.ok(codes.size > 60, `${codes.size} reasons were found`)
  t.same([...codes].filter((code) => !explained.includes(code)).sort(), [], 'without a row')
  t.same(explained.filter((code) => !all.includes(`'${code}'`)).sort(), [], 'rows of nothing')
  t.equal(new Set(explained).size, explained.length, 'each has one row')
})
