/**
 * The lab's network in the real kernel: it is built as planned, pods of one node reach each other,
 * switches peer whoever runs them, and nothing is left behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { run, runAnyway } from '../../src/lab/commands.ts'
import { createNetwork, type Network } from '../../src/lab/namespaces.ts'
import { LabError, type SwitchSoftware } from '../../src/lab/options.ts'
import { createPods } from '../../src/lab/pods.ts'
import { bornAt, createProcesses, type Processes } from '../../src/lab/processes.ts'
import { chooseSoftware, startSwitch } from '../../src/lab/switches.ts'
import { type Plan, planTopology } from '../../src/lab/topology.ts'
import { createWorkspace, tidyDeadLabs } from '../../src/lab/workspace.ts'

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root'
const DEADLINE_MS = 60_000
const plan = planTopology({ topology: 'tor', nodes: 2, dual: false, sameAs: false })
let networks = 0

interface Surroundings {
  readonly network: Network
  readonly processes: Processes
  readonly folder: string
}

/** A network with a folder for its processes, all gone when the test ends. */
function surround(t: Test, planned: Pick<Plan, 'namespaces' | 'links'>): Surroundings {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-network-test-'))
  networks += 1
  const network = createNetwork(planned, `rl${process.pid}-${networks}`)
  const processes = createProcesses(folder, join(folder, 'processes'))
  t.teardown(async () => {
    await processes.stop()
    await network.remove()
    rmSync(folder, { recursive: true })
  })
  return { network, processes, folder }
}

async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + DEADLINE_MS
  while (!(await holds())) {
    if (performance.now() > limit) throw new Error(`waited in vain for ${what}`)
    await delay(100)
  }
}

async function namespacesOf(prefix: string): Promise<string[]> {
  const names = (await run(['ip', 'netns', 'list'])).split('\n').map((line) => line.split(' ')[0])
  return names.filter((name) => name?.startsWith(prefix)) as string[]
}

t.test('a network is built as planned and removed whole', { skip }, async (t) => {
  const { network } = surround(t, plan)
  await network.build()
  for (const namespace of plan.namespaces) {
    const listing = await run(['ip', '-n', network.name(namespace.name), '-o', 'address'])
    for (const { name, addresses } of namespace.interfaces) {
      for (const { prefix } of addresses) {
        t.match(listing, new RegExp(`: ${name} +inet6? ${prefix} `), `${namespace.name} ${prefix}`)
      }
    }
    t.notMatch(listing, 'tentative', 'IPv6 addresses can be used at once')
  }
  await network.remove()
  await network.remove()
  t.same(await namespacesOf(network.name('')), [])
})

t.test('two networks of one plan live side by side', { skip }, async (t) => {
  const [first, second] = [surround(t, plan).network, surround(t, plan).network]
  await Promise.all([first.build(), second.build()])
  await first.remove()
  t.same((await namespacesOf(second.name(''))).sort(), [...second.namespaces].sort())
})

t.test('a build that fails leaves nothing once removed', { skip }, async (t) => {
  const broken = {
    ...plan,
    links: [...plan.links, plan.links[0]!],
  }
  const { network } = surround(t, broken)
  await t.rejects(network.build(), { name: 'ProgramError', message: /File exists/ })
  await network.remove()
  t.same(await namespacesOf(network.name('')), [])
})

t.test('removing a network while it is being built leaves nothing', { skip }, async (t) => {
  const { network } = surround(t, plan)
  const building = network.build()
  await network.remove()
  await building
  t.same(await namespacesOf(network.name('')), [])
})

t.test('pods answer pods of their node, and the silent ones are named', { skip }, async (t) => {
  const { network, processes } = surround(t, plan)
  await network.build()
  const all = plan.nodes.flatMap((node) => node.pods)
  const pods = createPods(all, network, processes, (name, { words }) => t.fail(`${name} ${words}`))
  await pods.start()
  const { ipv4, ipv6 } = await pods.askAll(1_000)
  for (const found of [ipv4, ipv6]) {
    t.equal(found.asked, 12)
    t.equal(found.answered, 4, 'both directions on both nodes')
    t.equal(found.silent.length, 8)
  }
  t.ok(ipv4.silent.includes('n1-p1 → n2-p2 (10.244.2.12)'))
  t.ok(ipv6.silent.includes('n2-p1 → n1-p1 (fd42:244:1::11)'))
})

