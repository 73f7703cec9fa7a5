/**
 * A reflector under fire: whole tables are imported through it, first in peace, then while another agent
 * on the same machine is asked, and at last under a barrage of questions: what the second costs is the
 * machine's share. The generator of the benchmarks says whether the sink got every route, with the right
 * next hop, and whether a session was lost.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { NodeView } from '../../api/views.ts'
import { findContenders } from '../bench/daemons.ts'
import type { Outcome } from '../bench/load/job.ts'
import { makeJob, planQuestions } from '../bench/plan.ts'
import { familyOf, site as place, Site } from '../bench/site.ts'
import { command } from '../network/agent.ts'
import { Hopeless, waitFor } from '../network/wait.ts'
import { Barrage, type BarrageReport } from './barrage.ts'
import { ask } from './raw.ts'

const generator = path.resolve(import.meta.dirname, '../bench/load/generator.js')
const importSecondsMax = 120
const idleManifests = `apiVersion: v1
kind: Node
metadata: { name: idle }
status: { addresses: [{ type: InternalIP, address: ${place.gateway} }] }
---
apiVersion: routelet.io/v1
kind: BGPConfiguration
metadata: { name: default }
spec: { nodeToNodeMeshEnabled: false, listenPort: 1790 }
`

export interface FireOptions {
  readonly prefixes: number
  readonly questionsPerSecond: number
  /** The barrage lasts at least so long, and until the import that is on its way is over. */
  readonly secondsMin: number
  /** The barrage has at least so many questions. */
  readonly questionsMin: number
  /** Imports before it. */
  readonly importsInPeace: number
  /** Imports while another agent is asked. */
  readonly importsBeside: number
}

export interface FireReport {
  readonly inPeace: readonly Outcome[]
  readonly beside: readonly Outcome[]
  readonly underFire: readonly Outcome[]
  readonly barrage: BarrageReport
  /** Of the agent, over the last minute of the barrage. */
  readonly loopDelay: NodeView['loopDelay']
}

export async function runFire(options: FireOptions): Promise<FireReport> {
  const daemons = await findContenders(null)
  const routelet = daemons.find(({ kind }) => kind.isRoutelet)
  if (routelet === undefined) throw new Error('routelet is not among the daemons')
  const site = await Site.open(null)
  try {
    const demand = { addPath: false, loopClock: false }
    const daemon = await routelet.kind.start(site, routelet.program, demand)
    let imports = 0
    const importTable = () => generate(site, daemon.pid, options.prefixes, ++imports)
    const socket = site.hostPath('api')
    const inPeace: Outcome[] = []
    while (inPeace.length < options.importsInPeace) inPeace.push(await importTable())
    const beside: Outcome[] = []
    if (options.importsBeside > 0) {
      const decoy = new Barrage(await startIdle(site), options.questionsPerSecond)
      decoy.start()
      while (beside.length < options.importsBeside) beside.push(await importTable())
      await decoy.stop()
    }
    const barrage = new Barrage(socket, options.questionsPerSecond)
    const underFire: Outcome[] = []
    const startedAt = performance.now()
    barrage.start()
    do underFire.push(await importTable())
    while (
      performance.now() - startedAt < options.secondsMin * 1000 ||
      barrage.asked < options.questionsMin
    )
    const reply = await ask(socket, 'GET', '/v1/node')
    const { loopDelay } = JSON.parse(reply?.body ?? '') as NodeView
    return { inPeace, beside, underFire, barrage: await barrage.stop(), loopDelay }
  } finally {
    await site.close()
  }
}

/** An agent with nothing to do, beside the players. @returns the socket of its API */
async function startIdle(site: Site): Promise<string> {
  const folder = site.hostPath('idle')
  const socket = `${folder}.sock`
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'all.yaml'), idleManifests)
  const run = [...['run', '--node', 'idle', '--manifests', folder], ...['--api', `unix:${socket}`]]
  const idle = site.players.start(process.execPath, [command, ...run, '--fib', 'none'])
  await waitFor('the idle agent to answer', async () => {
    if (idle.ending) throw new Hopeless(`it ended: ${idle.stderr}`)
    return (await ask(socket, 'GET', '/healthz'))?.status === 200
  })
  return socket
}

/** @param number Players of their own: who comes back again and again is made to wait. */
async function generate(
  site: Site,
  pid: number,
  prefixes: number,
  number: number,
): Promise<Outcome> {
  const [question] = planQuestions('feed', { prefixes: [prefixes], feeders: [1] })
  if (question === undefined) throw new Error('there is no such scenario')
  const playerBase = `10.1.${number}.1`
  const job = makeJob(question, {
    pids: familyOf(pid),
    reflects: true,
    timeoutSeconds: importSecondsMax,
    api: null,
    loopReport: null,
    paths: 0,
  })
  const program = site.players.start(process.execPath, [
    generator,
    JSON.stringify({ ...job, playerBase }),
  ])
  const { code } = await program.ended
  if (code !== 0) throw new Error(`the generator failed: ${program.stderr}`)
  return JSON.parse(program.stdout)
}
