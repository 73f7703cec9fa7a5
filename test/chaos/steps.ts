/**
 * Everything that is done to the node, a row each: what it does, when it can be done, and what it may
 * cost in packets. A step acts and returns; what settles afterwards is the campaign's business.
 */

import type { Random } from '../fuzz/random.ts'
import { Agent } from '../network/agent.ts'
import type { Namespace } from '../network/namespaces.ts'
import { readKernel } from './kernel-table.ts'
import {
  isWhole,
  learnedPrefixes,
  type Model,
  type SwitchNumber,
  switchNumbers,
  type Trouble,
} from './model.ts'
import { managementGateways, type Rack } from './rack.ts'
import { monotonicMs } from './traffic.ts'

export interface Scene {
  readonly rack: Rack
  readonly model: Model
  readonly random: Random
  /** Routes that a flood adds. */
  readonly floodRoutes: number
  /** Whether a round may take more than a minute. */
  readonly patient: boolean
  agent: Agent
  /** Switches whose link or sessions were touched in this round. */
  readonly hurt: Set<SwitchNumber>
  /** How to undo what foreign programs did; the routes they hold now. */
  readonly foreign: ForeignRoute[]
}

export interface ForeignRoute {
  readonly family: '-4' | '-6'
  readonly words: readonly string[]
  /** Set when it holds a key of ours. */
  readonly takes: string | null
}

export interface Step {
  readonly name: string
  /**
   * What packets may be lost: `none`, or those of the time until repair, where the way itself was cut
   * or our routes were destroyed by somebody else's hand.
   */
  readonly cost: 'none' | 'until repair'
  /** The way back, through a switch that has lost its session, is not ours to judge. */
  readonly hurtsBack: boolean
  /** What it would be done to; null when it can't be done now. Must not change anything. */
  readonly target: (scene: Scene) => SwitchNumber | true | null
  /** Answers what exactly was done. */
  readonly act: (scene: Scene, target: SwitchNumber) => Promise<string>
}

const protocols = ['static', 'bird', 'zebra', 'babel', '99'] as const
/** Better and worse than ours. */
const metrics = ['10', '50', '2178', '2180', '5000'] as const
const floodTable = '200'
const always = () => true as const

/** A random switch to hurt: the other is left alone meanwhile, so that one way always remains. */
const spare = ({ model, random, hurt }: Scene): SwitchNumber | null => {
  const others = switchNumbers.filter((number) => !hurt.has(number === 1 ? 2 : 1))
  return isWhole(model) && others.length > 0 ? random.pick(others) : null
}
const troubled =
  (trouble: Trouble) =>
  ({ model }: Scene): SwitchNumber | null =>
    switchNumbers.find((number) => model.troubles[number].has(trouble)) ?? null

