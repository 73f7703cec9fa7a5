/** Manifests: every fault with its line, field, expectation and remedy; no bytes break the reader. */
import fc from 'fast-check'
import t from 'tap'
import { fileBytesMax, readManifests } from '../../src/config/manifest.ts'
import type { BgpPeerResource } from '../../src/config/resources.ts'
import { complaints, configuration, filter, peer, resources } from './texts.ts'

const { SEED: seedText = '179' } = process.env
const seed = Number(seedText)

t.test('a peer is read into the form the program uses', async (t) => {
  const text = peer(`
  peerIP: "[2001:DB8::1]:1790"
  asNumber: "1.10"
  holdTime: 1m30s
  filters: []
  nodeSelector: ""
  peerSelector: null`)
  t.same(complaints(text), [])
  const [read] = resources(text) as BgpPeerResource[]
  t.match(read, {
    name: 'p',
    kind: 'BGPPeer',
    namespace: null,
    place: { file: 'x.yaml', line: 1, column: 1 },
    body: {
      spec: {
        peerIP: '[2001:db8::1]:1790',
        asNumber: 65_546,
        holdTime: 90,
        sourceAddress: 'UseNodeIP',
        maxRestartTime: 120,
        reversePeering: 'Auto',
      },
    },
  })
  t.notOk(Object.hasOwn(read?.body.spec ?? {}, 'nodeSelector'), 'empty text says nothing')
  t.same(Object.keys(read?.written as object), ['peerIP', 'asNumber', 'holdTime', 'filters'])
})

t.test('every fault of a file is told at once, each where it stands', async (t) => {
  const text = `apiVersion: routelet.io/v1
kind: BGPPeer
metadata:
  name: rack-a
spec:
  peerIp: 10.0.0.3
  asNumber: abc
  holdTime: 2s
  nextHopMode: self
  families: [ipv4-unicast, ipv5]
---
apiVersion: v1
kind: Node
metadata: {name: n1}
spec:
  podCIDRs:
    - 10.1.0.0/24
    - 10.2.0.1/24
`
  t.same(complaints(text), [
    'x.yaml:6:3: error: BGPPeer/rack-a: spec.peerIp: expected a known field, found "peerIp"; did you mean peerIP?',
    'x.yaml:7:13: error: BGPPeer/rack-a: spec.asNumber: expected an AS number: 1 to 4294967295, or "high.low", found "abc"; it is not an AS number',
    'x.yaml:8:13: error: BGPPeer/rack-a: spec.holdTime: expected a duration: 0s (off), or 3s to 65535s, found "2s"; the hold time is 0 or at least 3 seconds (RFC 4271 §4.2)',
    'x.yaml:9:16: error: BGPPeer/rack-a: spec.nextHopMode: expected one of Auto, Self, Keep, found "self"; did you mean Self?',
    'x.yaml:10:28: error: BGPPeer/rack-a: spec.families[1]: expected one of ipv4-unicast, ipv6-unicast, found "ipv5"',
    'x.yaml:18:7: error: Node/n1: spec.podCIDRs[1]: expected a prefix such as 10.0.0.0/16 or 2001:db8::/48, found "10.2.0.1/24"; bits are set beyond the prefix length; the network is 10.2.0.0/24',
  ])
})

