/**
 * The rows after the ninth: one feature each, over the sessions of extras.ts or those of the base.
 * It is long because every feature is one row of the matrix, and they are read side by side.
 */
import type { PathView, PeerView } from '../../../bgp/types.ts'
import { routesOf } from '../../network/kernel.ts'
import { waitUntil } from '../../network/wait.ts'
import { pathsOf, receivedFrom } from './base.ts'
import { eventsOf } from './changes.ts'
import { type Asserts, comesTo, eventually } from './eventually.ts'
import {
  anycast,
  anycastVia,
  doubled,
  doubledVia,
  filtered,
  heavy,
  leaving,
  limitSpec,
  marks,
  presentedAsn,
  warnedOf,
} from './extras.ts'
import {
  addressesOf,
  announcedBy,
  clusterAsn,
  expectedAt,
  outsideAsn,
  podCidrs,
  prefixOf,
} from './plan.ts'
import { heardAt, type MatrixSite } from './site.ts'
import type { HeardRoute } from './subject.ts'

export async function fourOctetAs(t: Asserts, site: MatrixSite): Promise<void> {
  const peer = await site.agent.peer('ext-four')
  t.same(peer.asn, outsideAsn, 'its AS number needs four octets')
  const [own] = (await heardAt(site, 'c1', 'four')).filter(({ asPath }) => asPath !== '')
  t.same(own?.asPath, String(outsideAsn), 'a client sees it in the AS path, unshortened')
}

/** RFC 6793 §4.2.2: AS_TRANS for what it can't read; what it says itself is taken as it is. */
export async function twoOctetAs(t: Asserts, site: MatrixSite): Promise<void> {
  const { capabilities } = await site.agent.established('c1-old')
  t.ok(!capabilities.remote.some((one) => /four-octet/i.test(one)), 'it offers no four octets')
  const outside = prefixOf('ext', 1, 'ipv4')
  await comesTo(
    t,
    'it sees AS_TRANS, or puts AS4_PATH in its place',
    () => heardOf(site, 'c1', 'old', outside),
    ([route]) => route !== undefined && ['23456', String(outsideAsn)].includes(route.asPath),
  )
  const own = prefixOf('c1', 10, 'ipv4')
  const got = async () => (await receivedFrom(site, 'c1-old')).map(({ prefix }) => prefix)
  await eventually(t, 'we have its route', got, [own])
}

export async function largeCommunities(t: Asserts, site: MatrixSite): Promise<void> {
  const pick = ({ prefix, communities, largeCommunities }: HeardRoute) => ({
    prefix,
    communities,
    largeCommunities,
  })
  const sent = announcedBy('c2', 'four').map(pick)
  const prefixes = sent.map(({ prefix }) => prefix)
  for (const router of ['c1', 'ext'] as const) {
    const heard = await heardAt(site, router, 'four')
    const passed = heard.filter(({ prefix }) => prefixes.includes(prefix)).map(pick)
    t.same(passed, sent, `what c2 attached is what ${router} sees`)
  }
}

export async function refreshAsked(t: Asserts, site: MatrixSite): Promise<void> {
  const before = await settled(site, 'ext-talk')
  await site.agent.cli('refresh', 'ext-talk')
  const after = await comesTo(
    t,
    'it sends its routes again',
    () => site.agent.peer('ext-talk'),
    (peer) => peer.messages.received.update > before.messages.received.update,
  )
  t.same(after.messages.sent.refresh, before.messages.sent.refresh + 1, 'for one request')
  t.same((await pathsOf(site, 'ext-talk')).length, 1, 'and we have them as before')
}

export async function refreshAnswered(t: Asserts, site: MatrixSite): Promise<void> {
  const before = await settled(site, 'ext-talk')
  const routes = await heardAt(site, 'ext', 'talk')
  await site.routers.ext.askRefresh('talk')
  await comesTo(
    t,
    'we send our routes again',
    () => site.agent.peer('ext-talk'),
    ({ messages: { received, sent } }) =>
      received.refresh > before.messages.received.refresh &&
      sent.update > before.messages.sent.update,
  )
  await eventually(t, 'it has them as before', () => heardAt(site, 'ext', 'talk'), routes)
}

