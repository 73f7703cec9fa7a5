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

t.test('a row says "not applicable" exactly where a field has no effect', async (t) => {
  const inapplicable = Object.entries<Row>(configurationRows)
    .filter(([, [said]]) => said === 'not applicable')
    .map(([field]) => field)
  t.same(inapplicable.sort(), withoutEffect.map(([field]) => field).sort())
  const unenforced = peerFields.filter(([field]) => Object.hasOwn(peerRows, field))
  t.same(unenforced, [], 'no field of Calico waits to be enforced')
})
