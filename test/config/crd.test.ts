/**
 * deploy/crds is what the schemas say (UPDATE_GOLDEN=1 rewrites it), and what an API server takes:
 * structural schemas, valid defaults, rules over fields that exist.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { crdFolder, formatCrds, writeCrds } from '../../src/config/crd.ts'
import { kinds, ownGroup } from '../../src/config/kinds.ts'
import { perNodeFields } from '../../src/config/schema/bgp-configuration.ts'

interface Node {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly enum?: readonly unknown[]
  readonly required?: readonly string[]
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly pattern?: string
  readonly 'x-kubernetes-int-or-string'?: true
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly { rule: string; message: string }[]
}

interface Crd {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly group: string
    readonly scope: string
    readonly names: { readonly kind: string; readonly plural: string }
    readonly versions: readonly {
      readonly name: string
      readonly subresources?: object
      readonly additionalPrinterColumns: readonly { readonly jsonPath: string }[]
      readonly schema: { readonly openAPIV3Schema: Node }
    }[]
  }
}

const { UPDATE_GOLDEN: update } = process.env
if (update === '1') writeCrds(crdFolder)

const crds = [...formatCrds()].map(([name, text]) => ({ name, crd: parse(text) as Crd }))
const schemaOf = ({ crd }: { crd: Crd }) => crd.spec.versions[0]?.schema.openAPIV3Schema ?? {}

function* walk(node: Node, at = ''): Generator<readonly [string, Node]> {
  yield [at, node]
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    yield* walk(field, `${at}.${name}`)
  }
  if (node.items !== undefined) yield* walk(node.items, `${at}[]`)
}

t.test('the files are what the schemas give', async (t) => {
  const files = [...formatCrds()]
  t.same(
    readdirSync(crdFolder)
      .filter((name) => name !== 'kustomization.yaml')
      .sort(),
    files.map(([name]) => name).sort(),
  )
  for (const [name, text] of files) {
    t.equal(readFileSync(path.join(crdFolder, name), 'utf8'), text, `${name}: run npm run crds`)
  }
})

t.test('one for each kind of our group, and NodeRouting', async (t) => {
  const own = kinds.filter(({ groups }) => groups.includes(ownGroup)).map(({ kind }) => kind)
  t.same(crds.map(({ crd }) => crd.spec.names.kind).sort(), [...own, 'NodeRouting'].sort())
  for (const { name, crd } of crds) {
    t.equal(name, `${crd.spec.names.plural}.yaml`)
    t.equal(crd.metadata.name, `${crd.spec.names.plural}.${crd.spec.group}`)
    t.match(crd.spec, { group: 'routelet.io', scope: 'Cluster', versions: [{ name: 'v1' }] })
  }
})

t.test('schemas are structural', async (t) => {
  const plainTypes = ['object', 'array', 'string', 'integer', 'boolean']
  const known =
    'type description properties required items enum default minimum maximum minLength maxLength pattern minItems maxItems format anyOf x-kubernetes-int-or-string x-kubernetes-validations x-kubernetes-list-type x-kubernetes-list-map-keys'.split(
      ' ',
    )
  for (const one of crds) {
    for (const [at, node] of walk(schemaOf(one))) {
      const place = `${one.name}${at}`
      t.same(
        Object.keys(node).filter((key) => !known.includes(key)),
        [],
        place,
      )
      const open = node['x-kubernetes-int-or-string'] === true
      t.ok(open ? node.type === undefined : plainTypes.includes(node.type ?? ''), place)
      for (const name of node.required ?? []) t.ok(node.properties?.[name], `${place}.${name}`)
      if (node.type === 'array') t.ok(node.items, place)
      if (node.pattern !== undefined) t.doesNotThrow(() => new RegExp(node.pattern ?? ''), place)
    }
  }
})

t.test('defaults fit their own field, and stand where one object says it all', async (t) => {
  for (const one of crds) {
    const defaults = [...walk(schemaOf(one))].filter(([, node]) => node.default !== undefined)
    if (one.name === 'bgpconfigurations.yaml') {
      t.same(defaults, [], 'a default in node.NAME would override the one for all')
    }
    for (const [at, node] of defaults) {
      const place = `${one.name}${at}`
      if (node.enum !== undefined) t.ok(node.enum.includes(node.default), place)
      else if (node.type === 'integer') {
        const value = Number(node.default)
        t.ok(value >= (node.minimum ?? 0) && value <= (node.maximum ?? value), place)
      } else if (node.pattern !== undefined) {
        t.match(String(node.default), new RegExp(node.pattern), place)
      } else t.type(node.default, node.type ?? '', place)
    }
  }
  const peer = schemaOf(crds.find(({ name }) => name === 'bgppeers.yaml') ?? { crd: {} as Crd })
  t.match(peer.properties?.['spec']?.properties, {
    holdTime: { default: '90s' },
    sourceAddress: { default: 'UseNodeIP' },
    reversePeering: { default: 'Auto' },
    bfd: { properties: { multiplier: { default: 3 } } },
  })
})

t.test('rules speak of fields that exist, and say what is wrong', async (t) => {
  for (const one of crds) {
    for (const [at, node] of walk(schemaOf(one))) {
      for (const { rule, message } of node['x-kubernetes-validations'] ?? []) {
        t.ok(message.length > 10, `${one.name}${at}: ${rule}`)
        for (const [, field = ''] of rule.matchAll(/has\(self\.([\w.]+)\)/g)) {
          t.ok(leads(node, field), `${one.name}${at}: ${field}`)
        }
      }
    }
  }
})

t.test('what one node may set is what the reader lets it', async (t) => {
  const [, perNode] =
    schemaOf(crds.find(({ name }) => name === 'bgpconfigurations.yaml') ?? { crd: {} as Crd })[
      'x-kubernetes-validations'
    ] ?? []
  for (const field of perNodeFields) t.notMatch(perNode?.rule, new RegExp(`spec\\.${field}\\b`))
  t.match(perNode?.rule, /spec\.asNumber\b/)
})

t.test('printer columns lead to fields', async (t) => {
  for (const one of crds) {
    for (const { jsonPath } of one.crd.spec.versions[0]?.additionalPrinterColumns ?? []) {
      const plainPath = jsonPath.replace(/\[\?.*$/, '').slice(1)
      t.ok(plainPath.startsWith('metadata.') || leads(schemaOf(one), plainPath), jsonPath)
    }
  }
})

t.test('only NodeRouting has a status, and it is a subresource', async (t) => {
  for (const one of crds) {
    const isStatus = one.crd.spec.names.kind === 'NodeRouting'
    t.equal(one.crd.spec.versions[0]?.subresources !== undefined, isStatus, one.name)
    t.equal(schemaOf(one).properties?.['status'] !== undefined, isStatus, one.name)
  }
})

function leads(node: Node, dotted: string): boolean {
  const field = dotted
    .split('.')
    .reduce<Node | undefined>((at, name) => at?.properties?.[name], node)
  return field !== undefined
}
