/**
 * Entry of the kernel writer's thread. One netlink send can block for 5 to 160 ms, which must not be
 * the time a keepalive waits; so the writer lives here and the main thread holds a proxy.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { createFib, type Fib, KernelError } from '../../fib/index.ts'
import { NetlinkKernel } from '../sys/netlink.ts'
import { enterNetworkNamespace } from '../sys/network-namespace.ts'
import type {
  FibCall,
  FibOrder,
  FibWorkerData,
  FromFibWorker,
  HopReport,
  PlainError,
  ToFibWorker,
} from './fib-messages.ts'

const { settings, netnsPath } = workerData as FibWorkerData
const fib = createFib(settings, new NetlinkKernel())

fib.onResolution((resolutions) => say({ from: 'resolutions', resolutions }))
fib.onEvent((event) => say({ from: 'event', event }))
parentPort?.on('message', (message: ToFibWorker) => {
  if (message.to === 'order') obey(fib, message.order)
  else if (message.to === 'line') hearken(message.line)
  else void answer(message.id, message.call)
})

/** Takes reports on next hops from another thread; the main one may be busy for long. */
function hearken(line: MessagePort): void {
  line.on('message', ({ nextHop, alive }: HopReport) =>
    obey(fib, { kind: alive ? 'alive' : 'dead', nextHop }),
  )
  // It must not keep this thread alive.
  line.unref()
}

/** Carries out an order; what is wrong with it is told as an event, for nobody waits for it. */
function obey(target: Fib, order: FibOrder): void {
  try {
    switch (order.kind) {
      case 'configure':
        target.configure(order.settings)
        break
      case 'change':
        target.change(order.changes)
        break
      case 'blackholes':
        target.blackholes(order.prefixes)
        break
      case 'hosts':
        target.hosts(order.routes)
        break
      case 'guard':
        target.guard(order.guard)
        break
      case 'synchronised':
        target.synchronised()
        break
      case 'track':
        target.track(order.nextHop)
        break
      case 'untrack':
        target.untrack(order.nextHop)
        break
      case 'dead':
        target.dead?.(order.nextHop)
        break
      case 'alive':
        target.alive?.(order.nextHop)
        break
      case 'avoid':
        target.avoid?.(order.nextHop, order.avoided)
        break
    }
  } catch (error) {
    const text = `${order.kind}: ${plain(error).message}`
    say({ from: 'event', event: { kind: 'fib.error', level: 'error', text } })
  }
}

async function answer(id: number, call: FibCall): Promise<void> {
  try {
    say({ from: 'answer', id, value: await carryOut(call) })
  } catch (error) {
    say({ from: 'refusal', id, error: plain(error) })
  }
  // Without its port the thread has nothing left to wait for, and ends by itself.
  if (call.kind === 'close') parentPort?.close()
}

async function carryOut(call: FibCall): Promise<unknown> {
  switch (call.kind) {
    case 'start':
      enterNetworkNamespace(netnsPath)
      return fib.start()
    case 'close':
      return fib.close()
    case 'withdrawAll':
      return fib.withdrawAll()
    case 'status':
      return fib.status()
    case 'routes':
      return fib.routes(call)
    case 'lookup':
      return fib.lookup(call.prefix)
    case 'nexthops':
      return fib.nexthops()
    case 'difference':
      return fib.difference()
  }
}

function say(message: FromFibWorker): void {
  parentPort?.postMessage(message)
}

function plain(error: unknown): PlainError {
  if (error instanceof KernelError) {
    return { name: error.name, message: error.message, code: error.code }
  }
  if (error instanceof Error) return { name: error.name, message: error.message, code: null }
  return { name: 'Error', message: String(error), code: null }
}
