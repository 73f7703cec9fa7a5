/**
 * What the kernel writer is and what is wrong there at present. Its events say that something went
 * wrong once; a condition must go when its cause does. So events only name suspects, and whoever
 * looks gets them judged by what the writer says now.
 */
import { noCounters } from '../fib/index.ts'
import type { Fib, FibEvent, FibRouteView, FibSettings, FibStatus } from '../fib/types.ts'
import { processName } from './host/port-holder.ts'
import { intruderProblems, rivalProblems } from './host/rivals.ts'
import { fail, inform, warn } from './intent/problem.ts'
import type { PeerRoute, Problem } from './intent/types.ts'

/** Routes named in conditions; the others are counted. */
const suspectsMax = 32

export interface KernelLook {
  readonly status: FibStatus
  readonly problems: readonly Problem[]
}

export class KernelState {
  readonly #fib: Fib
  readonly #settings: () => FibSettings
  readonly #hostRoutes: () => readonly PeerRoute[]
  /** Prefixes that an event complained of, the latest last. */
  readonly #suspects = new Set<string>()
  /** A complaint that is about no single route stands until the kernel's table was read again. */
  #trouble: { readonly text: string; readonly scans: number } | null = null
  /** What others find wrong with the host. */
  #host: () => readonly Problem[] = () => []
  #started = false
  #death: string | null = null

  /** @param hostRoutes Those wanted at present. */
  constructor(
    fib: Fib,
    settings: () => FibSettings,
    hostRoutes: () => readonly PeerRoute[] = () => [],
  ) {
    this.#fib = fib
    this.#settings = settings
    this.#hostRoutes = hostRoutes
  }

  /** Problems of the host are shown beside those of the writer. */
  attend(host: () => readonly Problem[]): void {
    this.#host = host
  }

  /** From now on a writer that can't be asked is news. */
  started(): void {
    this.#started = true
  }

  /** It has not started yet, so there is nothing to show. */
  get asleep(): boolean {
    return !this.#started
  }

  /** Whether it can be asked at all. */
  get answers(): boolean {
    return this.#started && this.#death === null
  }

  /** Why the writer is gone for good, or null. Only a new process mends that. */
  get death(): string | null {
    return this.#death
  }

