/**
 * Traffic that notices every gap: `ping` a hundred times a second between two pods of a lab. What
 * counts is the sequence numbers that came back, not the totals: when it is stopped, the last
 * requests may still be under way.
 */
import { type Daemon, Namespace } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'

/** So many requests are sent in a second. */
export const requestsPerSecond = 100

export interface Flow {
  /** `n1-p1 → 10.244.2.11`. */
  readonly name: string
  count(): Count
  /** Resolves when so many more have been answered: what is at work now has been used. */
  goOn(answers: number): Promise<void>
  stop(): Promise<void>
}

export interface Count {
  /** Up to the last one answered. */
  readonly sent: number
  readonly received: number
  readonly gaps: readonly Gap[]
}

/** Requests without an answer, one after the other. */
export interface Gap {
  /** Sequence numbers: `183 to 262`. */
  readonly requests: string
  /** Unix milliseconds of the answer before. */
  readonly after: number
}

/** @param namespace full name of the pod's */
export function startFlow(namespace: string, pod: string, target: string): Flow {
  const inside = new Namespace(namespace, pod, '')
  const interval = String(1 / requestsPerSecond)
  const ping = inside.start('ping', ['-n', '-D', '-i', interval, '-W', '5', target])
  const name = `${pod} → ${target}`
  const count = () => countAnswers(ping)
  return {
    name,
    count,
    async goOn(answers) {
      const before = count().received
      const enough = () => {
        if (ping.ending) throw new Error(`ping ended: ${ping.stdout.slice(-500)}${ping.stderr}`)
        return count().received
      }
      await waitUntil(`${name} to be answered`, enough, (now) => now >= before + answers)
    },
    async stop() {
      await ping.stop('SIGINT')
    },
  }
}

function countAnswers({ stdout }: Daemon): Count {
  const answers = stdout.matchAll(/^\[(\d+\.\d+)\].* icmp_seq=(\d+) ttl=/gm)
  const times = new Map([...answers].map(([, at, number]) => [Number(number), Number(at) * 1000]))
  const numbers = [...times.keys()].sort((a, b) => a - b)
  const gaps = numbers.flatMap((number, index): Gap[] => {
    const before = numbers[index - 1] ?? 0
    if (number === before + 1) return []
    return [{ requests: `${before + 1} to ${number - 1}`, after: times.get(before) ?? 0 }]
  })
  return { sent: numbers.at(-1) ?? 0, received: numbers.length, gaps }
}
