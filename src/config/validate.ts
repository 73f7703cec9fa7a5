/**
 * Reads a parsed document against a schema: checks every field, turns leaves into the form the
 * program uses, and says all that is wrong at once, in words. Understands the structural subset of
 * JSON Schema that Kubernetes accepts for custom resources, which is all our schemas use; TypeBox's
 * own checker would find the same faults, but name keywords where people need fields.
 */
import { findNearest } from './nearest.ts'
import { findLeaf } from './schema/leaf.ts'

export interface Schema {
  readonly type?: string
  readonly format?: string
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minItems?: number
  readonly maxItems?: number
  readonly default?: unknown
  readonly description?: string
}

export type Path = readonly (string | number)[]

export interface Fault {
  readonly reason: 'Invalid' | 'Missing' | 'UnknownField'
  readonly path: Path
  readonly expected: string
  readonly found: string
  readonly remedy: string | null
}

export interface Reading {
  /** What could be read; complete only when there are no faults but unknown fields. */
  readonly value: unknown
  readonly faults: readonly Fault[]
}

/** More is not read: one broken generator must not print a million lines. */
const faultsMax = 200
const foundLengthMax = 60

/** `secret` keeps values out of what is said about them. */
export function readValue(schema: Schema, value: unknown, path: Path, secret = false): Reading {
  const reader = new Reader(secret)
  return { value: reader.read(schema, value, path), faults: reader.faults }
}

/** Adds what a value doesn't say and its schema has a default for. Defaults are read like values. */
export function fillDefaults(schema: Schema, value: unknown): unknown {
  if (schema.properties === undefined) {
    if (schema.items === undefined || !Array.isArray(value)) return value
    const items = schema.items
    return value.map((item) => fillDefaults(items, item))
  }
  const given = isRecord(value) ? value : {}
  const filled: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(schema.properties)) {
    const own = given[name]
    if (own !== undefined) filled[name] = fillDefaults(property, own)
    else if (property.default !== undefined) filled[name] = readDefault(property)
  }
  return filled
}

const defaults = new WeakMap<Schema, unknown>()

function readDefault(schema: Schema): unknown {
  if (!defaults.has(schema)) {
    const reading = readValue(schema, schema.default, [])
    defaults.set(schema, fillDefaults(schema, reading.value))
  }
  return defaults.get(schema)
}

