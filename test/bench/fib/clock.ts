/**
 * From an order to the moment when the kernel has so many more routes, by one small program for all who
 * are measured (install.c).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Namespace } from '../../network/namespaces.ts'

export interface InstallClock {
  /** Gives the order, which may fail, and needn't wait for its end; answers ms. */
  time(order: () => Promise<unknown> | undefined): Promise<number>
}

const countPrefixes = "awk '/Prefixes/ { sum += $2 } END { print sum }' /proc/net/fib_triestat"
const secondsMax = 140

/** @param program the compiled install.c; it is waiting when this resolves */
export async function startClock(
  node: Namespace,
  program: string,
  count: number,
): Promise<InstallClock> {
  const before = Number(await node.must('sh', ['-c', countPrefixes]))
  const wait = [program, 'wait', String(before + count)]
  const child = spawn('ip', ['netns', 'exec', node.name, ...wait], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: secondsMax * 1000,
  })
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  const closed = once(child, 'close')
  return {
    async time(order) {
      const startedAt = Number(process.hrtime.bigint()) / 1e6
      // Whoever fails says so at once; whoever is done may still be counted.
      const failure = Promise.resolve(order()).then(() => new Promise<never>(() => undefined))
      await Promise.race([closed, failure])
      if (output === '') throw new Error(`${count} routes were not there within ${secondsMax} s`)
      return Number(output) - startedAt
    },
  }
}