for (const software of ['bird', 'frr'] as const satisfies SwitchSoftware[]) {
  const missing = skip === false ? whyMissing(software) : skip
  t.test(
    `switches that run ${software} learn each other's loopbacks`,
    { skip: missing, timeout: 2 * DEADLINE_MS },
    async (t) => {
      const { network, processes, folder } = surround(t, plan)
      await network.build()
      // FRR's daemons, another user, pass through to their own folders.
      await run(['chmod', '711', folder])
      for (const device of plan.switches) {
        startSwitch(software, device, {
          network,
          processes,
          folder,
          manifests: () => '',
          onExit: (name, { words, lastWords }) => t.fail(`${name} ${words}: ${lastWords}`),
        })
      }
      for (const device of plan.switches) {
        const other = plan.switches.find((candidate) => candidate !== device)!
        for (const prefix of [other.loopback.ipv4, other.loopback.ipv6]) {
          await waitFor(`${prefix} in ${device.name}`, async () => {
            const family = prefix.includes(':') ? '-6' : '-4'
            const namespace = network.name(device.name)
            return (await run(['ip', '-n', namespace, family, 'route', 'show', prefix])) !== ''
          })
          t.pass(`${device.name} has ${prefix}`)
        }
      }
    },
  )
}

t.test('what a killed lab left is removed by the next', { skip }, async (t) => {
  const workspace = createWorkspace()
  const network = createNetwork(plan, workspace.prefix)
  t.teardown(() => {
    network.removeNow()
    workspace.remove()
  })
  await network.build()
  const processes = createProcesses(workspace.logs, workspace.ledger)
  const child = processes.startWithPipes({ name: 'cat', command: network.inside('n1', ['cat']) })
  const ended = once(child, 'exit')
  t.notOk((await tidyDeadLabs()).includes(workspace.id), 'a lab whose owner lives is left alone')
  t.ok(existsSync(workspace.folder))

  const owner = spawn('true')
  await once(owner, 'exit')
  await run(['sh', '-c', `echo ${owner.pid} 1 > ${join(workspace.folder, 'owner')}`])
  t.ok((await tidyDeadLabs()).includes(workspace.id))
  t.same(await ended, [null, 'SIGKILL'])
  t.same(await namespacesOf(workspace.prefix), [])
  t.notOk(existsSync(workspace.folder))
})

t.test('a process is known by its time of birth', async (t) => {
  t.match(bornAt(process.pid), /^\d+$/)
  t.equal(bornAt(2 ** 22 + 1), null, 'beyond the largest process id')
})

t.test('processes end in order, and their last words are kept', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-processes-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const processes = createProcesses(folder, join(folder, 'ledger'))
  const failed = new Promise((resolve) => {
    processes.start({
      name: 'fails',
      command: ['sh', '-c', 'echo so it goes >&2; exit 3'],
      onExit: resolve,
    })
  })
  t.same(await failed, { words: 'ended with code 3', lastWords: 'so it goes' })
  const absent = new Promise((resolve) => {
    processes.start({ name: 'absent', command: ['/nowhere/at/all'], onExit: resolve })
  })
  t.match(await absent, { words: /^could not be started: .*ENOENT/ })
  processes.start({
    name: 'stays',
    command: ['sleep', '1000'],
    onExit: () => t.fail('an end that was asked for is no news'),
  })
  await processes.stop()
  t.ok(readdirSync(folder).includes('stays.log'))
})

t.test('a program that fails says so in its own words', async (t) => {
  await t.rejects(run(['sh', '-c', 'echo no such thing >&2; exit 4']), {
    name: 'ProgramError',
    code: 4,
    message: /: no such thing$/,
  })
  const result = await runAnyway(['/nowhere/at/all'])
  t.equal(result.code, null)
  t.match(result.stderr, /ENOENT/)
})

function whyMissing(software: SwitchSoftware): string | false {
  try {
    chooseSoftware(software, true)
    return false
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return error.message
  }
}
