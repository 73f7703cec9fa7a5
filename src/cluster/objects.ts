/**
 * Objects of the API server as the rest of the program wants them: cut down to the fields that are
 * read (a Node is 20 KiB of which we read 500 bytes, and changes with every heartbeat), then read by
 * the same code as a manifest.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Kind } from '../config/kinds.ts'
import { ObjectReader } from '../config/object.ts'
import type { ConfigProblem } from '../config/problem.ts'
import type { ReadResource } from '../config/resources.ts'
import { isRecord, type Schema } from '../config/validate.ts'

/** An object of a cluster, cut down. */
export interface ClusterObject {
  /** `namespace/name`, or the name. */
  readonly key: string
  readonly resourceVersion: string
  /** As it is kept in the state file, and compared. */
  readonly raw: Readonly<Record<string, unknown>>
  readonly resources: readonly ReadResource[]
  readonly problems: readonly ConfigProblem[]
}

/** Annotations that mean something to us; others change for others' reasons. */
const annotationPrefixes = ['routelet.io/', 'projectcalico.org/']

/**
 * @param apiVersion and the kind are not in the items of a list, so they are given
 * @returns `before` itself when nothing that is read has changed; null: it is no object
 */
export function readObject(
  kind: Kind,
  apiVersion: string,
  value: unknown,
  before: ReadonlyMap<string, ClusterObject>,
): ClusterObject | null {
  const metadata = isRecord(value) && isRecord(value['metadata']) ? value['metadata'] : {}
  const { name, namespace, resourceVersion } = metadata
  if (!isRecord(value) || typeof name !== 'string') return null
  const key = typeof namespace === 'string' ? `${namespace}/${name}` : name
  const raw = cutDown(kind, apiVersion, value, metadata)
  const version = typeof resourceVersion === 'string' ? resourceVersion : ''
  const known = before.get(key)
  if (known !== undefined && isDeepStrictEqual(known.raw, raw)) {
    return { ...known, resourceVersion: version }
  }
  const problems: ConfigProblem[] = []
  const place = { file: 'kubernetes', line: 0, column: 0 }
  const resources = new ObjectReader(() => place, problems).read(raw)
  return { key, resourceVersion: version, raw, resources, problems }
}

function cutDown(
  kind: Kind,
  apiVersion: string,
  value: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { name, namespace, labels, annotations } = metadata
  const body = kind.unknownFields === 'pass' ? prune(kind.schema, value) : { spec: value['spec'] }
  return withoutAbsent({
    apiVersion,
    kind: kind.kind,
    metadata: withoutAbsent({ name, namespace, labels, annotations: ours(annotations) }),
    ...(body as object),
  })
}

function ours(annotations: unknown): unknown {
  if (!isRecord(annotations)) return undefined
  const kept = Object.entries(annotations).filter(([key]) =>
    annotationPrefixes.some((prefix) => key.startsWith(prefix)),
  )
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

/** What of a value its schema knows. */
function prune(schema: Schema, value: unknown): unknown {
  const { properties, items } = schema
  if (properties !== undefined && isRecord(value)) {
    const known = Object.entries(properties).filter(([name]) => value[name] !== undefined)
    return Object.fromEntries(known.map(([name, inner]) => [name, prune(inner, value[name])]))
  }
  if (items !== undefined && Array.isArray(value)) return value.map((item) => prune(items, item))
  return value
}

/** As JSON would have it, so that what was written and read again is equal. */
function withoutAbsent(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined))
}
