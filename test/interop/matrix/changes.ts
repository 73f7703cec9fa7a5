/**
 * The rows on what a session lives through by order, of the peer's administrator or ours (RFC 4486,
 * RFC 9003), and what a changed manifest does to it and must not do to others.
 */
import type { EventView } from '../../../api/views.ts'
import { pathsOf } from './base.ts'
import { type Asserts, comesTo, eventually } from './eventually.ts'
import { goodbyeText, leaving, shutdownText } from './extras.ts'
import type { MatrixSite } from './site.ts'

export async function shutdownHeard(t: Asserts, site: MatrixSite): Promise<void> {
  await site.agent.established('ext-talk')
  await site.routers.ext.shutdown('talk', shutdownText)
  const said = site.kind.shutdownText ?? shutdownText
  await comesTo(
    t,
    `we show why it went, in its words: ${said}`,
    () => eventsOf(site, 'ext-talk'),
    (events) => events.some(({ kind, text }) => kind === 'peer.down' && text.includes(said)),
  )
}

export async function shutdownSaid(t: Asserts, site: MatrixSite): Promise<void> {
  await shutDown(t, site, [], /administrat\w+ (shutdown|down)|code 6 subcode 2/i)
}

export async function shutdownWorded(t: Asserts, site: MatrixSite): Promise<void> {
  await shutDown(t, site, ['--message', goodbyeText], new RegExp(goodbyeText))
}

async function shutDown(
  t: Asserts,
  site: MatrixSite,
  options: readonly string[],
  words: RegExp,
): Promise<void> {
  await site.agent.established('ext-near')
  await site.agent.cli('shutdown', 'ext-near', ...options)
  const seen = await comesTo(
    t,
    'it knows that we were shut down, and why',
    () => site.routers.ext.lastWords('near'),
    (said) => words.test(said),
  )
  const { state, reason } = await site.agent.peer('ext-near')
  t.ok(state === 'Idle', `and we stay down: ${reason}; it says ${words.exec(seen)?.[0]}`)
  await site.agent.cli('enable', 'ext-near')
  await site.routers.ext.wake?.('near')
  await site.agent.established('ext-near')
  t.pass('until we are enabled')
}

/** A hold time is agreed on in the OPEN: it takes a new session, and only of the peer it is for. */
export async function changedLive(t: Asserts, site: MatrixSite): Promise<void> {
  const { flaps } = await site.agent.established('ext-leaving')
  const others = async () =>
    (await site.agent.peers())
      .filter(({ name, dynamic }) => name !== 'ext-leaving' && !dynamic)
      .map((peer) => `${peer.name} ${peer.flaps}`)
  const before = await others()
  site.respecify('ext', 'leaving', { holdTime: `${shortHoldSeconds}s` })
  await comesTo(
    t,
    'the session is another one',
    () => site.agent.peer('ext-leaving'),
    (peer) => peer.flaps === flaps + 1,
  )
  await site.routers.ext.wake?.('leaving')
  const { holdSeconds } = await site.agent.established('ext-leaving')
  t.same(holdSeconds, shortHoldSeconds, 'with the new hold time')
  t.same(await others(), before, 'and no other session went')
  const got = async () => (await pathsOf(site, 'ext-leaving')).map(({ prefix }) => prefix)
  await eventually(t, 'its route is back', got, [leaving])
}

const shortHoldSeconds = 33

export async function eventsOf(site: MatrixSite, peer: string): Promise<readonly EventView[]> {
  return (await site.agent.events()).filter((event) => event.peer === peer)
}
