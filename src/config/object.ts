/**
 * An object as Kubernetes writes it (apiVersion, kind, metadata, the rest) → a resource, whichever
 * store it comes from. What is wrong is collected in words, each with its place; nothing is thrown.
 */
import { findKind, type Kind, kinds, ownGroup, plain } from './kinds.ts'
import { findNearest } from './nearest.ts'
import type { ConfigProblem, Place } from './problem.ts'
import { type ReadResource, type Resource, subjectOf } from './resources.ts'
import { Metadata } from './schema/core.ts'
import {
  type Fault,
  fillDefaults,
  formatFound,
  formatPath,
  isRecord,
  type Path,
  readValue,
  type Schema,
} from './validate.ts'

const metadataSchema: Schema = plain(Metadata)

type Severity = ConfigProblem['severity']

/** Where a path inside the object stands; of its key when `key` is asked for. */
export type Locate = (path: Path, key: boolean) => Place

export class ObjectReader {
  readonly #locate: Locate
  readonly #problems: ConfigProblem[]

  /** @param problems what is wrong is added to these */
  constructor(locate: Locate, problems: ConfigProblem[]) {
    this.#locate = locate
    this.#problems = problems
  }

  /** One object, or several in a `List`; none when it isn't usable. */
  read(value: unknown): ReadResource[] {
    return this.#readObject(value, [])
  }

  #readObject(value: unknown, path: Path): ReadResource[] {
    if (!isRecord(value)) {
      this.#say('error', 'NotAnObject', '', path, path, {
        message: `expected an object with apiVersion and kind, found ${formatFound(value)}`,
        remedy: 'write one object a document',
      })
      return []
    }
    const { apiVersion, kind, items } = value
    for (const [field, text] of Object.entries({ apiVersion, kind })) {
      if (typeof text === 'string' && text !== '') continue
      this.#say('error', 'Missing', '', [...path, field], [field], {
        expected: 'text',
        found: formatFound(text),
        remedy: `every object says its ${field}`,
      })
    }
    if (typeof apiVersion !== 'string' || typeof kind !== 'string') return []
    if (kind.endsWith('List') && Array.isArray(items)) {
      return items.flatMap((item, index) =>
        // A typed list may leave kind and apiVersion of its items out, as the API server does.
        this.#readObject(withKind(item, apiVersion, kind), [...path, 'items', index]),
      )
    }
    const row = findKind(apiVersion, kind)
    if (row !== null) return this.#readResource(row, apiVersion, value, path)
    if (apiVersion !== '' && kind !== '') this.#sayUnknownKind(apiVersion, kind, path)
    return []
  }

  #readResource(
    row: Kind,
    apiVersion: string,
    value: Readonly<Record<string, unknown>>,
    path: Path,
  ): ReadResource[] {
    const { apiVersion: _, kind: __, metadata, status, ...rest } = value
    // Status is ours to read only where the schema says so; nobody configures anything by it.
    const readsStatus = Object.hasOwn(row.schema.properties ?? {}, 'status')
    const meta = readValue(metadataSchema, metadata ?? {}, ['metadata'])
    const body = readValue(row.schema, readsStatus ? { ...rest, status } : rest, [], row.secret)
    const filled = fillDefaults(metadataSchema, meta.value) as Metadata
    const resource: Resource<unknown> = {
      apiVersion,
      kind: row.kind,
      name: filled.name ?? '',
      namespace: row.namespaced ? (filled.namespace ?? 'default') : null,
      labels: filled.labels,
      annotations: filled.annotations,
      body: fillDefaults(row.schema, body.value),
      written: specOf(body.value),
      place: this.#locate(path, false),
    }
    const subject = subjectOf(resource)
    const unknownSeverity = apiVersion === ownGroup ? 'error' : 'warning'
    const isPassed = (fault: Fault) =>
      fault.reason === 'UnknownField' &&
      (row.unknownFields === 'pass' || fault.path[0] === 'metadata')
    const faults = [...meta.faults, ...body.faults].filter((fault) => !isPassed(fault))
    for (const fault of faults) {
      const severity = fault.reason === 'UnknownField' ? unknownSeverity : 'error'
      this.#say(severity, fault.reason, subject, [...path, ...fault.path], fault.path, fault)
    }
    if (faults.some((fault) => fault.reason !== 'UnknownField')) return []
    const broken = row.check?.(resource.name, resource.body as never, specOf(body.value)) ?? []
    for (const { path: at, message, remedy } of broken) {
      this.#say('error', 'Invalid', subject, [...path, ...at], at, { message, remedy })
    }
    return broken.length > 0 ? [] : [{ kind: row, resource }]
  }

  #sayUnknownKind(apiVersion: string, kind: string, path: Path): void {
    const groups = kinds.filter((row) => row.kind === kind).flatMap((row) => row.groups)
    const near = findNearest(
      kind,
      kinds.map((row) => row.kind),
    )
    const remedies = [
      groups.length > 0 ? `${kind} is read in ${groups.join(', ')}` : null,
      near === null ? null : `did you mean ${near}?`,
      'remove it, or leave it: it is ignored',
    ]
    const isMeantForUs = apiVersion.startsWith('routelet.io/') || groups.includes(ownGroup)
    this.#say(isMeantForUs ? 'error' : 'info', 'UnknownKind', '', [...path, 'kind'], [], {
      message: `${kind} of ${apiVersion} is not used`,
      remedy: remedies.find((remedy) => remedy !== null) ?? null,
    })
  }

  /** `at` is the place in the document, `field` the path inside the object. */
  #say(
    severity: Severity,
    reason: string,
    subject: string,
    at: Path,
    field: Path,
    said: { message?: string; expected?: string; found?: string; remedy: string | null },
  ): void {
    const { expected = null, found = null, remedy } = said
    const keyMatters = reason === 'UnknownField'
    this.#problems.push({
      ...this.#locate(at, keyMatters),
      reason,
      severity,
      subject,
      field: formatPath(field),
      message: said.message ?? `expected ${expected}, found ${found}`,
      remedy,
      expected,
      found,
    })
  }
}

function specOf(body: unknown): Readonly<Record<string, unknown>> {
  const { spec } = isRecord(body) ? body : {}
  return isRecord(spec) ? spec : {}
}

function withKind(item: unknown, apiVersion: string, listKind: string): unknown {
  if (!isRecord(item) || listKind === 'List') return item
  return { apiVersion, kind: listKind.slice(0, -'List'.length), ...item }
}
