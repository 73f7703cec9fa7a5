/** Selectors in the words of the API server: what has words, and that they say the same. */
import fc from 'fast-check'
import t from 'tap'
import { toLabelSelector } from '../../src/intent/label-selector.ts'
import { type Labels, parseSelector } from '../../src/intent/selector.ts'

const { SEED: seedText = '179' } = process.env
const seed = Number(seedText)

t.test('what Kubernetes has words for', async (t) => {
  const table: readonly [string, string | null][] = [
    ['', ''],
    ['all()', ''],
    ['!all()', null],
    ['global()', '!projectcalico.org/namespace'],
    ['has(rack)', 'rack'],
    ['!has(rack)', '!rack'],
    ["rack == 'a'", 'rack=a'],
    ["rack != 'a'", 'rack!=a'],
    ["role == ''", 'role='],
    ["rack in {'b', 'a', 'b'}", 'rack in (a,b)'],
    ["rack in {'a'}", 'rack=a'],
    ["rack not in {'a', 'b'}", 'rack notin (a,b)'],
    ['rack in {}', null],
    ['rack not in {}', ''],
    ["!(rack in {'a'})", 'rack!=a'],
    ["has(rack) && kubernetes.io/os == 'linux'", 'kubernetes.io/os=linux,rack'],
    ['has(rack) && has(rack)', 'rack'],
    ["rack == 'a' || rack == 'b'", 'rack in (a,b)'],
    ["rack == 'a' || has(rack)", 'rack'],
    ["rack == 'a' || all()", ''],
    ["rack == 'a' || role == 'b'", null],
    ["!(rack == 'a' || has(spare))", '!spare,rack!=a'],
    ["!(rack == 'a' && has(spare))", null],
    ["!(rack != 'a' && rack != 'b')", 'rack in (a,b)'],
    ["rack contains 'a'", null],
    ["rack starts with 'a' && has(rack)", null],
    ["rack ends with 'a'", null],
    ["rack == 'not a label value'", null],
    [`rack == '${'a'.repeat(64)}'`, null],
    ["rack in {'', 'a'}", null],
    ['has(-rack)', null],
    ['has(a/b/c)', null],
  ]
  for (const [text, expected] of table) {
    t.equal(toLabelSelector(parseSelector(text)), expected, text === '' ? '(empty)' : text)
  }
})

/** Kubernetes' own reading (apimachinery's labels.Parse), as far as our words go. */
function matchesLabelSelector(selector: string, labels: Labels): boolean {
  if (selector === '') return true
  return selector.split(/,(?![^(]*\))/).every((requirement) => {
    const set = /^(\S+) (in|notin) \(([^)]*)\)$/.exec(requirement)
    if (set !== null) {
      const [, key = '', operator, values = ''] = set
      const inside = key in labels && values.split(',').includes(labels[key] as string)
      return operator === 'in' ? inside : !inside
    }
    const pair = /^([^!=]+)(!?=)(.*)$/.exec(requirement)
    if (pair !== null) {
      const [, key = '', operator, value] = pair
      return (labels[key] === value) === (operator === '=')
    }
    return requirement.startsWith('!') ? !(requirement.slice(1) in labels) : requirement in labels
  })
}

const name = fc.constantFrom<string[]>('x', 'y', 'z.io/k')
const value = fc.constantFrom<string[]>('a', 'b', 'c', '')
const { text } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant('all()'),
    name.map((k) => `has(${k})`),
    fc.tuple(name, fc.constantFrom('==', '!='), value).map(([k, o, v]) => `${k} ${o} '${v}'`),
    fc
      .tuple(name, fc.constantFrom('in', 'not in'), fc.array(value, { maxLength: 3 }))
      .map(([k, o, set]) => `${k} ${o} {${set.map((v) => `'${v}'`).join(', ')}}`),
    tie('text').map((inner) => `!(${inner})`),
    fc
      .tuple(tie('text'), fc.constantFrom('&&', '||'), tie('text'))
      .map(([l, o, r]) => `(${l} ${o} ${r})`),
  ),
}))

t.test(`a translation selects what the selector does (seed ${seed})`, async (t) => {
  let translated = 0
  fc.assert(
    fc.property(text, fc.dictionary(name, value), (one, labels) => {
      if (one.length > 1024) return true
      const selector = parseSelector(one)
      const words = toLabelSelector(selector)
      if (words === null) return true
      translated++
      return matchesLabelSelector(words, labels) === selector.matches(labels)
    }),
    { seed, numRuns: 2000 },
  )
  t.ok(translated > 500, `${translated} of 2000 had words`)
})
