/** The command as a user runs it: a process, its streams and its exit code. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { keepaliveMessage } from '../../bgp/wire/message.ts'
import { basics, hexText, net, updateOf } from '../bgp/wire/vectors.ts'
import { bgp4mpMessage } from './archive.ts'

const main = path.resolve(import.meta.dirname, '../../src/main.js')
const keepalive = hexText(keepaliveMessage)
const update = updateOf({ attributes: basics, announced: net })

function start(options: readonly string[]) {
  return spawn(process.execPath, [main, 'decode', ...options], { stdio: 'pipe' })
}

async function run(options: readonly string[], input: string | Uint8Array) {
  const child = start(options)
  child.stdin.end(input)
  const [out, error] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  const lines = out.split('\n').filter((line) => line !== '')
  return { code: child.exitCode, answers: lines.map((line) => JSON.parse(line)), error }
}

t.test('each line has its answer, blank lines have none', async (t) => {
  const lines = [keepalive, '', hexText(update), `{"hex":"${keepalive}"}`, 'ff'.repeat(18)]
  const { code, answers, error } = await run([], `${lines.join('\n')}\n`)
  t.match(answers, [
    { type: 'KEEPALIVE' },
    { type: 'UPDATE', announced: [{ prefix: '10.1.0.0/16' }] },
    { type: 'KEEPALIVE' },
    { error: { code: 1, subcode: 2 } },
  ])
  t.same([code, error], [0, ''], 'a message that would end a session was decoded all the same')
})

t.test('lines that are no messages are answered too, and the exit code tells', async (t) => {
  const { code, answers } = await run([], `zz\n${keepalive}\n{"hex":"00","context":{"as4":2}}`)
  t.match(answers, [
    { error: { line: 1, input: 'zz', reason: /not hexadecimal/ } },
    { type: 'KEEPALIVE' },
    { error: { line: 3, reason: /context\.as4: expected true or false, found 2/ } },
  ])
  t.equal(code, 1)
})

t.test('options are the context of lines that have none', async (t) => {
  const line = JSON.stringify({ hex: keepalive, context: { state: 'Established' } })
  const { answers } = await run(['--state', 'OpenSent'], `${keepalive}\n${line}\n`)
  t.match(answers, [{ error: { code: 5, subcode: 1, data: '04' } }, { type: 'KEEPALIVE' }])
  const two = updateOf({ attributes: '400101 00 400204 0201 fdea 400304 0a000001', announced: net })
  const old = await run(['--no-as4', '--families', 'ipv4-unicast'], `${hexText(two)}\n`)
  t.match(old.answers, [{ attributes: { asPath: [{ asns: [65002] }] }, faults: [] }])
  const numbers = await run(['--local-as', '65002', '--peer-as', '65002'], hexText(update))
  t.match(numbers.answers, [{ faults: [{ attribute: 5, action: 'treat-as-withdraw' }] }])
})

t.test('an option that makes no context is refused at once', async (t) => {
  const { code, error } = await run(['--peer-type', 'both'], '')
  t.equal(code, 2)
  t.match(error, /peerType: expected one of ebgp, ibgp, found "both"/)
})

t.test('an answer comes before the next line is written', async (t) => {
  const child = start([])
  for (let i = 0; i < 3; i++) {
    child.stdin.write(`${keepalive}\n`)
    const [answer] = await once(child.stdout, 'data')
    t.equal(String(answer), '{"type":"KEEPALIVE"}\n')
  }
  child.stdin.end()
  await once(child, 'close')
})

t.test('who stops reading ends the command quietly', async (t) => {
  const child = start([])
  child.stdin.on('error', () => {})
  child.stdout.once('data', () => child.stdout.destroy())
  const block = `${hexText(update)}\n`.repeat(1000)
  const feed = setInterval(() => child.stdin.write(block), 1)
  const [error, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  clearInterval(feed)
  t.same([code, error], [0, ''])
})

t.test('archives are read, plain, gzip or from standard input', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'routelet-decode-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const archive = Buffer.concat([bgp4mpMessage(update), bgp4mpMessage(keepaliveMessage)])
  const place = (name: string, bytes: Uint8Array) => {
    const file = path.join(folder, name)
    writeFileSync(file, bytes)
    return file
  }
  const plain = place('plain', archive)
  const zipped = place('zipped', gzipSync(archive))
  const expected = [
    { mrt: { type: 'BGP4MP', subtype: 'MESSAGE_AS4' }, type: 'UPDATE' },
    { mrt: { peer: { asn: 65002, address: '10.0.0.2' } }, type: 'KEEPALIVE' },
  ]
  const both = await run(['--mrt', plain, '--mrt', zipped], '')
  t.match(both.answers, [...expected, ...expected])
  t.equal(both.code, 0)
  t.match((await run(['--mrt', '-'], gzipSync(archive))).answers, expected)

  const cut = await run(['--mrt', place('cut', gzipSync(archive).subarray(0, -30))], '')
  t.equal(cut.code, 1, 'a cut-off file')
  t.match(cut.answers.at(-1), { error: { file: /cut$/, reason: /octets|header/ } })

  const gone = await run(['--mrt', path.join(folder, 'gone')], '')
  t.same([gone.code, gone.answers], [2, []])
  t.match(gone.error, /gone can't be read: ENOENT/)
  const folderItself = await run(['--mrt', folder], '')
  t.not(folderItself.code, 0)
  const bzip2 = await run(['--mrt', place('b.bz2', Buffer.from('BZh91AY'))], '')
  t.equal(bzip2.code, 2)
  t.match(bzip2.error, /bunzip2 -c .*b\.bz2 \| routelet decode --mrt -/)
})
