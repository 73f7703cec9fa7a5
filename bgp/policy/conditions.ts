/**
 * What a rule may ask of a route: one row for each field, in the order in which they are asked, the
 * cheap ones first. A condition is made once, with its numbers read; holding it against a route
 * allocates nothing and, but for interface names, touches no text.
 *
 * The fields are Calico's (BGPFilter), and the prefix and community lists beside them. RFC 4271
 * §4.3 and RFC 5065 §3 (AS_PATH), RFC 1997 and RFC 8092 (communities).
 */
import { parsePrefix } from '../prefix.ts'
import type { FamilyName } from '../types.ts'
import { segmentType } from '../wire/as-path.ts'
import { u32At } from '../wire/bytes.ts'
import type { AttributePlaces } from './attribute-places.ts'
import { hasCommunity, parsePattern } from './community-pattern.ts'
import { checkAsns, checkPriority, localPrefOf } from './numbers.ts'
import { type LengthRange, PrefixSet } from './prefix-set.ts'
import type { CommunityPattern, FilterRule, MatchOperator, RouteFacts } from './types.ts'

/** What the answer depends on. `route`: who sent it, and its LOCAL_PREF. */
type Subject = 'session' | 'route' | 'prefix' | 'attributes' | 'nextHop'

/** One demand, in words for people and as a test. */
interface Demand {
  readonly text: string
  holds(facts: RouteFacts, places: AttributePlaces): boolean
}

export interface Condition extends Demand {
  readonly about: Subject
}

interface ConditionRow {
  readonly field: keyof FilterRule
  readonly about: Subject
  /** null: the rule doesn't name it. @throws RangeError for a value that can't be right. */
  compile(rule: FilterRule, family: FamilyName): Demand | null
}

/** Entries of one prefix list at most. */
const prefixesMax = 100_000

const rows: readonly ConditionRow[] = [
  {
    field: 'peerType',
    about: 'session',
    compile({ peerType }) {
      if (peerType === null) return null
      const ebgp = peerType === 'eBGP'
      return { text: `the peer is ${peerType}`, holds: (facts) => facts.ebgp === ebgp }
    },
  },
  {
    field: 'source',
    about: 'route',
    compile({ source }) {
      if (source === null) return null
      return { text: 'the route was learned by BGP', holds: (facts) => facts.learned }
    },
  },
  {
    field: 'priority',
    about: 'route',
    compile({ priority }) {
      if (priority === null) return null
      checkPriority(priority)
      const localPref = localPrefOf(priority)
      return {
        text: `its priority is ${priority} (LOCAL_PREF ${localPref})`,
        holds: (facts) => facts.localPref === localPref,
      }
    },
  },
  { field: 'cidr', about: 'prefix', compile: compileCidr },
  { field: 'prefixes', about: 'prefix', compile: compilePrefixes },
  { field: 'asPathPrefix', about: 'attributes', compile: compileAsPathPrefix },
  {
    field: 'community',
    about: 'attributes',
    compile({ community }) {
      if (community === null) return null
      const pattern = parsePattern(community)
      return {
        text: `it carries ${community}`,
        holds: (facts, places) => carries(pattern, facts, places),
      }
    },
  },
  {
    field: 'allCommunities',
    about: 'attributes',
    compile({ allCommunities = [] }) {
      if (allCommunities.length === 0) return null
      const patterns = allCommunities.map(parsePattern)
      return {
        text: `it carries all of ${allCommunities.join(', ')}`,
        holds(facts, places) {
          for (let i = 0; i < patterns.length; i++) {
            if (!carries(patterns[i]!, facts, places)) return false
          }
          return true
        },
      }
    },
  },
  {
    field: 'anyCommunity',
    about: 'attributes',
    compile({ anyCommunity = [] }) {
      if (anyCommunity.length === 0) return null
      const patterns = anyCommunity.map(parsePattern)
      return {
        text: `it carries one of ${anyCommunity.join(', ')}`,
        holds(facts, places) {
          for (let i = 0; i < patterns.length; i++)
            if (carries(patterns[i]!, facts, places)) return true
          return false
        },
      }
    },
  },
  { field: 'interface', about: 'nextHop', compile: compileInterface },
]

/** The conditions a rule names. @throws RangeError naming the field that can't be right. */
export function compileConditions(rule: FilterRule, family: FamilyName): readonly Condition[] {
  return rows.flatMap(({ field, about, compile }) => {
    try {
      const demand = compile(rule, family)
      return demand === null ? [] : { about, text: demand.text, holds: demand.holds }
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new RangeError(`${field}: ${cause.message}`, { cause })
    }
  })
}

/** The largest number of a prefix length in the family. */
function lengthMaxOf(family: FamilyName): number {
  return family === 'ipv4-unicast' ? 32 : 128
}

