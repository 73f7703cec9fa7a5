/**
 * Waiting until a lab has converged: every session Established, every expected route in every
 * node's kernel, and nothing else there with our mark.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Agents, KernelRoute, NodeSurvey } from './agents.ts'
import type { Interruption } from './interruption.ts'
import { formatKernelVerdict, formatMissingPeers, type Progress, type Verdict } from './report.ts'
import { expectedRoutes, type NodePlan, type Plan } from './topology.ts'

export interface Converging {
  readonly plan: Plan
  readonly agents: Agents
  readonly progress: Progress
  readonly interruption: Interruption
}

/** Sessions and routes have this long to come up; more nodes take longer to start. */
const CONVERGENCE_MS = 60_000
const CONVERGENCE_MS_PER_NODE = 3_000
const VERDICT_MS = 10_000
const POLL_MS = 300

/** Answers whether everything came up; what did not is told in words. */
export async function converge(lab: Converging): Promise<boolean> {
  const { plan, progress, interruption } = lab
  const start = performance.now()
  const limit = CONVERGENCE_MS + plan.nodes.length * CONVERGENCE_MS_PER_NODE
  for (;;) {
    const standings = await interruption.orEnd(
      Promise.all(plan.nodes.map((node) => takeStock(lab, node))),
    )
    const total = (count: (standing: Standing) => number) =>
      standings.reduce((sum, standing) => sum + count(standing), 0)
    const missing = standings.flatMap((standing) => standing.missing)
    const routes = total(({ wantedRoutes }) => wantedRoutes)
    const sessions = total(({ peers }) => peers)
    const text =
      `${total(({ established }) => established)} of ${sessions} sessions Established, ` +
      `${routes - total(({ lackingRoutes }) => lackingRoutes)} of ${routes} routes`
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    if (missing.length === 0) {
      progress.done('converged', `${text}, ${seconds} s after the last start`)
      return true
    }
    progress.update('converging', sessions === 0 ? 'the agents start' : text)
    if (performance.now() - start > limit) {
      progress.done('converging', `${text} after ${seconds} s; what is missing:`)
      for (const line of missing) progress.line(`             ${line}`)
      return false
    }
    await interruption.orEnd(delay(POLL_MS))
  }
}

interface Standing {
  readonly peers: number
  readonly established: number
  readonly wantedRoutes: number
  readonly lackingRoutes: number
  /** In words. */
  readonly missing: readonly string[]
}

async function takeStock({ agents, plan }: Converging, node: NodePlan): Promise<Standing> {
  const wanted = expectedRoutes(plan, node)
  const kernel = await agents.kernelRoutes(node)
  const lacking = wanted.filter((route) => !isInstalled(route, kernel))
  const counts = { wantedRoutes: wanted.length, lackingRoutes: lacking.length }
  const missing = lacking.map(({ prefix }) => `${node.name}: no route to ${prefix}`)
  try {
    const peers = await agents.peers(node)
    const down = formatMissingPeers(node.name, peers)
    return {
      ...counts,
      peers: peers.length,
      established: peers.length - down.length,
      missing: [...down, ...(peers.length === 0 ? [`${node.name}: no peers yet`] : []), ...missing],
    }
  } catch (error) {
    const silent = `${node.name}: ${wordsOf(error)}`
    return { ...counts, peers: 0, established: 0, missing: [silent, ...missing] }
  }
}

function isInstalled(
  wanted: { prefix: string; paths: number },
  kernel: readonly KernelRoute[],
): boolean {
  const route = kernel.find(({ prefix }) => prefix === wanted.prefix)
  return route !== undefined && route.nextHops.length >= wanted.paths
}

/** A path may still arrive after the first convergence: asked until all agree, or time is up. */
export async function judgeKernels({ agents, plan, interruption }: Converging): Promise<{
  surveys: readonly NodeSurvey[]
  verdict: Verdict
}> {
  const limit = performance.now() + VERDICT_MS
  for (;;) {
    const answers = await interruption.orEnd(
      Promise.allSettled(plan.nodes.map((node) => agents.survey(node))),
    )
    const surveys = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    )
    const silent = plan.nodes.flatMap(({ name }, index) => {
      const answer = answers[index]
      return answer?.status === 'rejected' ? [`${name}: ${wordsOf(answer.reason)}`] : []
    })
    const verdict = formatKernelVerdict(surveys, silent)
    if (verdict.ok || performance.now() > limit) return { surveys, verdict }
    await interruption.orEnd(delay(POLL_MS))
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