  /** Resolves when the event is taken in; never rejects. */
  async note({ kind, level, text, data }: FibEvent): Promise<void> {
    if (kind !== 'fib.error' && kind !== 'fib.conflict') return
    const prefix = data?.['prefix']
    if (typeof prefix === 'string') {
      this.#suspects.delete(prefix)
      this.#suspects.add(prefix)
      const [oldest] = this.#suspects
      if (this.#suspects.size > suspectsMax && oldest !== undefined) this.#suspects.delete(oldest)
    } else if (level === 'error') {
      try {
        const { counters } = await this.#fib.status()
        this.#trouble = { text, scans: counters.scans }
      } catch {
        // It told of its end, and answers no more.
        this.#death = text
      }
    }
  }

  /** Never rejects: where the writer can't be asked, the status is that of one that did nothing. */
  async look(): Promise<KernelLook> {
    try {
      const status = await this.#fib.status()
      const problems = [
        ...this.#host(),
        ...this.#troubles(status),
        ...(await this.#routes(status)),
        ...rivalProblems(status.rivals),
        ...intruderProblems(status.intruders, processName),
        ...sourceProblems(status),
        ...ruleProblems(status),
        ...gatewayProblems(status, this.#hostRoutes()),
      ]
      return { status, problems }
    } catch (error) {
      const status = { ...nothingDone, settings: this.#settings() }
      if (!this.#started) return { status, problems: [] }
      return { status, problems: [this.#silence(error as Error)] }
    }
  }

  #silence({ message }: Error): Problem {
    if (this.#death === null) {
      return fail('KernelWriterSilent', 'kernel', `the kernel writer can't be asked: ${message}`)
    }
    const text = `nothing is written to the kernel any more: ${this.#death}`
    return fail('KernelWriterGone', 'kernel', text, 'restart the agent; it adopts its routes')
  }

  #troubles({ counters }: FibStatus): Problem[] {
    if (this.#trouble !== null && counters.scans > this.#trouble.scans) this.#trouble = null
    if (this.#trouble === null) return []
    const remedy = 'it is tried again by itself; routelet events says how often'
    return [fail('KernelError', 'kernel', this.#trouble.text, remedy)]
  }

  async #routes({ conflicts, failed }: FibStatus): Promise<Problem[]> {
    if (conflicts + failed === 0) {
      this.#suspects.clear()
      return []
    }
    const found: Record<'conflict' | 'failed', Problem[]> = { conflict: [], failed: [] }
    for (const prefix of this.#suspects) {
      const { wanted } = await this.#fib.lookup(prefix)
      if (wanted?.status === 'conflict') found.conflict.push(conflictOf(wanted))
      else if (wanted?.status === 'failed') found.failed.push(refusalOf(wanted))
      else this.#suspects.delete(prefix)
    }
    return [
      ...found.conflict,
      ...others('KernelConflict', conflicts - found.conflict.length, 'held by routes of others'),
      ...found.failed,
      ...others('KernelError', failed - found.failed.length, 'refused by the kernel'),
    ]
  }
}

function sourceProblems({ sources }: FibStatus): Problem[] {
  return sources
    .filter(({ own }) => !own)
    .map(({ address }) => {
      const message = `${address} is no address of this host; routes recommend no source meanwhile`
      const remedy = 'add it to an interface, or correct fib.prefSrc'
      return warn('SourceAbsent', 'kernel', message, remedy)
    })
}

function ruleProblems({ rules }: FibStatus): Problem[] {
  if (rules === undefined || rules.reason === null) return []
  const { wanted, installed, reason } = rules
  const message = `${wanted - installed} of ${wanted} policy rules of service ranges are missing: ${reason}`
  const remedy = 'they are tried again by themselves; serviceLoopPrevention: Disabled does without'
  return [warn('ServiceRulesMissing', 'kernel', message, remedy)]
}

function gatewayProblems({ mode, nextHops }: FibStatus, routes: readonly PeerRoute[]): Problem[] {
  return routes.flatMap(({ address, gateway, subject }) => {
    if (mode === 'none') {
      const message = `reachableBy has no effect: --fib none writes no route to ${address}`
      return [inform('NoEffect', subject, message, 'write the route yourself, or let the agent')]
    }
    const found = nextHops.find(({ nextHop }) => nextHop === gateway)
    if (found === undefined || found.onLink) return []
    const message = `no host route to ${address}: its gateway ${gateway} is not on link (${found.reason})`
    return [warn('GatewayNotOnLink', subject, message, 'correct reachableBy, or bring up the link')]
  })
}

function conflictOf({ prefix, reason }: FibRouteView): Problem {
  const remedy = 'remove the other route, or give ours another fib.metric'
  return warn('KernelConflict', `route ${prefix}`, reason ?? 'held by another program', remedy)
}

function refusalOf({ prefix, reason }: FibRouteView): Problem {
  const message = `the kernel refuses it: ${reason ?? 'no reason is known'}`
  return fail('KernelError', `route ${prefix}`, message, 'it is tried again by itself')
}

function others(code: string, count: number, what: string): Problem[] {
  if (count <= 0) return []
  const message = `${count} ${count === 1 ? 'route is' : 'further routes are'} ${what}`
  return [warn(code, 'kernel', message, 'routelet fib --diff lists them')]
}

const nothingDone: Omit<FibStatus, 'settings'> = {
  mode: 'kernel',
  wanted: 0,
  installed: 0,
  pending: 0,
  unresolved: 0,
  failed: 0,
  conflicts: 0,
  stale: 0,
  blackholes: 0,
  adopted: 0,
  adoptedFamilies: [],
  counters: noCounters,
  nextHops: [],
  errors: {},
  retrying: 0,
  sources: [],
  rivals: [],
  intruders: [],
}
