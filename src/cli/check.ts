/**
 * `routelet check DIR`: reads a folder of manifests as an agent would and says all that is wrong,
 * in the objects themselves and in what they mean for each of the nodes.
 */
import { loadFolders } from '../config/folder.ts'
import { formatProblem, hasErrors } from '../config/problem.ts'
import type { ResourceSet } from '../config/resources.ts'
import { computeIntent } from '../intent/intent.ts'
import { surveyNodes } from '../intent/node.ts'
import type { Problem } from '../intent/types.ts'
import { type Output, show } from './output.ts'
import { EXIT_OK, EXIT_USAGE, type Terminal } from './terminal.ts'

/** Every node costs a look at every other one; a sample of a large fleet finds the same faults. */
const nodesJudgedMax = 200

/** Exit code 0, or 2 when there are errors; warnings alone are no failure. */
export function runCheck(
  directory: string,
  options: { readonly output: Output },
  terminal: Terminal,
): Promise<number> {
  return show(terminal, { output: options.output, watch: null }, async () => {
    const { resources, problems } = await loadFolders([directory])
    const meaning = judgeNodes(resources)
    const failed = hasErrors(problems) || hasErrors(meaning)
    const counts = countResources(resources)
    return {
      data: { valid: !failed, resources: counts, problems: [...problems, ...meaning] },
      text: () =>
        [
          ...problems.map(formatProblem),
          ...meaning.map((problem) => formatMeaning(directory, problem)),
          summarize(counts, [...problems, ...meaning]),
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

function formatMeaning(directory: string, problem: Problem): string {
  const remedy = problem.remedy === null ? '' : `; ${problem.remedy}`
  return `${directory}: ${problem.severity}: ${problem.subject}: ${problem.message}${remedy}`
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
  const plural = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`
  const found = `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`
  const what = `${plural(counts.nodes, 'node')}, ${plural(counts.bgpPeers, 'BGPPeer')}`
  return `${verdict}: ${what}; ${found}`
}
