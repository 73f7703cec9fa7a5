/**
 * Entry of the BFD thread: a session of 50 ms × 3 must not wait for anything the main thread does.
 * Where it is allowed, the thread goes before ordinary ones too (SCHED_RR), so that neither must it
 * wait for another program.
 */
import { randomInt } from 'node:crypto'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { BfdEngine, type BfdState, type BfdView } from '../../bgp/bfd/index.ts'
import { systemClock } from '../sys/clock.ts'
import { enterNetworkNamespace } from '../sys/network-namespace.ts'
import { raiseThread } from '../sys/scheduler.ts'
import { createBfdNetwork } from '../sys/udp.ts'
import type { BfdWorkerData, FromBfdWorker, ToBfdWorker } from './bfd-messages.ts'
import type { HopReport } from './fib-messages.ts'

/** Views with their counters go to the main thread a page at a time, when it has read the last. */
const refreshMs = 500
const pathsPerPage = 128

const { netnsPath, priority } = workerData as BfdWorkerData

enterNetworkNamespace(netnsPath)
const engine = new BfdEngine({
  network: createBfdNetwork(),
  clock: systemClock,
  random: Math.random,
  newDiscriminator: () => randomInt(1, 2 ** 32),
  onState: tellState,
  onEvent: (event) => say({ from: 'event', event }),
})
/** Leads to the kernel writer's thread; null: the main thread tells it. */
let line: MessagePort | null = null
/** Address of each session's remote, by its name. */
let remotes: ReadonlyMap<string, string> = new Map()
let nextPage = 0
let mainThreadReads = true
const refresh = setInterval(tellPage, refreshMs)
parentPort?.on('message', obey)
takePrecedence()

function obey(message: ToBfdWorker): void {
  switch (message.to) {
    case 'sessions':
      remotes = new Map(message.sessions.map(({ name, remoteAddress }) => [name, remoteAddress]))
      engine.setSessions(message.sessions)
      tellViews(engine.views(), true)
      return
    case 'line':
      line = message.line
      return
    case 'seen':
      mainThreadReads = true
      return
    case 'close':
      clearInterval(refresh)
      engine.close()
      line?.close()
      // Without its port the thread has nothing left to wait for, and ends by itself.
      parentPort?.close()
      return
  }
}

/** First of all the kernel writer, by a way that no busy main thread can block. */
function tellState(state: BfdState): void {
  const nextHop = remotes.get(state.name)
  if (nextHop !== undefined && (state.failed || state.state === 'Up')) {
    line?.postMessage({ nextHop, alive: !state.failed } satisfies HopReport)
  }
  const view = engine.view(state.name)
  say({ from: 'state', state, view })
}

function tellPage(): void {
  if (!mainThreadReads || engine.size === 0) return
  if (nextPage >= engine.size) nextPage = 0
  tellViews(engine.views(nextPage, pathsPerPage), false)
  nextPage += pathsPerPage
  mainThreadReads = false
}

function tellViews(views: readonly BfdView[], whole: boolean): void {
  say({ from: 'views', views, whole, refusals: engine.refusals() })
}

/** Last, so that loading and compiling is done like everybody else's work. */
function takePrecedence(): void {
  if (priority === null) return
  const refusal = raiseThread(priority)
  if (refusal === null) return
  const text = `BFD runs without real-time priority (${refusal}): a busy host may delay it`
  say({ from: 'event', event: { kind: 'bfd.note', level: 'info', text } })
}

function say(message: FromBfdWorker): void {
  parentPort?.postMessage(message)
}
