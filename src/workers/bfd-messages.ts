/** What the main thread and the BFD thread say to each other. Both keep their order. */
import type { MessagePort } from 'node:worker_threads'
import type { BfdEvent, BfdSessionConfig, BfdState, BfdView, Refusal } from '../../bgp/bfd/index.ts'

export interface BfdWorkerData {
  /** Network namespace to enter, e.g. `/run/netns/rack1`; null: that of the process. */
  readonly netnsPath: string | null
  /** SCHED_RR priority, 1 to 99; null: an ordinary thread. */
  readonly priority: number | null
}

export type ToBfdWorker =
  /** The kernel writer's thread hears of next hops by this line (HopReport). */
  | { readonly to: 'line'; readonly line: MessagePort }
  /** The whole wanted set. */
  | { readonly to: 'sessions'; readonly sessions: readonly BfdSessionConfig[] }
  /** The last page of views was taken in; the next may come. */
  | { readonly to: 'seen' }
  | { readonly to: 'close' }

export type FromBfdWorker =
  | { readonly from: 'state'; readonly state: BfdState; readonly view: BfdView | null }
  /** `whole`: these are all; otherwise those with these names are fresher. */
  | {
      readonly from: 'views'
      readonly views: readonly BfdView[]
      readonly whole: boolean
      readonly refusals: ReadonlyMap<Refusal, number>
    }
  | { readonly from: 'event'; readonly event: BfdEvent }
