/** `routelet run` that can't start: one line that says what and what to do, and exit code 2. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { command } from '../network/agent.ts'
import { configuration, node } from './scene.ts'

const manifests = { 'n1.yaml': node() + configuration('{listenPort: 1}') }

function run(folder: string, ...args: string[]): Promise<{ code: unknown; lines: string[] }> {
  const line = [command, 'run', '--node', 'n1', '--manifests', path.join(folder, 'm'), ...args]
  return new Promise((resolve) => {
    execFile(process.execPath, line, { timeout: 30_000 }, (error, _stdout, stderr) =>
      resolve({ code: error?.code, lines: stderr.trim().split('\n') }),
    )
  })
}

t.test('what would open the API to everybody is refused', async (t) => {
  const folder = t.testdir({ m: manifests })
  const { code, lines } = await run(folder, '--fib', 'none', '--api', '0.0.0.0:0')
  t.equal(code, 2)
  t.equal(lines.length, 1, lines.join('\n'))
  t.match(lines[0], /^routelet: an API beyond loopback needs a token: give --api-token-file/)
})

t.test('an API port in use is named', async (t) => {
  const folder = t.testdir({ m: manifests })
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
  t.teardown(() => squatter.close())
  const { port } = squatter.address() as { port: number }
  const { code, lines } = await run(folder, '--fib', 'none', '--api', `127.0.0.1:${port}`)
  t.equal(code, 2)
  t.match(lines[0], new RegExp(`the API can't listen at .*127\\.0\\.0\\.1:${port}`))
  t.match(lines[1], /choose another --api/)
})

t.test('a state folder that is none stops the start before any session', async (t) => {
  const folder = t.testdir({ m: manifests, file: '' })
  const api = '127.0.0.1:0'
  const state = path.join(folder, 'file')
  const { code, lines } = await run(folder, '--fib', 'none', '--api', api, '--state-dir', state)
  t.equal(code, 2)
  t.equal(lines.length, 1, lines.join('\n'))
  t.match(lines[0], /^routelet: --state-dir .*file can't be used: EEXIST/)
})
