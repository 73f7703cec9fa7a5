/**
 * Runs the built tests and counts them: `npm test`, or `npm test -- test/bgp` for a part.
 *
 * Every test file is a plain tap program in a process of its own, a few at a time. Its TAP is read
 * here, so that the last line, `N passed, N failed`, counts assertions (the leaves, not the subtests
 * around them). tap's own command is not needed: it would want a build step of its own (its plugin
 * for TypeScript can't load TypeScript 7) and adds a second a file.
 *
 * A file that ends without a word, with a non-zero exit code, or not before its deadline is a
 * failure, whatever it printed. With CI=true a skipped assertion fails the run too.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { Parser, type Result } from 'tap-parser'

interface Skip {
  readonly name: string
  readonly reason: string
}

interface FileResult {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly Skip[]
  /** Sentences about the process itself: exit code, signal, deadline. */
  readonly complaints: readonly string[]
  readonly output: string
  readonly seconds: number
}

/** Rooms whose files start daemons and wait for them; they also start first. */
const slowRooms = ['test/interop/', 'test/lab/', 'test/bfd/', 'test/chaos/', 'test/kube/']
const deadlineSeconds = 120
const slowDeadlineSeconds = 480
/** Between the deadline, when tap itself reports the test that hangs, and SIGKILL. */
const graceSeconds = 10
/** Of a failing file's output, so much is printed at most: its end. */
const outputBytesMax = 256 * 1024

/** tap's own words when a file ends without having made a test. */
const nothingFound = 'no tests found'

const builtTests = import.meta.dirname
const running = new Set<ChildProcess>()

process.exitCode = (await main(process.argv.slice(2))) || process.exitCode || 0

async function main(filters: readonly string[]): Promise<number> {
  const files = await findTests(filters)
  if (files.length === 0) {
    console.error(
      `no test file matches ${filters.join(' ') || 'test/**/*.test.ts'}; give paths as in test/bgp`,
    )
    return 1
  }
  const missing = files.filter((file) => !existsSync(builtPath(file)))
  if (missing.length > 0) {
    console.error(`not built: ${missing.join(', ')}; run \`npm run build\` first`)
    return 1
  }
  const results: FileResult[] = []
  const queue = [...files]
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      queue.length = 0
      interrupt(signal)
    })
  }
  const jobs = Math.max(2, Math.min(4, availableParallelism()))
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file)
      results.push(result)
      report(result)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return summarise(results)
}

/** Source files, not built ones: what a removed test left in dist/ must not run. */
async function findTests(filters: readonly string[]): Promise<string[]> {
  const names = await readdir('test', { recursive: true }).catch(() => [])
  const files = names
    .map((name) => path.posix.join('test', name))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) =>
      filters.length === 0 ? !isApart(file) : filters.some((filter) => matches(file, filter)),
    )
  return files.sort((a, b) => Number(isSlow(b)) - Number(isSlow(a)) || a.localeCompare(b))
}

function matches(file: string, filter: string): boolean {
  const wanted = path.posix.normalize(filter).replace(/\/$/, '')
  return file === wanted || file.startsWith(`${wanted}/`)
}

/** Run when they are asked for: what they need is built by a command of their own. */
function isApart(file: string): boolean {
  return file.startsWith('test/kube/')
}

function isSlow(file: string): boolean {
  return slowRooms.some((room) => file.startsWith(room))
}

function builtPath(file: string): string {
  return path.join(builtTests, path.relative('test', file).replace(/\.ts$/, '.js'))
}

