/**
 * What an agent complains of, as its API shows it: conditions that are more than information.
 */
import type { NodeView } from '../../api/views.ts'
import type { Agent } from '../network/agent.ts'

/** The reason codes of `complaintsOf`. */
export async function reasonsOf(agent: Agent): Promise<readonly string[]> {
  return (await complaintsOf(agent)).map(({ reason }) => reason)
}

export async function complaintsOf(agent: Agent): Promise<NodeView['conditions']> {
  const { conditions } = await agent.get<NodeView>('/v1/node')
  return conditions.filter(({ severity }) => severity !== 'info')
}