export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    const plain = /^[A-Za-z_][\w-]*$/.test(step)
    if (!plain) return `${text}[${JSON.stringify(step)}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value as an error message shows it. */
export function formatFound(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isRecord(value)) return 'a map'
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= foundLengthMax ? text : `${text.slice(0, foundLengthMax)}…`
}

class Reader {
  readonly faults: Fault[] = []
  readonly #secret: boolean

  constructor(secret: boolean) {
    this.#secret = secret
  }

  read(schema: Schema, value: unknown, path: Path): unknown {
    if (schema.format !== undefined) {
      const leaf = findLeaf(schema.format)
      if (leaf !== null) return this.#readLeaf(schema, leaf, value, path)
    }
    if (schema.enum !== undefined) return this.#readEnum(schema.enum, value, path)
    if (schema.type === 'object') return this.#readObject(schema, value, path)
    if (schema.type === 'array') return this.#readArray(schema, value, path)
    if (!isScalar(schema, value)) this.#invalid(path, describe(schema), value)
    return value
  }

  #readLeaf(
    schema: Schema,
    leaf: NonNullable<ReturnType<typeof findLeaf>>,
    value: unknown,
    path: Path,
  ): unknown {
    if (
      typeof value === 'string' &&
      value.length > (schema.maxLength ?? Number.POSITIVE_INFINITY)
    ) {
      this.#invalid(path, `at most ${schema.maxLength} characters`, value)
      return undefined
    }
    const read = leaf.read(value)
    if (read.ok) return read.value
    this.#invalid(path, leaf.expected, value, read.error)
    return undefined
  }

  #readEnum(known: readonly unknown[], value: unknown, path: Path): unknown {
    if (known.includes(value)) return value
    const near = typeof value === 'string' ? findNearest(value, known.map(String)) : null
    const remedy = near === null ? null : `did you mean ${near}?`
    this.#invalid(path, `one of ${known.join(', ')}`, value, remedy)
    return undefined
  }

  #readArray(schema: Schema, value: unknown, path: Path): unknown {
    const { items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema
    if (!Array.isArray(value)) {
      this.#invalid(path, 'a list', value)
      return []
    }
    const [word, limit] = value.length < minItems ? ['least', minItems] : ['most', maxItems]
    if (value.length < minItems || value.length > maxItems) {
      this.#invalid(path, `at ${word} ${limit} ${limit === 1 ? 'entry' : 'entries'}`, value)
      return []
    }
    return value.map((item, index) => this.read(items, item, [...path, index]))
  }

  #readObject(schema: Schema, value: unknown, path: Path): unknown {
    if (!isRecord(value)) {
      this.#invalid(path, 'a map of fields', value)
      return {}
    }
    if (schema.additionalProperties !== undefined) {
      return this.#readMap(schema.additionalProperties, value, path)
    }
    const properties = schema.properties ?? {}
    const result: Record<string, unknown> = {}
    for (const [name, item] of Object.entries(value)) {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined
      if (property === undefined) this.#unknown(name, Object.keys(properties), [...path, name])
      else if (!isAbsent(property, item)) {
        const read = this.read(property, item, [...path, name])
        if (read !== undefined) result[name] = read
      }
    }
    for (const name of schema.required ?? []) {
      const property = properties[name] ?? {}
      const given = Object.hasOwn(value, name) && !isAbsent(property, value[name])
      if (given || property.default !== undefined) continue
      this.#add({
        reason: 'Missing',
        path: [...path, name],
        expected: describe(property),
        found: 'nothing',
        remedy: null,
      })
    }
    return result
  }

  #readMap(schema: Schema, value: Readonly<Record<string, unknown>>, path: Path): unknown {
    const result: Record<string, unknown> = Object.create(null)
    for (const [name, item] of Object.entries(value)) {
      result[name] = this.read(schema, item, [...path, name])
    }
    return result
  }

  #unknown(name: string, known: readonly string[], path: Path): void {
    const near = findNearest(name, known)
    this.#add({
      reason: 'UnknownField',
      path,
      expected: 'a known field',
      found: formatFound(name),
      remedy: near === null ? 'remove it' : `did you mean ${near}?`,
    })
  }

  #invalid(path: Path, expected: string, value: unknown, remedy: string | null = null): void {
    const found = this.#secret ? 'a value that is not shown' : formatFound(value)
    this.#add({ reason: 'Invalid', path, expected, found, remedy })
  }

  #add(fault: Fault): void {
    if (this.faults.length < faultsMax) this.faults.push(fault)
  }
}

/** Kubernetes and Go make no difference between these and a field that isn't there. */
function isAbsent(schema: Schema, value: unknown): boolean {
  if (value === null || value === undefined) return true
  return value === '' || (schema.format === 'as-number' && value === 0)
}

function isScalar(schema: Schema, value: unknown): boolean {
  if (schema.type === 'string') {
    if (typeof value !== 'string') return false
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema
    if (value.length < minLength || value.length > maxLength) return false
    return pattern === undefined || new RegExp(pattern).test(value)
  }
  if (schema.type === 'boolean') return typeof value === 'boolean'
  if (schema.type !== 'integer') return true
  const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema
  return Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum
}

/** What a schema expects, in words; the documentation tables use it too. */
export function describe(schema: Schema): string {
  const leaf = schema.format === undefined ? null : findLeaf(schema.format)
  if (leaf !== null) return leaf.expected
  if (schema.enum !== undefined) {
    return schema.enum.length === 1 ? String(schema.enum[0]) : `one of ${schema.enum.join(', ')}`
  }
  switch (schema.type) {
    case 'integer':
      return `a whole number from ${schema.minimum ?? 0} to ${schema.maximum ?? 'any'}`
    case 'boolean':
      return 'true or false'
    case 'array':
      return 'a list'
    case 'object':
      return 'a map of fields'
    default:
      return describeText(schema)
  }
}

function describeText(schema: Schema): string {
  const { minLength = 0, maxLength } = schema
  const least = minLength === 0 ? 'text' : 'text that is not empty'
  const most = maxLength === undefined ? '' : `, at most ${maxLength} characters`
  return schema.pattern === undefined ? least + most : `text matching ${schema.pattern}`
}
