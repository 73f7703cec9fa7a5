/**
 * Calico's selectors in the words of the API server, where it has them: a watch by label selector
 * costs what the selected nodes cost, not what the cluster does. Kubernetes knows only conjunctions
 * of requirements on single labels (apimachinery's labels.Selector), so a selector is brought into
 * that form or there is none.
 */
import type { Selector, SelectorTree } from './selector.ts'

/** What is asked of one label: values it must or must not have; absence counts for `excluded`. */
interface Requirement {
  readonly label: string
  /** null: any value will do. */
  readonly values: readonly string[] | null
  /** The label is absent, or has none of the values. */
  readonly excluded: boolean
}

/** Kubernetes refuses a label selector with anything else (names and values of 63 characters). */
const labelName =
  /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/

/**
 * The label selector that selects exactly what `selector` does.
 * @returns a list of requirements as `labelSelector` takes it, `''` for everything; null where
 *   Kubernetes has no words for it
 */
export function toLabelSelector(selector: Selector): string | null {
  const requirements = requirementsOf(selector.tree, false)
  if (requirements === null) return null
  const texts = requirements.map(formatRequirement)
  return texts.includes(null) ? null : [...new Set(texts)].sort().join(',')
}

/** A tree, or its negation, as requirements that must all hold; null: not expressible. */
function requirementsOf(tree: SelectorTree, negated: boolean): readonly Requirement[] | null {
  switch (tree.kind) {
    case 'all':
      return negated ? null : []
    case 'has':
      return [{ label: tree.label, values: null, excluded: negated }]
    case 'in':
      if (tree.values.length === 0) return negated ? [] : null
      return [{ label: tree.label, values: tree.values, excluded: negated }]
    case 'text':
      return null
    case 'not':
      return requirementsOf(tree.inner, !negated)
    case 'and':
    case 'or': {
      const left = requirementsOf(tree.left, negated)
      const right = requirementsOf(tree.right, negated)
      if (left === null || right === null) return null
      // De Morgan: the negation of an "or" is an "and".
      const conjunction = (tree.kind === 'and') !== negated
      return conjunction ? [...left, ...right] : joinAlternatives(left, right)
    }
  }
}

/** "a or b" is one requirement only where both ask the same label for values. */
function joinAlternatives(
  left: readonly Requirement[],
  right: readonly Requirement[],
): readonly Requirement[] | null {
  if (left.length === 0 || right.length === 0) return []
  const [one, other] = [left[0], right[0]]
  if (one === undefined || other === undefined || left.length + right.length > 2) return null
  if (one.label !== other.label || one.excluded || other.excluded) return null
  if (one.values === null || other.values === null) return [{ ...one, values: null }]
  return [{ ...one, values: [...new Set([...one.values, ...other.values])] }]
}

/** null: the API server would refuse it. */
function formatRequirement({ label, values, excluded }: Requirement): string | null {
  if (!labelName.test(label)) return null
  if (values === null) return excluded ? `!${label}` : label
  const [only] = values
  if (values.length === 1 && only !== undefined) {
    if (only !== '' && !labelValue.test(only)) return null
    return `${label}${excluded ? '!=' : '='}${only}`
  }
  if (!values.every((value) => labelValue.test(value))) return null
  return `${label} ${excluded ? 'notin' : 'in'} (${[...values].sort().join(',')})`
}
