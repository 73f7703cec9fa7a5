/**
 * What a lab says: its progress, and what it found, as text for people. Pure but for `write`.
 */
import type { PeerView } from '../../bgp/types.ts'
import { type Cell, formatTable, paint } from '../cli/table.ts'
import { judgeKernel, type NodeSurvey } from './agents.ts'
import type { Reachability } from './pods.ts'

export interface Progress {
  /** Shows where a step stands; on a terminal in place, elsewhere as a line for each change. */
  update(step: string, text: string): void
  /** Finishes the step's line. */
  done(step: string, text: string): void
  line(text?: string): void
}

const STEP_INDENT = 2
const STEP_COLUMNS = 11

export function createProgress(write: (text: string) => void, terminal: boolean): Progress {
  let shown = ''
  const format = (step: string, text: string) =>
    `${' '.repeat(STEP_INDENT)}${step.padEnd(STEP_COLUMNS)}${text}`
  const clear = () => {
    if (terminal && shown !== '') write('\r\u001b[K')
    shown = ''
  }
  return {
    update(step, text) {
      const next = format(step, text)
      if (next === shown) return
      clear()
      shown = next
      write(terminal ? next : `${next} …\n`)
    },
    done(step, text) {
      clear()
      write(`${format(step, text)}\n`)
    },
    line(text = '') {
      clear()
      write(`${text}\n`)
    },
  }
}

/** One node: who it is, its peers, its kernel's routes with our mark. */
export function formatNode(survey: NodeSurvey, colour: boolean): string {
  const { node, view, peers, best, kernel } = survey
  const from = new Map<string, string[]>()
  for (const path of best) from.set(path.prefix, [...(from.get(path.prefix) ?? []), path.peer])
  const peersTable = formatTable(
    peers,
    [
      { title: 'PEER', value: ({ name }) => name },
      { title: 'ADDRESS', value: ({ address }) => address },
      { title: 'AS', value: ({ asn }) => asn, align: 'right' },
      { title: 'STATE', value: formatState },
      { title: 'RECEIVED', value: (peer) => sum(peer, 'received'), align: 'right' },
      { title: 'BEST', value: (peer) => sum(peer, 'best'), align: 'right' },
      { title: 'SENT', value: (peer) => sum(peer, 'advertised'), align: 'right' },
      { title: 'REASON', value: ({ reason }) => reason },
    ],
    colour,
  )
  const routesTable = formatTable(
    kernel,
    [
      { title: 'ROUTE', value: ({ prefix }) => prefix },
      {
        title: 'KERNEL',
        value: ({ kind, nextHops }) => (kind === 'blackhole' ? kind : nextHops.join(', ')),
      },
      { title: 'BEST FROM', value: ({ prefix }) => from.get(prefix)?.join(', ') ?? null },
    ],
    colour,
  )
  const state = view.ready ? 'ready' : `not ready: ${view.readyReason}`
  const title = `${node.name}  rack ${node.rack}  AS ${view.asn}  ${view.addresses.join('  ')}`
  return `${paint(title, 'strong', colour)}  ${state}\n${indent(peersTable)}\n${indent(routesTable)}`
}

function formatState({ state }: PeerView): Cell {
  return { text: state, tone: state === 'Established' ? 'good' : 'bad' }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

function sum(peer: PeerView, count: 'received' | 'best' | 'advertised'): number {
  return peer.families.reduce((total, family) => total + family[count], 0)
}

export interface Verdict {
  readonly ok: boolean
  readonly text: string
}

/**
 * Whether each kernel holds exactly what it should, in one line or with every difference.
 * @param silent why nodes that could not be asked did not answer
 */
export function formatKernelVerdict(
  surveys: readonly NodeSurvey[],
  silent: readonly string[],
): Verdict {
  const problems = surveys.flatMap((survey) =>
    judgeKernel(survey).map((problem) => `${survey.node.name}: ${problem}`),
  )
  if (problems.length > 0 || silent.length > 0) {
    return { ok: false, text: lines([...silent, ...problems]) }
  }
  const routes = surveys.reduce((total, { kernel }) => total + kernel.length, 0)
  return {
    ok: true,
    text: `${routes} routes with our mark: exactly the learned prefixes and the own blackholes`,
  }
}

/** @param how the program that asked */
export function formatReachability(how: string, { ipv4, ipv6 }: Reachability): Verdict {
  const silent = [...ipv4.silent, ...ipv6.silent].map((pair) => `no answer: ${pair}`)
  const summary =
    `${ipv4.answered} of ${ipv4.asked} IPv4 and ${ipv6.answered} of ${ipv6.asked} IPv6 ` +
    `pod pairs answer (${how})`
  return { ok: silent.length === 0, text: lines([summary, ...silent]) }
}

const LISTED_MAX = 16

/** Several lines under one step. */
function lines(all: readonly string[]): string {
  const rest = all.length - LISTED_MAX
  const shown = rest > 0 ? [...all.slice(0, LISTED_MAX), `and ${rest} more`] : all
  return shown.join(`\n${' '.repeat(STEP_INDENT + STEP_COLUMNS)}`)
}

/** Why sessions are not up, one line each. */
export function formatMissingPeers(node: string, peers: readonly PeerView[]): string[] {
  return peers
    .filter(({ state }) => state !== 'Established')
    .map(
      (peer) => `${node}: ${peer.name} (${peer.address}) is ${peer.state}: ${peer.reason ?? '?'}`,
    )
}