t.test('a fault of one field', async (t) => {
  const table: readonly [string, string, string][] = [
    [
      'a dotted AS without quotes',
      peer('{peerIP: 10.0.0.1, asNumber: 1.10}'),
      'spec.asNumber: expected an AS number: 1 to 4294967295, or "high.low", found 1.1; write a dotted AS number in quotes',
    ],
    [
      'an AS too great',
      peer('{peerIP: 10.0.0.1, asNumber: 4294967296}'),
      'spec.asNumber: expected an AS number: 1 to 4294967295, or "high.low", found 4294967296; it is out of range',
    ],
    [
      'a number for a duration',
      peer('{peerIP: 10.0.0.1, asNumber: 1, holdTime: 90}'),
      'spec.holdTime: expected a duration: 0s (off), or 3s to 65535s, found 90; it is not text',
    ],
    [
      'parts of a second',
      peer('{peerIP: 10.0.0.1, asNumber: 1, maxRestartTime: 1500ms}'),
      'spec.maxRestartTime: expected a duration of 0s to 4095s such as 120s, found "1500ms"; it is not a whole number of seconds',
    ],
    [
      'link-local without an interface',
      peer('{peerIP: "fe80::1", asNumber: 1}'),
      'spec.peerIP: expected an address, or an address and port as in 10.0.0.1:179 or [2001:db8::1]:179, found "fe80::1"; a link-local address needs its interface: fe80::1%eth0',
    ],
    [
      'a selector',
      peer('{peerSelector: "rack = 1"}'),
      'spec.peerSelector: expected a selector such as rack == "a" && !has(spare), found "rack = 1"; at column 6: expected "==", "!=", "in", "not in", "contains", "starts with" or "ends with", found "= 1"',
    ],
    [
      'a word for a switch',
      peer('{peerIP: 10.0.0.1, asNumber: 1, passive: maybe}'),
      'spec.passive: expected true or false, found "maybe"',
    ],
    [
      'a number out of range',
      peer('{peerIP: 10.0.0.1, asNumber: 1, ttlSecurity: 255}'),
      'spec.ttlSecurity: expected a whole number from 1 to 254, found 255',
    ],
    ['a list for a map', peer('[1]'), 'spec: expected a map of fields, found a list of 1'],
    [
      'a map for a list',
      peer('{peerIP: 10.0.0.1, asNumber: 1, filters: {a: b}}'),
      'spec.filters: expected a list, found a map',
    ],
    [
      'an empty list',
      peer('{peerIP: 10.0.0.1, asNumber: 1, families: []}'),
      'spec.families: expected at least 1 entry, found a list of 0',
    ],
    [
      'a missing inner field',
      peer('{peerIP: 10.0.0.1, asNumber: 1, password: {secretKeyRef: {name: s}}}'),
      'spec.password.secretKeyRef.key: expected text that is not empty, at most 253 characters, found nothing',
    ],
    [
      'a community',
      configuration(
        '{communities: [{name: a, value: "1:65536"}], prefixAdvertisements: [{cidr: 10.0.0.0/8}]}',
      ),
      'spec.communities[0].value: expected a community: aa:nn, aa:nn:mm, or a well-known name such as no-export, found "1:65536"; every part is a number from 0 to 65535',
    ],
  ]
  for (const [caption, text, message] of table) {
    const [only, ...more] = complaints(text)
    t.match(only, message, caption)
    t.same(more, [], caption)
  }
})

t.test(
  'an unknown field: an error in our group, a warning in Calico ones, else nothing',
  async (t) => {
    const spec = '{peerIP: 10.0.0.1, asNumber: 1, mtu: 9000}'
    t.match(complaints(peer(spec)), [/error: .*spec\.mtu: expected a known field/])
    t.match(complaints(peer(spec, 'projectcalico.org/v3')), [/warning: .*spec\.mtu/])
    t.equal(resources(peer(spec, 'crd.projectcalico.org/v1')).length, 1)
    t.same(
      complaints('apiVersion: v1\nkind: Node\nmetadata: {name: n, uid: u}\nspec: {taints: []}\n'),
      [],
    )
  },
)

t.test('kinds that are not ours are passed over, those nearly ours are not', async (t) => {
  t.match(
    complaints('apiVersion: v1\nkind: ConfigMap\n'),
    [
      'x.yaml:2:7: info: kind: ConfigMap of v1 is not used; remove it, or leave it: it is ignored',
    ].map((line) => line.replace(' kind:', '')),
  )
  t.match(complaints('apiVersion: routelet.io/v1\nkind: BgpPeer\n'), [
    /error: .*did you mean BGPPeer\?/,
  ])
  t.match(complaints('apiVersion: routelet.io/v2\nkind: BGPPeer\n'), [
    /error: BGPPeer of routelet\.io\/v2 is not used; BGPPeer is read in routelet\.io\/v1, projectcalico/,
  ])
  t.match(complaints('apiVersion: serving.knative.dev/v1\nkind: Service\n'), [/: info: /])
})

t.test('what is no object is told', async (t) => {
  t.match(complaints('just text'), [
    'x.yaml:1:1: error: expected an object with apiVersion and kind, found "just text"; write one object a document',
  ])
  t.match(complaints('a: 1'), [
    'x.yaml:1:1: error: apiVersion: expected text, found nothing; every object says its apiVersion',
    'x.yaml:1:1: error: kind: expected text, found nothing; every object says its kind',
  ])
  t.match(
    complaints(
      'apiVersion: routelet.io/v1\nkind: BGPPeer\nspec: {peerIP: 10.0.0.1, asNumber: 1}\n',
    ),
    [/BGPPeer\/: metadata\.name: expected text matching .*, found nothing/],
  )
  for (const empty of ['', '---\n', '# nothing\n', '---\n---\n'])
    t.same(complaints(empty), [], 'empty')
})

