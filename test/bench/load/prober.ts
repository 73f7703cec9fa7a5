/** A thread that asks `/healthz` over the socket in `workerData`, one request after the other, until it is told to stop. */
import http from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { get, type ProbeReport } from './agent-api.ts'

const betweenMs = 10

let stopped = false
parentPort?.once('message', () => {
  stopped = true
})
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const times: number[] = []
let failed = 0
while (!stopped) {
  const start = performance.now()
  try {
    const { status } = await get(workerData, '/healthz', agent)
    if (status === 200) times.push(performance.now() - start)
    else failed++
  } catch {
    failed++
  }
  await pause(betweenMs)
}
agent.destroy()
const report: ProbeReport = { times, failed }
parentPort?.postMessage(report)
