/**
 * OpenAPI 3.1 from the very schemas that validate and serialise. A 3.1 schema object is JSON Schema
 * 2020-12, so they go in as they are; this file only names the shared ones and turns fastify's
 * route options into path items.
 */
import type { RouteOptions } from 'fastify'

/** What a route may say of itself beside its schemas. */
declare module 'fastify' {
  interface FastifySchema {
    readonly summary?: string
    readonly description?: string
    /** Left out of the document. */
    readonly hide?: boolean
    /** Media types of the 200 answer that isn't JSON alone. */
    readonly produces?: readonly string[]
  }
}

type Json = Record<string, unknown>

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Json>>
  readonly required?: readonly string[]
}

const PROBLEM_NAME = 'Problem'

export function describeApi(routes: readonly RouteOptions[], version: string): Json {
  const components: Record<string, unknown> = {}
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    if (route.schema === undefined || route.schema.hide === true) continue
    const path = route.url.replace(/:(\w+)/g, '{$1}')
    const methods = [route.method].flat().filter((method) => method !== 'HEAD')
    for (const method of methods) {
      paths[path] ??= {}
      paths[path][method.toLowerCase()] = describeOperation(route, method, components)
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'routelet',
      version,
      summary: 'Questions about the routing agent of a node, and a few orders',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

function describeOperation(route: RouteOptions, method: string, components: Json): Json {
  const schema = route.schema!
  const parts = route.url.split('/').filter((part) => part !== '' && part !== 'v1')
  const words = [method.toLowerCase(), ...parts.map((part) => part.replace(':', 'by-'))]
  return {
    operationId: words.join('-').replace(/\.json$/, ''),
    ...(schema.summary === undefined ? {} : { summary: schema.summary }),
    ...(schema.description === undefined ? {} : { description: schema.description }),
    ...(method === 'GET' ? {} : { security: [{ token: [] }, {}] }),
    parameters: [
      ...describeParameters(schema.params as ObjectSchema | undefined, 'path', components),
      ...describeParameters(schema.querystring as ObjectSchema | undefined, 'query', components),
      ...describeParameters(schema.headers as ObjectSchema | undefined, 'header', components),
    ],
    responses: describeResponses(route, components),
  }
}

/** A parameter with a default may be left out, although its type then always has a value. */
function describeParameters(
  schema: ObjectSchema | undefined,
  place: 'path' | 'query' | 'header',
  components: Json,
): Json[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    in: place,
    required: schema?.required?.includes(name) === true && !('default' in property),
    schema: reference(property, components),
  }))
}

function describeResponses(route: RouteOptions, components: Json): Json {
  const declared = (route.schema!.response ?? {}) as Record<string, Json>
  const responses: Json = {}
  for (const [code, schema] of Object.entries(declared)) {
    const { title, description } = schema
    const problem = title === PROBLEM_NAME
    const json = problem ? 'application/problem+json' : 'application/json'
    const content: Json = { [json]: { schema: reference(schema, components) } }
    for (const type of problem ? [] : (route.schema!.produces ?? [])) content[type] = {}
    responses[code] = {
      description: String(description ?? title ?? 'The answer'),
      content,
    }
  }
  for (const type of Object.keys(declared).length === 0 ? (route.schema!.produces ?? []) : []) {
    responses['200'] = { description: 'The answer', content: { [type]: {} } }
  }
  return responses
}

/** Replaces every titled schema by a reference to its one place among the components. */
function reference(value: unknown, components: Json): unknown {
  if (Array.isArray(value)) return value.map((item) => reference(item, components))
  if (value === null || typeof value !== 'object') return value
  const { title } = value as Json
  if (typeof title !== 'string') return copy(value, components)
  if (!(title in components)) {
    components[title] = {}
    components[title] = copy(value, components)
  }
  return { $ref: `#/components/schemas/${title}` }
}

/** Copies a schema; a union of constants becomes the `enum` people expect to read. */
function copy(schema: object, components: Json): Json {
  const { anyOf, ...rest } = schema as { anyOf?: readonly Json[] } & Json
  const values = anyOf?.map(({ const: value }) => value)
  if (values?.every((value) => typeof value === 'string')) {
    return { ...rest, type: 'string', enum: values }
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, reference(value, components)]),
  )
}
