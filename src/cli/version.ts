/**
 * `routelet version`: this command's, and the agent's where one answers.
 */
import type { NodeView } from '../../api/views.ts'
import type { AgentClient } from './client.ts'
import type { Answer } from './output.ts'
import { CommandError, printable } from './terminal.ts'

export async function askVersion(client: AgentClient, own: string): Promise<Answer> {
  const agent = await askAgent(client)
  return {
    data: { command: own, agent, node: process.version },
    text: () =>
      `routelet ${own}\nagent    ${agent === null ? 'none answers' : printable(agent)}\nNode.js  ${process.version}\n`,
  }
}

/** null when no agent answers, which is no failure of this command. */
async function askAgent(client: AgentClient): Promise<string | null> {
  try {
    return (await client.get<NodeView>('/v1/node')).version
  } catch (error) {
    if (error instanceof CommandError) return null
    throw error
  }
}
