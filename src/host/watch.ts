/**
 * The host's settings while an agent runs: looked at when it starts, once a minute, and after a change
 * of the manifests; set where the manifests allow it. What stays wrong is a condition.
 */
import type { Clock, Timer } from '../../bgp/types.ts'
import type { FibStatus } from '../../fib/types.ts'
import { tellNew } from '../conditions.ts'
import type { EventLog } from '../event-log.ts'
import { fail } from '../intent/problem.ts'
import type { Intent, Problem } from '../intent/types.ts'
import { type HostUse, judgeHost, type Shortcoming } from './prerequisites.ts'
import { dotted, type Sysctls } from './sysctl.ts'

/** Between two looks; nobody notifies of a changed setting. */
export const hostCheckSeconds = 60

export interface HostWatchParts {
  readonly sysctls: Sysctls
  readonly clock: Clock
  readonly events: EventLog
  readonly intent: () => Intent | null
  readonly status: () => Promise<FibStatus>
}

export class HostWatch {
  readonly #parts: HostWatchParts
  #problems: readonly Problem[] = []
  #known: ReadonlySet<string> = new Set()
  #timer: Timer | null = null
  #closed = false

  constructor(parts: HostWatchParts) {
    this.#parts = parts
  }

  /** As of the last look. */
  get problems(): readonly Problem[] {
    return this.#problems
  }

  /** Looks now, and from now on again and again. Never rejects: a look that failed is an event. */
  async start(): Promise<void> {
    if (this.#closed) return
    try {
      await this.look()
    } catch (error) {
      const text = `the host's settings can't be judged: ${(error as Error).message}`
      this.#parts.events.add({ kind: 'condition', level: 'warn', text })
    }
    if (this.#closed) return
    this.#timer = this.#parts.clock.schedule(hostCheckSeconds * 1000, () => void this.start())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** @throws Error when the kernel writer can't be asked, or a setting can't be read */
  async look(): Promise<void> {
    const { intent: intentNow, status, sysctls } = this.#parts
    const intent = intentNow()
    // Before the own Node is known, and without a kernel writer, nothing is asked of the host.
    if (intent?.node == null) return
    const fib = await status()
    if (fib.mode === 'none') return
    const found = judgeHost(sysctls, useOf(intent, fib))
    const left = intent.sysctls === 'Set' ? found.flatMap((each) => this.#set(each)) : found
    this.#problems = left.map(({ problem }) => problem)
    this.#known = tellNew(this.#problems, this.#known, this.#parts.events)
  }

  /** Empty when it is set; otherwise what is wrong, and why it couldn't be set. */
  #set(shortcoming: Shortcoming): Shortcoming[] {
    const { events, sysctls } = this.#parts
    const { name, present, wanted, problem } = shortcoming
    try {
      sysctls.write(name, wanted)
    } catch (error) {
      const message = `${problem.message}; ${(error as Error).message}`
      const remedy = `sysctl -w ${dotted(name)}=${wanted}; a container may write it only if its /proc/sys is writable`
      return [{ ...shortcoming, problem: fail(problem.reason, problem.subject, message, remedy) }]
    }
    const text = `${dotted(name)} was ${present}; set to ${wanted} (fib.sysctls: Set)`
    events.add({ kind: 'host.set', level: 'info', text, data: { name: dotted(name), wanted } })
    return []
  }
}

/** What the agent makes of the host: from its intent, and from where its next hops are. */
export function useOf({ node, nodeCount, fib }: Intent, status: FibStatus): HostUse {
  const own = [...(node?.addresses ?? []), ...(node?.podCidrs ?? [])]
  const uplinks = status.nextHops.flatMap(({ gateways }) =>
    gateways.map((gateway) => gateway.interface),
  )
  return {
    ipv4: own.some((text) => !text.includes(':')),
    ipv6: own.some((text) => text.includes(':')),
    uplinks: [...new Set(uplinks)].filter((name) => name !== 'lo').sort(),
    maxPaths: fib.maxPaths,
    nodeCount,
    objectRoutes: status.objects?.mode === 'objects' ? status.installed : 0,
  }
}
