/**
 * One column of the matrix: every row tried, or left out with its reason, and the outcome held
 * against docs/interop.md. With UPDATE_GOLDEN=1 the column there is rewritten instead.
 */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { missing } from '../../network/namespaces.ts'
import * as base from './base.ts'
import * as changes from './changes.ts'
import type { Asserts } from './eventually.ts'
import * as features from './features.ts'
import { restartHelper, restartOurs } from './restart.ts'
import { type Row, rowKeys, rows } from './rows.ts'
import { buildMatrix, type MatrixSite } from './site.ts'
import type { SubjectKind } from './subject.ts'
import { readColumn, writeColumn } from './table.ts'

type Check = (t: Asserts, site: MatrixSite) => Promise<void>

/** A row missing here doesn't compile. */
const checks: Readonly<Record<Row, Check>> = {
  'ebgp-ipv4': (t, site) => base.checkOutside(t, site, 'four'),
  'ebgp-ipv6': (t, site) => base.checkOutside(t, site, 'six'),
  'ebgp-both': (t, site) => base.checkOutside(t, site, 'both'),
  'client-ipv4': (t, site) => base.checkClient(t, site, 'four'),
  'client-ipv6': (t, site) => base.checkClient(t, site, 'six'),
  'client-both': (t, site) => base.checkClient(t, site, 'both'),
  'reflector-ipv4': (t, site) => base.checkReflection(t, site, 'four'),
  'reflector-ipv6': (t, site) => base.checkReflection(t, site, 'six'),
  'reflector-both': (t, site) => base.checkReflection(t, site, 'both'),
  'four-octet-as': features.fourOctetAs,
  'two-octet-as': features.twoOctetAs,
  'large-communities': features.largeCommunities,
  'refresh-asked': features.refreshAsked,
  'refresh-answered': features.refreshAnswered,
  'enhanced-refresh': features.enhancedRefresh,
  md5: features.md5,
  gtsm: features.gtsm,
  'add-path-sent': features.addPathSent,
  'add-path-best': features.addPathBest,
  'add-path-received': features.addPathReceived,
  'extended-messages': features.extendedMessages,
  'max-prefixes': features.maxPrefixes,
  'peer-range': features.peerRange,
  'local-as': features.localAs,
  'as-override': features.asOverride,
  'allowed-local-as': features.allowedLocalAs,
  'graceful-shutdown': features.gracefulShutdown,
  drain: features.drain,
  'filter-import': features.filterImport,
  'filter-export': features.filterExport,
  'changed-live': changes.changedLive,
  'shutdown-heard': changes.shutdownHeard,
  'shutdown-said': changes.shutdownSaid,
  'shutdown-worded': changes.shutdownWorded,
  'restart-helper': restartHelper,
  'restart-ours': restartOurs,
}

/** The first row that needs more sessions than the base has. */
const firstExtra: Row = 'two-octet-as'

/** Runs the column of a daemon; a test file is one call. */
export async function runColumn(kind: SubjectKind): Promise<void> {
  t.setTimeout(240_000)
  const skip = await missing('ping', ...kind.programs)
  t.test(kind.name, { skip }, async (t) => {
    const site = await buildMatrix(t, kind)
    const found = new Map<Row, string>()
    for (const row of rowKeys) {
      if (row === firstExtra) site.extend()
      const reason = kind.cannot[row]
      if (reason !== undefined) {
        found.set(row, reason)
        continue
      }
      await t.test(rows[row], (t) => checks[row](t, site))
      found.set(row, 'yes')
    }
    await site.agent.stop()
    if (process.env['UPDATE_GOLDEN'] === '1' && t.passing()) {
      await writeColumn(kind.name, versionOf(kind), found)
    }
    t.same(readColumn(kind.name), Object.fromEntries(found), 'docs/interop.md has this column')
  })
}

function versionOf({ version: { program, args, pattern } }: SubjectKind): string {
  // Some print their version as if it were an error.
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown'
}
