/**
 * The folder store over real files: what changes is seen, and no accident loses the last state.
 * Tests wait for the snapshot they want; nothing depends on how soon it comes.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Clock } from '../../bgp/types.ts'
import { createFolderStore, loadFolders, type Snapshot } from '../../src/config/folder.ts'

/** Waits are hastened, so that the slow rescan is not waited for. */
const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  schedule: (milliseconds, run) => {
    const timer = setTimeout(run, Math.min(milliseconds, 100))
    return { cancel: () => clearTimeout(timer) }
  },
}
const deadlineMs = 20_000

const node = (name: string, cidr = '10.1.0.0/24') =>
  `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\nspec: {podCIDRs: [${cidr}]}\n`
const names = (snapshot: Snapshot) => snapshot.resources.nodes.map(({ name }) => name)
const reasons = (snapshot: Snapshot) => snapshot.problems.map(({ reason }) => reason)

function makeFolder(t: Test, files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'routelet-folder-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** A store that runs, and a way to wait until its newest snapshot is as wanted. */
async function watchFolders(t: Test, ...folders: readonly string[]) {
  const store = createFolderStore(folders, { clock })
  t.teardown(() => store.close())
  let newest = await store.start()
  let notice = () => {}
  store.onSnapshot((snapshot) => {
    newest = snapshot
    notice()
  })
  const until = (caption: string, wanted: (snapshot: Snapshot) => boolean) =>
    new Promise<Snapshot>((resolve, reject) => {
      const deadline = setTimeout(() => {
        reject(new Error(`${caption}: not seen; newest is ${names(newest)}, ${reasons(newest)}`))
      }, deadlineMs)
      notice = () => {
        if (!wanted(newest)) return
        clearTimeout(deadline)
        notice = () => {}
        resolve(newest)
      }
      notice()
    })
  return { store, first: newest, until }
}

t.test('reads manifests by their extension, in the order of their names', async (t) => {
  const folder = makeFolder(t, {
    'b.yaml': node('b'),
    'a.yml': node('a'),
    'c.json': JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'c' } }),
    '.hidden.yaml': node('hidden'),
    'notes.txt': 'not a manifest: [',
  })
  const snapshot = await loadFolders([folder])
  t.same(names(snapshot), ['a', 'b', 'c'])
  t.same(snapshot.problems, [])
  t.same(names(await loadFolders([join(folder, 'b.yaml')])), ['b'], 'a single file')
})

t.test('a folder that is not there is an error, an empty one a warning', async (t) => {
  const folder = makeFolder(t)
  t.match(await loadFolders([folder]), {
    problems: [{ reason: 'FolderEmpty', severity: 'warning', file: folder }],
  })
  t.match(await loadFolders([join(folder, 'absent')]), {
    problems: [{ reason: 'FolderUnreadable', severity: 'error', message: /ENOENT/ }],
  })
})

t.test('a new, a changed and a deleted file are seen', async (t) => {
  const folder = makeFolder(t, { 'a.yaml': node('a') })
  const { first, until } = await watchFolders(t, folder)
  t.same(names(first), ['a'])
  writeFileSync(join(folder, 'b.yaml'), node('b'))
  await until('new', (s) => names(s).join() === 'a,b')
  writeFileSync(join(folder, 'a.yaml'), node('a2'))
  await until('changed', (s) => names(s).join() === 'a2,b')
  rmSync(join(folder, 'b.yaml'))
  const last = await until('deleted', (s) => names(s).join() === 'a2')
  t.same(last.problems, [])
})

t.test('a malformed file is refused and what it said before stays', async (t) => {
  const folder = makeFolder(t, { 'a.yaml': node('a'), 'b.yaml': node('b') })
  const { until } = await watchFolders(t, folder)
  writeFileSync(join(folder, 'a.yaml'), `${node('new')}---\n${node('x', '10.1.0.1/24')}`)
  const refused = await until('refused', (s) => s.problems.length > 0)
  t.same(names(refused), ['a', 'b'], 'not even its good objects are taken')
  t.match(refused.problems, [
    { reason: 'LastStateKept', message: 'what a.yaml said before stays in force' },
    { reason: 'Invalid', file: join(folder, 'a.yaml'), line: 9, field: 'spec.podCIDRs[0]' },
  ])
  writeFileSync(join(folder, 'a.yaml'), node('new'))
  const mended = await until('mended', (s) => s.problems.length === 0)
  t.same(names(mended), ['b', 'new'])
})

t.test('a new file with errors gives nothing', async (t) => {
  const folder = makeFolder(t, { 'a.yaml': node('a') })
  const { until } = await watchFolders(t, folder)
  writeFileSync(join(folder, 'b.yaml'), `${node('b')}---\n{`)
  const snapshot = await until('refused', (s) => s.problems.length > 0)
  t.same(names(snapshot), ['a'])
})

t.test('a file that turns empty keeps what it said', async (t) => {
  const folder = makeFolder(t, { 'a.yaml': node('a'), 'b.yaml': node('b') })
  const { until } = await watchFolders(t, folder)
  writeFileSync(join(folder, 'a.yaml'), '')
  const snapshot = await until('empty', (s) => s.problems.length > 0)
  t.same(names(snapshot), ['a', 'b'])
  t.match(snapshot.problems, [
    { reason: 'FileEmpty', severity: 'warning' },
    { reason: 'LastStateKept' },
  ])
})

