/**
 * Writes deploy/crds from the schemas, so that the API server refuses what our reader would:
 * `npm run crds`. Structural schemas as Kubernetes wants them (apiextensions.k8s.io/v1): every node
 * typed, no references, defaults where they hold for the object alone.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import {
  type CelRule,
  configurationRules,
  configurationSpecRules,
  filterRules,
  lengthRules,
  operationRules,
  peerRules,
} from './crd-rules.ts'
import { plain } from './kinds.ts'
import { BgpConfigurationSpec } from './schema/bgp-configuration.ts'
import { BgpFilterSpec } from './schema/bgp-filter.ts'
import { BgpPeerSpec } from './schema/bgp-peer.ts'
import type { LeafName } from './schema/leaf.ts'
import { NodeRoutingStatus } from './schema/node-routing.ts'
import { isRecord, type Schema } from './validate.ts'

/** Where the files stand, from the top of the repository. */
export const crdFolder = 'deploy/crds'

interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean' | 'date'
  readonly jsonPath: string
  /** Shown by `-o wide` only. */
  readonly wide?: boolean
}

interface Definition {
  readonly kind: string
  readonly plural: string
  readonly shortNames: readonly string[]
  readonly description: string
  readonly part: 'spec' | 'status'
  readonly schema: Schema
  /**
   * Whether the server fills defaults in. Not where two objects are laid over each other: a default
   * in `node.NAME` would override what `default` says.
   */
  readonly defaults: boolean
  readonly rules: readonly CelRule[]
  /** By path inside the part: `exportV4[]`. */
  readonly innerRules: (path: string) => readonly CelRule[]
  readonly columns: readonly Column[]
}

const spec = (name: string, field: string, type: Column['type'] = 'string'): Column => ({
  name,
  type,
  jsonPath: `.spec.${field}`,
})
const wide = (column: Column): Column => ({ ...column, wide: true })
const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

const definitions: readonly Definition[] = [
  {
    kind: 'BGPConfiguration',
    plural: 'bgpconfigurations',
    shortNames: ['bgpconfig'],
    description: 'BGP settings of the cluster (named default) or of one node (node.NAME).',
    part: 'spec',
    schema: plain(BgpConfigurationSpec),
    defaults: false,
    rules: configurationRules(Object.keys(plain(BgpConfigurationSpec).properties ?? {})),
    innerRules: (path) => (path === '' ? configurationSpecRules : []),
    columns: [
      spec('AS', 'asNumber'),
      spec('Mesh', 'nodeToNodeMeshEnabled', 'boolean'),
      spec('Port', 'listenPort', 'integer'),
      wide(spec('Table', 'fib.table', 'integer')),
      age,
    ],
  },
  {
    kind: 'BGPFilter',
    plural: 'bgpfilters',
    shortNames: [],
    description: 'Ordered rules for what is accepted from BGP peers, and what is sent to them.',
    part: 'spec',
    schema: plain(BgpFilterSpec),
    defaults: true,
    rules: [],
    innerRules: (path) => {
      if (/^(export|import)V[46]\[\]$/.test(path)) return filterRules
      if (path.endsWith('.operations[]')) return operationRules
      return path.endsWith('.prefixLength') ? lengthRules : []
    },
    columns: [age],
  },
  {
    kind: 'BGPPeer',
    plural: 'bgppeers',
    shortNames: [],
    description: 'Which nodes peer with whom, and how.',
    part: 'spec',
    schema: plain(BgpPeerSpec),
    defaults: true,
    rules: [],
    innerRules: (path) => (path === '' ? peerRules : []),
    columns: [
      spec('Peer', 'peerIP'),
      spec('AS', 'asNumber'),
      spec('Peer selector', 'peerSelector'),
      spec('Node', 'node'),
      spec('Node selector', 'nodeSelector'),
      wide(spec('Range', 'peerRange')),
      wide(spec('Filters', 'filters')),
      wide(spec('Shutdown', 'shutdown', 'boolean')),
      age,
    ],
  },
  {
    kind: 'NodeRouting',
    plural: 'noderoutings',
    shortNames: ['nrt'],
    description: 'What the agent of a node sees: its sessions, its routes and what is wrong.',
    part: 'status',
    schema: plain(NodeRoutingStatus),
    defaults: false,
    rules: [],
    innerRules: () => [],
    columns: [
      { name: 'AS', type: 'integer', jsonPath: '.status.asNumber' },
      { name: 'Router ID', type: 'string', jsonPath: '.status.routerId' },
      { name: 'Up', type: 'integer', jsonPath: '.status.peersEstablished' },
      { name: 'Wanted', type: 'integer', jsonPath: '.status.peersWanted' },
      { name: 'Routes', type: 'integer', jsonPath: '.status.routesInstalled' },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      },
      wide({ name: 'Version', type: 'string', jsonPath: '.status.version' }),
      age,
    ],
  },
]

