/**
 * The whole lab as a user runs it: real agents, real kernel. Small, and with routelet as the switch,
 * since that is there everywhere; the other variants run in CI by their own commands.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { run } from '../../src/lab/commands.ts'
import { skip, start } from './running.ts'

/** Generous: the machine may be busy. */
const timeout = 180_000

async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + timeout / 2
  while (!(await holds())) {
    if (performance.now() > limit) throw new Error(`waited in vain for ${what}`)
    await delay(100)
  }
}

async function assertNothingLeft(t: Test, output: string): Promise<void> {
  const id = /^routelet lab ([0-9a-f]{6}):/m.exec(output)?.[1]
  t.type(id, 'string', 'the lab says its name')
  t.notMatch(await run(['ip', 'netns', 'list']), new RegExp(`rl-${id}-`), 'no namespace')
  t.notOk(existsSync(join(tmpdir(), `routelet-lab-${id}`)), 'no file')
  t.notMatch(await run(['ps', '-eo', 'args']), `routelet-lab-${id}`, 'no process')
}

t.test('--once proves every pair and leaves nothing', { skip, timeout }, async (t) => {
  const lab = start(t, ['lab', '--once', '--nodes', '2', '--tor', 'routelet'])
  t.equal(await lab.ended, 0, lab.output())
  t.match(lab.output(), /12 of 12 IPv4 and 12 of 12 IPv6 pod pairs answer \(UDP echo\)/)
  t.match(lab.output(), /exactly the learned prefixes and the own blackholes/)
  await assertNothingLeft(t, lab.output())
})

t.test(
  'it stays up, serves its agents on loopback, and ends on a signal',
  { skip, timeout },
  async (t) => {
    const lab = start(t, ['lab', '--nodes', '2', '--tor', 'routelet'])
    const [, url] = await lab.said(/n1 (http:\/\/127\.0\.0\.1:\d+)\//)
    await lab.said(/Ctrl-C ends it/)
    const status = start(t, ['status', '--api', url!])
    t.equal(await status.ended, 0, status.output())
    t.match(status.output(), /healthy/)
    lab.child.kill('SIGINT')
    t.equal(await lab.ended, 0)
    await assertNothingLeft(t, lab.output())
  },
)

t.test('editing a manifest changes the network', { skip, timeout }, async (t) => {
  const lab = start(t, ['lab', '--nodes', '2', '--tor', 'routelet'])
  const [, prefix] = await lab.said(/ip -n (rl-[0-9a-f]{6})-n1 route/)
  const [, manifests] = await lab.said(/manifests +(\S+):/)
  const route = async () =>
    (await run(['ip', '-n', `${prefix}-n1`, 'route', 'show', '10.244.2.0/24'])) !== ''
  t.ok(await route(), 'n1 has learned the pods of n2')
  const manifest = join(manifests!, 'n2.yaml')
  const text = readFileSync(manifest, 'utf8')
  rmSync(manifest)
  await waitFor('the prefix of a removed node to go', async () => !(await route()))
  writeFileSync(manifest, text)
  await waitFor('the prefix of a returned node to come', route)
  lab.child.kill('SIGTERM')
  t.equal(await lab.ended, 0)
  await assertNothingLeft(t, lab.output())
})

t.test('a killed agent is started again', { skip, timeout }, async (t) => {
  const lab = start(t, ['lab', '--nodes', '2', '--tor', 'routelet'])
  const [, prefix] = await lab.said(/ip -n (rl-[0-9a-f]{6})-n1 route/)
  const [agent] = (await run(['ip', 'netns', 'pids', `${prefix}-n2`])).split('\n')
  process.kill(Number(agent), 'SIGKILL')
  await lab.said(/n2: the agent was killed by SIGKILL/)
  await lab.said(/n2: the agent was started again/)
  lab.child.kill('SIGTERM')
  t.equal(await lab.ended, 0)
  await assertNothingLeft(t, lab.output())
})

t.test('interrupted while it is being built, it leaves nothing', { skip, timeout }, async (t) => {
  const lab = start(t, ['lab', '--once', '--tor', 'routelet'])
  await lab.said(/^routelet lab/m)
  lab.child.kill('SIGTERM')
  t.equal(await lab.ended, 130)
  await assertNothingLeft(t, lab.output())
})

t.test('without root of the host it runs in a user namespace', { skip, timeout }, async (t) => {
  // The very way an ordinary user's lab takes, from the point where it has found that it isn't root.
  const entry = new URL('../../src/lab/user-namespace.js', import.meta.url)
  const code = `import { runInUserNamespace } from '${entry}'
    process.exitCode = await runInUserNamespace({ once: true, nodes: 2, tor: 'routelet' })`
  const lab = start(t, [code], [process.execPath, '--input-type=module', '-e'])
  t.equal(await lab.ended, 0, lab.output())
  t.match(lab.output(), /12 of 12 IPv4 and 12 of 12 IPv6 pod pairs answer \(UDP echo\)/)
  await assertNothingLeft(t, lab.output())
})

t.test('what cannot be is refused in words, with exit code 2', { timeout }, async (t) => {
  const lab = start(t, ['lab', '--topology', 'mesh', '--dual'])
  t.equal(await lab.ended, 2)
  t.match(lab.output(), /^routelet lab: --dual goes with --topology tor: .*\n$/)
})
