/** `routelet check` and `routelet plan`: what they print, and their exit codes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCheck } from '../../src/cli/check.ts'
import { runPlan } from '../../src/cli/plan.ts'
import { makeTerminal } from './texts.ts'

function makeFolder(t: Test, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-commands-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'all.yaml'), text)
  return folder
}

const manifests = `apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {podCIDRs: [10.1.0.0/24]}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {tor: verysecret}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec:
  peerIP: 10.0.0.254
  asNumber: 65001
  ttlSecurity: 1
  password: {secretKeyRef: {name: keys, key: tor}}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: filtered}
spec: {peerIP: 10.0.0.253, asNumber: 65001, filters: [f], role: Peer}
---
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: f}
spec: {}
`

t.test('plan -o json has the stable shape, and no password', async (t) => {
  const terminal = makeTerminal()
  const folder = makeFolder(t, manifests)
  t.equal(await runPlan({ node: 'n1', manifests: [folder], output: 'json' }, terminal), 0)
  t.notMatch(terminal.text(), /verysecret/)
  const base = {
    port: 179,
    asNumber: 65_001,
    localAsNumber: 64_512,
    sourceAddress: '10.0.0.1',
    routeReflectorClient: false,
    clusterId: null,
    passive: false,
    nextHopMode: 'Auto',
    maxRestartTime: 120,
    allowedLocalAsNumbers: 0,
    families: ['ipv4-unicast'],
  }
  t.same(JSON.parse(terminal.text()), {
    node: {
      name: 'n1',
      asNumber: 64_512,
      routerId: '10.0.0.1',
      clusterId: null,
      addresses: ['10.0.0.1/24'],
      podCidrs: ['10.1.0.0/24'],
    },
    peers: [
      {
        name: 'filtered',
        address: '10.0.0.253',
        ...base,
        password: false,
        ttlSecurity: null,
        filters: ['f'],
      },
      {
        name: 'tor',
        address: '10.0.0.254',
        ...base,
        password: true,
        ttlSecurity: 1,
        filters: [],
      },
    ],
    announcements: [{ prefix: '10.1.0.0/24', reason: 'pod CIDR of node n1', communities: [] }],
    problems: [
      {
        reason: 'NotEnforced',
        severity: 'warning',
        subject: 'BGPPeer/filtered',
        message: 'role is not enforced yet: the session stays down',
        remedy: 'remove role to bring the session up',
      },
    ],
  })
})

t.test('plan for people says what the node would have', async (t) => {
  const terminal = makeTerminal()
  const folder = makeFolder(t, manifests)
  t.equal(await runPlan({ node: 'n1', manifests: [folder], output: 'table' }, terminal), 0)
  t.match(terminal.text(), /node {8}n1, AS 64512, router id 10\.0\.0\.1/)
  t.match(
    terminal.text(),
    /tor {7}10\.0\.0\.254 {3}179 {2}65001 {2}10\.0\.0\.1 {2}eBGP, MD5 {2}BGPPeer tor/,
  )
  t.match(terminal.text(), /role is not enforced yet/)
  t.match(terminal.text(), /table 254, protocol 179, metric 2179, at most 16 paths, install All/)
  t.notMatch(terminal.text(), /verysecret/)
})

t.test('plan for a node that is not there exits 2 and names the nearest', async (t) => {
  const terminal = makeTerminal()
  const folder = makeFolder(t, manifests)
  t.equal(await runPlan({ node: 'n11', manifests: [folder], output: 'table' }, terminal), 2)
  t.match(terminal.text(), /there is no such Node; nothing can be done yet; did you mean n1\?/)
})

t.test('check says valid, counts, and exits 0 with warnings', async (t) => {
  const terminal = makeTerminal()
  const folder = makeFolder(t, manifests)
  t.equal(await runCheck(folder, { output: 'table', host: false }, terminal), 0)
  t.match(terminal.text(), /warning: BGPPeer\/filtered: role is not enforced yet/)
  t.match(terminal.text(), /\nvalid: 1 node, 2 BGPPeers; 0 errors, 1 warning\n$/)
})

t.test('check tells every error, of form and of meaning, and exits 2', async (t) => {
  const terminal = makeTerminal()
  const broken = manifests
    .replace('name: keys, key', 'name: kees, key')
    .replace('asNumber: 65001, filters', 'asNumber: 0, filters')
  const folder = makeFolder(t, `${broken}---\na: b: c\n`)
  t.equal(await runCheck(folder, { output: 'json', host: false }, terminal), 2)
  const { valid, problems } = JSON.parse(terminal.text())
  t.equal(valid, false)
  t.match(problems, [
    { severity: 'error', reason: 'Invalid', line: 23, field: 'spec.asNumber' },
    { severity: 'error', reason: 'Unreadable', line: 30, file: join(folder, 'all.yaml') },
    { severity: 'info', reason: 'UnusedFilter', subject: 'BGPFilter/f' },
    { severity: 'error', reason: 'MissingSecret', message: /Secret kees does not exist/ },
  ])
})
