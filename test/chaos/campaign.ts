/**
 * Rounds of chaos: a few steps at random, then quiet. When the network has settled, the kernel must
 * be what it should be, the agent must say the same, what others own must be as they left it, and
 * packets may be lost only where a step allows it. The choice of steps depends on the seed alone, so
 * a failing run can be played again.
 */
import type { FibRouteView, FibStatus } from '../../fib/types.ts'
import { Random } from '../fuzz/random.ts'
import { missing, type Scope } from '../network/namespaces.ts'
import { waitFor } from '../network/wait.ts'
import { type KernelTable, readForeign, readKernel } from './kernel-table.ts'
import {
  buildModel,
  compareRoutes,
  expectedRoutes,
  isUp,
  isWhole,
  type SwitchNumber,
  switchNumbers,
} from './model.ts'
import { buildRack } from './rack.ts'
import { type Scene, type Step, startAgent, steps } from './steps.ts'
import { describeLoss, type Loss, type Mark, Traffic } from './traffic.ts'

export interface CampaignOptions {
  readonly seed: number
  /** No round begins later than this after the first. */
  readonly seconds: number
  readonly roundsMax?: number
  /** Prefixes that both switches announce; default 150. */
  readonly prefixes?: number
  readonly floodRoutes?: number
  readonly tell: (line: string) => void
}

export interface CampaignResult {
  readonly rounds: number
  readonly steps: readonly string[]
  /** What is wrong, in sentences; the campaign ends with the first round that has any. */
  readonly complaints: readonly string[]
}

const packetsPerSecond = 500
const settleSeconds = 90
/** A campaign this short leaves out what takes a minute to settle. */
const impatientSeconds = 60
const complaintsMax = 6
/** A round that takes longer is told with the agent's events. */
const slowMs = 20_000
const eventsTold = 40

/** Why it can't run here, or false. */
export function cannotRun(): Promise<string | false> {
  return missing('bird', 'birdc', 'nft')
}

export async function runCampaign(
  scope: Scope,
  {
    seed,
    seconds,
    roundsMax = 10_000,
    prefixes = 150,
    floodRoutes = 100_000,
    tell,
  }: CampaignOptions,
): Promise<CampaignResult> {
  const model = buildModel(prefixes)
  const { shared, alone } = model
  const rack = await buildRack(scope, { shared, alone: [alone[1], alone[2]] })
  const random = new Random()
  random.restart(seed, 0)
  // Both are in use, so both are tried; with 0 `ip` and notifications name only the object's id.
  await rack.node.must('sysctl', ['-qw', `net.ipv4.nexthop_compat_mode=${seed % 2}`])
  const agent = await startAgent(rack)
  const scene: Scene = {
    rack,
    model,
    random,
    floodRoutes,
    patient: seconds > impatientSeconds,
    agent,
    foreign: [],
    hurt: new Set(),
  }
  const campaign = new Campaign(scene, tell)
  await campaign.settle()
  const traffic = await Traffic.start(rack.pod, rack.far, { packetsPerSecond })
  await traffic.flows()
  tell(`seed ${seed}: the network is up, and traffic flows`)
  const endsAt = performance.now() + seconds * 1000
  let rounds = 0
  let complaints: string[] = []
  while (complaints.length === 0 && rounds < roundsMax && performance.now() < endsAt) {
    complaints = await campaign.round(++rounds, traffic)
  }
  await traffic.stop()
  if (complaints.length === 0) complaints = await campaign.end()
  return { rounds, steps: campaign.done, complaints }
}

class Campaign {
  readonly done: string[] = []
  readonly #scene: Scene
  readonly #tell: (line: string) => void

  constructor(scene: Scene, tell: (line: string) => void) {
    this.#scene = scene
    this.#tell = tell
  }

