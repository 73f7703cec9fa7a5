/**
 * The last rows: graceful restart in both roles, by SIGKILL. RFC 4724 §4.1 (we restart), §4.2 (we
 * help). What must not happen is a moment without routes, and that is watched all the time: in
 * kernels by `ip monitor`, in tables by asking again and again.
 */
import type { PathView } from '../../../bgp/types.ts'
import { watchRoutes } from '../../network/kernel.ts'
import type { Daemon } from '../../network/namespaces.ts'
import { type Asserts, comesTo, eventually } from './eventually.ts'
import { announcedBy, type BaseName, expectedAt, routers } from './plan.ts'
import { heardAt, type MatrixSite } from './site.ts'

const baseNames: readonly BaseName[] = ['four', 'six', 'both']

/** The daemon of `c1` is killed: its routes stay, stale, at us and at `c2`, until it is back. */
export async function restartHelper(t: Asserts, site: MatrixSite): Promise<void> {
  const prefixes = baseNames.flatMap((name) => announcedBy('c1', name).map(({ prefix }) => prefix))
  const wanted = expectedAt('c2', 'both', ['c1'])
  const passedOn = async () =>
    (await heardAt(site, 'c2', 'both')).filter(({ prefix }) => prefixes.includes(prefix))
  await eventually(t, 'c2 has the routes of c1', passedOn, wanted)
  const monitor = await watchRoutes(site.ours)
  await site.routers.c1.kill()
  await comesTo(
    t,
    'the session is gone, and its routes are stale and in use',
    () => staleOf(site, prefixes),
    (stale) => stale.length === prefixes.length && stale.every((one) => one),
  )
  t.ok((await site.agent.peer('c1-four')).state !== 'Established')
  t.same(await passedOn(), wanted, 'c2 still has them')
  const table = await site.agent.cli('routes', prefixes[0] ?? '')
  t.ok(/stale/.test(table), '`routelet routes` says so')

  await site.routers.c1.revive()
  for (const name of baseNames) await site.agent.established(`c1-${name}`, 60)
  await comesTo(
    t,
    'it is back, and nothing of it is stale any longer',
    () => staleOf(site, prefixes),
    (stale) => stale.length === prefixes.length && stale.every((one) => !one),
  )
  t.same(await passedOn(), wanted, 'c2 has them as before')
  t.same(vanished(monitor, prefixes), [], 'and our kernel had them at every moment')
}

/**
 * Our agent is killed: what we announced stays with the peer until we are back. All is said before
 * and after: what is compared in the end is what it was told anew, and no longer what it kept.
 */
export async function restartOurs(t: Asserts, site: MatrixSite): Promise<void> {
  site.retreat()
  await comesTo(t, 'all is said on the sessions of the base', () => unsaid(site), isEmpty)
  const wanted = expectedAt('ext', 'both', ['us', 'c1', 'c2'])
  const prefixes = wanted.map(({ prefix }) => prefix)
  const has = async () =>
    (await heardAt(site, 'ext', 'both')).filter(({ prefix }) => prefixes.includes(prefix))
  await eventually(t, 'it has our routes', has, wanted)
  const { namespace } = site.routers.ext
  const theirs = site.kind.hasKernel ? await watchRoutes(namespace) : null
  const ours = await watchRoutes(site.ours)
  const watch = theirs ? null : watching(async () => (await has()).length)
  await site.agent.stop('SIGKILL')
  await comesTo(
    t,
    'it has seen that we are gone',
    () => site.routers.ext.state('both'),
    (state) => state !== 'Established',
  )
  t.same(await has(), wanted, 'and keeps what we announced')
  await site.revive()
  await comesTo(t, 'we are back, and all is said anew', () => unsaid(site), isEmpty)
  await eventually(t, 'it has the same routes', has, wanted)
  if (watch) t.same(await watch.stop(), wanted.length, 'it had all of them whenever it was asked')
  if (theirs) t.same(vanished(theirs, prefixes), [], 'and its kernel at every moment')
  t.same(vanished(ours, prefixes), [], 'as had our kernel')
}

/** Sessions of the base on which something is still to be said, by us or by them; also any other. */
async function unsaid(site: MatrixSite): Promise<string[]> {
  const peers = await site.agent.peers()
  const wanted = Object.keys(routers).length * baseNames.length
  const silent = peers.filter(
    ({ state, families }) =>
      state !== 'Established' || !families.every((one) => one.endOfRibSent && one.endOfRibReceived),
  )
  const names = silent.map(({ name, state, reason }) => `${name} ${state} ${reason ?? ''}`)
  return peers.length === wanted ? names : [...names, `${peers.length} peers, not ${wanted}`]
}

function isEmpty(list: readonly unknown[]): boolean {
  return list.length === 0
}

/** Whether the best path of each is stale; those without a usable path are left out. */
async function staleOf(site: MatrixSite, prefixes: readonly string[]): Promise<boolean[]> {
  const url = '/v1/routes?view=best&limit=1000'
  const { items } = await site.agent.get<{ items: readonly PathView[] }>(url)
  return items
    .filter(({ prefix, eligible }) => eligible && prefixes.includes(prefix))
    .map(({ stale }) => stale)
}

/** Lines of `ip monitor` that say one of these went. */
function vanished(monitor: Daemon, prefixes: readonly string[]): string[] {
  return monitor.stdout
    .split('\n')
    .filter((line) => line.startsWith('Deleted'))
    .filter((line) => prefixes.some((prefix) => line.split(' ').includes(prefix)))
}

/** Asks again and again, and keeps the lowest answer. */
function watching(count: () => Promise<number>): { stop(): Promise<number> } {
  let running = true
  let lowest = Number.POSITIVE_INFINITY
  const loop = (async () => {
    do lowest = Math.min(lowest, await count())
    while (running)
  })()
  return {
    stop: async () => {
      running = false
      await loop
      return lowest
    },
  }
}