function runFile(file: string): Promise<FileResult> {
  const startedAt = process.hrtime.bigint()
  const seconds = isSlow(file) ? slowDeadlineSeconds : deadlineSeconds
  // A group of its own, so that what the test started can be ended with it and nothing else is.
  const child = spawn(process.execPath, ['--enable-source-maps', builtPath(file)], {
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: String(seconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const tally = readTap(child)
  const output = collect(child)
  let late = false
  const deadline = setTimeout(
    () => {
      late = true
      killGroup(child, 'SIGKILL')
    },
    (seconds + graceSeconds) * 1000,
  )
  return new Promise((resolve) => {
    const finish = (ending: string | null) => {
      clearTimeout(deadline)
      running.delete(child)
      const { passed, failed, skipped, complaints } = tally()
      if (late) complaints.push(`did not end within its deadline of ${seconds} s and was killed`)
      else if (ending !== null && failed === 0) complaints.push(ending)
      resolve({
        file,
        passed,
        failed: failed + complaints.length,
        skipped,
        complaints,
        output: output(),
        seconds: Number(process.hrtime.bigint() - startedAt) / 1e9,
      })
    }
    child.once('error', (error) => finish(`could not be started: ${error.message}`))
    child.once('close', (code, signal) => {
      finish(code === 0 ? null : signal ? `was ended by ${signal}` : `ended with exit code ${code}`)
    })
  })
}

interface Tally {
  passed: number
  failed: number
  readonly skipped: Skip[]
  readonly complaints: string[]
}

/** Counts what the child asserts; the function returned closes the count. */
function readTap(child: ChildProcess): () => Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: [], complaints: [] }
  const note = (kind: 'skip' | 'todo') => (result: Result) => {
    const reason = typeof result[kind] === 'string' ? result[kind] : ''
    tally.skipped.push({ name: result.fullname, reason: reason || `${kind} without a reason` })
  }
  const parser = new Parser()
  parser.on('pass', () => tally.passed++)
  parser.on('fail', () => tally.failed++)
  parser.on('skip', note('skip'))
  parser.on('todo', note('todo'))
  child.stdout?.pipe(parser)
  return () => {
    if (!parser.results) parser.end()
    const { plan, ok } = parser.results ?? { plan: null, ok: false }
    if (plan?.skipAll && plan.skipReason !== nothingFound) {
      tally.skipped.push({ name: 'the whole file', reason: plan.skipReason || 'no reason given' })
    } else if (tally.passed + tally.failed + tally.skipped.length === 0) {
      tally.complaints.push('asserted nothing')
    } else if (!ok && tally.failed === 0) {
      tally.complaints.push('printed TAP that breaks off')
    }
    return tally
  }
}

/** Both streams in the order they came, the last `outputBytesMax` of them. */
function collect(child: ChildProcess): () => string {
  const chunks: Buffer[] = []
  let bytes = 0
  let cut = false
  const keep = (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    while (bytes > outputBytesMax && chunks.length > 1) {
      bytes -= chunks.shift()?.length ?? 0
      cut = true
    }
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return () => `${cut ? '[the beginning is cut off]\n' : ''}${Buffer.concat(chunks).toString()}`
}

function report(result: FileResult): void {
  const good = result.failed === 0
  const skips = result.skipped.length > 0 ? `, ${result.skipped.length} skipped` : ''
  console.log(
    `${good ? 'ok    ' : 'FAILED'} ${result.file}  ` +
      `${result.passed} passed, ${result.failed} failed${skips}  (${result.seconds.toFixed(1)} s)`,
  )
  if (good) return
  console.log(indent(result.output))
  for (const complaint of result.complaints) console.log(`    ${result.file} ${complaint}`)
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '    ')
}

/** Prints the skips and the last line; returns the exit code. */
function summarise(results: readonly FileResult[]): number {
  const sum = (pick: (result: FileResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0)
  const skipped = results.flatMap((result) =>
    result.skipped.map((skip) => ({ ...skip, file: result.file })),
  )
  const failing = results.filter((result) => result.failed > 0)
  console.log('')
  for (const skip of skipped) console.log(`skipped ${skip.file}: ${skip.name}: ${skip.reason}`)
  for (const result of failing) console.log(`FAILED  ${result.file}: ${result.failed}`)
  const { CI } = process.env
  const skipFails = CI === 'true' && skipped.length > 0
  if (skipFails) console.log('CI=true: a skipped test fails the run')
  const passed = sum((result) => result.passed)
  const failed = sum((result) => result.failed)
  console.log(
    `${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
  )
  return failed === 0 && passed > 0 && !skipFails ? 0 : 1
}

/** Ctrl-C or SIGTERM: what runs gets SIGTERM, a moment to end, then SIGKILL. */
function interrupt(signal: NodeJS.Signals): void {
  console.error(`${signal}: ending ${running.size} test files`)
  process.exitCode = 1
  for (const child of running) killGroup(child, 'SIGTERM')
  setTimeout(() => {
    for (const child of running) killGroup(child, 'SIGKILL')
  }, graceSeconds * 1000).unref()
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // It ended by itself in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
