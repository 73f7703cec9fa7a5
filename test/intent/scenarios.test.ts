/**
 * Topologies of Calico's documentation, whole: every file of scenarios/ holds manifests and, before
 * them, the peers each node gets, which `routelet plan -o json` must say, no more and no less. What
 * an expectation leaves out is at its default.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { type PlannedPeerView, type PlanView, runPlan } from '../../src/cli/plan.ts'
import { makeTerminal } from './texts.ts'

const folder = 'test/intent/scenarios'

interface Scenario {
  /** By node, then by the name of the peer: what is not at its default. */
  readonly peers: Readonly<Record<string, Readonly<Record<string, Partial<PlannedPeerView>>>>>
  /** By node: the reason codes of all problems but that nodes here have no pods. */
  readonly problems?: Readonly<Record<string, readonly string[]>>
}

const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))

t.test('there are thirty scenarios and more', async (t) => {
  t.ok(files.length >= 30, `run from the top of the repository; found ${files.length}`)
})

for (const name of files) {
  t.test(name.replace(/^\d+-|\.yaml$/g, '').replaceAll('-', ' '), async (t) => {
    const text = readFileSync(join(folder, name), 'utf8')
    const head = text.slice(0, text.indexOf('\n---\n'))
    const { peers, problems = {} } = parse(head) as Scenario
    const manifests = mkdtempSync(join(tmpdir(), 'routelet-scenario-'))
    t.teardown(() => rmSync(manifests, { recursive: true, force: true }))
    writeFileSync(join(manifests, name), text.slice(head.length))
    for (const [node, expected] of Object.entries(peers)) {
      const plan = await planOf(node, manifests)
      t.same(byName(plan.peers), complete(plan, expected), node)
      const told = [...new Set(plan.problems.map(({ reason }) => reason))]
      const wanted = problems[node]
      if (wanted !== undefined) {
        t.same(
          told.filter((reason) => reason !== 'NoPodCidr'),
          wanted,
        )
      }
    }
  })
}

async function planOf(node: string, folder: string): Promise<PlanView> {
  const terminal = makeTerminal()
  await runPlan({ node, manifests: [folder], output: 'json' }, terminal)
  return JSON.parse(terminal.text())
}

function byName(peers: readonly PlannedPeerView[]): Record<string, PlannedPeerView> {
  return Object.fromEntries(peers.map((peer) => [peer.name, peer]))
}

/** What is expected of each peer, with all that the scenario leaves unsaid. */
function complete(
  { node }: PlanView,
  expected: Scenario['peers'][string],
): Record<string, PlannedPeerView> {
  const entries = Object.entries(expected).map(([name, said]): [string, PlannedPeerView] => {
    const isIpv6 = said.address?.includes(':') ?? false
    const own = node?.addresses.find((address) => address.includes(':') === isIpv6)
    return [
      name,
      {
        name,
        address: '',
        port: 179,
        asNumber: 64_512,
        localAsNumber: 64_512,
        sourceAddress: own?.replace(/\/.*/, '') ?? null,
        routeReflectorClient: false,
        clusterId: node?.clusterId ?? null,
        passive: false,
        password: false,
        ttlSecurity: null,
        nextHopMode: 'Auto',
        maxRestartTime: 120,
        allowedLocalAsNumbers: 0,
        filters: [],
        families: [isIpv6 ? 'ipv6-unicast' : 'ipv4-unicast'],
        ...said,
      },
    ]
  })
  return Object.fromEntries(entries)
}
