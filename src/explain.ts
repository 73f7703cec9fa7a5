/**
 * The answer to "why is (not) this route here?" in sentences: what was received and from whom, what
 * won and by which rule, what the kernel holds, and who is told. Pure: views in, words out.
 */
import type { AdvertisementView, PathView, PrefixExplanation } from '../bgp/types.ts'
import type { FibLookup } from '../fib/types.ts'

/** Peers named in one sentence. */
const namesShown = 8

export interface Evidence {
  /** The prefix as asked for; `bgp` may be about the longest match. */
  readonly asked: string
  readonly bgp: PrefixExplanation
  /** null: there is no kernel writer to ask. */
  readonly fib: FibLookup | null
  /** Only announcements to this peer are of interest. */
  readonly peer: string | null
  /** `fib.defaultRoute` of the BGPConfiguration. */
  readonly defaultRoute: 'Ignore' | 'Install'
  /** Why this prefix is only passed on, and never installed here; null: it isn't so. */
  readonly passedOn: string | null
}

/** Sentences in reading order. */
export function explainInWords(evidence: Evidence): string[] {
  const { asked, bgp, peer } = evidence
  const words: string[] = []
  if (bgp.prefix !== asked && bgp.paths.length > 0) {
    words.push(`${asked} itself is not in the table; the longest match is ${bgp.prefix}.`)
  }
  words.push(...receivedWords(bgp), ...decisionWords(bgp))
  words.push(...kernelWords(evidence))
  words.push(...announcedWords(bgp, peer))
  return words
}

function receivedWords(bgp: PrefixExplanation): string[] {
  if (bgp.paths.length === 0) {
    return [`${bgp.prefix} is not in the table: no peer announces it, and neither does this node.`]
  }
  const own = bgp.paths.filter((path) => path.peer === 'local')
  const learned = bgp.paths.filter((path) => path.peer !== 'local')
  const words: string[] = []
  if (own.length > 0) words.push(`This node announces ${bgp.prefix} itself.`)
  if (learned.length > 0) {
    const from = learned.map((path) => `${nameOf(path)}${via(path)}`).join(', ')
    words.push(`${bgp.prefix} was received from ${from}.`)
  }
  for (const path of learned) {
    const who = `The path from ${nameOf(path)}`
    if (!path.eligible) words.push(`${who} is not usable: ${path.reason}.`)
    if (path.stale) {
      words.push(
        `${who} is stale: ${path.peer} may be restarting, and what it said before is kept ` +
          'until it has said all again or its restart time is over.',
      )
    }
    const { filterSteps } = path
    if (filterSteps.length > 0) {
      words.push(`On import from ${nameOf(path)}: ${filterSteps.join('; ')}.`)
    }
  }
  return words
}

function decisionWords(bgp: PrefixExplanation): string[] {
  const { best, paths } = bgp
  if (paths.length === 0) return []
  if (best === null) return ['No path is usable, so there is no best path.']
  const who = best.peer === 'local' ? 'the own announcement' : `the path from ${nameOf(best)}`
  const usable = paths.filter((path) => path.eligible)
  const words = [
    usable.length === 1
      ? `The best is ${who}: it is the only usable path.`
      : `The best is ${who}, decided by: ${bgp.decidedBy ?? 'equal paths'}.`,
  ]
  const ecmp = paths.filter((path) => path.multipath)
  if (ecmp.length > 0) {
    words.push(`Used together with it (ECMP): ${ecmp.map(nameOf).join(', ')}.`)
  }
  for (const path of usable) {
    if (path.best || path.multipath || path.reason === null) continue
    words.push(`The path from ${nameOf(path)} ${path.reason}.`)
  }
  return words
}

function kernelWords(evidence: Evidence): string[] {
  const { bgp, fib } = evidence
  if (fib === null) return ['The kernel was not asked (no kernel writer).']
  const words: string[] = []
  const { wanted } = fib
  if (wanted !== null) {
    const what =
      wanted.kind === 'blackhole'
        ? "a blackhole for the node's own aggregate"
        : `next hops ${wanted.nextHops.join(', ')}`
    const state = wanted.status === 'installed' ? 'installed in the kernel' : wanted.status
    words.push(`Wanted: ${what}; ${state}${wanted.reason === null ? '' : `: ${wanted.reason}`}.`)
  } else if (bgp.best !== null) {
    words.push(`Nothing is wanted in the kernel for it${whyNotWanted(evidence)}.`)
  }
  for (const resolution of fib.resolutions) {
    words.push(`Next hop ${resolution.nextHop}: ${resolution.reason}.`)
  }
  const foreign = fib.kernel.filter((route) => !route.ours)
  for (const route of foreign) {
    words.push(
      `The kernel also holds a route of ${route.protocol}, metric ${route.metric}: it is not ours and left alone.`,
    )
  }
  if (fib.kernel.length === 0) words.push('The kernel holds no route for exactly this prefix.')
  return words
}

function whyNotWanted({ bgp: { best, prefix }, defaultRoute, passedOn }: Evidence): string {
  if (best?.peer === 'local') return ': it is announced, and its addresses are on this node'
  if (passedOn !== null) return `: it is only passed on (${passedOn})`
  if (!prefix.endsWith('/0') || defaultRoute === 'Install') return ''
  return ': a default route is installed only with fib.defaultRoute: Install (now Ignore)'
}

function announcedWords(bgp: PrefixExplanation, peer: string | null): string[] {
  const views = bgp.advertisements.filter((each) => peer === null || each.peer === peer)
  const told = views.filter((each) => each.advertised).map((each) => each.peer)
  const words: string[] = []
  if (told.length > 0) words.push(`Announced to ${listed(told)}.`)
  else if (views.length > 0) words.push('Announced to nobody.')
  const untold = views.filter((each) => !each.advertised)
  for (const [reason, names] of namesBy(untold, (each) => each.reason)) {
    words.push(`Not announced to ${listed(names)}: ${reason}.`)
  }
  for (const [steps, names] of namesBy(views, (each) => each.filterSteps.join('; '))) {
    if (steps !== '') words.push(`On export to ${listed(names)}: ${steps}.`)
  }
  return words
}

/** Most peers share their reason, and a node may have a thousand of them. */
function namesBy(
  views: readonly AdvertisementView[],
  wordsOf: (view: AdvertisementView) => string,
): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  for (const view of views) {
    const words = wordsOf(view)
    const known = names.get(words)
    if (known === undefined) names.set(words, [view.peer])
    else known.push(view.peer)
  }
  return names
}

/** `a, b and 7 more` */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, namesShown).join(', ')
  const more = names.length - namesShown
  return more > 0 ? `${shown} and ${more} more` : shown
}

/** A peer may send several paths for one prefix (RFC 7911). */
function nameOf({ peer, pathId }: PathView): string {
  return pathId === 0 ? peer : `${peer} (path ${pathId})`
}

function via(path: PathView): string {
  const asPath = path.attributes.asPath?.flatMap((segment) => segment.asns).join(' ') ?? ''
  const hops = path.nextHops.length === 0 ? '' : ` via ${path.nextHops[0]}`
  return `${hops}${asPath === '' ? '' : ` (AS path ${asPath})`}`
}