interface TextShape {
  readonly maxLength: number
  readonly pattern?: string
}

const v4 = '([0-9]{1,3}\\.){3}[0-9]{1,3}'
const v6 = '[0-9A-Fa-f]*:[0-9A-Fa-f:.]*'
const duration: TextShape = { maxLength: 64, pattern: '^([0-9]+(\\.[0-9]+)?(h|ms|us|µs|ns|m|s))+$' }
const community = '[0-9]{1,10}(:[0-9]{1,10}){1,2}|[A-Za-z][A-Za-z_-]*'

/** What the server can tell of the text of each leaf; the agent's reader tells the rest. */
const textShapes: Readonly<Record<LeafName, TextShape | 'integerOrString'>> = {
  'as-number': 'integerOrString',
  'local-preference': 'integerOrString',
  address: { maxLength: 64, pattern: `^(${v4}|${v6}(%[^/\\s]{1,15})?)$` },
  'next-hop': { maxLength: 64, pattern: `^(self|${v4}|${v6})$` },
  'interface-address': { maxLength: 64, pattern: `^(${v4}|${v6})(/[0-9]{1,3})?$` },
  prefix: { maxLength: 43, pattern: `^(${v4}/[0-9]{1,2}|${v6}/[0-9]{1,3})$` },
  endpoint: {
    maxLength: 64,
    pattern: `^(${v4}(:[0-9]{1,5})?|${v6}(%[^/\\s\\]]{1,15})?|\\[${v6}(%[^/\\s\\]]{1,15})?\\](:[0-9]{1,5})?)$`,
  },
  'cluster-id': { maxLength: 15, pattern: `^${v4}$` },
  selector: { maxLength: 1024 },
  community: { maxLength: 40, pattern: `^(${community})$` },
  'community-pattern': {
    maxLength: 40,
    pattern: '^([0-9]{1,10}|\\*)(:([0-9]{1,10}|\\*)){1,2}$|^[A-Za-z][A-Za-z_-]*$',
  },
  'community-or-name': { maxLength: 253 },
  duration,
  'retry-time': duration,
  'hold-time': duration,
  'restart-time': duration,
  interval: duration,
  'log-level': {
    maxLength: 8,
    pattern: '^([Tt]race|[Dd]ebug|[Ii]nfo|[Ww]arning|[Ee]rror|[Ff]atal)$',
  },
}

type Json = Readonly<Record<string, unknown>>

class SchemaWriter {
  readonly #definition: Definition

  constructor(definition: Definition) {
    this.#definition = definition
  }

  write(schema: Schema, path: string): Json {
    const rules = this.#definition.innerRules(path)
    return {
      ...this.#shape(schema, path),
      ...this.#default(schema),
      ...(schema.description === undefined ? {} : { description: schema.description }),
      ...(rules.length === 0 ? {} : { 'x-kubernetes-validations': rules }),
    }
  }

