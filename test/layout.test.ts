/**
 * The architecture as assertions: which folder may import what, how long a file or function may be,
 * what stands at the top level. Every rule answers with the list of its violations, so that a
 * failing run reads as a list of places to mend.
 *
 * Functions are found by their indentation, which is exact for text that Biome has formatted.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const fileLinesMax = 400
const functionLinesMax = 60
/** What a head comment (or the comment of a function) must say to be let off. */
const longForAReason = /\b(long|one file|one function)\b[^.]*\bbecause\b/i

const topLevel = [
  'LICENSE',
  'README.md',
  'api',
  'bgp',
  'deploy',
  'docs',
  'fib',
  'package-lock.json',
  'package.json',
  'src',
  'test',
  'tsconfig.json',
]
const rooms = ['bgp', 'fib', 'api', 'src']
const unwelcomeFolders = ['utils', 'util', 'common', 'helpers', 'lib', 'misc', 'shared']

interface Source {
  readonly file: string
  readonly text: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
}

interface Import {
  /** Path from the top for our own files, otherwise the specifier as written. */
  readonly target: string
  readonly ours: boolean
  readonly typeOnly: boolean
}

interface Arrow {
  readonly from: RegExp
  /** Our own files it may import; with `types`, by `import type` only. */
  readonly ours: RegExp
  readonly types?: RegExp
  /** What it may import that isn't ours. */
  readonly outside: RegExp
  readonly why: string
}

const nothing = /^$/
const arrows: readonly Arrow[] = [
  {
    from: /^bgp\/wire\//,
    ours: /^bgp\/wire\/|^bgp\/(prefix|types)\.ts$/,
    outside: nothing,
    why: 'the codec stands on prefix.ts alone',
  },
  {
    from: /^bgp\/session\//,
    ours: /^bgp\/(session|wire)\/|^bgp\/(prefix|types)\.ts$/,
    outside: nothing,
    why: 'session and rib never meet: the speaker joins them',
  },
  {
    from: /^bgp\/rib\//,
    ours: /^bgp\/(rib|wire)\/|^bgp\/(prefix|types)\.ts$/,
    outside: nothing,
    why: 'session and rib never meet: the speaker joins them',
  },
  {
    from: /^bgp\/bfd\//,
    ours: /^bgp\/bfd\/|^bgp\/(prefix|types)\.ts$/,
    outside: nothing,
    why: 'BFD stands alone: it runs in a thread of its own',
  },
  { from: /^bgp\//, ours: /^bgp\//, outside: nothing, why: 'bgp/ knows nothing outside itself' },
  { from: /^fib\//, ours: /^fib\//, outside: nothing, why: 'fib/ knows nothing outside itself' },
  {
    from: /^api\//,
    ours: /^api\//,
    types: /^(bgp|fib)\/(index|types)\.ts$/,
    outside:
      /^(node:.*|fastify|typebox(\/.*)?|@fastify\/(type-provider-typebox|compress|rate-limit)|ip-address)$/,
    why: 'api/ knows the types of the engines and their values not at all',
  },
  {
    from: /^src\//,
    ours: /^src\/|^(bgp|bgp\/bfd|fib|api)\/index\.ts$/,
    types: /^(bgp|fib|api)\//,
    outside: /./,
    why: 'src/ composes the rooms through their index.ts',
  },
]

const sources = rooms.concat('test').flatMap(readSources)
const product = sources.filter((source) => !source.file.startsWith('test/'))

t.test('arrows between folders point down', async (t) => {
  t.ok(product.length > 0, `run from the top of the repository; found ${product.length} files`)
  t.same(product.flatMap(wrongArrows), [])
})

t.test('koffi is imported in src/sys/ alone', async (t) => {
  const importers = sources
    .filter((source) => source.imports.some((one) => one.target.startsWith('koffi')))
    .map((source) => source.file)
  t.same(
    importers.filter((file) => !file.startsWith('src/sys/')),
    [],
  )
})

t.test('the product imports nothing from test/', async (t) => {
  t.same(
    product
      .filter((source) => source.imports.some((one) => one.target.startsWith('test/')))
      .map((source) => source.file),
    [],
  )
})

t.test('no import of values runs in a circle', async (t) => {
  t.same(circles(), [])
})

t.test('every package imported is declared in package.json', async (t) => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  const runtime = new Set(Object.keys(manifest.dependencies))
  const everything = new Set([...runtime, ...Object.keys(manifest.devDependencies)])
  const undeclared = sources.flatMap((source) => {
    const declared = source.file.startsWith('test/') ? everything : runtime
    return source.imports
      .filter((one) => !one.ours && !one.target.startsWith('node:'))
      .filter((one) => !declared.has(packageOf(one.target)))
      .map((one) => `${source.file} imports ${one.target}`)
  })
  t.same(undeclared, [])
})

t.test(`files have at most ${fileLinesMax} lines, or say why not`, async (t) => {
  t.same(
    sources
      .filter((source) => source.lines.length > fileLinesMax)
      .filter((source) => !longForAReason.test(headComment(source)))
      .map((source) => `${source.file}: ${source.lines.length} lines`),
    [],
  )
})

t.test(`functions have at most ${functionLinesMax} lines, or say why not`, async (t) => {
  t.same(product.flatMap(longFunctions), [])
})

t.test('every file opens with a comment on what it is for', async (t) => {
  t.same(
    sources.filter((source) => headComment(source).length < 40).map((source) => source.file),
    [],
  )
})

t.test('no folder has a name that says nothing', async (t) => {
  const folders = new Set(sources.flatMap((source) => path.dirname(source.file).split('/')))
  t.same(
    unwelcomeFolders.filter((name) => folders.has(name)),
    [],
  )
})

t.test('the top level is the fixed list', async (t) => {
  const ignored = new Set(
    readFileSync('.gitignore', 'utf8')
      .split('\n')
      .map((line) => line.replace(/\/$/, '')),
  )
  const present = readdirSync('.').filter((name) => !name.startsWith('.') && !ignored.has(name))
  t.same(present.sort(), topLevel)
})

t.test('no unfinished business and no path of one machine in the product', async (t) => {
  const unwelcome = /\b(TODO|FIXME|XXX|HACK)\b|(['"`\s])\/(work|home|root)\//
  t.same(
    product.flatMap((source) =>
      source.lines.flatMap((line, index) =>
        unwelcome.test(line) ? [`${source.file}:${index + 1}: ${line.trim()}`] : [],
      ),
    ),
    [],
  )
})

function readSources(folder: string): Source[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const file = path.posix.join(folder, name)
      const text = readFileSync(file, 'utf8')
      return { file, text, lines: text.trimEnd().split('\n'), imports: readImports(file, text) }
    })
}

function readImports(file: string, text: string): Import[] {
  const statement = /^(?:import|export)\s+(type\s+)?[\w*{}\s,$]+?\s+from\s+'([^']+)'/gm
  const bare = /^import\s+()'([^']+)'/gm
  const dynamic = /\bimport\(()\s*'([^']+)'\s*\)/g
  return [statement, bare, dynamic].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, type, specifier = '']) => {
      const ours = specifier.startsWith('.')
      return {
        target: ours ? path.posix.join(path.posix.dirname(file), specifier) : specifier,
        ours,
        typeOnly: Boolean(type),
      }
    }),
  )
}

