/**
 * The pods of a lab: an echo in each, and the proof that every pod reaches every other in both
 * families.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findProgram, forEachOf, run } from './commands.ts'
import type { EchoAnswer, EchoQuestion } from './echo.ts'
import type { Network } from './namespaces.ts'
import type { Ending, Processes } from './processes.ts'
import type { PodPlan } from './topology.ts'

export interface Reachability {
  readonly ipv4: PairCount
  readonly ipv6: PairCount
}

export interface PairCount {
  /** Ordered pairs of pods asked. */
  readonly asked: number
  readonly answered: number
  /** `n1-p1 → n3-p2 (10.244.3.12)`. */
  readonly silent: readonly string[]
}

export interface Pods {
  /** Starts the echo in every pod; ready when all listen. */
  start(): Promise<void>
  /** Every ordered pair, UDP echo; each is asked until it answers or the deadline passes. */
  askAll(deadlineMs: number): Promise<Reachability>
  /** Every ordered pair by `ping`; null when there is no such program. */
  pingAll(): Promise<Reachability | null>
}

const program = fileURLToPath(new URL('./echo.js', import.meta.url))
const PARALLEL_PINGS = 8

export function createPods(
  pods: readonly PodPlan[],
  network: Network,
  processes: Processes,
  onExit: (name: string, ending: Ending) => void,
): Pods {
  const echoes = new Map<PodPlan, Echo>()
  return {
    async start() {
      for (const pod of pods) {
        const child = processes.startWithPipes({
          name: pod.name,
          command: network.inside(pod.name, [process.execPath, program]),
          onExit: (ending) => onExit(pod.name, ending),
        })
        echoes.set(pod, openEcho(child))
      }
      await Promise.all([...echoes.values()].map((echo) => echo.ready()))
    },
    async askAll(deadlineMs) {
      const silent = new Map<PodPlan, readonly string[]>()
      await Promise.all(
        [...echoes].map(async ([pod, echo]) => {
          const answer = await echo.ask({ targets: targetsOf(pods, pod), deadlineMs })
          silent.set(pod, answer.silent)
        }),
      )
      return countPairs(pods, silent)
    },
    async pingAll() {
      if (findProgram('ping') === null) return null
      const silent = new Map<PodPlan, readonly string[]>()
      await forEachOf(pods, PARALLEL_PINGS, async (pod) => {
        const script = 'for a; do ping -c 1 -W 2 "$a" > /dev/null 2>&1 || echo "$a"; done'
        const command = ['sh', '-c', script, 'sh', ...targetsOf(pods, pod)]
        const output = await run(network.inside(pod.name, command))
        silent.set(pod, output.split('\n').filter(Boolean))
      })
      return countPairs(pods, silent)
    },
  }
}

interface Echo {
  ready(): Promise<void>
  ask(question: EchoQuestion): Promise<EchoAnswer>
}

/** Questions and answers strictly alternate, a line each. */
function openEcho(child: ChildProcess): Echo {
  if (child.stdin === null || child.stdout === null) throw new Error('an echo needs pipes')
  const { stdin } = child
  const lines = createInterface(child.stdout)
  // The end of the process is reported by its owner; a pipe that breaks then is no second error.
  stdin.on('error', () => undefined)
  const nextLine = async (): Promise<string> => {
    const ended = once(lines, 'close').then(() => {
      throw new Error('a pod ended before it answered')
    })
    const [line] = await Promise.race([once(lines, 'line'), ended])
    return line as string
  }
  const first = nextLine()
  return {
    ready: () => first.then(() => undefined),
    async ask(question) {
      const answer = nextLine()
      stdin.write(`${JSON.stringify(question)}\n`)
      return JSON.parse(await answer) as EchoAnswer
    },
  }
}

function targetsOf(pods: readonly PodPlan[], asker: PodPlan): string[] {
  return pods.filter((pod) => pod !== asker).flatMap(({ address }) => [address.ipv4, address.ipv6])
}

/** @param silent the addresses that did not answer, by asker */
export function countPairs(
  pods: readonly PodPlan[],
  silent: ReadonlyMap<PodPlan, readonly string[]>,
): Reachability {
  const names = new Map(
    pods.flatMap((pod) => [
      [pod.address.ipv4, pod.name],
      [pod.address.ipv6, pod.name],
    ]),
  )
  const count = (isFamily: (address: string) => boolean): PairCount => {
    const asked = pods.length * (pods.length - 1)
    const missing = pods.flatMap((asker) =>
      (silent.get(asker) ?? [])
        .filter(isFamily)
        .map((address) => `${asker.name} → ${names.get(address)} (${address})`),
    )
    return { asked, answered: asked - missing.length, silent: missing }
  }
  return {
    ipv4: count((address) => !address.includes(':')),
    ipv6: count((address) => address.includes(':')),
  }
}