/** RFC 7313 §4: a mark before and one after, in both directions. */
export async function enhancedRefresh(t: Asserts, site: MatrixSite): Promise<void> {
  const before = await settled(site, 'ext-talk')
  t.ok(
    before.capabilities.remote.some((one) => /enhanced/i.test(one)),
    'it offers enhanced route refresh',
  )
  await site.agent.cli('refresh', 'ext-talk')
  const marked = await comesTo(
    t,
    'its answer to us stands between two marks',
    () => site.agent.peer('ext-talk'),
    ({ messages }) => messages.received.refresh >= before.messages.received.refresh + 2,
  )
  t.same((await pathsOf(site, 'ext-talk')).length, 1, 'nothing of it is swept')
  const routes = await heardAt(site, 'ext', 'talk')
  await site.routers.ext.askRefresh('talk')
  await comesTo(
    t,
    'ours to it too',
    () => site.agent.peer('ext-talk'),
    ({ messages }) => messages.sent.refresh >= marked.messages.sent.refresh + 2,
  )
  await eventually(t, 'and it sweeps nothing', () => heardAt(site, 'ext', 'talk'), routes)
}

export async function md5(t: Asserts, site: MatrixSite): Promise<void> {
  const { password } = await site.agent.established('ext-keyed')
  t.ok(password, 'the session with the right key is up')
  const { state, reason } = await comesTo(
    t,
    'the one with a wrong key says so',
    () => site.agent.peer('ext-wrongkey'),
    (peer) => /MD5/.test(peer.reason ?? ''),
  )
  t.ok(state !== 'Established', `and stays down: ${reason}`)
  t.ok((await site.routers.ext.state('wrongkey')) !== 'Established', 'on its side too')
}

export async function gtsm(t: Asserts, site: MatrixSite): Promise<void> {
  const { state } = await site.agent.established('ext-near')
  t.same(state, 'Established', 'both sides send and ask for TTL 255')
  const got = async () => (await pathsOf(site, 'ext-near')).map(({ prefix }) => prefix)
  await eventually(t, 'and routes flow', got, [prefixOf('ext', 6, 'ipv4')])
}

export async function addPathSent(t: Asserts, site: MatrixSite): Promise<void> {
  const hops = anycastVia
  await site.agent.established('c1-fan')
  const heard = async () =>
    (await heardOf(site, 'c1', 'fan', anycast)).map(({ nextHop }) => nextHop)
  await eventually(t, 'the client has all paths', heard, hops)
  const kernel = async () =>
    (await routesOf(site.ours, '-4')).filter((route) => route.startsWith(anycast))
  await eventually(t, 'and so has our kernel', kernel, [`${anycast} via ${hops.join(', ')}`])
}

/** The decision process prefers the lowest address among equals (RFC 4271 §9.1.2.2 g). */
export async function addPathBest(t: Asserts, site: MatrixSite): Promise<void> {
  site.respecify('c1', 'fan', { addPaths: { send: 'Best', sendLimit: 2 } })
  const heard = async () =>
    (await heardOf(site, 'c1', 'fan', anycast)).map(({ nextHop }) => nextHop)
  await eventually(t, 'the client has the best two of three', heard, anycastVia.slice(0, 2))
}

export async function addPathReceived(t: Asserts, site: MatrixSite): Promise<void> {
  await site.agent.established('c2-more')
  const ids = async () => {
    const paths = (await pathsOf(site, 'c2-more')).filter(({ prefix }) => prefix === doubled)
    return new Set(paths.map(({ pathId }) => pathId)).size
  }
  await eventually(t, 'two paths with path ids of their own', ids, 2)
  const kernel = async () =>
    (await routesOf(site.ours, '-4')).filter((route) => route.startsWith(doubled))
  const wanted = [`${doubled} via ${doubledVia.join(', ')}`]
  await eventually(t, 'one route with two next hops', kernel, wanted)
}

export async function extendedMessages(t: Asserts, site: MatrixSite): Promise<void> {
  const { capabilities } = await site.agent.established('ext-big')
  t.ok(
    capabilities.remote.some((one) => /extended message/i.test(one)),
    'it offers them',
  )
  const count = async () => {
    const [path] = (await pathsOf(site, 'ext-big')).filter(({ prefix }) => prefix === heavy.prefix)
    return path?.attributes.communities?.length ?? 0
  }
  await eventually(t, 'we have the long route whole', count, heavy.communities)
  // Not every daemon shows a list of that length to its end.
  const passed = async () => (await heardOf(site, 'c1', 'four', heavy.prefix)).length
  await eventually(t, 'and a client that takes long messages has it too', passed, 1)
  const states = (await site.agent.peers()).filter(({ name }) => /-(four|six|both)$/.test(name))
  t.ok(
    states.every(({ state, flaps }) => state === 'Established' && flaps === 0),
    'no session minded, whether it takes long messages or not',
  )
}

