/** A lab as a user runs it: the built command in a process of its own, and what it has said so far. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** Why a lab of the host's root can't run here, or false; for `t.test(name, { skip }, …)`. */
export const skip = process.getuid?.() === 0 ? false : 'network namespaces need root'

export interface Running {
  readonly child: ChildProcess
  /** What it has said so far. */
  output(): string
  /** The first match of a pattern in its output, as soon as there is one. */
  said(pattern: RegExp): Promise<RegExpMatchArray>
  /** Exit code or signal. */
  readonly ended: Promise<number | string>
}

/** @param command what runs in place of this very Node */
export function start(
  t: Test,
  args: readonly string[],
  command = [process.execPath, main],
): Running {
  const [program = '', ...before] = command
  const child = spawn(program, [...before, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      text += chunk
      child.emit('said')
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return {
    child,
    output: () => text,
    ended,
    async said(pattern) {
      for (;;) {
        const match = pattern.exec(text)
        if (match !== null) return match
        const over = await Promise.race([once(child, 'said'), ended])
        if (!Array.isArray(over)) throw new Error(`ended with ${over} before it said so:\n${text}`)
      }
    },
  }
}
