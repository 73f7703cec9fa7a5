/**
 * Networks for tests, out of Linux network namespaces with names no one else uses. Whatever a test
 * does, they go away again: a guardian process holds a pipe to the test, and when that closes, at
 * teardown or because the test was killed, it ends what runs in the namespaces and removes them.
 * The orderly end and the disorderly one thus take the same way.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Told one thing a line, `netns NAME` or `folder PATH`; at the end of input removes all of them. */
const guardianScript = `
names=() folders=()
while read -r kind value; do
  case $kind in netns) names+=("$value");; folder) folders+=("$value");; esac
done
for name in "\${names[@]}"; do
  for pid in $(ip netns pids "$name" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
  ip netns delete "$name" 2>/dev/null
done
for folder in "\${folders[@]}"; do rm -rf -- "$folder"; done
exit 0
`

/** What every namespace is set to: a router, and IPv6 addresses that work at once. */
const sysctls = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv6.conf.all.accept_dad=0',
]

let networks = 0

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Why namespaces can't be made here, or false; for `t.test(name, { skip }, …)`. */
export const cannotBuildNetworks: string | false =
  process.getuid?.() === 0 ? false : 'needs root to make network namespaces'

/** Why a test that runs these programs can't run here, or false. */
export async function missing(...programs: readonly string[]): Promise<string | false> {
  if (cannotBuildNetworks) return cannotBuildNetworks
  for (const program of ['ip', ...programs]) {
    const found = await run('sh', ['-c', 'command -v "$0"', program])
    if (found.code !== 0) return `needs ${program}, which is not installed`
  }
  return false
}

/** Takes the network down when the test ends; `t.teardown` of tap fits. */
export interface Scope {
  teardown(run: () => Promise<void> | void): unknown
}

/** For programs that are no test: a scope of their own, which ends with the work however that ends. */
export async function inScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const ends: (() => Promise<void> | void)[] = []
  try {
    return await work({ teardown: (end) => ends.push(end) })
  } finally {
    // What came later may need what was there before it.
    for (const end of ends.reverse()) await end()
  }
}

export class Network {
  /** For configurations, sockets and captures; removed with the network. */
  readonly folder: string
  readonly #guardian: ChildProcess
  readonly #prefix: string

  constructor(scope: Scope) {
    this.#prefix = `rl${process.pid}-${++networks}`
    this.#guardian = spawn('bash', ['-c', guardianScript], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    this.folder = mkdtempSync(path.join(tmpdir(), `${this.#prefix}-`))
    this.#guard('folder', this.folder)
    // Daemons that give up root must still find their files in it.
    chmodSync(this.folder, 0o711)
    scope.teardown(() => this.close())
  }

  /** A new namespace with its loopback up. */
  async namespace(label: string): Promise<Namespace> {
    const name = `${this.#prefix}-${label}`
    this.#guard('netns', name)
    await must('ip', ['netns', 'add', name])
    const namespace = new Namespace(name, label, path.join(this.folder, label))
    await namespace.ip('link', 'set', 'lo', 'up')
    await namespace.must('sysctl', ['-qw', ...sysctls])
    return namespace
  }

  /** A cable between two namespaces; every end is an interface name and its addresses. */
  async link(a: End, b: End): Promise<void> {
    const [one, other] = [a.namespace.name, b.namespace.name]
    const peer = ['peer', 'name', b.interface, 'netns', other]
    await must('ip', ['-n', one, 'link', 'add', a.interface, 'type', 'veth', ...peer])
    for (const end of [a, b]) {
      for (const address of end.addresses) await end.namespace.address(end.interface, address)
      await end.namespace.ip('link', 'set', end.interface, 'up')
    }
  }