t.test('an atomic replace is seen, its temporary file is not', async (t) => {
  const folder = makeFolder(t, { 'a.yaml': node('a') })
  const { until } = await watchFolders(t, folder)
  writeFileSync(join(folder, 'a.yaml.tmp'), node('a2'))
  renameSync(join(folder, 'a.yaml.tmp'), join(folder, 'a.yaml'))
  t.same((await until('replaced', (s) => names(s).join() === 'a2')).problems, [])
})

t.test('the swap of a ConfigMap is seen whole', async (t) => {
  const folder = makeFolder(t)
  const fill = (version: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(join(folder, version))
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, version, name), text)
    }
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  fill('..1', { 'a.yaml': node('a'), 'b.yaml': node('b') })
  for (const name of ['a.yaml', 'b.yaml']) symlinkSync(join('..data', name), join(folder, name))
  const { first, until, store } = await watchFolders(t, folder)
  t.same(names(first), ['a', 'b'])
  const seen: string[] = []
  store.onSnapshot((snapshot) => seen.push(names(snapshot).join()))
  fill('..2', { 'a.yaml': node('a2'), 'b.yaml': node('b2') })
  await until('swapped', (s) => names(s).join() === 'a2,b2')
  t.same(seen, ['a2,b2'], 'no mixture on the way')
})

t.test('a folder that turns empty or vanishes keeps the last state', async (t) => {
  const parent = makeFolder(t)
  const folder = join(parent, 'manifests')
  mkdirSync(folder)
  writeFileSync(join(folder, 'a.yaml'), node('a'))
  const { until } = await watchFolders(t, folder)
  rmSync(join(folder, 'a.yaml'))
  const empty = await until('empty', (s) => reasons(s).includes('FolderEmpty'))
  t.same(names(empty), ['a'])
  rmSync(folder, { recursive: true })
  const gone = await until('gone', (s) => reasons(s).includes('FolderUnreadable'))
  t.same(names(gone), ['a'])
  t.match(gone.problems, [{ severity: 'warning', message: /the last state is kept/ }])
  mkdirSync(folder)
  writeFileSync(join(folder, 'b.yaml'), node('b'))
  t.same(names(await until('back', (s) => s.problems.length === 0)), ['b'])
  writeFileSync(join(folder, 'b.yaml'), node('c'))
  await until('the folder in its place is watched', (s) => names(s).join() === 'c')
})

t.test('what is not text is refused', async (t) => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'a.yaml'), Uint8Array.of(0xff, 0xfe, 0x00))
  t.match(await loadFolders([folder]), {
    problems: [{ reason: 'Unreadable', severity: 'error', remedy: /UTF-8/ }],
  })
})

t.test('a file that may not be read keeps what it said', async (t) => {
  if (process.getuid?.() === 0) {
    t.pass('root may read everything; the same path is taken by text that is not UTF-8')
    return
  }
  const folder = makeFolder(t, { 'a.yaml': node('a') })
  const { until } = await watchFolders(t, folder)
  chmodSync(join(folder, 'a.yaml'), 0)
  t.same(names(await until('refused', (s) => s.problems.length > 0)), ['a'])
})

t.test('one object in two files is told with both places, and the first stays', async (t) => {
  const folder = makeFolder(t, {
    'a.yaml': node('n', '10.1.0.0/24'),
    'b.yaml': node('n', '10.2.0.0/24'),
  })
  const snapshot = await loadFolders([folder])
  t.match(snapshot.resources.nodes, [{ body: { spec: { podCIDRs: ['10.1.0.0/24'] } } }])
  t.match(snapshot.problems, [
    {
      reason: 'Duplicate',
      severity: 'error',
      subject: 'Node/n',
      file: join(folder, 'b.yaml'),
      line: 1,
      message: `it is already defined at ${join(folder, 'a.yaml')}:1, which stays in force`,
    },
  ])
})

t.test('of three API groups the strongest wins; a difference is told', async (t) => {
  const peer = (group: string, asNumber: number) =>
    `apiVersion: ${group}\nkind: BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 10.0.0.1, asNumber: ${asNumber}}\n`
  const folder = makeFolder(t, {
    '1.yaml': peer('crd.projectcalico.org/v1', 1),
    '2.yaml': peer('projectcalico.org/v3', 1),
    '3.yaml': peer('routelet.io/v1', 3),
  })
  const snapshot = await loadFolders([folder])
  t.match(snapshot.resources.bgpPeers, [{ apiVersion: 'routelet.io/v1' }])
  t.match(snapshot.problems, [
    { reason: 'Shadowed', severity: 'warning', file: join(folder, '2.yaml') },
  ])
  t.equal(snapshot.problems.length, 1, 'the two of Calico are equal')
})

t.test('two folders are one set', async (t) => {
  const [one, other] = [
    makeFolder(t, { 'a.yaml': node('a') }),
    makeFolder(t, { 'a.yaml': node('b') }),
  ]
  const { first, until } = await watchFolders(t, one, other)
  t.same(names(first), ['a', 'b'])
  writeFileSync(join(other, 'a.yaml'), node('c'))
  await until('second folder', (s) => names(s).join() === 'a,c')
})

t.test('a closed store says nothing more, however often it is closed', async (t) => {
  const folder = makeFolder(t, { 'a.yaml': node('a') })
  const { store } = await watchFolders(t, folder)
  store.onSnapshot(() => t.fail('a snapshot after close'))
  store.close()
  store.close()
  const witness = await watchFolders(t, folder)
  writeFileSync(join(folder, 'a.yaml'), node('b'))
  await witness.until('seen by another', (s) => names(s).join() === 'b')
})