export async function maxPrefixes(t: Asserts, site: MatrixSite): Promise<void> {
  const told = async () =>
    (await eventsOf(site, 'ext-limited')).filter((e) => e.kind === 'peer.limit')
  const events = await comesTo(
    t,
    'it is warned of, put down, and after a pause tried again',
    told,
    (seen) => seen.filter(({ text }) => /put down/.test(text)).length >= 2,
  )
  t.ok(
    events.some(({ text }) => /of 2 at most/.test(text)),
    'the warning names the ceiling',
  )
  const words = await comesTo(
    t,
    'it knows why: Cease, Maximum Number of Prefixes Reached',
    () => site.routers.ext.lastWords('limited'),
    (seen) =>
      /maximum number of prefixes|max.?prefix|"subcode": ?1\b|0601|code 6 subcode 1/i.test(seen),
  )
  t.ok(words !== '', words.slice(0, 200))
  site.respecify('ext', 'limited', limitSpec(warnedOf.sent))
  await site.routers.ext.wake?.('limited')
  await site.agent.established('ext-limited')
  const got = async () => (await pathsOf(site, 'ext-limited')).length
  await eventually(t, 'with a higher ceiling it stays', got, warnedOf.sent)
}

export async function peerRange(t: Asserts, site: MatrixSite): Promise<void> {
  const [remote] = addressesOf('ext', 8, 2)
  await site.routers.ext.wake?.('roaming')
  const peer = await comesTo(
    t,
    'who connects from the range becomes a peer',
    () => site.agent.peer(`range.${remote}`),
    ({ state }) => state === 'Established',
  )
  t.ok(peer.dynamic, 'a dynamic one')
  const wanted = expectedAt('ext', 'four', ['us', 'c1', 'c2']).map(({ prefix }) => prefix)
  const heard = async () => {
    const prefixes = (await heardAt(site, 'ext', 'roaming')).map(({ prefix }) => prefix)
    return wanted.every((prefix) => prefixes.includes(prefix))
  }
  await eventually(t, 'it gets our routes', heard, true)
  const got = async () => (await pathsOf(site, peer.name)).map(({ prefix }) => prefix)
  await eventually(t, 'and we its own', got, [prefixOf('ext', 8, 'ipv4')])
}

export async function localAs(t: Asserts, site: MatrixSite): Promise<void> {
  const { localAsn } = await site.agent.established('ext-presented')
  t.same(localAsn, presentedAsn)
  const path = async () =>
    (await heardOf(site, 'ext', 'presented', podCidrs[0])).map(({ asPath }) => asPath)
  await eventually(t, 'it sees that AS alone', path, [String(presentedAsn)])
  t.same((await pathsOf(site, 'ext-presented')).length, 1, 'and we have its route')
}

/** Without it, its own AS in the path would make the route a loop to it. */
export async function asOverride(t: Asserts, site: MatrixSite): Promise<void> {
  await site.agent.established('ext-covered')
  const outside = prefixOf('ext', 1, 'ipv4')
  const path = async () =>
    (await heardOf(site, 'ext', 'covered', outside)).map(({ asPath }) => asPath)
  await eventually(t, 'its own AS is replaced by ours', path, [`${clusterAsn} ${clusterAsn}`])
}

export async function allowedLocalAs(t: Asserts, site: MatrixSite): Promise<void> {
  for (const [name, eligible] of [
    ['looped', true],
    ['looper', false],
  ] as const) {
    await site.agent.established(`ext-${name}`)
    const found = async () => {
      const paths = await pathsOf(site, `ext-${name}`)
      return paths.map((path) => ({
        path: path.attributes.asPath?.[0]?.asns,
        eligible: path.eligible,
      }))
    }
    const words = eligible
      ? 'where it is allowed, our AS in the path does no harm'
      : 'else it is a loop'
    await eventually(t, words, found, [{ path: [outsideAsn, clusterAsn], eligible }])
  }
}

