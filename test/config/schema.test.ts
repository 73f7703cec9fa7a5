/** Schemas: our reader agrees with TypeBox about them, their defaults are valid, the docs current. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import Format from 'typebox/format'
import Value from 'typebox/value'
import { formatConfiguration } from '../../src/config/document.ts'
import { kinds } from '../../src/config/kinds.ts'
import { findNearest } from '../../src/config/nearest.ts'
import { leafKinds } from '../../src/config/schema/leaf.ts'
import {
  describe,
  fillDefaults,
  formatFound,
  formatPath,
  readValue,
  type Schema,
} from '../../src/config/validate.ts'

const { SEED: seedText = '179' } = process.env
const seed = Number(seedText)

/** Every schema inside one, itself included, with its path. */
function* walk(schema: Schema, path = ''): Generator<readonly [string, Schema]> {
  yield [path, schema]
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    yield* walk(field, `${path}.${name}`)
  }
  if (schema.items !== undefined) yield* walk(schema.items, `${path}[]`)
}

t.test('schemas are structural and of nothing but what the reader understands', async (t) => {
  const known =
    'type format enum properties required additionalProperties items minimum maximum minLength maxLength pattern minItems maxItems default description x-kubernetes-int-or-string'
  for (const { kind, schema } of kinds) {
    for (const [path, inner] of walk(schema)) {
      const strange = Object.keys(inner).filter((key) => !known.split(' ').includes(key))
      t.same(strange, [], `${kind}${path}`)
    }
  }
})

t.test('every default is valid, and every field of a BGP kind is described', async (t) => {
  for (const { kind, schema, unknownFields } of kinds) {
    for (const [path, inner] of walk(schema)) {
      if (inner.default === undefined) continue
      t.same(readValue(inner, inner.default, []).faults, [], `${kind}${path}`)
    }
    if (unknownFields === 'pass') continue
    const { spec } = schema.properties ?? {}
    for (const [name, field] of Object.entries(spec?.properties ?? {})) {
      if (kind !== 'BGPFilter') t.type(field.description, 'string', `${kind} ${name}`)
      t.not(describe(field), '', `${kind} ${name}`)
    }
  }
})

t.test(`the reader and TypeBox agree on what is valid (seed ${seed})`, async (t) => {
  for (const [name, { type, read }] of Object.entries(leafKinds)) {
    if (type === 'string') Format.Set(name, (value) => read(value).ok)
  }
  const leaves = fc.constantFrom<unknown[]>(
    '90s',
    '10.0.0.1',
    '10.0.0.0/8',
    'Auto',
    'x',
    1,
    300,
    -1,
    1.5,
    true,
    [],
    {},
    ['ipv4-unicast'],
    { secretKeyRef: { name: 'a', key: 'b' } },
  )
  for (const { kind, schema } of kinds) {
    const { spec } = schema.properties ?? {}
    // TypeBox doesn't look at `format` where the type is left open, as for int-or-string.
    const fields = Object.entries(spec?.properties ?? {})
      .filter(([, field]) => field.type !== undefined || field.enum !== undefined)
      .map(([name]) => name)
    if (spec === undefined || fields.length === 0) continue
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...fields), leaves), (value) => {
        const { faults } = readValue(spec, value, [])
        const ours = faults.filter((fault) => fault.reason !== 'UnknownField')
        const theirs = Value.Check(spec, Value.Default(spec, structuredClone(value)))
        return theirs === (ours.length === 0)
      }),
      { seed, numRuns: 500 },
    )
    t.pass(kind)
  }
})

t.test('reading twice changes nothing but form, and defaults fill what is left', async (t) => {
  const schema: Schema = {
    type: 'object',
    properties: {
      a: { type: 'integer', default: 5 },
      b: {
        type: 'object',
        default: {},
        properties: { c: { type: 'string', format: 'duration', default: '1m' } },
      },
      d: {
        type: 'array',
        items: { type: 'object', properties: { e: { type: 'boolean', default: true } } },
      },
    },
  }
  t.same(fillDefaults(schema, {}), { a: 5, b: { c: 60 } })
  t.same(fillDefaults(schema, { a: 1, d: [{}, { e: false }] }), {
    a: 1,
    b: { c: 60 },
    d: [{ e: true }, { e: false }],
  })
})

t.test('paths and values are written for people', async (t) => {
  t.equal(formatPath(['spec', 'communities', 0, 'value']), 'spec.communities[0].value')
  t.equal(formatPath(['metadata', 'labels', 'a.b/c']), 'metadata.labels["a.b/c"]')
  t.equal(formatFound('x'.repeat(100)).length, 61)
  t.equal(formatFound(undefined), 'nothing')
})

t.test('the nearest word is found, and none when none is near', async (t) => {
  const words = ['peerIP', 'peerRange', 'password', 'asNumber']
  const table: readonly [string, string | null][] = [
    ['peerip', 'peerIP'],
    ['peerPI', 'peerIP'],
    ['paswsord', 'password'],
    ['asnumer', 'asNumber'],
    ['mtu', null],
    ['x'.repeat(100), null],
  ]
  for (const [word, expected] of table) t.equal(findNearest(word, words), expected, word)
})

t.test('docs/configuration.md is what the schemas say', async (t) => {
  t.equal(readFileSync('docs/configuration.md', 'utf8'), formatConfiguration())
})
