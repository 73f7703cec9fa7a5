/**
 * Filters evaluated slowly and plainly: on texts and on what `viewAttributes` shows, with nothing
 * compiled and nothing shared with the engine. The property tests hold the engine against it.
 */
import type { FilterConfig, FilterList, FilterRule, RouteFacts } from '../../../bgp/policy/types.ts'
import { parsePrefix } from '../../../bgp/prefix.ts'
import { viewAttributes } from '../../../bgp/wire/attribute.ts'
import type { Route } from './scene.ts'

export interface Judgement {
  readonly verdict: 'accept' | 'reject' | 'none'
  readonly filter: string | null
  readonly rule: number
}

export function judge(
  filters: readonly FilterConfig[],
  list: FilterList,
  route: Route,
  facts: RouteFacts,
): Judgement {
  for (const { name, [list]: rules } of filters) {
    const index = rules.findIndex((rule) => matches(rule, route, facts))
    if (index >= 0) {
      const verdict = rules[index]!.action === 'Accept' ? 'accept' : 'reject'
      return { verdict, filter: name, rule: index }
    }
  }
  return { verdict: 'none', filter: null, rule: -1 }
}

function matches(rule: FilterRule, route: Route, facts: RouteFacts): boolean {
  const {
    communities = [],
    largeCommunities = [],
    asPath = [],
  } = viewAttributes(facts.bytes, facts.start, facts.end)
  const carried = [...communities, ...largeCommunities]
  const carries = (pattern: string) => {
    const fits = new RegExp(`^${pattern.replaceAll('*', '\\d+')}$`)
    return carried.some((text) => fits.test(text))
  }
  const path = asPath
    .filter(({ type }) => !type.startsWith('confed'))
    .flatMap(({ type, asns }) => asns.map((asn) => (type === 'set' ? 'set' : String(asn))))
  const wanted = [
    rule.peerType === null || (rule.peerType === 'eBGP') === facts.ebgp,
    rule.source === null || facts.learned,
    rule.priority === null || facts.localPref === 2_147_483_647 - rule.priority,
    cidrMatches(rule, route.prefix),
    rule.prefixes === undefined || rule.prefixes.some((range) => inRange(range, route.prefix)),
    rule.asPathPrefix === null || rule.asPathPrefix.every((asn, i) => path[i] === String(asn)),
    rule.community === null || carries(rule.community),
    (rule.allCommunities ?? []).every(carries),
    (rule.anyCommunity ?? []).length === 0 || rule.anyCommunity!.some(carries),
    rule.interface === null || facts.interfaces().some((name) => glob(rule.interface!, name)),
  ]
  return wanted.every((holds) => holds)
}

function cidrMatches({ cidr, matchOperator, prefixLength }: FilterRule, prefix: string): boolean {
  if (cidr === null || matchOperator === null) return true
  const length = bitsOf(prefix).length
  const { min, max } = prefixLength ?? { min: null, max: null }
  const between = length >= (min ?? 0) && length <= (max ?? 128)
  const same = bitsOf(prefix) === bitsOf(cidr)
  const inside = bitsOf(prefix).startsWith(bitsOf(cidr))
  switch (matchOperator) {
    case 'Equal':
      return same && between
    case 'NotEqual':
      return !(same && between)
    case 'In':
      return inside && between
    case 'NotIn':
      return !(inside && between)
  }
}

function inRange(
  { cidr, min, max }: { cidr: string; min: number | null; max: number | null },
  prefix: string,
): boolean {
  const length = bitsOf(prefix).length
  const own = bitsOf(cidr).length
  return (
    bitsOf(prefix).startsWith(bitsOf(cidr)) &&
    length >= (min ?? own) &&
    length <= (max ?? (min === null ? own : 128))
  )
}

export function bitsOf(prefix: string): string {
  const { words, length } = parsePrefix(prefix)
  const bits = [...words].map((word) => word.toString(2).padStart(32, '0'))
  return bits.join('').slice(0, length)
}

/** `*` by trying every way to split the name. */
function glob(pattern: string, name: string): boolean {
  if (pattern === '') return name === ''
  if (pattern.startsWith('*')) {
    return glob(pattern.slice(1), name) || (name !== '' && glob(pattern, name.slice(1)))
  }
  return pattern[0] === name[0] && glob(pattern.slice(1), name.slice(1))
}
