/**
 * The lab's manifests: valid for every option, and those in the repository are what the plan makes.
 * `UPDATE_GOLDEN=1` writes them anew.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { loadFolders } from '../../src/config/folder.ts'
import { computeIntent } from '../../src/intent/intent.ts'
import { writeManifests } from '../../src/lab/manifest-folder.ts'
import { buildManifests, type Manifest } from '../../src/lab/manifests.ts'
import type { TopologyName, TopologyOptions } from '../../src/lab/options.ts'
import { planTopology } from '../../src/lab/topology.ts'

const topologies: readonly TopologyName[] = ['tor', 'mesh', 'reflector']
const options = (change: Partial<TopologyOptions>): TopologyOptions => ({
  topology: 'tor',
  nodes: 4,
  dual: false,
  sameAs: false,
  ...change,
})

interface Resource {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly labels?: Record<string, string>
    readonly annotations?: Record<string, string>
  }
  readonly spec: {
    readonly nodeToNodeMeshEnabled?: boolean
    readonly numAllowedLocalASNumbers?: number
    readonly sourceAddress?: string
  }
}

const resources = (manifests: readonly Manifest[], folder = 'cluster'): Resource[] =>
  manifests
    .filter((manifest) => manifest.folder === folder)
    .flatMap(({ text }) => text.split('---\n').map((document) => parse(document) as Resource))

const { UPDATE_GOLDEN: update } = process.env

t.test('the manifests in deploy/lab are exactly those of the default options', async (t) => {
  for (const topology of topologies) {
    const plan = planTopology(options({ topology }))
    const folder = join(deployLab(), topology)
    if (update === '1') writeManifests(plan, folder)
    const wanted = buildManifests(plan).map(({ folder, file, text }) => [join(folder, file), text])
    const kept = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')])
    t.same(kept.sort(), wanted.sort(), topology)
  }
})

t.test('every document of every variant is a resource with a unique kind and name', async (t) => {
  const variants = [
    ...topologies.map((topology) => options({ topology, nodes: 7 })),
    options({ dual: true }),
    options({ sameAs: true }),
    options({ dual: true, sameAs: true, nodes: 12 }),
  ]
  for (const variant of variants) {
    const manifests = buildManifests(planTopology(variant))
    for (const folder of ['cluster', 'tor1', 'tor2']) {
      const names = resources(manifests, folder).map(({ kind, metadata }) => {
        t.match(metadata.name, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
        return `${kind}/${metadata.name}`
      })
      t.equal(new Set(names).size, names.length, `${JSON.stringify(variant)} ${folder}`)
      t.equal(new Set(names.map((name) => name.split('/')[0])).size, 3, 'three kinds')
    }
  }
})

t.test('the agents find nothing to complain about in any variant', async (t) => {
  const variants = [
    ...topologies.map((topology) => options({ topology })),
    options({ dual: true }),
    options({ sameAs: true }),
    options({ dual: true, sameAs: true }),
  ]
  for (const variant of variants) {
    const folder = mkdtempSync(join(tmpdir(), 'routelet-manifests-test-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const plan = planTopology(variant)
    writeManifests(plan, folder)
    const readers: [folder: string, nodes: readonly string[]][] = [
      ['cluster', plan.nodes.map(({ name }) => name)],
      ...plan.switches.map(({ name }): [string, string[]] => [name, [name]]),
    ]
    for (const [reader, nodes] of readers) {
      const { resources, problems } = await loadFolders([join(folder, reader)])
      t.same(problems, [], `${JSON.stringify(variant)} ${reader}`)
      for (const node of nodes) {
        const intent = computeIntent(resources, node)
        t.same(intent.problems, [], node)
        t.ok(intent.peers.length >= 2, `${node} has peers`)
        t.ok(
          intent.peers.every(({ heldDown }) => heldDown === null),
          'none is held down',
        )
      }
    }
  }
})

t.test('with one AS for all nodes their own AS is allowed in received paths', async (t) => {
  const cluster = resources(buildManifests(planTopology(options({ sameAs: true }))))
  const peers = cluster.filter(({ kind }) => kind === 'BGPPeer')
  t.ok(peers.every(({ spec }) => spec.numAllowedLocalASNumbers === 1))
  const nodes = cluster.filter(({ kind }) => kind === 'Node')
  t.ok(nodes.every(({ metadata }) => !metadata.annotations?.['projectcalico.org/ASNumber']))
})

t.test('with two uplinks the source address is left to the kernel', async (t) => {
  const cluster = resources(buildManifests(planTopology(options({ dual: true }))))
  const peers = cluster.filter(({ kind }) => kind === 'BGPPeer')
  t.equal(peers.length, 4, 'two switches, two families')
  t.ok(peers.every(({ spec }) => spec.sourceAddress === 'None'))
})

t.test('the mesh is on in topology mesh alone, and n1 and n2 reflect in reflector', async (t) => {
  for (const topology of topologies) {
    const cluster = resources(buildManifests(planTopology(options({ topology }))))
    const configuration = cluster.find(({ kind }) => kind === 'BGPConfiguration')
    t.equal(configuration?.spec.nodeToNodeMeshEnabled, topology === 'mesh', topology)
    const reflectors = cluster.filter(
      ({ metadata }) => metadata.annotations?.['projectcalico.org/RouteReflectorClusterID'],
    )
    const names = reflectors.map(({ metadata }) => metadata.name)
    t.same(names, topology === 'reflector' ? ['n1', 'n2'] : [], topology)
  }
})

/** `deploy/lab` of the repository, wherever the build was put: the golden files. */
function deployLab(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!readdirSync(folder).includes('package.json')) folder = dirname(folder)
  return join(folder, 'deploy', 'lab')
}
