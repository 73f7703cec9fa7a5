/**
 * The answer to "why is (not) this route here?" in sentences: what was received and from whom, what
 * won and by which rule, what the kernel holds, and who is told. Pure: views in, words out.
 */
import type { PathView, PrefixExplanation } from '../bgp/types.ts'
import type { FibLookup } from '../fib/types.ts'

export function explainInWords(
  asked: string,
  bgp: PrefixExplanation,
  fib: FibLookup | null,
  peer: string | null,
): string[] {
  const words: string[] = []
  if (bgp.prefix !== asked && bgp.paths.length > 0) {
    words.push(`${asked} itself is not in the table; the longest match is ${bgp.prefix}.`)
  }
  words.push(...receivedWords(bgp), ...decisionWords(bgp), ...kernelWords(bgp, fib))
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
    const from = learned.map((path) => `${path.peer}${via(path)}`).join(', ')
    words.push(`${bgp.prefix} was received from ${from}.`)
  }
  for (const path of learned) {
    if (!path.eligible) words.push(`The path from ${path.peer} is not usable: ${path.reason}.`)
  }
  return words
}

function decisionWords(bgp: PrefixExplanation): string[] {
  const { best, paths } = bgp
  if (paths.length === 0) return []
  if (best === null) return ['No path is usable, so there is no best path.']
  const who = best.peer === 'local' ? 'the own announcement' : `the path from ${best.peer}`
  const usable = paths.filter((path) => path.eligible)
  const words = [
    usable.length === 1
      ? `The best is ${who}: it is the only usable path.`
      : `The best is ${who}, decided by: ${bgp.decidedBy ?? 'equal paths'}.`,
  ]
  const ecmp = paths.filter((path) => path.multipath)
  if (ecmp.length > 0) {
    words.push(`Used together with it (ECMP): ${ecmp.map((path) => path.peer).join(', ')}.`)
  }
  for (const path of usable) {
    if (path.best || path.multipath || path.reason === null) continue
    words.push(`The path from ${path.peer} ${path.reason}.`)
  }
  return words
}

function kernelWords(bgp: PrefixExplanation, fib: FibLookup | null): string[] {
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
    words.push('Nothing is wanted in the kernel for it.')
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

function announcedWords(bgp: PrefixExplanation, peer: string | null): string[] {
  const views = bgp.advertisements.filter((each) => peer === null || each.peer === peer)
  const told = views.filter((each) => each.advertised).map((each) => each.peer)
  const words: string[] = []
  if (told.length > 0) words.push(`Announced to ${told.join(', ')}.`)
  else if (views.length > 0) words.push('Announced to nobody.')
  for (const view of views) {
    if (!view.advertised) words.push(`Not announced to ${view.peer}: ${view.reason}.`)
  }
  return words
}

function via(path: PathView): string {
  const asPath = path.attributes.asPath?.flatMap((segment) => segment.asns).join(' ') ?? ''
  const hops = path.nextHops.length === 0 ? '' : ` via ${path.nextHops[0]}`
  return `${hops}${asPath === '' ? '' : ` (AS path ${asPath})`}`
}
