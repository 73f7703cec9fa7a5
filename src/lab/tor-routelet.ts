/**
 * A switch, or a node, run by routelet itself: the command line of an agent.
 */
import { fileURLToPath } from 'node:url'

export interface AgentPlan {
  readonly node: string
  readonly manifests: string
  /** Path of the API's socket. */
  readonly socket: string
}

/** The entry of this very build. */
const main = fileURLToPath(new URL('../main.js', import.meta.url))

export function agentCommand(agent: AgentPlan): string[] {
  return [
    process.execPath,
    main,
    'run',
    ...['--node', agent.node],
    ...['--manifests', agent.manifests],
    ...['--api', `unix:${agent.socket}`],
    ...['--fib', 'kernel'],
  ]
}