export const steps: readonly Step[] = [
  {
    name: 'delete routes of ours',
    cost: 'until repair',
    hurtsBack: false,
    target: always,
    act: async ({ rack, random }) => {
      const routes = [...(await readKernel(rack.node)).routes]
      const picked = Array.from({ length: 1 + random.below(20) }, () => random.pick(routes))
      const unique = [...new Map(picked)]
      await Promise.all(unique.map(([prefix, to]) => deleteOurs(rack.node, prefix, to)))
      return unique.map(([prefix]) => prefix).join(' ')
    },
  },
  {
    name: 'delete nexthop objects of ours',
    cost: 'until repair',
    hurtsBack: false,
    target: always,
    act: async ({ rack, random }) => {
      const { objects } = await readKernel(rack.node)
      if (objects.length === 0) return 'there are none'
      const { id } = random.pick(objects)
      // The agent may replace it in the same moment.
      await rack.node.run('ip', ['nexthop', 'delete', 'id', String(id)])
      return String(id)
    },
  },
  {
    name: 'flush all nexthop objects of ours',
    cost: 'until repair',
    hurtsBack: false,
    target: always,
    act: async ({ rack }) => {
      await rack.node.run('ip', ['nexthop', 'flush', 'proto', '179'])
      return 'proto 179'
    },
  },
  {
    name: 'a foreign route beside ours',
    cost: 'none',
    hurtsBack: false,
    target: always,
    act: (scene) => addForeign(scene, scene.random.pick(metrics)),
  },
  {
    name: 'a foreign route instead of ours',
    cost: 'none',
    hurtsBack: false,
    target: always,
    act: (scene) => addForeign(scene, '2179'),
  },
  {
    name: 'foreign routes leave',
    cost: 'none',
    hurtsBack: false,
    target: ({ foreign }) => (foreign.length > 0 ? true : null),
    act: async ({ rack, model, foreign, random }) => {
      const gone = foreign.splice(random.below(foreign.length), 1 + random.below(3))
      for (const { family, words, takes } of gone) {
        await rack.node.ip(family, 'route', 'delete', ...words)
        if (takes !== null) model.taken.delete(takes)
      }
      return gone.map(({ words }) => words.join(' ')).join('; ')
    },
  },
  {
    name: 'foreign nexthop objects and a route over them',
    cost: 'none',
    hurtsBack: false,
    target: always,
    act: async ({ rack, random }) => {
      const id = String(1000 + random.below(1_000_000))
      const hop = ['via', managementGateways[0], 'dev', 'mgmt0', 'proto', 'static']
      await rack.node.ip('nexthop', 'add', 'id', id, ...hop)
      const prefix = `192.168.${random.below(256)}.${random.below(256)}/32`
      await rack.node.ip('route', 'replace', prefix, 'nhid', id, 'proto', 'static')
      return `${prefix} nhid ${id}`
    },
  },
  {
    name: 'pull a cable',
    cost: 'until repair',
    hurtsBack: true,
    target: spare,
    act: ({ rack, model }, number) =>
      trouble(model, number, 'unplugged', () => switchOf(rack, number).unplug()),
  },
  {
    name: 'plug the cable in',
    cost: 'none',
    hurtsBack: true,
    target: troubled('unplugged'),
    act: ({ rack, model }, number) =>
      relief(model, number, 'unplugged', () => switchOf(rack, number).plug()),
  },
  {
    name: 'bounce a link',
    cost: 'until repair',
    hurtsBack: true,
    target: spare,
    act: async ({ rack }, number) => {
      await switchOf(rack, number).unplug()
      await switchOf(rack, number).plug()
      return `switch ${number}`
    },
  },
  {
    name: 'remove the addresses towards a switch',
    cost: 'until repair',
    hurtsBack: true,
    target: spare,
    act: ({ rack, model }, number) =>
      trouble(model, number, 'no address', () => addresses(rack, number, 'delete')),
  },
  {
    name: 'put the addresses back',
    cost: 'none',
    hurtsBack: true,
    target: troubled('no address'),
    act: ({ rack, model }, number) =>
      relief(model, number, 'no address', () => addresses(rack, number, 'add')),
  },
  {
    name: 'silence a switch',
    cost: 'until repair',
    hurtsBack: true,
    target: spare,
    act: async ({ rack, model }, number) => {
      // Before BFD is up, silence would be left to the hold timer: a minute and a half.
      await switchOf(rack, number).heard()
      return trouble(model, number, 'silenced', () => switchOf(rack, number).silence())
    },
  },
  {
    name: 'let the switch speak',
    cost: 'none',
    hurtsBack: true,
    target: troubled('silenced'),
    act: ({ rack, model }, number) =>
      relief(model, number, 'silenced', () => switchOf(rack, number).speak()),
  },
  {
    name: 'restart the sessions of a switch',
    cost: 'none',
    hurtsBack: true,
    target: spare,
    act: async ({ rack }, number) => {
      await switchOf(rack, number).restartSessions()
      return `switch ${number}`
    },
  },
  {
    name: 'SIGKILL the daemon of a switch and start it again',
    cost: 'none',
    hurtsBack: true,
    target: spare,
    act: async ({ rack }, number) => {
      await switchOf(rack, number).kill()
      await switchOf(rack, number).start()
      return `switch ${number}`
    },
  },
  {
    name: 'SIGKILL the agent and start it again',
    cost: 'none',
    hurtsBack: false,
    // After a start the agent waits up to a minute for a peer that doesn't come (RFC 4724 §4.1).
    target: ({ model, patient }) => (isWhole(model) || patient ? true : null),
    act: async (scene) => {
      await scene.agent.stop('SIGKILL')
      scene.agent = await startAgent(scene.rack)
      return 'up again'
    },
  },
  {
    name: 'flood with foreign routes',
    cost: 'none',
    hurtsBack: false,
    target: always,
    act: async ({ rack, floodRoutes }) => {
      await flood(rack.node, floodRoutes)
      return `${floodRoutes} in table ${floodTable}, and gone`
    },
  },
  {
    name: 'flood a deaf agent and delete routes of ours',
    cost: 'until repair',
    hurtsBack: false,
    target: always,
    act: async ({ rack, random, agent }) => {
      // While it stands still, its notification buffer overflows: what is lost there must be found.
      process.kill(agent.daemon.pid, 'SIGSTOP')
      try {
        await flood(rack.node, 20_000)
        const routes = [...(await readKernel(rack.node)).routes]
        const picked = new Map(Array.from({ length: 10 }, () => random.pick(routes)))
        await Promise.all([...picked].map(([prefix, to]) => deleteOurs(rack.node, prefix, to)))
        return `20000 in table ${floodTable}; ${[...picked.keys()].join(' ')}`
      } finally {
        process.kill(agent.daemon.pid, 'SIGCONT')
      }
    },
  },
]

