/**
 * What README.md and docs/ promise exists: links, paths, npm scripts, commands and their options.
 * Examples can't rot unseen: a renamed option or a moved file fails here, with the line that names it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

interface Line {
  readonly file: string
  readonly number: number
  readonly text: string
  /** Inside a fenced block. */
  readonly code: boolean
}

const command = path.resolve(import.meta.dirname, '../src/main.js')
const documents = ['README.md', ...listMarkdown('docs')].filter((file) => existsSync(file))
const lines = documents.flatMap(readLines)
const folders = ['api', 'bgp', 'deploy', 'docs', 'fib', 'src', 'test']

t.test('there is a README', async (t) => {
  t.ok(documents.includes('README.md'), 'run from the top of the repository')
})

t.test('every link leads to a file, and to a heading in it', async (t) => {
  const broken = lines.flatMap((line) =>
    [...line.text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !line.code && !/^[a-z]+:/.test(target) && !leads(line.file, target))
      .map((target) => `${place(line)}: ${target}`),
  )
  t.same(broken, [])
})

t.test('every path named exists', async (t) => {
  const named = new RegExp(`(?<![\\w./-])(?:${folders.join('|')})/[\\w./-]*\\w`, 'g')
  const missing = lines.flatMap((line) =>
    codeOf(line)
      .flatMap((code) => code.match(named) ?? [])
      .filter((name) => !existsSync(name))
      .map((name) => `${place(line)}: ${name}`),
  )
  t.same(missing, [])
})

t.test('every npm script named exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  const missing = lines.flatMap((line) =>
    codeOf(line)
      .flatMap((code) => [...code.matchAll(/\bnpm (?:run (?:--?\S+ )*([\w:-]+)|(test|start))\b/g)])
      .map(([, run, short]) => run ?? short ?? '')
      .filter((script) => !(script in scripts))
      .map((script) => `${place(line)}: npm run ${script}`),
  )
  t.same(missing, [])
})

t.test('every command and option named is in --help', async (t) => {
  const uses = lines.flatMap((line) =>
    codeOf(line).flatMap((code) => usesOf(code).map((use) => ({ line, use }))),
  )
  const wrong = uses.flatMap(({ line, use }) => {
    const known = knownOptions(use.subcommand)
    if (known === null) return [`${place(line)}: routelet ${use.subcommand}`]
    return use.options
      .filter((option) => !known.has(option))
      .map((option) => `${place(line)}: routelet ${use.subcommand} ${option}`)
  })
  t.ok(uses.length > 0, 'the documents show how the command is used')
  t.same(wrong, [])
})

function listMarkdown(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.posix.join(folder, name))
}

function readLines(file: string): Line[] {
  let code = false
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((text, index) => {
      const fence = /^\s*```/.test(text)
      if (fence) code = !code
      return { file, number: index + 1, text, code: code && !fence }
    })
}

function place({ file, number }: Line): string {
  return `${file}:${number}`
}

/** The line itself in a fenced block, otherwise what stands in backticks. */
function codeOf(line: Line): string[] {
  if (line.code) return [line.text]
  return [...line.text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}

function leads(from: string, target: string): boolean {
  const [name = '', heading] = target.split('#')
  const file = name === '' ? from : path.posix.join(path.posix.dirname(from), name)
  if (!existsSync(file)) return false
  if (heading === undefined) return true
  return readLines(file).some((line) => /^#+ /.test(line.text) && anchor(line.text) === heading)
}

/** A heading's anchor as GitHub makes it. */
function anchor(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

interface Use {
  readonly subcommand: string
  readonly options: readonly string[]
}

/** Calls of the command in a line of shell: by name, by file, or through `npm run lab`. */
function usesOf(code: string): Use[] {
  return code
    .replace(/\s#.*$/, '')
    .split(/&&|\|\||[;|](?=\s)/)
    .flatMap((part) => {
      const call =
        /(?:^|\s)(?:npx )?(?:routelet|node dist\/src\/main\.js|npm start --) ([a-z]+)(\s.*|$)/.exec(
          part,
        ) ?? /\bnpm run (lab)(?: --(\s.*))?$/.exec(part)
      if (!call) return []
      return [{ subcommand: call[1] ?? '', options: call[2]?.match(/--[a-z][a-z-]*/g) ?? [] }]
    })
}

const help = new Map<string, Set<string> | null>()

/** Long options of a subcommand; null when there is none of that name. */
function knownOptions(subcommand: string): Set<string> | null {
  const cached = help.get(subcommand)
  if (cached !== undefined) return cached
  const { stdout } = spawnSync(process.execPath, [command, subcommand, '--help'], {
    encoding: 'utf8',
  })
  const exists = new RegExp(`^Usage: routelet ${subcommand}\\b`, 'm').test(stdout)
  const known = exists ? new Set(stdout.match(/--[a-z][a-z-]*/g)) : null
  help.set(subcommand, known)
  return known
}
