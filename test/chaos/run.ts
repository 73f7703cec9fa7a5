/**
 * `npm run chaos -- [chaos] [--seconds 300] [--seed S] [--rounds N]`: a node's network is broken in
 * every way that can be undone, at random, and the kernel must be what it should be after each.
 * `npm run chaos -- restart [--cycles 20]`: kills under counted traffic, patient ones and hasty ones.
 * `npm run chaos -- failover [--prefixes 1000,100000] [--daemons routelet,BIRD,FRR] [--runs 3] [--page]`:
 * for how long packets are lost when a switch dies; `--page` adds what was measured to docs/failover.md.
 */
import { parseArgs } from 'node:util'
import { recordFailover } from '../failover/document.ts'
import { measureFailover, type Outage } from '../failover/failover.ts'
import type { FailedRun } from '../failover/kept.ts'
import { nodeDaemons } from '../failover/node-daemons.ts'
import { renderTable } from '../failover/page.ts'
import { inScope, type Scope } from '../network/namespaces.ts'
import { runCampaign } from './campaign.ts'
import { restartUnderTraffic } from './restart.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string' },
    rounds: { type: 'string' },
    cycles: { type: 'string', default: '20' },
    prefixes: { type: 'string', default: '1000,100000' },
    daemons: { type: 'string', default: 'routelet,BIRD,FRR' },
    runs: { type: 'string', default: '3' },
    page: { type: 'boolean', default: false },
  },
})

async function chaos(scope: Scope): Promise<boolean> {
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const { rounds, complaints } = await runCampaign(scope, {
    seed,
    seconds: Number(values.seconds),
    ...(values.rounds === undefined ? {} : { roundsMax: Number(values.rounds) }),
    tell,
  })
  for (const complaint of complaints) tell(complaint)
  const verdict = complaints.length === 0 ? 'passed' : 'FAILED'
  tell(
    `${verdict}: ${rounds} rounds; again with: npm run chaos -- --seed ${seed} --rounds ${rounds}`,
  )
  return complaints.length === 0
}

async function restart(scope: Scope): Promise<boolean> {
  const cycles = Number(values.cycles)
  const shape = { cycles, packetsPerSecond: 1000, tell }
  const patient = await restartUnderTraffic(scope, shape)
  const hasty = await restartUnderTraffic(scope, { ...shape, hasty: true })
  tell(`kills after End-of-RIB both ways: ${patient.lost} of ${patient.sent} packets lost`)
  tell(`hasty kills, nothing promised:    ${hasty.lost} of ${hasty.sent} packets lost`)
  return patient.lost === 0
}

/** A run that fails is a result too: of a daemon that was too slow, most often. */
async function failover(): Promise<boolean> {
  const names = values.daemons.split(',')
  const outages: Outage[] = []
  const failures: FailedRun[] = []
  const versions: Record<string, string> = {}
  const found = (outage: Outage) => {
    outages.push(outage)
    tell(JSON.stringify(outage))
    // At once: a measurement that is cut short keeps what it has.
    if (values.page) recordFailover({ versions, outages, failures })
  }
  for (const prefixes of values.prefixes.split(',').map(Number)) {
    for (const daemon of nodeDaemons.filter(({ name }) => names.includes(name))) {
      const why = await daemon.cannotRun()
      if (why !== false) {
        tell(`${daemon.name}: ${why}`)
        continue
      }
      for (let run = 0; run < Number(values.runs); run++) {
        try {
          versions[daemon.name] = await daemon.version()
          // A network for each, gone before the next is measured.
          await inScope((own) => measureFailover(own, daemon, prefixes, found))
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error)
          failures.push({ daemon: daemon.name, prefixes, reason })
          tell(`${daemon.name}, ${prefixes} prefixes: ${reason}`)
        }
      }
    }
  }
  if (values.page) recordFailover({ versions, outages, failures })
  else tell(renderTable(outages))
  return failures.length === 0
}

function tell(line: string): void {
  console.log(line)
}

const [mode = 'chaos'] = positionals
const modes: Readonly<Record<string, (scope: Scope) => Promise<boolean>>> = {
  chaos,
  restart,
  failover,
}
const work = modes[mode]
if (!work) throw new Error(`no mode ${mode}; there are ${Object.keys(modes).join(', ')}`)
process.exitCode = (await inScope(work)) ? 0 : 1