  async close(): Promise<void> {
    if (this.#guardian.exitCode !== null) return
    const gone = new Promise((resolve) => this.#guardian.once('exit', resolve))
    this.#guardian.stdin?.end()
    await gone
  }

  #guard(kind: 'netns' | 'folder', value: string): void {
    this.#guardian.stdin?.write(`${kind} ${value}\n`)
  }
}

export interface End {
  readonly namespace: Namespace
  readonly interface: string
  /** With prefix length. */
  readonly addresses: readonly string[]
}

export class Namespace {
  readonly name: string
  readonly label: string
  /** Where daemons of this namespace keep their files; begins a file name. */
  readonly files: string

  constructor(name: string, label: string, files: string) {
    this.name = name
    this.label = label
    this.files = files
  }

  /** Runs a program to its end inside. Never throws for its exit code. */
  run(program: string, args: readonly string[]): Promise<Finished> {
    return run('ip', ['netns', 'exec', this.name, program, ...args])
  }

  /** Same, and throws when it fails; gives what it printed. */
  must(program: string, args: readonly string[]): Promise<string> {
    return must('ip', ['netns', 'exec', this.name, program, ...args])
  }

  /** `ip` with the namespace as its own. */
  ip(...args: readonly string[]): Promise<string> {
    return must('ip', ['-n', this.name, ...args])
  }

  async ipJson<T>(...args: readonly string[]): Promise<T[]> {
    const text = await this.ip('-j', ...args)
    return text.trim() === '' ? [] : JSON.parse(text)
  }

  address(device: string, address: string): Promise<string> {
    const nodad = address.includes(':') ? ['nodad'] : []
    return this.ip('address', 'add', address, 'dev', device, ...nodad)
  }

  /** Writes a file of this namespace's; gives its path. */
  write(suffix: string, text: string): string {
    const file = `${this.files}.${suffix}`
    writeFileSync(file, text)
    return file
  }

  /** Starts a program that stays. */
  start(program: string, args: readonly string[]): Daemon {
    // exec replaces `ip` by the program, so the pid is the program's own.
    return new Daemon(spawn('ip', ['netns', 'exec', this.name, program, ...args]), program)
  }

  /** One echo request, answered within two seconds. */
  async pings(address: string, source?: string): Promise<boolean> {
    const from = source ? ['-I', source] : []
    const done = await this.run('ping', ['-n', '-c', '1', '-W', '2', ...from, address])
    return done.code === 0
  }
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A program running in a namespace, with what it printed so far. */
export class Daemon {
  readonly pid: number
  readonly ended: Promise<Ending>
  stdout = ''
  stderr = ''
  /** null while it runs. */
  ending: Ending | null = null
  readonly #child: ChildProcess

  constructor(child: ChildProcess, program: string) {
    this.#child = child
    this.pid = child.pid ?? 0
    child.stdout?.on('data', (chunk) => {
      this.stdout += chunk
    })
    child.stderr?.on('data', (chunk) => {
      this.stderr += chunk
    })
    this.ended = new Promise((resolve) => {
      const end = (ending: Ending) => {
        this.ending = ending
        resolve(ending)
      }
      child.once('error', (error) => {
        this.stderr += `${program}: ${error.message}`
        end({ code: null, signal: null })
      })
      child.once('close', (code, signal) => end({ code, signal }))
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves when it has ended; throws when it hasn't within `seconds`, and kills it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', seconds = 15): Promise<Ending> {
    this.kill(signal)
    const late = new Promise<null>((resolve) => {
      setTimeout(resolve, seconds * 1000, null).unref()
    })
    const ending = await Promise.race([this.ended, late])
    if (ending) return ending
    this.kill('SIGKILL')
    throw new Error(`process ${this.pid} did not end within ${seconds} s of ${signal}`)
  }
}

function run(program: string, args: readonly string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const limits = { maxBuffer: 64 * 1024 * 1024, timeout: 60_000 }
    execFile(program, args, limits, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 127) : 0
      resolve({ code, stdout, stderr })
    })
  })
}

async function must(program: string, args: readonly string[]): Promise<string> {
  const done = await run(program, args)
  if (done.code === 0) return done.stdout
  const said = (done.stderr || done.stdout).trim()
  throw new Error(`${program} ${args.join(' ')}: exit code ${done.code}: ${said}`)
}
