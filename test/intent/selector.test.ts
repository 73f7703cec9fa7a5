/** Calico's selector language: what it selects, and where a mistake is pointed at. */
import fc from 'fast-check'
import t from 'tap'
import { parseSelector, SelectorError } from '../../src/intent/selector.ts'

const { SEED: seedText = '179' } = process.env
const seed = Number(seedText)
const labels = { rack: 'rack-a', 'kubernetes.io/os': 'linux', role: '', in: 'x' }

t.test('selects by labels', async (t) => {
  const table: readonly [string, boolean][] = [
    ['', true],
    [' \t', true],
    ['all()', true],
    ['all( )', true],
    ['global()', true],
    ['!all()', false],
    ['!!all()', true],
    ['has(rack)', true],
    ['has( rack )', true],
    ['has(spine)', false],
    ['!has(spine)', true],
    ['rack == "rack-a"', true],
    ["rack=='rack-a'", true],
    ["rack == 'rack-b'", false],
    ["spine == ''", false],
    ["role == ''", true],
    ["rack != 'rack-b'", true],
    ["spine != 'x'", true],
    ["rack != 'rack-a'", false],
    ["rack in {'rack-a', 'rack-b'}", true],
    ["rack in {'rack-b',}", false],
    ['rack in {}', false],
    ['rack not in {}', true],
    ["spine in {'x'}", false],
    ["spine not in {'x'}", true],
    ["rack notin {'rack-a'}", false],
    ["rack not in{'rack-a'}", false],
    ["rack contains 'ck-'", true],
    ["rack contains'x'", false],
    ["spine contains ''", false],
    ["rack starts with 'rack'", true],
    ["rack startswith 'a'", false],
    ["rack ends with '-a'", true],
    ["rack endswith '-b'", false],
    ["kubernetes.io/os == 'linux'", true],
    ["in == 'x'", true],
    ["in in {'x'}", true],
    ["rack == 'x' || has(role) && has(rack)", true],
    ["(rack == 'x' || has(role)) && has(spine)", false],
    ["rack == 'x' && has(role) || all()", true],
    ["!has(rack) || rack == 'rack-a'", true],
    ['!(has(rack) && has(role))', false],
  ]
  for (const [text, expected] of table) {
    t.equal(parseSelector(text).matches(labels), expected, text === '' ? '(empty)' : text)
  }
})

t.test('a namespaced object is not global', async (t) => {
  t.notOk(parseSelector('global()').matches({ 'projectcalico.org/namespace': 'default' }))
})

t.test('names of Object.prototype are labels like any other', async (t) => {
  t.notOk(parseSelector('has(constructor)').matches({}))
  t.ok(parseSelector("toString != 'x'").matches({}))
})

t.test('a mistake is pointed at', async (t) => {
  const table: readonly [string, number, string][] = [
    [
      'rack',
      4,
      'at column 5: expected "==", "!=", "in", "not in", "contains", "starts with" or "ends with", found the end',
    ],
    [
      'rack = "a"',
      5,
      'at column 6: expected "==", "!=", "in", "not in", "contains", "starts with" or "ends with", found "= "a""',
    ],
    ['rack == a', 8, 'at column 9: expected a string in quotes, found "a"'],
    ["rack == 'a", 8, 'at column 9: expected a string in quotes, found "\'a"'],
    [
      'has (rack)',
      4,
      'at column 5: expected "==", "!=", "in", "not in", "contains", "starts with" or "ends with", found "(rack)"',
    ],
    ['has(rack', 8, 'at column 9: expected ")", found the end'],
    ['(all()', 6, 'at column 7: expected ")", found the end'],
    ['all() all()', 6, 'at column 7: expected "&&", "||" or the end, found "all()"'],
    [
      'all() &&',
      8,
      'at column 9: expected a label, "has(label)", "all()", "!" or "(", found the end',
    ],
    ["rack in 'a'", 8, 'at column 9: expected "{", found "\'a\'"'],
    ["rack in {'a' 'b'}", 13, 'at column 14: expected "," or "}", found "\'b\'}"'],
    ['rack in {,}', 9, 'at column 10: expected a string in quotes, found ",}"'],
    ['all()\n', 5, 'at column 6: expected "&&", "||" or the end, found "\n"'],
    ['a'.repeat(1025), 1024, 'at column 1025: expected at most 1024 characters, found "a"'],
  ]
  for (const [text, position, message] of table) {
    try {
      parseSelector(text)
      t.fail(`${text} was read`)
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error
      t.equal(error.position, position, text)
      t.equal(error.message, message, text)
    }
  }
})

/** An oracle written plainly: the same expression as a tree and as text. */
type Tree = { readonly text: string; readonly holds: (labels: Record<string, string>) => boolean }

const quoted = fc.constantFrom<string[]>('a', 'b', 'ab', '')
const name = fc.constantFrom<string[]>('x', 'y', 'z.io/k')
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant<Tree>({ text: 'all()', holds: () => true }),
    name.map<Tree>((k) => ({ text: `has(${k})`, holds: (l) => k in l })),
    fc
      .tuple(name, quoted)
      .map<Tree>(([k, v]) => ({ text: `${k} == '${v}'`, holds: (l) => l[k] === v })),
    fc
      .tuple(name, quoted)
      .map<Tree>(([k, v]) => ({ text: `${k}!="${v}"`, holds: (l) => l[k] !== v })),
    fc.tuple(name, fc.array(quoted)).map<Tree>(([k, set]) => ({
      text: `${k} in {${set.map((v) => `'${v}'`).join(', ')}}`,
      holds: (l) => k in l && set.includes(l[k] as string),
    })),
    fc.tuple(name, quoted).map<Tree>(([k, v]) => ({
      text: `${k} starts with '${v}'`,
      holds: (l) => k in l && (l[k] as string).startsWith(v),
    })),
    tie('tree').map<Tree>((one) => ({ text: `!(${one.text})`, holds: (l) => !one.holds(l) })),
    fc.tuple(tie('tree'), tie('tree')).map<Tree>(([one, other]) => ({
      text: `(${one.text})&&(${other.text})`,
      holds: (l) => one.holds(l) && other.holds(l),
    })),
    fc.tuple(tie('tree'), tie('tree')).map<Tree>(([one, other]) => ({
      text: `(${one.text} || ${other.text})`,
      holds: (l) => one.holds(l) || other.holds(l),
    })),
  ),
}))

t.test(`agrees with the tree the text was made from (seed ${seed})`, async (t) => {
  const some = fc.dictionary(name, quoted)
  fc.assert(
    fc.property(tree, some, (one, labels) => {
      if (one.text.length > 1024) return true
      return parseSelector(one.text).matches(labels) === one.holds(labels)
    }),
    { seed, numRuns: 1000 },
  )
  t.pass()
})

t.test(`any text is a selector or a SelectorError inside the text (seed ${seed})`, async (t) => {
  const pieces = [
    'has(',
    ')',
    '(',
    'all()',
    '!',
    '&&',
    '||',
    ' ',
    '\t',
    'x',
    '==',
    '!=',
    "'v'",
    '"',
    'in',
    'not',
    '{',
    '}',
    ',',
  ]
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...pieces)).map((p) => p.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parseSelector(text).matches({ x: 'v' })
        return true
      } catch (error) {
        return error instanceof SelectorError && error.position <= text.length
      }
    }),
    { seed, numRuns: 3000 },
  )
  t.pass()
})
