/**
 * The OpenAPI document as a test's table: every operation with its parameters, what answers may look
 * like, and requests made from it, good and bad.
 */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { contested, gone, learned, own, up } from './live-scene.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly schema: ParameterSchema
}

interface ParameterSchema {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly const?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
}

interface Response {
  readonly content: Readonly<Record<string, { readonly schema?: object }>>
}

export interface OpenApi {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly parameters: Parameter[]
            readonly responses: Readonly<Record<string, Response>>
          }
        >
      >
    >
  >
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

export interface Operation {
  readonly method: string
  /** With its placeholders. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly responses: Readonly<Record<string, Response>>
}

export class Description {
  readonly operations: readonly Operation[]
  readonly #components: OpenApi['components']['schemas']
  readonly #compiled = new Map<object, ReturnType<typeof Compile>>()

  constructor({ paths, components }: OpenApi) {
    this.#components = components.schemas
    this.operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        ...operation,
      })),
    )
  }

  get questions(): readonly Operation[] {
    return this.operations.filter(({ method }) => method === 'GET')
  }

  get orders(): readonly Operation[] {
    return this.operations.filter(({ method }) => method !== 'GET')
  }

  /** Where the answer isn't what the operation says for its status and media type; [] is well. */
  faults({ responses }: Operation, status: number, type: string, value: unknown): unknown[] {
    const media = type.split(';', 1)[0] as string
    const content = (responses[status] ?? responses['default'])?.content[media]
    if (content === undefined) return [`${status} ${media} is not documented`]
    return content.schema === undefined ? [] : this.#faultsOf(content.schema, value)
  }

  /** Where the value isn't of this component. */
  component(name: string, value: unknown): unknown[] {
    return this.#faultsOf(this.#components[name] as object, value)
  }

  #faultsOf(schema: object, value: unknown): unknown[] {
    let compiled = this.#compiled.get(schema)
    if (compiled === undefined) {
      compiled = Compile(this.#inline(schema) as TSchema)
      this.#compiled.set(schema, compiled)
    }
    return [...compiled.Errors(value)]
  }

  /** A schema with what it refers to in its place. */
  #inline(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#inline(each))
    if (value === null || typeof value !== 'object') return value
    const { $ref } = value as { $ref?: string }
    if ($ref !== undefined) return this.#inline(this.#components[$ref.split('/').at(-1) ?? ''])
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.#inline(each)]))
  }
}

/** The path and query of a request; values are text, not yet encoded. */
export function urlOf(
  path: string,
  name: string,
  query: readonly (readonly [string, string])[] = [],
): string {
  const search = new URLSearchParams(query.map(([key, value]): [string, string] => [key, value]))
  return `${path.replace('{name}', encodeURIComponent(name))}${query.length === 0 ? '' : `?${search}`}`
}

/** Values that a parameter's schema allows; null where only the agent's content tells. */
export function allowed({ schema }: Parameter): readonly string[] | null {
  if (schema.enum !== undefined) return schema.enum
  if (schema.type !== 'integer') return null
  return [schema.minimum, schema.maximum].filter((one) => one !== undefined).map(String)
}

/** What only the agent's content tells, by the name of the parameter. */
const known: Readonly<Record<string, readonly string[]>> = {
  prefix: [learned, own, contested, '10.85.3.9', 'fd84:0:0:2::/64', '203.0.113.1', '0.0.0.0/0'],
  peer: [up, gone],
  message: ['maintenance \u2013 back at 9'],
  'last-event-id': ['0', '999999999999999'],
}

/** Values to ask with. */
export const good = (operation: Operation, parameter: Parameter): readonly string[] =>
  (parameter.in === 'query' && operation.path.endsWith('/log') && parameter.name === 'level'
    ? ['info']
    : null) ??
  allowed(parameter) ??
  known[parameter.name] ??
  []

/** Required query parameters with a value each, but for one. */
export function needed(operation: Operation, except = ''): [string, string][] {
  return operation.parameters
    .filter(({ name, in: place, required }) => place === 'query' && required && name !== except)
    .map((parameter) => [parameter.name, good(operation, parameter)[0] ?? ''])
}

/** Every allowed value of every parameter once, over every peer. */
export function goodUrls(operation: Operation): string[] {
  const { parameters, path } = operation
  const query = parameters.filter(({ in: place, name }) => place === 'query' && name !== 'stream')
  const searches = [
    needed(operation),
    ...query.flatMap((parameter) =>
      good(operation, parameter).map((value): [string, string][] => [
        ...needed(operation, parameter.name),
        // A way to match needs something to match.
        ...(parameter.name === 'match' ? [['prefix', learned] as [string, string]] : []),
        [parameter.name, value],
      ]),
    ),
  ]
  const names = path.includes('{name}') ? [up, gone] : ['']
  return names.flatMap((name) => searches.map((search) => urlOf(path, name, search)))
}
