/**
 * The published description: complete, self-contained, and the same as what is served.
 */
import t from 'tap'
import { buildApi } from '../../api/index.ts'
import { fakeAgent } from './fake-views.ts'

type Json = Record<string, unknown>
interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly schema: Json
}
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: readonly Parameter[]
  readonly responses: { readonly default?: { readonly content: Json } }
}
interface PathItem {
  readonly get?: Operation
  readonly post?: Operation
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, PathItem>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>> }
}

const app = buildApi(fakeAgent().views, {
  listener: 'loopback',
  gatekeeper: null,
  tls: null,
  web: '/nowhere',
  version: '0.1.0',
  onFailure: (error) => {
    throw error
  },
})
const response = await app.inject('/openapi.json')
const document: Document = response.json()

t.test('it is OpenAPI 3.1 and names every path of the interface', async (t) => {
  t.equal(response.statusCode, 200)
  t.equal(document.openapi, '3.1.0')
  t.same(Object.keys(document.paths).sort(), [
    '/healthz',
    '/metrics',
    '/openapi.json',
    '/readyz',
    '/v1/drain',
    '/v1/events',
    '/v1/explain',
    '/v1/fib',
    '/v1/fib/diff',
    '/v1/fib/nexthops',
    '/v1/fib/status',
    '/v1/log',
    '/v1/node',
    '/v1/peers',
    '/v1/peers/{name}',
    '/v1/peers/{name}/enable',
    '/v1/peers/{name}/explain',
    '/v1/peers/{name}/recording',
    '/v1/peers/{name}/refresh',
    '/v1/peers/{name}/reset',
    '/v1/peers/{name}/routes',
    '/v1/peers/{name}/shutdown',
    '/v1/plan',
    '/v1/routes',
    '/v1/undrain',
  ])
})

t.test('every operation has a name of its own, a summary and an answer', async (t) => {
  const operations = operationsOf(document)
  const names = operations.map(({ operation }) => operation.operationId)
  t.equal(new Set(names).size, names.length, names.join(' '))
  for (const { path, operation } of operations) {
    t.ok(operation.summary, path)
    t.ok(Object.keys(operation.responses).length > 0, path)
  }
})

t.test('every placeholder of a path is a required parameter', async (t) => {
  for (const { path, operation } of operationsOf(document)) {
    const declared = operation.parameters
      .filter((parameter) => parameter.in === 'path' && parameter.required)
      .map(({ name }) => name)
    t.same(
      declared,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      path,
    )
  }
})

t.test('a parameter with a default may be left out', async (t) => {
  const { parameters } = document.paths['/v1/routes']!.get!
  const named = (name: string) => parameters.find((parameter) => parameter.name === name)
  t.match(named('limit'), { required: false, schema: { type: 'integer', default: 100 } })
  t.match(named('view'), { required: false, schema: { type: 'string', enum: ['best', 'all'] } })
  const explain = document.paths['/v1/explain']!.get!.parameters
  t.equal(explain.find(({ name }) => name === 'prefix')?.required, true)
})

t.test('every reference leads to a component, and every component is used', async (t) => {
  const references = new Set(
    [...response.body.matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref),
  )
  const components = Object.keys(document.components.schemas)
  t.same([...references].sort(), components.map((name) => `#/components/schemas/${name}`).sort())
  t.ok(components.includes('Peer') && components.includes('Problem'))
})

t.test('errors are described as problem documents', async (t) => {
  t.match(document.paths['/v1/peers/{name}']!.get!.responses.default, {
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  })
})

function operationsOf({ paths }: Document): readonly { path: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods as Record<string, Operation>).map((operation) => ({ path, operation })),
  )
}
