/** What the way from one intent to another touches, and `routelet diff`, which tells it beforehand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { PlanView } from '../../api/views.ts'
import { compareIntents, isEmpty, showIntent } from '../../src/intent/difference.ts'
import { serveAgent } from '../cli/agent.ts'
import { configuration, intentOf, node, peer } from './texts.ts'

const filter = (rules: string) => `---
apiVersion: routelet.io/v1
kind: BGPFilter
metadata: {name: f}
spec: {importV4: ${rules}}
`
const secret = (key: string) => `---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {k: ${key}}
`
const tor = (rest = '') => peer('tor', `{peerIP: 10.9.0.1, asNumber: 65001${rest}}`)
const keyed = tor(', password: {secretKeyRef: {name: s, key: k}}')
const filtered = tor(', filters: [f]')
const reject = filter('[{action: Reject}]')

interface Case {
  readonly caption: string
  readonly before: string
  readonly after: string
  /** Sections as `name change field,field`. */
  readonly expected: Readonly<Record<string, readonly string[]>>
}

const cases: readonly Case[] = [
  { caption: 'nothing', before: node + tor(), after: node + tor(), expected: {} },
  {
    caption: 'a peer more, a peer less',
    before: node + tor(),
    after: node + peer('rr', '{peerIP: 10.9.0.2, asNumber: 64512}'),
    expected: { peers: ['rr added ', 'tor removed '] },
  },
  {
    caption: 'what is agreed in the OPEN resets, what is not does not',
    before: node + tor() + peer('rr', '{peerIP: 10.9.0.2, asNumber: 64512}'),
    after:
      node +
      tor(', holdTime: 30s') +
      peer('rr', '{peerIP: 10.9.0.2, asNumber: 64512, export: Own}'),
    expected: { peers: ['rr live export', 'tor reset holdSeconds'] },
  },
  {
    caption: 'a router id stands in every OPEN',
    before: node + tor(', sourceAddress: None'),
    after: node.replace('10.0.0.1/24', '10.0.0.9/24') + tor(', sourceAddress: None'),
    expected: {
      peers: ['tor reset '],
      settings: ['node.addresses', 'node.routerId'],
    },
  },
  {
    caption: 'a rule of a filter',
    before: node + filtered + reject,
    after: node + filtered + filter('[{action: Accept}]'),
    expected: { filters: ['f changed importV4[0].action'] },
  },
  {
    caption: 'a filter more',
    before: node + tor(),
    after: node + filtered + reject,
    expected: { filters: ['f added '], peers: ['tor live filters'] },
  },
  {
    caption: 'announcements and the kernel',
    before: node,
    after:
      node.replace(', 10.9.9.9/32', '') +
      configuration(
        `{fib: {maxPaths: 8}, prefixAdvertisements: [{cidr: 10.1.0.0/24, communities: ["1:2"]}]}`,
      ),
    expected: {
      announcements: ['10.1.0.0/24 changed communities', '10.9.9.9/32 removed '],
      settings: ['fib.maxPaths', 'node.podCidrs', 'refuse[1].prefix', 'refuse[2]'],
    },
  },
  {
    caption: 'one key for another is not seen: keys are never told',
    before: node + keyed + secret('one'),
    after: node + keyed + secret('two'),
    expected: {},
  },
  {
    caption: 'a key where there was none',
    before: node + tor(),
    after: node + keyed + secret('one'),
    expected: { peers: ['tor reset password'] },
  },
]

for (const { caption, before, after, expected } of cases) {
  t.test(caption, async (t) => {
    // Across the API everything is JSON.
    const shown = JSON.parse(JSON.stringify(showIntent(intentOf(before))))
    const difference = compareIntents(shown, showIntent(intentOf(after)))
    const { settings, ...named } = difference
    const found: Record<string, readonly string[]> = {}
    for (const [section, changes] of Object.entries(named)) {
      if (changes.length === 0) continue
      found[section] = changes.map(
        ({ name, change, fields }) => `${name} ${change} ${fields.map((one) => one.field).join()}`,
      )
    }
    if (settings.length > 0) found['settings'] = settings.map(({ field }) => field)
    t.same(found, expected)
    t.equal(isEmpty(difference), Object.keys(expected).length === 0)
  })
}

t.test('no key is shown', async (t) => {
  const shown = JSON.stringify(showIntent(intentOf(node + keyed + secret('verysecret'))))
  t.notMatch(shown, /verysecret/)
  t.match(shown, /"password":true/)
})

function writeFolder(t: Test, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-diff-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'all.yaml'), text)
  return folder
}

function serve(t: Test, text: string) {
  const plan = { node: 'n1', ...showIntent(intentOf(text)) } as unknown as PlanView
  return serveAgent(t, { plan: () => plan })
}

t.test('diff says what would change, and exits as diff(1) does', async (t) => {
  const { command } = await serve(t, node + tor() + configuration('{fib: {maxPaths: 8}}'))
  const same = writeFolder(t, node + tor() + configuration('{fib: {maxPaths: 8}}'))
  t.match(await command(`diff ${same}`), { exitCode: 0, out: 'nothing would change\n' })
  const other = writeFolder(t, node + tor(', holdTime: 30s'))
  const { exitCode, out } = await command(`diff ${other}`)
  t.equal(exitCode, 1)
  t.equal(
    out,
    [
      '! peer tor is reset',
      '    holdSeconds: 90 → 30',
      '~ settings',
      '    fib.maxPaths: 8 → 16',
      '',
    ].join('\n'),
  )
  const json = await command(`diff ${other} -o json`)
  t.match(JSON.parse(json.out), {
    node: 'n1',
    difference: { peers: [{ name: 'tor', change: 'reset' }], settings: [{ after: 16 }] },
  })
})

t.test('diff keeps what an agent would keep: the last key, the last filters', async (t) => {
  const { command } = await serve(t, node + keyed + secret('one'))
  const { exitCode, out } = await command(`diff ${writeFolder(t, node + keyed)}`)
  t.equal(exitCode, 0)
  t.match(out, /^nothing would change\nwarning: BGPPeer\/tor: .*the last key stays in force/)
})

t.test('diff with manifests that are wrong says so and exits 2', async (t) => {
  const { command } = await serve(t, node + tor())
  const { exitCode, out } = await command(`diff ${writeFolder(t, node + tor(', holdTime: 1s'))}`)
  t.equal(exitCode, 2)
  t.match(out, /spec\.holdTime: expected a duration/)
})
