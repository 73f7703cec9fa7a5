/**
 * A file of manifests (YAML or JSON, several documents, `List` kinds) → resources. Whatever the
 * bytes are, the answer is a list of problems, each with its line, never an exception; size, number
 * of documents and alias expansion have ceilings.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml'
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

export const fileBytesMax = 4 * 1024 * 1024
export const documentsMax = 20_000
/** The yaml package counts what aliases expand to, and refuses more than this. */
const aliasesMax = 100
const syntaxProblemsMax = 20

export interface ManifestFile {
  readonly resources: readonly ReadResource[]
  readonly problems: readonly ConfigProblem[]
}

const metadataSchema: Schema = plain(Metadata)

type Severity = ConfigProblem['severity']

/** Reads the text of one file. `file` is only shown. Throws nothing. */
export function readManifests(file: string, text: string): ManifestFile {
  const problems: ConfigProblem[] = []
  const refuse = (message: string, remedy: string, line = 1, column = 1) => {
    problems.push(fileProblem({ file, line, column }, message, remedy))
    return { resources: [], problems }
  }
  if (text.length > fileBytesMax) {
    return refuse(`it is larger than ${fileBytesMax} bytes`, 'split it into several files')
  }
  const lines = new LineCounter()
  let documents: readonly Document.Parsed[]
  try {
    // Warnings of the package go to stderr; what they are about shows here as unknown fields.
    const quiet = { prettyErrors: false, logLevel: 'error' } as const
    const parsed = parseAllDocuments(text, { lineCounter: lines, merge: true, ...quiet })
    documents = Array.isArray(parsed) ? parsed : []
  } catch (error) {
    // The parser reports what is wrong with the text; it throws only at its own limit, the stack.
    const remedy = 'nest it less; no manifest is that deep'
    return refuse(`it can't be parsed: ${messageOf(error)}`, remedy)
  }
  if (documents.length > documentsMax) {
    return refuse(`it has more than ${documentsMax} documents`, 'split it into several files')
  }
  const resources = documents.flatMap((document) =>
    new DocumentReader(file, document, lines, problems).read(),
  )
  return { resources, problems }
}

function fileProblem(place: Place, message: string, remedy: string): ConfigProblem {
  return {
    ...place,
    reason: 'Unreadable',
    severity: 'error',
    subject: '',
    field: '',
    message,
    remedy,
    expected: null,
    found: null,
  }
}

class DocumentReader {
  readonly #file: string
  readonly #document: Document.Parsed
  readonly #lines: LineCounter
  readonly #problems: ConfigProblem[]

  constructor(
    file: string,
    document: Document.Parsed,
    lines: LineCounter,
    problems: ConfigProblem[],
  ) {
    this.#file = file
    this.#document = document
    this.#lines = lines
    this.#problems = problems
  }

  read(): ReadResource[] {
    for (const error of this.#document.errors.slice(0, syntaxProblemsMax)) {
      const deep = error.code === 'RESOURCE_EXHAUSTION'
      const message = deep ? 'it nests too deep' : error.message.replace(/\.$/, '')
      const remedy = 'correct the YAML; nothing of this document is read'
      this.#problems.push(fileProblem(this.#placeAt(error.pos[0]), message, remedy))
      if (deep) break
    }
    if (this.#document.errors.length > 0) return []
    let value: unknown
    try {
      value = this.#document.toJS({ maxAliasCount: aliasesMax })
    } catch (error) {
      const place = this.#placeAt(this.#document.range[0])
      const remedy = 'write the document without so many aliases'
      this.#problems.push(fileProblem(place, messageOf(error), remedy))
      return []
    }
    return value === null || value === undefined ? [] : this.#readObject(value, [])
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
      place: this.#place(path, false),
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
      ...this.#place(at, keyMatters),
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

  /** Position of the deepest node on the path that exists; of its key when `key` is asked for. */
  #place(path: Path, key: boolean): Place {
    let node: Node | null = this.#document.contents
    let offset = node?.range?.[0] ?? 0
    for (const [depth, step] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document) ?? null
      const isLast = depth === path.length - 1
      if (isMap(node)) {
        const pair = node.items.find(({ key: k }) => isScalar(k) && String(k.value) === step)
        if (pair === undefined) break
        const keyNode = pair.key as Node
        node = pair.value as Node | null
        offset = (key && isLast ? keyNode : (node ?? keyNode)).range?.[0] ?? offset
      } else {
        const item: unknown = this.#document.contents === null ? null : itemOf(node, step)
        if (item === null) break
        node = item as Node
        offset = node.range?.[0] ?? offset
      }
    }
    return this.#placeAt(offset)
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) }
  }
}

function specOf(body: unknown): Readonly<Record<string, unknown>> {
  const { spec } = isRecord(body) ? body : {}
  return isRecord(spec) ? spec : {}
}

function itemOf(node: Node | null, step: string | number): unknown {
  if (node === null || typeof step !== 'number' || !('items' in node)) return null
  return node.items[step] ?? null
}

function withKind(item: unknown, apiVersion: string, listKind: string): unknown {
  if (!isRecord(item) || listKind === 'List') return item
  return { apiVersion, kind: listKind.slice(0, -'List'.length), ...item }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
