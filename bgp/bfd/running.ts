/**
 * A session with what surrounds it: its sockets, its timer, its counters; and what it shows of itself.
 */
import type { Timer } from '../types.ts'
import { formatDiagnostic } from './packet.ts'
import { detectionMs, type Session, transmitIntervalMs } from './session.ts'
import type { Arrival, BfdState, BfdView, HearingKind, Sender } from './types.ts'
import type { WantedPath } from './wanted.ts'

export interface Running {
  readonly key: string
  wanted: WantedPath
  session: Session
  sender: Sender | null
  timer: { readonly at: number; readonly handle: Timer } | null
  /** Nobody wants it any more: it says AdminDown until then. */
  leavingAt: number | null
  /** Of the last failure or order; the session's own is cleared on the way up. */
  diagnostic: number
  sinceMs: number
  failures: number
  sentPackets: number
  receivedPackets: number
  refusedPackets: number
  /** Why packets don't leave, and what is wrong with those that come. */
  sendProblem: string | null
  packetProblem: string | null
}

/** Whether a packet came the way the session goes. */
export function fits({ wanted: { path } }: Running, arrival: Arrival): boolean {
  return (
    path.remoteAddress === arrival.remoteAddress &&
    (path.interface === null || path.interface === arrival.interface) &&
    (path.localAddress === null || path.localAddress === arrival.localAddress)
  )
}

export function stateOf(running: Running, name: string, failed: boolean): BfdState {
  const { state, remote } = running.session
  return {
    name,
    state,
    diagnostic: formatDiagnostic(running.diagnostic),
    remoteState: remote.state,
    remoteDiagnostic: formatDiagnostic(remote.diagnostic),
    failed,
  }
}

export function view(running: Running, name: string): BfdView {
  const { session, wanted } = running
  const { failed: _, ...state } = stateOf(running, name, false)
  return {
    ...state,
    ...wanted.path,
    localDiscriminator: session.localDiscriminator,
    remoteDiscriminator: session.remote.discriminator,
    transmitMs: transmitIntervalMs(session),
    detectionMs: detectionMs(session),
    remoteMultiplier: session.remote.multiplier,
    sinceMs: running.sinceMs,
    failures: running.failures,
    sentPackets: running.sentPackets,
    receivedPackets: running.receivedPackets,
    refusedPackets: running.refusedPackets,
    problem: running.sendProblem ?? running.packetProblem,
  }
}

export function kindOf({ wanted: { path } }: Running): HearingKind {
  return { family: path.remoteAddress.includes(':') ? 6 : 4, multihop: path.multihop }
}
