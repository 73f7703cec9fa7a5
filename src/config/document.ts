/**
 * Writes docs/configuration.md from the schemas, so that the tables can't say anything else than
 * what is checked: `node dist/src/config/document.js > docs/configuration.md`.
 */
import { fileURLToPath } from 'node:url'
import { bgpGroups, kinds, plain } from './kinds.ts'
import { BgpConfigurationSpec, perNodeFields } from './schema/bgp-configuration.ts'
import { BgpFilterSpec } from './schema/bgp-filter.ts'
import { BgpPeerSpec } from './schema/bgp-peer.ts'
import { describe, type Schema } from './validate.ts'

const chapters = [
  {
    kind: 'BGPPeer',
    schema: plain(BgpPeerSpec),
    text:
      'Who peers with whom, and how. `node` or `nodeSelector` says which nodes have the peer (all ' +
      'without them); `peerIP`, `peerSelector` or `peerRange` says who the peer is.',
  },
  {
    kind: 'BGPConfiguration',
    schema: plain(BgpConfigurationSpec),
    text:
      'Named `default` for all nodes, or `node.NAME` for one, which may set only ' +
      `${perNodeFields.map((field) => `\`${field}\``).join(', ')}.`,
  },
  {
    kind: 'BGPFilter',
    schema: plain(BgpFilterSpec),
    text:
      'Four ordered lists of rules, in the order a peer names its filters; the first rule that ' +
      'matches decides.',
  },
] as const

/** The whole document, Markdown. */
export function formatConfiguration(): string {
  const head = [
    '# Configuration',
    '',
    'An agent reads Kubernetes-style manifests, YAML or JSON, several objects in a file, from the',
    'folders given with `--manifests`, or [from a cluster](kubernetes.md). A change takes effect at once;',
    'a file with errors is refused whole, and what it said before stays in force. `routelet check DIR`',
    'says what is wrong, `routelet plan --node NAME --manifests DIR` what would come of it.',
    '',
    `BGP kinds may stand in ${bgpGroups.map((group) => `\`${group}\``).join(', ')}; of the same kind`,
    'and name the first of these wins. Calico fields have their meaning and defaults.',
    '',
    '| Kind | API groups |',
    '|---|---|',
    ...kinds.map(({ kind, groups }) => `| ${kind} | ${groups.map((g) => `\`${g}\``).join(', ')} |`),
  ]
  const body = chapters.flatMap(({ kind, schema, text }) => [
    '',
    `## ${kind}`,
    '',
    text,
    '',
    '| Field of `spec` | Value | Default | Meaning |',
    '|---|---|---|---|',
    ...listFields(schema, ''),
  ])
  return `${[...head, ...body].join('\n')}\n`
}

function listFields(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`
    const inner = field.items?.properties === undefined ? field : field.items
    const shown = inner === field ? path : `${path}[]`
    const row = [
      `\`${shown}\``,
      describeField(field),
      formatDefault(field),
      field.description ?? '',
    ]
    return [`| ${row.map(escapeCell).join(' | ')} |`, ...listFields(inner, shown)]
  })
}

function describeField(field: Schema): string {
  if (field.items === undefined) return describe(field)
  const item = field.items.properties === undefined ? `: ${describe(field.items)}` : ''
  return `a list${item}`
}

function formatDefault(field: Schema): string {
  const isPlain = typeof field.default !== 'object' && field.default !== ''
  return field.default === undefined || !isPlain ? '' : `\`${String(field.default)}\``
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(formatConfiguration())