const operatorTexts: Readonly<Record<MatchOperator, string>> = {
  Equal: 'the prefix is',
  NotEqual: 'the prefix is not',
  In: 'the prefix lies in',
  NotIn: 'the prefix does not lie in',
}

function compileCidr(rule: FilterRule, family: FamilyName): Demand | null {
  const { cidr, matchOperator, prefixLength } = rule
  if ((cidr === null) !== (matchOperator === null)) {
    throw new RangeError('cidr and matchOperator go together')
  }
  if (cidr === null || matchOperator === null) {
    if (prefixLength !== null) throw new RangeError('prefixLength needs cidr')
    return null
  }
  const { length } = parsePrefix(cidr)
  const exact = matchOperator === 'Equal' || matchOperator === 'NotEqual'
  const wanted = matchOperator === 'Equal' || matchOperator === 'In'
  const min = Math.max(length, prefixLength?.min ?? 0)
  const max = Math.min(exact ? length : lengthMaxOf(family), prefixLength?.max ?? Infinity)
  // Without a length between them the set is empty: Equal and In never hold, the others always.
  const set = new PrefixSet(family, min <= max ? [{ cidr, min, max }] : [])
  const lengths = prefixLength === null ? '' : ` with a length of ${min} to ${max}`
  return {
    text: `${operatorTexts[matchOperator]} ${cidr}${lengths}`,
    holds: (facts) => set.has(facts.words, facts.offset, facts.length) === wanted,
  }
}

function compilePrefixes(rule: FilterRule, family: FamilyName): Demand | null {
  const { prefixes } = rule
  if (prefixes === undefined) return null
  if (prefixes.length > prefixesMax) {
    throw new RangeError(`a list of ${prefixes.length} prefixes; ${prefixesMax} are allowed`)
  }
  const ranges = prefixes.map(({ cidr, min, max }): LengthRange => {
    const { length } = parsePrefix(cidr)
    const open = min === null ? length : lengthMaxOf(family)
    return { cidr, min: min ?? length, max: max ?? open }
  })
  const set = new PrefixSet(family, ranges)
  const shown = ranges.slice(0, 3).map(formatRange).join(', ')
  const more = ranges.length > 3 ? ` and ${ranges.length - 3} more` : ''
  return {
    text: ranges.length === 1 ? `the prefix is in ${shown}` : `the prefix is in [${shown}${more}]`,
    holds: (facts) => set.has(facts.words, facts.offset, facts.length),
  }
}

/** BIRD's notation: `10.0.0.0/8{16,24}`. */
function formatRange({ cidr, min, max }: LengthRange): string {
  const exact = cidr.endsWith(`/${min}`) && min === max
  return exact ? cidr : `${cidr}{${min},${max}}`
}

function compileAsPathPrefix({ asPathPrefix }: FilterRule): Demand | null {
  if (asPathPrefix === null) return null
  checkAsns(asPathPrefix)
  return {
    text: `its AS path begins with ${asPathPrefix.join(' ')}`,
    holds: (facts, { pathStart, pathEnd }) =>
      beginsWith(facts.bytes, pathStart, pathEnd, asPathPrefix),
  }
}

/**
 * Whether the path in `[start, end)` begins with these. A set has no first member, so it ends the
 * comparison; confederation segments are passed over, since outside nobody sees them.
 */
function beginsWith(
  bytes: Uint8Array,
  start: number,
  end: number,
  asns: readonly number[],
): boolean {
  let compared = 0
  for (let at = start; at < end && compared < asns.length; ) {
    const type = bytes[at]!
    const stop = at + 2 + bytes[at + 1]! * 4
    if (type === segmentType.set) return false
    if (type === segmentType.sequence) {
      for (let i = at + 2; i < stop && compared < asns.length; i += 4) {
        if (u32At(bytes, i) !== asns[compared++]) return false
      }
    }
    at = stop
  }
  return compared === asns.length
}

function carries(
  pattern: CommunityPattern,
  { bytes }: RouteFacts,
  places: AttributePlaces,
): boolean {
  return pattern.words.length === 1
    ? hasCommunity(pattern, bytes, places.standardStart, places.standardEnd)
    : hasCommunity(pattern, bytes, places.largeStart, places.largeEnd)
}

function compileInterface(rule: FilterRule): Demand | null {
  const pattern = rule.interface
  if (pattern === null) return null
  const literal = (text: string) => text.replace(/[^A-Za-z0-9_]/g, '\\$&')
  const expression = new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's')
  return {
    text: `it leaves by ${pattern}`,
    holds(facts) {
      const names = facts.interfaces()
      for (let i = 0; i < names.length; i++) if (expression.test(names[i]!)) return true
      return false
    },
  }
}
