/**
 * deploy/ against a real API server: what kustomize builds is accepted as it is, and the admission
 * policy holds an agent to its own node. Run by `npm run test:kube`.
 */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { Network } from '../network/namespaces.ts'
import { findBinaries } from './binaries.ts'
import { ControlPlane } from './control-plane.ts'

t.setTimeout(280_000)

// Asked for by name (`npm run test:kube`), so what is missing is a failure, not a skip.
const binaries = findBinaries()
if (typeof binaries === 'string') throw new Error(binaries)
const { kubectl } = binaries

const build = (overlay: string) =>
  execFileSync(kubectl, ['kustomize', `deploy/overlays/${overlay}`], { encoding: 'utf8' })

const nodes = ['n1', 'n2']
  .map((name) => `---\napiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\n`)
  .join('')
const routingOf = (name: string) =>
  `apiVersion: routelet.io/v1\nkind: NodeRouting\nmetadata: {name: ${name}}\n`

const url = 'https://10.0.0.1:6443'
const condition = { type: 'NetworkUnavailable', status: 'False' }
/** Given a URL and a token; prints the status code and the answer. */
const patchScript = `
const [url, token] = process.argv.slice(1)
const headers = {
  authorization: 'Bearer ' + token,
  'content-type': 'application/strategic-merge-patch+json',
}
const options = { method: 'PATCH', headers, rejectUnauthorized: false }
const call = require('node:https').request(url, options, (response) => {
  process.stdout.write(response.statusCode + ' ')
  response.pipe(process.stdout)
})
call.end(${JSON.stringify(JSON.stringify({ status: { conditions: [condition] } }))})
`

t.test('an API server takes deploy/ and keeps agents to their nodes', async (t) => {
  const network = new Network(t)
  const host = await network.namespace('plane')
  const far = await network.namespace('far')
  await network.link(
    { namespace: host, interface: 'e0', addresses: ['10.0.0.1/24'] },
    { namespace: far, interface: 'e0', addresses: ['10.0.0.2/24'] },
  )
  const plane = await ControlPlane.start(host, binaries, '10.0.0.1')
  // The kinds must be there before their objects are.
  await plane.kubectl('apply', '--server-side', '-k', 'deploy/base')
  await plane.untilKindsServed()
  for (const overlay of ['migrate-from-calico', 'reflector', 'mesh', 'tor']) {
    await plane.apply(overlay, build(overlay))
  }
  const table = await plane.kubectl('get', 'bgppeers')
  t.match(table, /rack-a/)
  await plane.apply('nodes', nodes)

  const tokenOf = async (bound: string | null) => {
    const binding =
      bound === null ? [] : ['--bound-object-kind=Node', `--bound-object-name=${bound}`]
    const order = ['create', 'token', 'routelet', '-n', 'routelet-system', ...binding]
    return (await plane.kubectl(...order)).trim()
  }
  const ask = async (bound: string | null, ...args: readonly string[]) => {
    const server = ['--server', url, '--insecure-skip-tls-verify', '--kubeconfig', '/dev/null']
    return host.run(kubectl, [...server, '--token', await tokenOf(bound), ...args])
  }
  const write = (bound: string | null, name: string) => {
    const file = host.write(`routing-${name}.yaml`, routingOf(name))
    return ask(bound, 'apply', '--server-side', '-f', file)
  }
  // A policy takes effect some time after it was made.
  for (let tries = 0; tries < 50 && (await write('n1', 'n2')).code === 0; tries++) {
    await plane.kubectl('delete', 'noderouting', 'n2')
  }
  const stranger = await write('n1', 'n2')
  t.match(stranger, { code: 1, stderr: /the agent of node n1 may not write for n2/ })
  t.match(await write(null, 'n1'), { code: 1, stderr: /the token names no node/ })
  t.match(await write('n1', 'n1'), { code: 0 }, 'its own')

  // kubectl would read the status before it patches it, which an agent may not.
  const patch = async (bound: string, node: string) => {
    const path = `${url}/api/v1/nodes/${node}/status`
    return host.must(process.execPath, ['-e', patchScript, path, await tokenOf(bound)])
  }
  t.match(await patch('n1', 'n1'), /^200 /)
  t.match(await patch('n1', 'n2'), /^403 .*the agent of node n1 may not write for n2/)
  t.match(await ask('n1', 'get', 'secrets', '-A'), { code: 1, stderr: /[Ff]orbidden/ })
  t.match(await ask('n1', 'get', 'secrets', '-n', 'routelet-system'), { code: 0 })
})
