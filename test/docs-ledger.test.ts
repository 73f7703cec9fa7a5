/**
 * docs/rfc.md and docs/failures.md are held to the code: what they name exists, the tests they name
 * are written, every RFC that the code cites has its entry, and no entry is there for its own sake.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const rooms = ['api', 'bgp', 'fib', 'src']
const lessons = 46

/** RFCs that the ledger must have whatever the code cites. */
const required = [
  1997, 2385, 2918, 4271, 4360, 4456, 4486, 4724, 4760, 5082, 5492, 6286, 6608, 6793, 7313, 7606,
  7607, 7705, 7911, 7999, 8092, 8212, 8326, 8538, 8654, 9003, 9072, 9687, 9774,
]

interface Entry {
  readonly rfc: number
  readonly text: string
}

const rfcPage = readFileSync('docs/rfc.md', 'utf8')
const failuresPage = readFileSync('docs/failures.md', 'utf8')
const entries = [...sections(), ...tableRows()]
const sources: ReadonlyMap<string, string> = new Map(
  rooms.flatMap((room) =>
    readdirSync(room, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [`${room}/${name}`, readFileSync(`${room}/${name}`, 'utf8')] as const),
  ),
)

t.test('both pages are read', async (t) => {
  t.ok(entries.length > 40, `${entries.length} RFCs`)
  t.ok(sources.size > 100, 'run from the top of the repository')
})

t.test('every file and every test that the ledgers name exists', async (t) => {
  for (const [page, text] of [
    ['docs/rfc.md', rfcPage],
    ['docs/failures.md', failuresPage],
  ] as const) {
    t.same(missingTests(text), [], `${page}: tests`)
    const files = [...text.matchAll(/`((?:api|bgp|fib|src|test)\/[\w./-]+)`/g)]
    t.ok(files.length > 20, page)
    t.same(
      files.map(([, file = '']) => file).filter((file) => !existsSync(file)),
      [],
      `${page}: files`,
    )
  }
})

t.test('the ledger has every RFC once', async (t) => {
  const numbers = entries.map(({ rfc }) => rfc)
  t.same(
    numbers.filter((rfc, index) => numbers.indexOf(rfc) !== index),
    [],
    'none twice',
  )
  t.same(
    required.filter((rfc) => !numbers.includes(rfc)),
    [],
    'all that are required',
  )
})

t.test('every RFC that the code cites is in the ledger, and no other', async (t) => {
  const cited = new Map<number, string>()
  for (const [file, text] of sources) {
    for (const [, rfc] of text.matchAll(/\bRFC (\d+)/g)) cited.set(Number(rfc), file)
  }
  const known = new Set(entries.map(({ rfc }) => rfc))
  t.same(
    [...cited].filter(([rfc]) => !known.has(rfc)).map(([rfc, file]) => `RFC ${rfc} in ${file}`),
    [],
    'cited, and not in docs/rfc.md',
  )
  t.same(
    [...known].filter((rfc) => !cited.has(rfc)),
    [],
    'in docs/rfc.md, and nowhere cited',
  )
})

t.test('each entry names code that cites its RFC, and a test', async (t) => {
  for (const { rfc, text } of entries) {
    const files = [...text.matchAll(/`((?:api|bgp|fib|src)\/[\w./-]+)`/g)].map(([, file]) => file)
    const citing = files.filter((file) => citesRfc(sources.get(file ?? '') ?? '', rfc))
    t.ok(citing.length > 0, `RFC ${rfc}: one of ${files.join(', ')} cites it`)
    t.match(text, /`test\/[\w./-]+` "/, `RFC ${rfc}: a test`)
  }
})

t.test('every section says what is done and what is not', async (t) => {
  for (const { rfc, text } of sections()) {
    t.match(text, /^- Does: /m, `RFC ${rfc}`)
    t.match(text, /^- (Does not|Leaves out): /m, `RFC ${rfc}`)
    t.match(text, /^- Code: /m, `RFC ${rfc}`)
    t.match(text, /^- Tests: /m, `RFC ${rfc}`)
  }
})

t.test('every failure has a test, a rule, or a reason why it cannot apply', async (t) => {
  const rows = [...failuresPage.matchAll(/^\| L(\d+) \| (.+) \| (.+) \|$/gm)]
  t.same(
    rows.map(([, number]) => Number(number)),
    Array.from({ length: lessons }, (_, index) => index + 1),
    'each of them once, in order',
  )
  for (const [, number, , remedy = ''] of rows) {
    t.match(remedy, /\btest: `|\brule: |cannot apply: because /, `L${number}`)
    for (const rule of remedy.split('; ').filter((part) => part.startsWith('rule: '))) {
      t.same(missingNames(rule), [], `L${number}: names of a rule`)
    }
  }
})

/** Entries under a heading of their own: "### RFC 4271: BGP-4". */
function sections(): Entry[] {
  return rfcPage.split(/^(?=##+ )/m).flatMap((text) => {
    const rfc = /^### RFC (\d+): \S/.exec(text)?.[1]
    return rfc === undefined ? [] : [{ rfc: Number(rfc), text }]
  })
}

/** Entries of one row: "| RFC 862 | what for | code | test |". */
function tableRows(): Entry[] {
  return [...rfcPage.matchAll(/^\| RFC (\d+) \|.*$/gm)].map(([text, rfc]) => ({
    rfc: Number(rfc),
    text,
  }))
}

function citesRfc(text: string, rfc: number): boolean {
  return new RegExp(`\\bRFC ${rfc}\\b`).test(text)
}

/** Pairs of a test file and a title in quotes that do not exist. */
function missingTests(text: string): string[] {
  return [...text.matchAll(/`(test\/[\w./-]+\.test\.ts)`\s+"([^"]+)"/g)]
    .filter(([, file = '', title = '']) => !existsSync(file) || !titlesOf(file).includes(title))
    .map(([, file, title]) => `${file} "${title}"`)
}

const titles = new Map<string, readonly string[]>()

/** Titles of the tests of a file; what a template fills in is shown as "…". */
function titlesOf(file: string): readonly string[] {
  const known = titles.get(file)
  if (known !== undefined) return known
  const source = readFileSync(file, 'utf8')
  const calls = source.matchAll(/\bt\.test\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*?)\1/g)
  const found = [...calls].map(([, , title = '']) => title.replace(/\$\{[^}]*\}/g, '…'))
  titles.set(file, found)
  return found
}

/** Of "`name` (`file`)", and "`name`, `name` (`file`)", the names that are not in their file. */
function missingNames(rule: string): string[] {
  const pairs = [...rule.matchAll(/((?:`[#\w]+`[^`(]*)+)\(`([\w./-]+)`\)/g)]
  if (pairs.length === 0) return [`no name and file in "${rule}"`]
  return pairs.flatMap(([, names = '', file = '']) => {
    const source = existsSync(file) ? readFileSync(file, 'utf8') : ''
    return [...names.matchAll(/`([#\w]+)`/g)]
      .map(([, name = '']) => name)
      .filter((name) => !source.includes(name))
      .map((name) => `${name} in ${file}`)
  })
}