  /** Acts, settles, judges. */
  async round(number: number, traffic: Traffic): Promise<string[]> {
    const { random, rack, hurt } = this.#scene
    hurt.clear()
    const from = await traffic.mark()
    const wholeBefore = isWhole(this.#scene.model)
    const taken: Step[] = []
    const count = 1 + random.below(3)
    while (taken.length < count) {
      const step = random.pick(steps)
      const target = step.target(this.#scene)
      if (target === null) continue
      const what = await step.act(this.#scene, target === true ? 1 : target)
      taken.push(step)
      if (step.hurtsBack && target !== true) hurt.add(target)
      this.#note(`round ${number}: ${step.name}: ${shorten(what)}`)
    }
    const foreign = await readForeign(rack.node)
    const complaints = await this.#complaintsOf(() => this.settle())
    if (complaints.length > 0) return complaints
    const to = await traffic.mark()
    if (to.at - from.at > slowMs) await this.#explainSlowness(to.at - from.at)
    const after = await readForeign(rack.node)
    return [
      ...compareLists(foreign, after),
      ...judgeLosses(await traffic.losses(from, to), from, this.#tell, {
        forth: taken.some(({ cost }) => cost === 'until repair'),
        back: !wholeBefore || taken.some(({ hurtsBack }) => hurtsBack),
      }),
    ]
  }

  /** Told to stop, the agent ends, and leaves its routes where they are. */
  async end(): Promise<string[]> {
    const { agent, rack } = this.#scene
    return this.#complaintsOf(async () => {
      const before = (await readKernel(rack.node)).routes
      const foreign = await readForeign(rack.node)
      const { code } = await agent.stop()
      if (code !== 0)
        throw new Error(`the agent ended with code ${code}: ${agent.output.slice(-500)}`)
      const changed = compareRoutes(before, (await readKernel(rack.node)).routes)
      const touched = compareLists(foreign, await readForeign(rack.node))
      if (changed.length + touched.length > 0) throw new Error([...changed, ...touched].join('\n'))
    })
  }

  /** Resolves when sessions, kernel and agent are as the model has it. */
  async settle(): Promise<void> {
    const { rack, model } = this.#scene
    for (const number of switchNumbers) {
      if (isUp(model, number)) await this.#sessions(number)
    }
    await waitFor(
      'the kernel to be what it should be',
      async () => {
        const table = await readKernel(rack.node)
        const wrong = [
          ...some(compareRoutes(expectedRoutes(model), table.routes)),
          ...some(litterOf(table)),
          ...some(await this.#disagreements(table)),
        ]
        if (wrong.length > 0) throw new Error(wrong.join('\n  '))
        return true
      },
      settleSeconds,
    )
  }

  async #sessions(number: SwitchNumber): Promise<void> {
    const { agent, rack } = this.#scene
    for (const family of [4, 6]) await agent.established(`s${number}v${family}`, settleSeconds)
    await rack.switches[number - 1]?.synchronised(settleSeconds)
  }

  /** Where the agent's own view differs from the kernel's. */
  async #disagreements(table: KernelTable): Promise<string[]> {
    const { agent, model } = this.#scene
    const status = await agent.get<FibStatus>('/v1/fib/status')
    const open = (['pending', 'failed', 'unresolved', 'stale'] as const)
      .filter((name) => status[name] !== 0)
      .map((name) => `the agent counts ${status[name]} routes as ${name}`)
    const up = switchNumbers.filter((number) => isUp(model, number))
    const wanted = new Set(expectedRoutes({ ...model, taken: new Set() }).keys())
    const conflicts = [...model.taken].filter((prefix) => wanted.has(prefix)).length
    if (status.conflicts !== conflicts) {
      open.push(`the agent counts ${status.conflicts} conflicts, and there are ${conflicts}`)
    }
    const routes = (await this.#fibRoutes()).filter(({ status }) => status !== 'conflict')
    const said = new Map(routes.map((route) => [route.prefix, inWords(route)]))
    return [
      ...open,
      ...compareRoutes(said, table.routes).map((words) => `the agent says otherwise: ${words}`),
      ...(up.length === 0 ? ['no switch is up: the steps are wrong'] : []),
    ]
  }

