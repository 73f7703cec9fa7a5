/**
 * Filters compiled for one direction and family of a session. Evaluation is Calico's: the conditions
 * of a rule are ANDed, the first rule that matches decides, filters are asked in order. What no rule
 * matches is left to the caller, who accepts on import and goes on with the default export rules
 * (RFC 4271 §9.1.1 and §9.1.3 leave the policy to the operator).
 *
 * Evaluating allocates nothing: the answers are made here. `trace` walks the same conditions and
 * puts words to them.
 */
import type { FamilyName } from '../types.ts'
import { AttributePlaces } from './attribute-places.ts'
import { type Condition, compileConditions } from './conditions.ts'
import { compileOperations, formatOperations } from './operations.ts'
import type {
  Direction,
  FilterConfig,
  FilterList,
  FilterRule,
  Match,
  RouteFacts,
  TraceStep,
} from './types.ts'

/** Rules of one policy at most; a route may be held against every one of them. */
const rulesMax = 10_000

interface CompiledRule {
  readonly place: string
  readonly rule: FilterRule
  readonly conditions: readonly Condition[]
  readonly match: Match
}

const noMatch: Match = Object.freeze({
  verdict: 'none',
  filter: null,
  rule: -1,
  operations: Object.freeze([]),
})

/** The list of a filter that applies. */
export function filterListOf(direction: Direction, family: FamilyName): FilterList {
  if (direction === 'import') return family === 'ipv4-unicast' ? 'importV4' : 'importV6'
  return family === 'ipv4-unicast' ? 'exportV4' : 'exportV6'
}

/**
 * The filters' rules for a direction and family; null when there are none.
 * @throws RangeError naming filter, rule and field of the first one that can't be carried out.
 */
export function compilePolicy(
  filters: readonly FilterConfig[],
  direction: Direction,
  family: FamilyName,
): Policy | null {
  const list = filterListOf(direction, family)
  const count = filters.reduce((sum, filter) => sum + filter[list].length, 0)
  if (count === 0) return null
  if (count > rulesMax) {
    throw new RangeError(
      `${count} rules in the ${list} of a peer's filters; ${rulesMax} are allowed`,
    )
  }
  const rules: CompiledRule[] = []
  for (const filter of filters) {
    for (const index of filter[list].keys()) {
      const rule = compileRule(filter, list, index, direction, family)
      rules.push(rule)
      // It matches every route, so no rule after it is ever asked.
      if (rule.conditions.length === 0) return new Policy(direction, family, rules)
    }
  }
  return new Policy(direction, family, rules)
}

export class Policy {
  /**
   * Equal keys mean equal answers, down to the names in them: part of what makes an update group.
   * It is the rules themselves, not a digest, so it can't leave out what an answer depends on.
   */
  readonly key: string
  /** Whether answers differ between prefixes with the same attributes. */
  readonly perPrefix: boolean
  /** Whether answers change with the interfaces that lead to a next hop. */
  readonly perNextHop: boolean
  readonly #rules: readonly CompiledRule[]
  readonly #places = new AttributePlaces()
  readonly #looksAtAttributes: boolean

  /** Use compilePolicy. */
  constructor(direction: Direction, family: FamilyName, rules: readonly CompiledRule[]) {
    this.#rules = rules
    this.key = JSON.stringify(
      [direction, family, rules.map(({ match, rule }) => [match.filter, match.rule, rule])],
      sortFields,
    )
    const asksAbout = (subject: Condition['about']) =>
      rules.some(({ conditions }) => conditions.some(({ about }) => about === subject))
    this.perPrefix = asksAbout('prefix')
    this.perNextHop = asksAbout('nextHop')
    this.#looksAtAttributes = asksAbout('attributes')
  }

  evaluate(facts: RouteFacts): Match {
    const rules = this.#rules
    const places = this.#places
    if (this.#looksAtAttributes) places.read(facts)
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      if (firstUnmet(rule.conditions, facts, places) < 0) return rule.match
    }
    return noMatch
  }

  /** Every rule that was asked, the one that matched last. */
  trace(facts: RouteFacts): readonly TraceStep[] {
    this.#places.read(facts)
    const steps: TraceStep[] = []
    for (const rule of this.#rules) {
      const unmet = firstUnmet(rule.conditions, facts, this.#places)
      steps.push(stepOf(rule, unmet))
      if (unmet < 0) break
    }
    return steps
  }
}

/** Index of the first condition that does not hold, or -1. */
function firstUnmet(
  conditions: readonly Condition[],
  facts: RouteFacts,
  places: AttributePlaces,
): number {
  for (let i = 0; i < conditions.length; i++) {
    if (!conditions[i]!.holds(facts, places)) return i
  }
  return -1
}

function compileRule(
  filter: FilterConfig,
  list: FilterList,
  index: number,
  direction: Direction,
  family: FamilyName,
): CompiledRule {
  const rule = filter[list][index]!
  const place = `${list}[${index}]`
  try {
    if (rule.operations.length > 0 && rule.action !== 'Accept') {
      throw new RangeError('operations: only an Accept rule changes a route')
    }
    const match: Match = Object.freeze({
      verdict: rule.action === 'Accept' ? 'accept' : 'reject',
      filter: filter.name,
      rule: index,
      operations: compileOperations(rule.operations, direction, family),
    })
    return { place, rule, conditions: compileConditions(rule, family), match }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new RangeError(`filter "${filter.name}", ${place}: ${cause.message}`, { cause })
  }
}

function stepOf({ place, rule, conditions, match }: CompiledRule, unmet: number): TraceStep {
  return {
    filter: match.filter!,
    place,
    rule: match.rule,
    action: rule.action,
    matched: unmet < 0,
    text:
      unmet < 0 ? matchText(rule, conditions) : `does not match: not "${conditions[unmet]!.text}"`,
  }
}

function matchText({ action, operations }: FilterRule, conditions: readonly Condition[]): string {
  const why = conditions.map(({ text }) => text).join(', ') || 'it names no condition'
  const verdict = action === 'Accept' ? 'accepts' : 'rejects'
  const changes = operations.length === 0 ? '' : ` and ${formatOperations(operations)}`
  return `${verdict}${changes}: ${why}`
}

/** For JSON.stringify: the order in which an object was put together must not show. */
function sortFields(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
