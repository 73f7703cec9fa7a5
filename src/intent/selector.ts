/**
 * Calico's selector language: text → a tree, which selects by labels.
 *
 *   expr   = term { "||" term }            term = factor { "&&" factor }
 *   factor = "!" factor | "(" expr ")" | "all()" | "global()" | "has(" label ")"
 *          | label ("==" | "!=" | "contains" | "starts with" | "ends with") string
 *          | label ("in" | "not in") "{" [ string { "," string } [","] ] "}"
 *
 * `!=` and `not in` hold when the label is absent, every other comparison does not. Strings know no
 * escapes. Blanks are spaces and tabs.
 */

export type Labels = Readonly<Record<string, string>>

/** What a selector says. `==` is `in` with one value, `!=` its negation, `global()` a label's absence. */
export type SelectorTree =
  | { readonly kind: 'all' }
  | { readonly kind: 'has'; readonly label: string }
  | { readonly kind: 'in'; readonly label: string; readonly values: readonly string[] }
  | {
      readonly kind: 'text'
      readonly label: string
      readonly test: TextTest
      readonly value: string
    }
  | { readonly kind: 'not'; readonly inner: SelectorTree }
  | { readonly kind: 'and' | 'or'; readonly left: SelectorTree; readonly right: SelectorTree }

export type TextTest = 'contains' | 'startsWith' | 'endsWith'

export interface Selector {
  readonly text: string
  readonly tree: SelectorTree
  matches(labels: Labels): boolean
}

/** Text that isn't a selector. `position` counts characters from 0. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError'
  readonly position: number

  constructor(expected: string, text: string, position: number) {
    const found = position >= text.length ? 'the end' : `"${text.slice(position, position + 12)}"`
    super(`at column ${position + 1}: expected ${expected}, found ${found}`)
    this.position = position
  }
}

const selectorLengthMax = 1024
/** Calico's label for the namespace of a namespaced object; nodes have none. */
const namespaceLabel = 'projectcalico.org/namespace'
const everything: SelectorTree = { kind: 'all' }

/** An empty selector selects everything. Throws SelectorError, nothing else. */
export function parseSelector(text: string): Selector {
  if (text.length > selectorLengthMax) {
    throw new SelectorError(`at most ${selectorLengthMax} characters`, text, selectorLengthMax)
  }
  const parser = new Parser(text)
  const tree = parser.atEnd() ? everything : parser.expression()
  if (!parser.atEnd()) throw parser.error('"&&", "||" or the end')
  return { text, tree, matches: (labels) => holds(tree, labels) }
}

function holds(tree: SelectorTree, labels: Labels): boolean {
  switch (tree.kind) {
    case 'all':
      return true
    case 'has':
      return labelOf(labels, tree.label) !== undefined
    case 'in': {
      const value = labelOf(labels, tree.label)
      return value !== undefined && tree.values.includes(value)
    }
    case 'text':
      return textTests[tree.test](labelOf(labels, tree.label), tree.value)
    case 'not':
      return !holds(tree.inner, labels)
    case 'and':
      return holds(tree.left, labels) && holds(tree.right, labels)
    case 'or':
      return holds(tree.left, labels) || holds(tree.right, labels)
  }
}

const textTests: Readonly<Record<TextTest, (value: string | undefined, part: string) => boolean>> =
  {
    contains: (value, part) => value?.includes(part) ?? false,
    startsWith: (value, part) => value?.startsWith(part) ?? false,
    endsWith: (value, part) => value?.endsWith(part) ?? false,
  }

function labelOf(labels: Labels, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined
}

type Comparison = (label: string, value: string) => SelectorTree

const equals: Comparison = (label, value) => ({ kind: 'in', label, values: [value] })
const testing =
  (test: TextTest): Comparison =>
  (label, value) => ({ kind: 'text', label, test, value })

const comparisons: readonly (readonly [RegExp, Comparison])[] = [
  [/==/y, equals],
  [/!=/y, (label, value) => ({ kind: 'not', inner: equals(label, value) })],
  [/contains(?![\w./-])/y, testing('contains')],
  [/starts[ \t]*with(?![\w./-])/y, testing('startsWith')],
  [/ends[ \t]*with(?![\w./-])/y, testing('endsWith')],
]

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  error(expected: string): SelectorError {
    return new SelectorError(expected, this.#text, this.#at)
  }

  atEnd(): boolean {
    this.#take(/[ \t]*/y)
    return this.#at >= this.#text.length
  }

  expression(): SelectorTree {
    let left = this.#term()
    while (this.#token(/\|\|/y) !== null) left = { kind: 'or', left, right: this.#term() }
    return left
  }

  #term(): SelectorTree {
    let left = this.#factor()
    while (this.#token(/&&/y) !== null) left = { kind: 'and', left, right: this.#factor() }
    return left
  }

  #factor(): SelectorTree {
    if (this.#token(/!(?!=)/y) !== null) return { kind: 'not', inner: this.#factor() }
    if (this.#token(/\(/y) !== null) {
      const inner = this.expression()
      if (this.#token(/\)/y) === null) throw this.error('")"')
      return inner
    }
    if (this.#token(/all\([ \t]*\)/y) !== null) return everything
    if (this.#token(/global\([ \t]*\)/y) !== null) {
      return { kind: 'not', inner: { kind: 'has', label: namespaceLabel } }
    }
    if (this.#token(/has\(/y) !== null) {
      const label = this.#label()
      if (this.#token(/\)/y) === null) throw this.error('")"')
      return { kind: 'has', label }
    }
    return this.#comparison()
  }

  #comparison(): SelectorTree {
    const label = this.#label()
    for (const [operator, compare] of comparisons) {
      if (this.#token(operator) !== null) return compare(label, this.#string())
    }
    if (this.#token(/not[ \t]*in(?![\w./-])/y) !== null) {
      return { kind: 'not', inner: { kind: 'in', label, values: this.#set() } }
    }
    if (this.#token(/in(?![\w./-])/y) !== null) return { kind: 'in', label, values: this.#set() }
    throw this.error('"==", "!=", "in", "not in", "contains", "starts with" or "ends with"')
  }

  #label(): string {
    const label = this.#token(/[A-Za-z0-9_./-]{1,512}/y)
    if (label === null) throw this.error('a label, "has(label)", "all()", "!" or "("')
    return label
  }

  #string(): string {
    const quoted = this.#token(/"[^"]*"|'[^']*'/y)
    if (quoted === null) throw this.error('a string in quotes')
    return quoted.slice(1, -1)
  }

  #set(): readonly string[] {
    const set = new Set<string>()
    if (this.#token(/\{/y) === null) throw this.error('"{"')
    while (this.#token(/\}/y) === null) {
      set.add(this.#string())
      if (this.#token(/,/y) !== null) continue
      if (this.#token(/\}/y) !== null) break
      throw this.error('"," or "}"')
    }
    return [...set]
  }

  /** Skips blanks, then takes what the sticky pattern matches, or nothing. */
  #token(pattern: RegExp): string | null {
    this.#take(/[ \t]*/y)
    return this.#take(pattern)
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return null
    this.#at += match[0].length
    return match[0]
  }
}
