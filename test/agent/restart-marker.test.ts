/** The mark of an earlier run: what is read of it, when it is written, and what is no mark. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { RestartMarker } from '../../src/restart-marker.ts'
import { FakeClock } from '../bgp/clock.ts'
import { waitUntil } from '../network/wait.ts'

function stage(folder: string, clock = new FakeClock()) {
  const complaints: string[] = []
  const report = (text: string) => void complaints.push(text)
  const bootIdFile = path.join(folder, 'boot_id')
  const file = path.join(folder, 'state', 'restart.json')
  const ports = { clock, report, bootIdFile }
  const marker = new RestartMarker(path.join(folder, 'state'), ports)
  return { marker, clock, complaints, file, bootIdFile }
}

const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'))

t.test('it is made with its folder, kept fresh, and left at the end', async (t) => {
  const { marker, clock, complaints, file } = stage(t.testdir({ boot_id: 'b\n' }))
  t.equal(await marker.age(), null)
  await marker.begin()
  t.same(read(file), { bootId: 'b', at: clock.epoch })
  clock.advance(15_000)
  await waitUntil(
    'the mark to be refreshed',
    () => read(file).at,
    (at) => at === clock.epoch + 15_000,
  )
  clock.advance(7_000)
  await marker.end(false)
  t.same(read(file), { bootId: 'b', at: clock.epoch + 22_000 })
  clock.advance(5_000)
  t.equal(await marker.age(), 5)
  t.equal(clock.pending, 0)
  t.same(complaints, [])
})

t.test('an end for good takes it away', async (t) => {
  const { marker } = stage(t.testdir({ boot_id: 'b', state: {} }))
  await marker.begin()
  await marker.end(true)
  t.equal(await marker.age(), null)
})

t.test('another boot is another life', async (t) => {
  const { marker, bootIdFile } = stage(t.testdir({ boot_id: 'b', state: {} }))
  await marker.begin()
  await marker.end(false)
  writeFileSync(bootIdFile, 'c\n')
  t.equal(await marker.age(), null)
})

t.test('what is no mark is a first start, and told', async (t) => {
  for (const text of ['', '{', '[]', 'null', '{"bootId": 1, "at": 2}', '{"bootId": "b"}']) {
    const state = { 'restart.json': text }
    const { marker, complaints } = stage(t.testdir({ boot_id: 'b', state }))
    t.equal(await marker.age(), null, text)
    t.equal(complaints.length, 1, text)
    t.match(complaints[0], /restart\.json.*first start/)
  }
})

t.test('a folder that cannot be one stops the start, in words', async (t) => {
  const { marker } = stage(t.testdir({ boot_id: 'b', state: 'a file' }))
  await t.rejects(marker.age(), { message: /^--state-dir .*state can't be used: EEXIST/ })
})

t.test('a mark that cannot be written later is told and changes nothing else', async (t) => {
  const folder = t.testdir({ boot_id: 'b', state: {} })
  const { marker, clock, complaints } = stage(folder)
  await marker.begin()
  rmSync(path.join(folder, 'state'), { recursive: true })
  clock.advance(15_000)
  await waitUntil(
    'the failure to be told',
    () => complaints.length,
    (seen) => seen === 1,
  )
  t.match(complaints[0], /can't be refreshed: ENOENT/)
  await marker.end(false)
  t.match(complaints[1], /can't be left: ENOENT/)
})
