/**
 * The manifests of deploy/, as kustomize builds them: they hold what they promise, their rights are
 * those that the code asks for, and their BGP resources give the peerings that they are meant to give.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { optionalGroups } from '../../src/cluster/sources.ts'
import { readManifests } from '../../src/config/manifest.ts'
import { assembleResources } from '../../src/config/resources.ts'
import { computeIntent } from '../../src/intent/intent.ts'
import { findBinaries } from '../kube/binaries.ts'

const binaries = findBinaries()
const skip = typeof binaries === 'string' ? binaries : false
const overlays = ['tor', 'mesh', 'reflector', 'migrate-from-calico'] as const

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly Rule[]
  readonly spec?: { readonly template?: { readonly spec: PodSpec } }
}

interface PodSpec {
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly containers: readonly [{ readonly args: readonly string[] }]
}

const built = new Map<string, string>()

function build(overlay: string): string {
  const known = built.get(overlay)
  if (known !== undefined) return known
  const text = kustomize(`deploy/overlays/${overlay}`)
  built.set(overlay, text)
  return text
}

function kustomize(folder: string): string {
  if (typeof binaries === 'string') throw new Error(binaries)
  return execFileSync(binaries.kubectl, ['kustomize', folder], { encoding: 'utf8', stdio: 'pipe' })
}

const readAll = (text: string): readonly Manifest[] =>
  parseAllDocuments(text).map((document) => document.toJS())
const read = (overlay: string): readonly Manifest[] => readAll(build(overlay))

function podOf(overlay: string): PodSpec {
  const daemonSet = read(overlay).find(({ kind }) => kind === 'DaemonSet')
  const spec = daemonSet?.spec?.template?.spec
  if (spec === undefined) throw new Error(`${overlay} has no DaemonSet`)
  return spec
}

for (const overlay of overlays) {
  t.test(`${overlay}: the agent has what it needs, and no more`, { skip }, async (t) => {
    const pod = podOf(overlay)
    t.match(pod, {
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      tolerations: [{ operator: 'Exists' }],
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          securityContext: {
            runAsUser: 0,
            privileged: false,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
          },
          livenessProbe: { httpGet: { path: '/healthz', host: '127.0.0.1' } },
          readinessProbe: { httpGet: { path: '/readyz', host: '127.0.0.1' } },
          resources: { requests: {}, limits: {} },
        },
      ],
    })
    const [container] = pod.containers as unknown as [
      { securityContext: { capabilities: { drop: string[]; add: string[] } } },
    ]
    t.same(container.securityContext.capabilities, {
      drop: ['ALL'],
      add: ['NET_ADMIN', 'NET_RAW', 'NET_BIND_SERVICE'],
    })
  })

  t.test(`${overlay}: its resources are right by our own reader`, { skip }, async (t) => {
    const { problems } = readManifests('built.yaml', resourcesOf(overlay))
    t.same(problems, [])
  })
}

/** The documents of our own group. */
function resourcesOf(overlay: string): string {
  return build(overlay)
    .split(/^---\n/m)
    .filter((text) => /^apiVersion: routelet\.io\/v1$/m.test(text))
    .join('---\n')
}

const nodes = ['a', 'b', 'c']
  .map(
    (name, index) => `---
apiVersion: v1
kind: Node
metadata:
  name: ${name}
  labels: {rack: ${name}, ${name === 'c' ? '"routelet.io/reflector": ""' : 'plain: ""'}}
  annotations:
    routelet.io/IPv4Address: 10.0.0.${index + 1}/24
    ${name === 'c' ? 'routelet.io/RouteReflectorClusterID: 244.0.0.1' : 'of: test'}
spec: {podCIDRs: [10.244.${index}.0/24]}
`,
  )
  .join('')

t.test('the overlays give the peerings that they are meant to give', { skip }, async (t) => {
  const peersOf = (overlay: string, node: string) => {
    const { resources } = readManifests('all.yaml', resourcesOf(overlay) + nodes)
    const intent = computeIntent(assembleResources(resources).resources, node)
    const errors = intent.problems.filter(({ severity }) => severity !== 'info')
    t.same(errors, [], `${overlay} ${node}`)
    return intent.peers.map(({ address }) => address)
  }
  t.same(peersOf('tor', 'a'), ['192.0.2.1'])
  t.same(peersOf('tor', 'b'), ['192.0.2.129'])
  t.same(peersOf('mesh', 'a'), ['10.0.0.2'], 'a node with a cluster id has no part in a mesh')
  t.same(peersOf('reflector', 'a'), ['10.0.0.3'])
  t.same(peersOf('reflector', 'c'), ['10.0.0.1', '10.0.0.2'])
})

t.test('the way from Calico changes neither its CNI nor its resources', { skip }, async (t) => {
  const { nodeSelector, containers } = podOf('migrate-from-calico')
  t.match(nodeSelector, { 'routelet.io/bgp': 'routelet' }, 'only nodes that were chosen')
  t.notMatch(containers[0].args.join(' '), /cni/)
  t.equal(resourcesOf('migrate-from-calico'), '')
})