  async #fibRoutes(): Promise<FibRouteView[]> {
    const routes: FibRouteView[] = []
    let next: string | null = ''
    while (next !== null) {
      const from: string = next === '' ? '' : `&continue=${encodeURIComponent(next)}`
      const page: { items: FibRouteView[]; continue: string | null } = await this.#scene.agent.get(
        `/v1/fib?limit=1000${from}`,
      )
      routes.push(...page.items)
      next = page.continue
    }
    return routes
  }

  async #explainSlowness(ms: number): Promise<void> {
    const at = (time: number) => new Date(time).toISOString().slice(14, 23)
    this.#tell(`  settled after ${(ms / 1000).toFixed(1)} s; ${at(Date.now())} now; it says:`)
    const events = await this.#scene.agent.events()
    for (const event of events.slice(-eventsTold)) {
      this.#tell(`  ${at(event.at)} ${event.kind} ${event.peer ?? ''}: ${event.text}`)
    }
  }

  async #complaintsOf(work: () => Promise<void>): Promise<string[]> {
    try {
      await work()
      return []
    } catch (error) {
      const { agent } = this.#scene
      const events = agent.daemon.ending ? [] : await agent.events().catch(() => [])
      const last = events.slice(-eventsTold).map(({ kind, text }) => `  event ${kind}: ${text}`)
      return [(error as Error).message, ...last, ...(await this.#evidence())]
    }
  }

  /** What a fault in the kernel writer is found by. */
  async #evidence(): Promise<string[]> {
    const { agent, rack } = this.#scene
    const words = async (what: string, ask: () => Promise<unknown>) => {
      const answer = await ask().catch((error: Error) => error.message)
      return `  ${what}: ${typeof answer === 'string' ? answer : JSON.stringify(answer)}`
    }
    return Promise.all([
      words('ip nexthop', () => rack.node.ip('nexthop')),
      words('status', () => agent.get('/v1/fib/status')),
      words('difference', async () => some(await this.#fibDifference())),
    ])
  }

  async #fibDifference(): Promise<string[]> {
    const { items } = await this.#scene.agent.get<{ items: object[] }>('/v1/fib/diff')
    return items.map((item) => JSON.stringify(item))
  }

  #note(line: string): void {
    this.done.push(line)
    this.#tell(line)
  }
}

function inWords({ kind, gateways }: FibRouteView): string {
  if (kind === 'blackhole') return 'blackhole'
  const hops = gateways.map((hop) => hop.gateway ?? hop.interface).sort()
  return `via ${hops.join(', ')}`
}

/** Objects of ours that no route needs, and routes that name none. */
function litterOf({ objects, named }: KernelTable): string[] {
  const needed = new Set(named)
  for (const { id, group = [] } of objects) {
    if (named.has(id)) for (const member of group) needed.add(member.id)
  }
  return objects
    .filter(({ id }) => !needed.has(id))
    .map(({ id }) => `nexthop object ${id} of ours is needed by no route`)
}

/** @param mayLose in which direction losses are only told */
function judgeLosses(
  losses: readonly Loss[],
  from: Mark,
  tell: (line: string) => void,
  mayLose: Readonly<Record<Loss['direction'], boolean>>,
): string[] {
  return losses
    .filter(({ lost }) => lost > 0)
    .flatMap((loss) => {
      const after = (loss.lastAt ?? 0) - from.at
      const words = `${describeLoss(loss)}; the last ${after.toFixed(0)} ms after the round began`
      if (mayLose[loss.direction]) tell(`  ${words}`)
      return mayLose[loss.direction] ? [] : [words]
    })
}

/** The first few, and how many more there are. */
function some(lines: readonly string[]): string[] {
  const more = lines.length - complaintsMax
  return more > 0 ? [...lines.slice(0, complaintsMax), `… and ${more} more`] : [...lines]
}

function compareLists(before: readonly string[], after: readonly string[]): string[] {
  const [had, has] = [new Set(before), new Set(after)]
  return [
    ...before.filter((one) => !has.has(one)).map((one) => `somebody else's is gone: ${one}`),
    ...after.filter((one) => !had.has(one)).map((one) => `somebody else's has appeared: ${one}`),
  ]
}

function shorten(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text
}
