/**
 * A cluster's worth of Nodes without kubelets: made, and kept moving as kubelets keep them, by
 * requests to the API server. A program of its own, since it must run in the namespace of the server:
 * `node crowd.js URL TOKEN make FROM TO` or `… beat COUNT SECONDS PERIOD`. The last line that it
 * prints is how many requests succeeded.
 */
import { Agent, request } from 'node:https'

const [url = '', token = '', order = '', ...numbers] = process.argv.slice(2)
const connections = 16
const agent = new Agent({ keepAlive: true, maxSockets: connections, rejectUnauthorized: false })
/** The kubelet tells of so many images at most, and a node that was used has them. */
const imagesMax = 50

function send(method: string, path: string, type: string, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': type }
    const call = request(`${url}${path}`, { method, headers, agent }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        if ((response.statusCode ?? 0) < 300) resolve()
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 500)}`))
      })
    })
    call.on('error', reject)
    call.end(JSON.stringify(body))
  })
}

function patchStatus(name: string, status: object): Promise<void> {
  const type = 'application/strategic-merge-patch+json'
  return send('PATCH', `/api/v1/nodes/${name}/status`, type, { status })
}

/** As a kubelet tells them: most of it is what no router reads. */
function statusOf(number: number): object {
  const images = Array.from({ length: imagesMax }, (_, index) => {
    const digest = `${index}${number}`.padStart(64, '0')
    const name = `registry.example.net/team-${index % 7}/service-${index}`
    return { names: [`${name}@sha256:${digest}`, `${name}:v1.${index}.0`], sizeBytes: 90_000_000 }
  })
  const resources = { cpu: '64', memory: '263000000Ki', pods: '110', 'ephemeral-storage': '900Gi' }
  return {
    addresses: [
      { type: 'InternalIP', address: `10.128.${number >> 8}.${number & 255}` },
      { type: 'Hostname', address: nameOf(number) },
    ],
    capacity: resources,
    allocatable: resources,
    conditions: conditions(),
    images,
  }
}

function conditions(): readonly object[] {
  const lastHeartbeatTime = new Date().toISOString()
  const pressures = ['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({
    type,
    status: 'False',
    reason: `KubeletHasNo${type}`,
    message: `kubelet has no ${type}`,
    lastHeartbeatTime,
  }))
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime }
  return [...pressures, { ...ready, message: 'kubelet is posting ready status' }]
}

function nameOf(number: number): string {
  return `crowd-${number}`
}

async function make(number: number): Promise<void> {
  const podCIDR = `10.${64 + (number >> 8)}.${number & 255}.0/24`
  const labels = { 'kubernetes.io/os': 'linux', 'topology.kubernetes.io/zone': `z${number % 3}` }
  const metadata = { name: nameOf(number), labels }
  const spec = { podCIDR, podCIDRs: [podCIDR] }
  const node = { apiVersion: 'v1', kind: 'Node', metadata, spec }
  await send('POST', '/api/v1/nodes', 'application/json', node)
  await patchStatus(nameOf(number), statusOf(number))
}

async function makeAll(from: number, to: number): Promise<number> {
  let next = from
  const work = async () => {
    while (next < to) await make(next++)
  }
  await Promise.all(Array.from({ length: connections }, work))
  return to - from
}

/** Each node tells every `period` seconds that it is alive, one after the other. */
function beatAll(count: number, seconds: number, period: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const begun = performance.now()
    let asked = 0
    let done = 0
    const timer = setInterval(() => {
      const elapsed = (performance.now() - begun) / 1000
      const due = Math.floor((Math.min(elapsed, seconds) * count) / period)
      for (; asked < due; asked++) {
        patchStatus(nameOf(asked % count), { conditions: conditions() }).then(() => done++, reject)
      }
      if (elapsed < seconds || done < asked) return
      clearInterval(timer)
      resolve(done)
    }, 20)
  })
}

const [first = 0, second = 0, third = 1] = numbers.map(Number)
console.log(await (order === 'make' ? makeAll(first, second) : beatAll(first, second, third)))
agent.destroy()
