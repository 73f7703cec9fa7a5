/**
 * What the main thread and the kernel writer's thread say to each other. Orders have no answer and
 * keep their order; calls are answered by number.
 */
import type { MessagePort } from 'node:worker_threads'
import type {
  FibEvent,
  FibSettings,
  Guard,
  HostRoute,
  Resolution,
  WantedChanges,
} from '../../fib/types.ts'

export interface FibWorkerData {
  readonly settings: FibSettings
  /** Network namespace to enter, e.g. `/run/netns/rack1`; null: that of the process. */
  readonly netnsPath: string | null
}

export type FibOrder =
  | { readonly kind: 'configure'; readonly settings: FibSettings }
  | { readonly kind: 'change'; readonly changes: WantedChanges }
  | { readonly kind: 'blackholes'; readonly prefixes: readonly string[] }
  | { readonly kind: 'hosts'; readonly routes: readonly HostRoute[] }
  | { readonly kind: 'guard'; readonly guard: Guard }
  | { readonly kind: 'synchronised' }
  | { readonly kind: 'track'; readonly nextHop: string }
  | { readonly kind: 'untrack'; readonly nextHop: string }
  | { readonly kind: 'dead'; readonly nextHop: string }
  | { readonly kind: 'alive'; readonly nextHop: string }
  | { readonly kind: 'avoid'; readonly nextHop: string; readonly avoided: boolean }

export type FibCall =
  | { readonly kind: 'start' }
  | { readonly kind: 'close' }
  | { readonly kind: 'withdrawAll' }
  | { readonly kind: 'status' }
  | { readonly kind: 'routes'; readonly after: string | null; readonly limit: number }
  | { readonly kind: 'lookup'; readonly prefix: string }
  | { readonly kind: 'nexthops' }
  | { readonly kind: 'difference' }

export type ToFibWorker =
  | { readonly to: 'order'; readonly order: FibOrder }
  | { readonly to: 'call'; readonly id: number; readonly call: FibCall }
  /** Another thread knows the state of next hops, and says so by this line from now on. */
  | { readonly to: 'line'; readonly line: MessagePort }

export type FromFibWorker =
  | { readonly from: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly from: 'refusal'; readonly id: number; readonly error: PlainError }
  | { readonly from: 'resolutions'; readonly resolutions: readonly Resolution[] }
  | { readonly from: 'event'; readonly event: FibEvent }

/** What a thread that watches next hops says to the kernel writer. */
export interface HopReport {
  readonly nextHop: string
  readonly alive: boolean
}

/** An error as it crosses the thread: its class is lost, its words and errno name are not. */
export interface PlainError {
  readonly name: string
  readonly message: string
  /** e.g. `EPERM`; null when it is no error of the kernel. */
  readonly code: string | null
}
