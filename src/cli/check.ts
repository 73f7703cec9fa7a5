/**
 * `routelet check DIR`: reads a folder of manifests as an agent would and says all that is wrong,
 * in the objects themselves and in what they mean for each of the nodes; with `--host`, also what is
 * wrong with the settings of the host it runs on.
 */
import { loadFolders } from '../config/folder.ts'
import { formatProblem, hasErrors } from '../config/problem.ts'
import type { ResourceSet } from '../config/resources.ts'
import { computeIntent } from '../intent/intent.ts'
import { surveyNodes } from '../intent/node.ts'
import type { Problem } from '../intent/types.ts'
import { checkHost, thisHost } from './check-host.ts'
import { type Output, show } from './output.ts'
import { EXIT_OK, EXIT_USAGE, type Terminal } from './terminal.ts'
import { formatRemark, plural } from './words.ts'

/** Every node costs a look at every other one; a sample of a large fleet finds the same faults. */
const nodesJudgedMax = 200

export interface CheckOptions {
  readonly output: Output
  /** Judges the settings of this host too. */
  readonly host: boolean
}

/**
 * Exit code 0, or 2 when there are errors; warnings alone are no failure.
 * @param directory null: only the host is judged
 */
export function runCheck(
  directory: string | null,
  options: CheckOptions,
  terminal: Terminal,
): Promise<number> {
  return show(terminal, { output: options.output, watch: null }, async () => {
    const { resources, problems } = await loadFolders(directory === null ? [] : [directory])
    const meaning = judgeNodes(resources)
    const host = options.host ? checkHost(thisHost(), directory === null ? null : resources) : []
    const failed = [problems, meaning, host].some(hasErrors)
    const counts = countResources(resources)
    const summary =
      directory === null
        ? summarizeHost(host)
        : summarize(counts, [...problems, ...meaning, ...host])
    return {
      data: { valid: !failed, resources: counts, problems: [...problems, ...meaning, ...host] },
      text: () =>
        [
          ...problems.map(formatProblem),
          ...meaning.map((problem) => `${directory}: ${formatRemark(problem)}`),
          ...host.map(formatRemark),
          summary,
          '',
        ].join('\n'),
      exitCode: failed ? EXIT_USAGE : EXIT_OK,
    }
  })
}

/** Problems of the intents, each once, though it may concern every node. */
function judgeNodes(resources: ResourceSet): Problem[] {
  const nodes = surveyNodes(resources).nodes.slice(0, nodesJudgedMax)
  const problems = nodes.flatMap((node) => computeIntent(resources, node.name).problems)
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

function summarizeHost(problems: readonly Problem[]): string {
  if (problems.length === 0) return 'the host is set as it should be'
  return `${problems.length} of the host's settings should differ`
}

type Counts = ReturnType<typeof countResources>

function countResources(resources: ResourceSet) {
  return {
    nodes: surveyNodes(resources).nodes.length,
    bgpPeers: resources.bgpPeers.length,
    bgpConfigurations: resources.bgpConfigurations.length,
    bgpFilters: resources.bgpFilters.length,
    secrets: resources.secrets.length,
  }
}

function summarize(counts: Counts, problems: readonly Problem[]): string {
  const count = (severity: Problem['severity']) =>
    problems.filter((problem) => problem.severity === severity).length
  const [errors, warnings] = [count('error'), count('warning')]
  const verdict = errors > 0 ? 'not valid' : 'valid'
  const found = `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`
  const what = `${plural(counts.nodes, 'node')}, ${plural(counts.bgpPeers, 'BGPPeer')}`
  return `${verdict}: ${what}; ${found}`
}
