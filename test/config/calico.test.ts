/** docs/calico.md: its tables are those of the code (UPDATE_GOLDEN=1 rewrites them), and true. */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import {
  configurationRows,
  filterRows,
  formatTable,
  ownFilterFields,
  peerRows,
  type Row,
} from '../../src/config/calico.ts'
import { plain } from '../../src/config/kinds.ts'
import { calicoConfigurationFields } from '../../src/config/schema/bgp-configuration.ts'
import { BgpFilterSpec } from '../../src/config/schema/bgp-filter.ts'
import { calicoPeerFields } from '../../src/config/schema/bgp-peer.ts'
import { withoutEffect } from '../../src/intent/effect.ts'
import { notEnforced as peerFields } from '../../src/intent/session.ts'
import { notEnforced as configurationFields } from '../../src/intent/settings.ts'

const page = 'docs/calico.md'
const tables = {
  BGPPeer: peerRows,
  BGPConfiguration: configurationRows,
  BGPFilter: filterRows,
} as const

function withTables(text: string): string {
  return text.replace(
    /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, head: string, kind: keyof typeof tables, tail: string) =>
      `${head}${formatTable(tables[kind])}\n${tail}`,
  )
}

t.test('the page shows what the tables say', async (t) => {
  const text = readFileSync(page, 'utf8')
  const wanted = withTables(text)
  const { UPDATE_GOLDEN: update } = process.env
  if (update === '1') writeFileSync(page, wanted)
  else t.equal(text, wanted, 'UPDATE_GOLDEN=1 rewrites the tables')
  for (const kind of Object.keys(tables)) t.ok(text.includes(`<!-- table: ${kind} -->`), kind)
})

t.test('every field of Calico has its row', async (t) => {
  t.same(Object.keys(peerRows).sort(), Object.keys(calicoPeerFields).sort())
  t.same(Object.keys(configurationRows).sort(), Object.keys(calicoConfigurationFields).sort())
  const rule = plain(BgpFilterSpec).properties?.['exportV4']?.items?.properties ?? {}
  t.same(
    [...Object.keys(filterRows), ...ownFilterFields].sort(),
    Object.keys(rule).sort(),
    'rules of a filter',
  )
})

t.test('a row says "not yet" exactly where a field is not enforced', async (t) => {
  const verdicts = (rows: Readonly<Record<string, Row>>, verdict: string) =>
    Object.entries(rows)
      .filter(([, [said]]) => said === verdict)
      .map(([field]) => field)
      .sort()
  const ofCalico = (fields: readonly string[], rows: object) =>
    fields.filter((field) => Object.hasOwn(rows, field)).sort()
  t.same(
    verdicts(peerRows, 'not yet'),
    ofCalico([...peerFields.map(([field]) => field), 'localWorkloadSelector'], peerRows),
  )
  t.same(verdicts(configurationRows, 'not yet'), ofCalico(configurationFields, configurationRows))
  t.same(
    verdicts(configurationRows, 'not applicable'),
    withoutEffect.map(([field]) => field).sort(),
  )
})