function wrongArrows({ file, imports }: Source): string[] {
  const arrow = arrows.find(({ from }) => from.test(file))
  if (!arrow) return [`${file}: no rule covers this file`]
  const allowed = ({ target, ours, typeOnly }: Import) =>
    ours
      ? arrow.ours.test(target) || (typeOnly && arrow.types?.test(target))
      : arrow.outside.test(target)
  return imports
    .filter((one) => !allowed(one))
    .map((one) => `${file} imports ${one.target}: ${arrow.why}`)
}

/** `@scope/name/inner` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function circles(): string[] {
  const edges = new Map(
    product.map(({ file, imports }) => [
      file,
      imports.filter((one) => one.ours && !one.typeOnly).map((one) => one.target),
    ]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]) => {
    const start = trail.indexOf(file)
    if (start >= 0) found.push([...trail.slice(start), file].join(' → '))
    if (start >= 0 || done.has(file)) return
    for (const target of edges.get(file) ?? []) visit(target, [...trail, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return found
}

function headComment({ text }: Source): string {
  return /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? ''
}

function longFunctions(source: Source): string[] {
  const excused = longForAReason.test(headComment(source))
  return source.lines.flatMap((line, start) => {
    const indent = functionIndent(source.lines, start)
    if (indent === null || excused) return []
    const end = functionEnd(source.lines, start, indent)
    const length = end - start + 1
    const comment = source.lines.slice(Math.max(0, start - 8), start).join('\n')
    if (length <= functionLinesMax || longForAReason.test(comment)) return []
    return [`${source.file}:${start + 1}: ${length} lines: ${line.trim()}`]
  })
}

/** Indentation of a line that opens a function, method or arrow function; null for others. */
function functionIndent(lines: readonly string[], start: number): string | null {
  const line = lines[start] ?? ''
  const indent = /^\s*/.exec(line)?.[0] ?? ''
  if (/^\s*(if|for|while|switch|catch|return|super)\b/.test(line)) return null
  if (/^\s*(export )?(async )?function\b/.test(line) || line.endsWith('=> {')) return indent
  if (!/^\s*((private|protected|static|override|async|get|set) )*#?\w+\(/.test(line)) return null
  if (line.endsWith(') {') || /\): [^;]* \{$/.test(line)) return indent
  // A method whose parameters take a line each; a call written so closes without a brace.
  const close = lines.findIndex((one, index) => index > start && one.startsWith(`${indent})`))
  return line.endsWith('(') && lines[close]?.endsWith('{') ? indent : null
}

/** The first line after `start`, at its indentation, that closes a block and opens none. */
function functionEnd(lines: readonly string[], start: number, indent: string): number {
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (line.startsWith(`${indent}}`) && !line.endsWith('{')) return index
  }
  return start
}
