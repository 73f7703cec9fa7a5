/**
 * Alerts, dashboard and the page of metrics are held to the metrics that exist, and every alert to a
 * place in the runbook. promtool looks at the rules and at a scrape where it is installed.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { createMetrics, endingOf, table } from '../../src/metrics.ts'
import { node, peer, started } from './scene.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<string, string>>
}

const folder = 'deploy/monitoring'
const text = readFileSync(join(folder, 'prometheus-rule.yaml'), 'utf8')
const { spec } = parse(text) as { spec: { groups: { name: string; rules: Rule[] }[] } }
const rules = spec.groups.flatMap((group) => group.rules)
const known = new Set(Object.keys(table).map((name) => `routelet_${name}`))
const promtool = spawnSync('promtool', ['--version']).status === 0

function unknownIn(expression: string): string[] {
  return (expression.match(/\broutelet_\w+/g) ?? []).filter((name) => !known.has(name))
}

t.test(
  'every alert asks for metrics that exist, and leads to its place in the runbook',
  async (t) => {
    t.ok(rules.length > 10)
    const runbook = readFileSync('docs/operations.md', 'utf8')
    for (const { alert, expr, labels, annotations } of rules) {
      t.same(unknownIn(expr), [], alert)
      t.match(labels.severity, /^(warning|critical)$/)
      t.ok(annotations['summary'] && annotations['description'], alert)
      t.equal(annotations['runbook_url'], `docs/operations.md#${alert.toLowerCase()}`)
      t.ok(runbook.includes(`\n### ${alert}\n`), `${alert} is in the runbook`)
    }
  },
)

t.test('the dashboard asks for metrics that exist, and for nearly all of them', async (t) => {
  const dashboard = JSON.parse(readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8'))
  const expressions: string[] = dashboard.panels.flatMap(
    ({ targets }: { targets: { expr: string }[] }) => targets.map(({ expr }) => expr),
  )
  t.ok(expressions.length > 10)
  t.same(expressions.flatMap(unknownIn), [])
  for (const panel of dashboard.panels) t.ok(panel.title && panel.gridPos, panel.title)
})

t.test('the page of metrics is the table', async (t) => {
  const page = readFileSync('docs/metrics.md', 'utf8')
  const rows = [...page.matchAll(/^\| `(routelet_\w+)` \| (\w+) \| ([^|]*) \|/gm)]
  t.same(
    rows.map(([, name, type, labels = '']) => [name, type, labels.match(/\w+/g) ?? []]),
    Object.entries(table).map(([name, [type, , labels]]) => [
      `routelet_${name}`,
      type,
      [...labels],
    ]),
  )
})

t.test('the ServiceMonitor and its Service mean the same port and labels', async (t) => {
  const file = readFileSync(join(folder, 'service-monitor.yaml'), 'utf8')
  const [service, monitor] = parseAllDocuments(file).map((one) => one.toJS())
  t.equal(monitor.spec.endpoints[0].port, service.spec.ports[0].name)
  t.same(monitor.spec.selector.matchLabels, service.metadata.labels)
})

t.test('why a session ended is one of few words, whatever the peer said', async (t) => {
  for (const [words, label] of [
    ['hold timer expired: nothing heard for 90 s', 'hold_timer'],
    ['10.0.0.2 closed the connection without a NOTIFICATION', 'connection'],
    ['received NOTIFICATION Cease/Administrative Shutdown', 'notification'],
    ['BFD: the path to 10.0.0.2 is dead', 'bfd'],
    ['something new', 'other'],
  ] as const) {
    t.equal(endingOf(words), label, words)
  }
})

t.test('promtool finds no fault', { skip: !promtool && 'promtool is not installed' }, async (t) => {
  const file = join(t.testdir(), 'rules.yaml')
  writeFileSync(file, stringify(spec))
  const judged = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })
  t.equal(judged.status, 0, judged.stderr)
  const { agent } = await started(node() + peer)
  const delay = () => ({ p50: 1, p99: 20, max: 300 })
  const { body } = await createMetrics(agent, delay).read()
  const linted = spawnSync('promtool', ['check', 'metrics'], { encoding: 'utf8', input: body })
  t.equal(linted.stderr, '')
  t.equal(linted.status, 0)
  await agent.close()
})