export function startAgent(rack: Rack): Promise<Agent> {
  return Agent.start(rack.node, { node: 'node', manifests: rack.manifests })
}

/** Blackholes are no way for anybody's packets, so floods lie in a table of their own. */
async function flood(node: Namespace, count: number): Promise<void> {
  const lines = Array.from(
    { length: count },
    (_, index) =>
      `route add blackhole 172.${16 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32 table ${floodTable} proto static`,
  )
  await node.must('ip', ['-batch', node.write(`flood-${monotonicMs()}`, lines.join('\n'))])
  await node.ip('route', 'flush', 'table', floodTable)
}

/** Gone already is fine: the agent, or an earlier step, may have been quicker. */
async function deleteOurs(node: Namespace, prefix: string, to: string): Promise<void> {
  const kind = to === 'blackhole' ? ['blackhole'] : []
  const key = ['proto', '179', 'metric', '2179']
  await node.run('ip', [familyOf(prefix), 'route', 'delete', ...kind, prefix, ...key])
}

async function addForeign(
  { rack, model, random, foreign }: Scene,
  metric: string,
): Promise<string> {
  const prefix = random.pick(learnedPrefixes(model))
  const family = familyOf(prefix)
  const via = managementGateways[family === '-4' ? 0 : 1]
  const words = [prefix, 'proto', random.pick(protocols), 'metric', metric]
  const held = foreign.some((one) => one.words[0] === prefix && one.words.at(-1) === metric)
  if (held) return `${prefix} metric ${metric} is foreign already`
  const how = metric === '2179' ? 'replace' : 'add'
  await rack.node.ip(family, 'route', how, ...words, 'via', via, 'dev', 'mgmt0')
  const takes = metric === '2179' ? prefix : null
  if (takes !== null) model.taken.add(takes)
  foreign.push({ family, words, takes })
  return words.join(' ')
}

async function trouble(
  model: Model,
  number: SwitchNumber,
  kind: Trouble,
  make: () => Promise<void>,
): Promise<string> {
  model.troubles[number].add(kind)
  await make()
  return `switch ${number}`
}

async function relief(
  model: Model,
  number: SwitchNumber,
  kind: Trouble,
  end: () => Promise<void>,
): Promise<string> {
  await end()
  model.troubles[number].delete(kind)
  return `switch ${number}`
}

async function addresses(rack: Rack, number: SwitchNumber, how: 'add' | 'delete'): Promise<void> {
  const { interface: device, nodeAddresses } = switchOf(rack, number)
  for (const address of nodeAddresses) {
    if (how === 'add') await rack.node.address(device, address)
    else await rack.node.ip('address', 'delete', address, 'dev', device)
  }
}

function switchOf(rack: Rack, number: SwitchNumber) {
  return rack.switches[number - 1]!
}

function familyOf(prefix: string): '-4' | '-6' {
  return prefix.includes(':') ? '-6' : '-4'
}