t.test('the rights are those that the code asks for', { skip }, async (t) => {
  const rules = read('mesh').flatMap(({ rules: own = [], kind, metadata }) =>
    own.map((rule) => ({ ...rule, kind, namespace: metadata.namespace ?? null })),
  )
  const granted = rules.flatMap(({ kind, namespace, apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.map((verb) => `${kind} ${namespace ?? '*'} ${verb} ${group || 'core'}/${resource}`),
      ),
    ),
  )
  t.same([...granted].sort(), [...asked()].sort())
  t.notMatch(granted.join(), /\*\/|\/\*|delete/, 'no wildcard, nothing to delete')
})

t.test('asking the cluster about tokens takes a component, and two rights', { skip }, async (t) => {
  const folder = t.testdir({
    'kustomization.yaml': JSON.stringify({
      resources: ['OVERLAY'],
      components: ['COMPONENT'],
    }),
  })
  const toRoot = relative(folder, process.cwd())
  const text = readFileSync(join(folder, 'kustomization.yaml'), 'utf8')
    .replace('OVERLAY', `${toRoot}/deploy/overlays/tor`)
    .replace('COMPONENT', `${toRoot}/deploy/components/token-review`)
  writeFileSync(join(folder, 'kustomization.yaml'), text)
  const withReviews = readAll(kustomize(folder))
  const roles = withReviews.filter(({ kind }) => kind === 'ClusterRole')
  const before = read('tor').filter(({ kind }) => kind === 'ClusterRole')
  const added = roles.filter(({ metadata }) =>
    before.every((known) => known.metadata.name !== metadata.name),
  )
  t.same(
    added.flatMap(({ rules }) => rules ?? []),
    [
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      {
        apiGroups: ['authorization.k8s.io'],
        resources: ['subjectaccessreviews'],
        verbs: ['create'],
      },
    ],
  )
  const gatekeeper = sourceOf('src/kube-gatekeeper.ts')
  const paths = [...gatekeeper.matchAll(/'\/apis\/([a-z0-9.]+)\/v1\/(\w+)'/g)]
  t.same(
    paths.map(([, group, resource]) => [group, resource]),
    added.flatMap(({ rules = [] }) => rules.map((rule) => [rule.apiGroups[0], rule.resources[0]])),
    'which are those that the code asks for',
  )
  const [daemonSet] = withReviews.filter(({ kind }) => kind === 'DaemonSet')
  t.ok(daemonSet?.spec?.template?.spec.containers[0].args.includes('--api-auth=kubernetes'))
})

/** By the tables and paths in the code that talks to the API server. */
function asked(): Set<string> {
  const watched = [...sourceOf('src/cluster/sources.ts').matchAll(/^ {2}[A-Z]\w+: '(\w+)',$/gm)]
  const plurals = watched.map(([, plural = '']) => plural)
  t.ok(plurals.includes('blockaffinities') && plurals.length >= 10, 'the table of kinds was read')
  const rights = new Set<string>()
  const grant = (verb: string, resource: string, kind = 'ClusterRole', where = '*') =>
    rights.add(`${kind} ${where} ${verb} ${resource}`)
  const readable = (resource: string, kind?: string, where?: string) => {
    for (const verb of ['list', 'watch']) grant(verb, resource, kind, where)
  }
  const ofOwnGroup = ['bgpconfigurations', 'bgppeers', 'bgpfilters']
  for (const resource of ['nodes', 'services', 'pods']) readable(`core/${resource}`)
  readable('discovery.k8s.io/endpointslices')
  readable('core/secrets', 'Role', 'routelet-system')
  for (const group of optionalGroups.map((version) => version.replace(/\/.*/, ''))) {
    const calico = group === 'routelet.io' ? [] : ['ippools', 'blockaffinities', 'nodes']
    for (const resource of [...ofOwnGroup, ...calico]) readable(`${group}/${resource}`)
  }
  const writer = sourceOf('src/status/status-writer.ts')
  t.match(writer, /verb: 'get',\s+path: `\/api\/v1\/nodes\/\$/)
  grant('get', 'core/nodes')
  t.match(writer, /verb: 'patch',\s+path: `\/api\/v1\/nodes\/\$\{[^}]+\}\/status`/)
  grant('patch', 'core/nodes/status')
  t.match(writer, /path: `\/apis\/routelet\.io\/v1\/noderoutings\//)
  for (const resource of ['noderoutings', 'noderoutings/status']) {
    // Server-side apply of what isn't there yet creates it.
    for (const verb of ['create', 'patch']) grant(verb, `routelet.io/${resource}`)
  }
  t.match(sourceOf('src/status/event-poster.ts'), /\/apis\/events\.k8s\.io\/v1\/namespaces\//)
  grant('create', 'events.k8s.io/events', 'Role', 'default')
  return rights
}

const sourceOf = (file: string) => readFileSync(file, 'utf8')

t.test('the image is built of a current Node, and holds no tests', async (t) => {
  const text = sourceOf('deploy/Dockerfile')
  const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)
  t.same(bases, ['node:24-slim', 'node:24-slim'])
  t.notMatch(text, /COPY.*dist\/test/)
})