t.test('syntax errors have their line', async (t) => {
  t.match(complaints('apiVersion: v1\nkind: [Node\n'), [/^x\.yaml:3:1: error: Flow sequence/])
  t.match(complaints('a: 1\na: 2\n'), [/^x\.yaml:2:1: error: Map keys must be unique/])
})

t.test('JSON, lists and merge keys are read', async (t) => {
  const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })
  t.match(resources(JSON.stringify(node('a'))), [{ name: 'a' }])
  const list = { apiVersion: 'v1', kind: 'List', items: [node('a'), node('b')] }
  t.match(resources(JSON.stringify(list)), [{ name: 'a' }, { name: 'b' }])
  const typed =
    'apiVersion: v1\nkind: NodeList\nitems:\n- metadata: {name: a}\n- metadata: {name: 5}\n'
  t.match(resources(typed), [{ name: 'a', kind: 'Node' }])
  t.match(complaints(typed), [/^x\.yaml:5:20: error: .*metadata\.name: expected text/])
  t.match(resources(peer('{<<: {asNumber: 7}, peerIP: 10.0.0.1}')), [
    { body: { spec: { asNumber: 7 } } },
  ])
})

t.test('values of a Secret are never shown', async (t) => {
  const text = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: 12345678}\n'
  const [problem] = complaints(text)
  t.match(problem, /stringData\.key: expected text, found a value that is not shown/)
  t.notMatch(problem, /12345678/)
})

t.test('keys such as __proto__ are keys and nothing else', async (t) => {
  const text =
    'apiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {__proto__: x, constructor: y}}\n'
  const [node] = resources(text)
  t.equal(Object.values(node?.labels ?? {}).join(), 'x,y')
  t.same(Object.keys(node?.labels ?? {}), ['__proto__', 'constructor'])
  t.match(complaints(peer('{__proto__: {a: 1}}')), [/./])
  t.equal(Object.hasOwn(Object.prototype, 'a'), false)
})

t.test('size, depth and alias expansion have ceilings', async (t) => {
  t.match(complaints('#'.repeat(fileBytesMax + 1)), [/is larger than 4194304 bytes/])
  for (const piece of ['[', '{a: ', '- ', '? ', '&a [']) {
    const found = readManifests('x.yaml', piece.repeat(2000)).problems
    t.equal(found.length >= 1 && found.length < 5, true, `nested "${piece}"`)
  }
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 10; level++) {
    const inner = Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')
    lines.push(`a${level}: &a${level} [${inner}]`)
  }
  t.match(complaints(lines.join('\n')), [/Excessive alias count/])
})

t.test(`whatever the text is, there are only resources and problems (seed ${seed})`, async (t) => {
  const shapes = fc.constantFrom(
    peer('{peerIP: 10.0.0.1, asNumber: 1}'),
    configuration('{communities: [], fib: {table: 254}}'),
    filter('{action: Accept}'),
    'apiVersion: v1\nkind: Node\nmetadata: {name: n}\nspec: {podCIDRs: [10.0.0.0/24]}\n',
    'apiVersion: v1\nkind: List\nitems: [{}]\n',
  )
  const damaged = fc
    .tuple(
      shapes,
      fc.nat(200),
      fc.nat(20),
      fc.oneof(
        fc.string(),
        fc.constantFrom('{', '[', ': ', '\n- ', '&a ', '*a', '!!binary ', '<<: ', '\0', '\ud800'),
      ),
    )
    .map(([text, at, length, put]) => text.slice(0, at) + put + text.slice(at + length))
  const objects = fc.anything({ maxDepth: 4, withNullPrototype: true }).map((spec) => {
    const object = { apiVersion: 'routelet.io/v1', kind: 'BGPPeer', metadata: { name: 'p' }, spec }
    return JSON.stringify(object, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  })
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), damaged, objects), (text) => {
      const { resources, problems } = readManifests('f', text)
      return (
        resources.every(({ resource }) => resource.name !== '') &&
        problems.every((p) => p.line >= 1 && p.column >= 1 && p.message !== '')
      )
    }),
    { seed, numRuns: 700 },
  )
  t.pass()
})