export async function gracefulShutdown(t: Asserts, site: MatrixSite): Promise<void> {
  await site.agent.established('ext-leaving')
  const preference = async () => (await bestOf(site, leaving))?.attributes.localPref
  await eventually(t, 'LOCAL_PREF is 0', preference, 0)
  const heard = async () => {
    const routes = await heardOf(site, 'c1', 'four', leaving)
    return routes.map(({ localPref, communities }) => ({ localPref, communities }))
  }
  const wanted = [{ localPref: 0, communities: ['65535:0'] }]
  await eventually(t, 'clients are told so, and why', heard, wanted)
}

/** To eBGP the community says it; LOCAL_PREF 0 does as well where there is one. */
export async function drain(t: Asserts, site: MatrixSite): Promise<void> {
  const own = (routes: readonly HeardRoute[]) =>
    routes
      .filter(({ prefix }) => prefix === podCidrs[0])
      .map(({ localPref, communities }) => ({ localPref, communities }))
  const outside = async () => own(await heardAt(site, 'ext', 'four'))
  const client = async () => own(await heardAt(site, 'c1', 'four'))
  await site.agent.cli('drain')
  const wanted = { localPref: null, communities: ['65535:0'] }
  await eventually(t, 'its eBGP peer is told', outside, [wanted])
  await eventually(t, 'its client is told', client, [{ ...wanted, localPref: 0 }])
  await site.agent.cli('drain', '--off')
  await eventually(t, 'until it is over', client, [{ localPref: 100, communities: [] }])
}

export async function filterImport(t: Asserts, site: MatrixSite): Promise<void> {
  await site.agent.established('ext-sieve')
  const found = async () => {
    const paths = await pathsOf(site, 'ext-sieve', 'accepted')
    return paths
      .map(({ prefix, attributes }) => ({
        prefix,
        localPref: attributes.localPref,
        communities: [...(attributes.communities ?? [])].sort(),
      }))
      .sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
  }
  await eventually(t, 'one is refused, one is preferred and marked, one is left alone', found, [
    { prefix: filtered.marked, localPref: 250, communities: [marks.seen, marks.gold].sort() },
    { prefix: filtered.plain, localPref: 100, communities: [] },
  ])
  const heard = async () => {
    const routes = (await heardAt(site, 'c1', 'four')).filter(({ prefix }) =>
      (Object.values(filtered) as string[]).includes(prefix),
    )
    return routes.map(({ prefix, localPref }) => `${prefix} ${localPref}`)
  }
  await eventually(t, 'and so they reach a client', heard, [
    `${filtered.marked} 250`,
    `${filtered.plain} 100`,
  ])
}

export async function filterExport(t: Asserts, site: MatrixSite): Promise<void> {
  const heard = async () =>
    (await heardAt(site, 'ext', 'sieve')).map(({ prefix, asPath, communities, med }) => ({
      prefix,
      asPath,
      communities,
      med,
    }))
  await eventually(t, 'it gets what is accepted, changed as ordered, and nothing else', heard, [
    {
      prefix: podCidrs[0],
      asPath: `${clusterAsn} ${clusterAsn} ${clusterAsn}`,
      communities: [marks.sent],
      med: 77,
    },
  ])
}

/** A peer whose messages are all through: counted from here on. */
async function settled(site: MatrixSite, peer: string): Promise<PeerView> {
  await site.agent.established(peer)
  let before = ''
  return waitUntil(
    `${peer} to have nothing more to say`,
    () => site.agent.peer(peer),
    ({ families, messages: { received, sent } }) => {
      const now = JSON.stringify([received.update, sent.update, received.refresh])
      const same = now === before
      before = now
      return same && families.every((one) => one.endOfRibSent)
    },
  )
}

async function heardOf(
  site: MatrixSite,
  router: 'ext' | 'c1' | 'c2',
  session: string,
  wanted: string,
): Promise<HeardRoute[]> {
  return (await heardAt(site, router, session)).filter(({ prefix }) => prefix === wanted)
}

async function bestOf(site: MatrixSite, prefix: string): Promise<PathView | undefined> {
  const url = `/v1/routes?prefix=${encodeURIComponent(prefix)}&match=exact&view=best`
  return (await site.agent.get<{ items: readonly PathView[] }>(url)).items[0]
}
