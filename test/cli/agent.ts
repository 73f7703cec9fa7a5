/**
 * A command as a user types it, against a real API server on a unix socket of its own; the agent
 * behind the server is the fake of the API's tests.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { buildApi } from '../../api/index.ts'
import type { AgentViews } from '../../api/views.ts'
import { type Handlers, runProgram } from '../../src/cli/commands.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { FakeRing, fakeAgent, STARTED_AT } from '../api/fake-views.ts'

/** An hour, a minute and a second after the fake agent's start. */
export const NOW = STARTED_AT + 3_661_000

export interface Outcome {
  readonly exitCode: number
  readonly out: string
  readonly error: string
}

export class FakeTerminal implements Terminal {
  out = ''
  error = ''
  readonly interactive: boolean
  readonly colour: boolean
  readonly signal: AbortSignal
  readonly #onWrite: (terminal: FakeTerminal) => void

  constructor(
    options: {
      signal?: AbortSignal
      interactive?: boolean
      colour?: boolean
      onWrite?: (terminal: FakeTerminal) => void
    } = {},
  ) {
    this.signal = options.signal ?? new AbortController().signal
    this.interactive = options.interactive ?? false
    this.colour = options.colour ?? false
    this.#onWrite = options.onWrite ?? (() => undefined)
  }

  write(text: string): void {
    this.out += text
    this.#onWrite(this)
  }

  warn(text: string): void {
    this.error += text
    this.#onWrite(this)
  }

  now(): number {
    return NOW
  }
}

/** Programs that only say that they were called, and how. */
export function fakeHandlers(called: unknown[] = []): Handlers {
  const handler =
    (name: string) =>
    async (...parameters: unknown[]) => {
      called.push([name, ...parameters])
      return 0
    }
  return {
    version: '0.1.0',
    run: handler('run'),
    lab: handler('lab'),
    check: handler('check'),
    plan: handler('plan'),
    decode: handler('decode'),
    cleanup: handler('cleanup'),
    replay: handler('replay'),
  }
}

export async function runCommand(
  line: string,
  terminal = new FakeTerminal(),
  handlers = fakeHandlers(),
): Promise<Outcome> {
  const argv = line.split(' ').filter((word) => word !== '')
  const exitCode = await runProgram(argv, handlers, terminal)
  return { exitCode, out: terminal.out, error: terminal.error }
}

export interface FakeServer {
  readonly api: string
  readonly ring: FakeRing
  readonly asked: string[]
  /** A command with `--api` of this server behind it. */
  command(line: string, terminal?: FakeTerminal): Promise<Outcome>
  close(): Promise<void>
}

/** Listens on `path` when one is given, so that an agent can be started anew at the same place. */
export async function serveAgent(
  t: Test,
  changes: Partial<AgentViews> = {},
  path: string | null = null,
): Promise<FakeServer> {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-cli-'))
  const socket = path ?? join(folder, 'api.sock')
  const ring = new FakeRing()
  const agent = fakeAgent(changes, ring)
  const app = buildApi(agent.views, {
    listener: 'unix',
    gatekeeper: null,
    tls: null,
    web: '/nowhere',
    version: '0.1.0',
    onFailure: (error) => t.fail(error.message),
  })
  await app.listen({ path: socket })
  t.teardown(async () => {
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const api = `unix:${socket}`
  return {
    api,
    ring,
    asked: agent.asked,
    command: (line, terminal) => runCommand(`${line} --api ${api}`, terminal),
    close: () => app.close(),
  }
}
