/**
 * What a lab can be told on the command line, and the refusal of what makes no sense, with every
 * problem at once. Pure.
 */

export type TopologyName = 'tor' | 'mesh' | 'reflector'
export type SwitchSoftware = 'bird' | 'frr' | 'routelet'

/** As given by a caller or the command line; what is absent has its default. */
export interface LabOptions {
  /** Prove that every pod reaches every other, then leave. Default: stay until Ctrl-C. */
  readonly once?: boolean | undefined
  /** `bird`, `frr` or `routelet`. Default: the first of them that is installed. */
  readonly tor?: string | undefined
  /** `tor`, `mesh` or `reflector`. Default `tor`. */
  readonly topology?: string | undefined
  /** Default 4. */
  readonly nodes?: string | number | undefined
  readonly dual?: boolean | undefined
  readonly sameAs?: boolean | undefined
}

export interface TopologyOptions {
  readonly topology: TopologyName
  readonly nodes: number
  /** Every node is linked to both switches. */
  readonly dual: boolean
  /** All nodes share one AS behind the switches. */
  readonly sameAs: boolean
}

export interface LabSettings {
  readonly once: boolean
  /** null: what is installed. */
  readonly software: SwitchSoftware | null
  readonly topology: TopologyOptions
}

export const DEFAULT_NODES = 4
/**
 * All namespaces of a machine share one table of IPv6 neighbours, 1024 by default
 * (net.ipv6.neigh.default.gc_thresh3): 16 dual-homed nodes overflowed it, and pods
 * lost sight of each other.
 */
export const MAX_NODES = 12

const topologies: readonly TopologyName[] = ['tor', 'mesh', 'reflector']
const softwares: readonly SwitchSoftware[] = ['bird', 'frr', 'routelet']

/**
 * A lab that cannot be, in words for people. Exit code 2: the user has to change the command or the
 * machine; 1: it ran and failed.
 */
export class LabError extends Error {
  override readonly name = 'LabError'
  readonly exitCode: 1 | 2

  constructor(message: string, options: ErrorOptions & { exitCode?: 1 | 2 } = {}) {
    super(message, options)
    this.exitCode = options.exitCode ?? 2
  }
}

/**
 * Settings with every default filled in.
 * @throws {LabError} naming every option that cannot be, one a line
 */
export function readLabOptions(options: LabOptions): LabSettings {
  const problems: string[] = []
  const topology = readChoice('--topology', options.topology ?? 'tor', topologies, problems)
  const software =
    options.tor === undefined ? null : readChoice('--tor', options.tor, softwares, problems)
  const nodes = Number(options.nodes ?? DEFAULT_NODES)
  if (!Number.isInteger(nodes) || nodes < 2 || nodes > MAX_NODES) {
    problems.push(`--nodes ${options.nodes}: expected a whole number from 2 to ${MAX_NODES}`)
  }
  const dual = options.dual ?? false
  const sameAs = options.sameAs ?? false
  if (topology !== null && topology !== 'tor') {
    if (dual) {
      problems.push(
        `--dual goes with --topology tor: in ${topology} one L2 joins every node to both switches`,
      )
    }
    if (sameAs) {
      problems.push(`--same-as goes with --topology tor: in ${topology} all nodes share one AS`)
    }
  }
  if (topology === null || problems.length > 0) throw new LabError(problems.join('\n'))
  return { once: options.once ?? false, software, topology: { topology, nodes, dual, sameAs } }
}

function readChoice<T extends string>(
  option: string,
  value: string,
  choices: readonly T[],
  problems: string[],
): T | null {
  const choice = choices.find((candidate) => candidate === value)
  if (choice !== undefined) return choice
  problems.push(`${option} ${value}: expected one of ${choices.join(', ')}`)
  return null
}
