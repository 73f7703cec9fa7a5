/**
 * Calico's selector language: parsed once into a predicate over labels.
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

export interface Selector {
  readonly text: string
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

type Predicate = (labels: Labels) => boolean

const selectorLengthMax = 1024
/** Calico's label for the namespace of a namespaced object; nodes have none. */
const namespaceLabel = 'projectcalico.org/namespace'
const everything: Predicate = () => true

/** An empty selector selects everything. Throws SelectorError, nothing else. */
export function parseSelector(text: string): Selector {
  if (text.length > selectorLengthMax) {
    throw new SelectorError(`at most ${selectorLengthMax} characters`, text, selectorLengthMax)
  }
  const parser = new Parser(text)
  const matches = parser.atEnd() ? everything : parser.expression()
  if (!parser.atEnd()) throw parser.error('"&&", "||" or the end')
  return { text, matches }
}

function labelOf(labels: Labels, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined
}

type Comparison = (value: string | undefined, wanted: string) => boolean

/** Tried in this order; `not in` stands before `in` only for the reader, they can't be confused. */
const comparisons: readonly (readonly [RegExp, Comparison])[] = [
  [/==/y, (value, wanted) => value === wanted],
  [/!=/y, (value, wanted) => value !== wanted],
  [/contains(?![\w./-])/y, (value, wanted) => value?.includes(wanted) ?? false],
  [/starts[ \t]*with(?![\w./-])/y, (value, wanted) => value?.startsWith(wanted) ?? false],
  [/ends[ \t]*with(?![\w./-])/y, (value, wanted) => value?.endsWith(wanted) ?? false],
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

  expression(): Predicate {
    let left = this.#term()
    while (this.#token(/\|\|/y) !== null) {
      const [one, other] = [left, this.#term()]
      left = (labels) => one(labels) || other(labels)
    }
    return left
  }

  #term(): Predicate {
    let left = this.#factor()
    while (this.#token(/&&/y) !== null) {
      const [one, other] = [left, this.#factor()]
      left = (labels) => one(labels) && other(labels)
    }
    return left
  }

  #factor(): Predicate {
    if (this.#token(/!(?!=)/y) !== null) {
      const inner = this.#factor()
      return (labels) => !inner(labels)
    }
    if (this.#token(/\(/y) !== null) {
      const inner = this.expression()
      if (this.#token(/\)/y) === null) throw this.error('")"')
      return inner
    }
    if (this.#token(/all\([ \t]*\)/y) !== null) return everything
    if (this.#token(/global\([ \t]*\)/y) !== null) {
      return (labels) => labelOf(labels, namespaceLabel) === undefined
    }
    if (this.#token(/has\(/y) !== null) {
      const label = this.#label()
      if (this.#token(/\)/y) === null) throw this.error('")"')
      return (labels) => labelOf(labels, label) !== undefined
    }
    return this.#comparison()
  }

  #comparison(): Predicate {
    const label = this.#label()
    for (const [operator, compare] of comparisons) {
      if (this.#token(operator) === null) continue
      const wanted = this.#string()
      return (labels) => compare(labelOf(labels, label), wanted)
    }
    if (this.#token(/not[ \t]*in(?![\w./-])/y) !== null) {
      const set = this.#set()
      return (labels) => !set.has(labelOf(labels, label) ?? null)
    }
    if (this.#token(/in(?![\w./-])/y) !== null) {
      const set = this.#set()
      return (labels) => set.has(labelOf(labels, label) ?? null)
    }
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

  #set(): ReadonlySet<string | null> {
    const set = new Set<string | null>()
    if (this.#token(/\{/y) === null) throw this.error('"{"')
    while (this.#token(/\}/y) === null) {
      set.add(this.#string())
      if (this.#token(/,/y) !== null) continue
      if (this.#token(/\}/y) !== null) return set
      throw this.error('"," or "}"')
    }
    return set
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
