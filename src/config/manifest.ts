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
import { ObjectReader } from './object.ts'
import type { ConfigProblem, Place } from './problem.ts'
import type { ReadResource } from './resources.ts'
import type { Path } from './validate.ts'

export const fileBytesMax = 4 * 1024 * 1024
export const documentsMax = 20_000
/** The yaml package counts what aliases expand to, and refuses more than this. */
const aliasesMax = 100
const syntaxProblemsMax = 20

export interface ManifestFile {
  readonly resources: readonly ReadResource[]
  readonly problems: readonly ConfigProblem[]
}

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
    if (value === null || value === undefined) return []
    const reader = new ObjectReader((path, key) => this.#place(path, key), this.#problems)
    return reader.read(value)
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

function itemOf(node: Node | null, step: string | number): unknown {
  if (node === null || typeof step !== 'number' || !('items' in node)) return null
  return node.items[step] ?? null
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