  #shape(schema: Schema, path: string): Json {
    if (schema.enum !== undefined) return { type: 'string', enum: schema.enum }
    if (schema.format !== undefined && schema.format in textShapes) {
      const shape = textShapes[schema.format as LeafName]
      return shape === 'integerOrString'
        ? {
            'x-kubernetes-int-or-string': true,
            anyOf: [{ type: 'integer' }, { type: 'string' }],
            maxLength: 21,
          }
        : { type: 'string', ...shape, ...pick(schema, ['maxLength']) }
    }
    if (schema.properties !== undefined) return this.#object(schema, path)
    if (schema.items !== undefined) {
      return {
        type: 'array',
        items: this.write(schema.items, `${path}[]`),
        ...pick(schema, ['minItems', 'maxItems']),
        ...listType(schema),
      }
    }
    const facets = ['minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'format'] as const
    const wide = Number(schema.maximum) > 2_147_483_647 ? { format: 'int64' } : {}
    return { type: schema.type, ...wide, ...pick(schema, facets) }
  }

  #object({ properties = {}, required = [] }: Schema, path: string): Json {
    const isNeeded = (name: string) => properties[name]?.default === undefined
    const needed = required.filter(isNeeded)
    return {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, field]) => [
          name,
          this.write(field, path === '' ? name : `${path}.${name}`),
        ]),
      ),
      ...(needed.length === 0 ? {} : { required: needed }),
    }
  }

  /** Empty defaults say nothing that absence doesn't. */
  #default(schema: Schema): Json {
    const { default: value } = schema
    const isEmpty = value === '' || (typeof value === 'object' && !Object.keys(value ?? {}).length)
    return value === undefined || isEmpty || !this.#definition.defaults ? {} : { default: value }
  }
}

function listType(schema: Schema): Json {
  const own = Object.entries(schema).filter(([key]) => key.startsWith('x-kubernetes-list'))
  return own.length > 0 ? Object.fromEntries(own) : { 'x-kubernetes-list-type': 'atomic' }
}

function pick(schema: Schema, facets: readonly (keyof Schema)[]): Json {
  const said = facets.filter((facet) => schema[facet] !== undefined)
  return Object.fromEntries(said.map((facet) => [facet, schema[facet]]))
}

function makeCrd(definition: Definition): Json {
  const { kind, plural, shortNames, part, description, columns, rules } = definition
  const isStatus = part === 'status'
  const properties = {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    [part]: new SchemaWriter(definition).write(definition.schema, ''),
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.routelet.io`, labels: { 'app.kubernetes.io/name': 'routelet' } },
    spec: {
      group: 'routelet.io',
      scope: 'Cluster',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames.length === 0 ? {} : { shortNames }),
        categories: ['routelet'],
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          ...(isStatus ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: columns.map(({ wide: isWide, ...column }) =>
            isWide === true ? { ...column, priority: 1 } : column,
          ),
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description,
              properties,
              ...(isStatus ? {} : { required: ['spec'] }),
              ...(rules.length === 0 ? {} : { 'x-kubernetes-validations': rules }),
            },
          },
        },
      ],
    },
  }
}

/** File name → YAML, one custom resource definition each. */
export function formatCrds(): ReadonlyMap<string, string> {
  const head = '# Written by `npm run crds` from the schemas in src/config/schema.\n'
  return new Map(
    definitions.map((definition) => [
      `${definition.plural}.yaml`,
      head +
        stringify(inOneForm(makeCrd(definition)), { lineWidth: 100, aliasDuplicateObjects: false }),
    ]),
  )
}

/** Plain data: schemas carry keys of TypeBox that aren't JSON. */
function inOneForm(value: unknown): unknown {
  return isRecord(value) ? JSON.parse(JSON.stringify(value)) : value
}

/** Writes the files, and removes nothing. */
export function writeCrds(folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of formatCrds()) writeFileSync(path.join(folder, name), text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeCrds(crdFolder)
