/**
 * The two ToR switches of a lab: which software runs them, and how it is started.
 */
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from './commands.ts'
import type { WhenEnded } from './keeper.ts'
import type { Network } from './namespaces.ts'
import { LabError, type SwitchSoftware } from './options.ts'
import type { Processes } from './processes.ts'
import type { SwitchPlan } from './topology.ts'
import { birdCommand, birdConfiguration } from './tor-bird.ts'
import {
  findFrr,
  frrAfterZebra,
  frrBgpConfiguration,
  frrCommand,
  frrZebraConfiguration,
} from './tor-frr.ts'
import { agentCommand } from './tor-routelet.ts'

export interface SwitchSurroundings {
  readonly network: Network
  readonly processes: Processes
  /** Each switch gets a folder in it. */
  readonly folder: string
  /** Folder of the manifests of one switch, for routelet. */
  readonly manifests: (device: SwitchPlan) => string
  readonly onExit: WhenEnded
}

/**
 * The software asked for, or the first that is installed.
 * @param privileged false in a user namespace, where FRR cannot change its user
 * @throws {LabError} when what was asked for is not there
 */
export function chooseSoftware(asked: SwitchSoftware | null, privileged: boolean): SwitchSoftware {
  const missing = (software: SwitchSoftware) => whyMissing(software, privileged)
  if (asked === null) {
    const order: readonly SwitchSoftware[] = ['bird', 'frr', 'routelet']
    return order.find((software) => missing(software) === null) ?? 'routelet'
  }
  const reason = missing(asked)
  if (reason !== null) throw new LabError(`--tor ${asked}: ${reason}`)
  return asked
}

function whyMissing(software: SwitchSoftware, privileged: boolean): string | null {
  switch (software) {
    case 'routelet':
      return null
    case 'bird':
      return findProgram('bird') === null
        ? 'BIRD is not installed (package bird2); --tor routelet needs nothing'
        : null
    case 'frr':
      if (!privileged) {
        return 'FRR changes its user, which needs root; without root use --tor bird or routelet'
      }
      return findFrr('bgpd') === null || findFrr('zebra') === null || frrUser() === null
        ? 'FRR is not installed (package frr); --tor routelet needs nothing'
        : null
  }
}

/** Starts one switch; it runs until the processes are stopped. */
export function startSwitch(
  software: SwitchSoftware,
  device: SwitchPlan,
  surroundings: SwitchSurroundings,
): void {
  const folder = join(surroundings.folder, device.name)
  mkdirSync(folder, { recursive: true })
  switch (software) {
    case 'bird':
      startBird(device, folder, surroundings)
      break
    case 'frr':
      startFrr(device, folder, surroundings)
      break
    case 'routelet':
      start(
        device,
        { name: device.name, label: 'the agent' },
        () =>
          agentCommand({
            node: device.name,
            manifests: surroundings.manifests(device),
            socket: join(folder, 'api.sock'),
          }),
        surroundings,
      )
  }
}

/** How a person looks into a switch. */
export function switchConsole(software: SwitchSoftware, folder: string): string {
  switch (software) {
    case 'bird':
      return `birdc -s ${join(folder, 'bird.ctl')} show protocols`
    case 'frr':
      return `vtysh --vty_socket ${folder} -c 'show bgp summary'`
    case 'routelet':
      return `routelet peers --api unix:${join(folder, 'api.sock')}`
  }
}

function startBird(device: SwitchPlan, folder: string, surroundings: SwitchSurroundings): void {
  const program = findProgram('bird') ?? 'bird'
  writeFileSync(join(folder, 'bird.conf'), birdConfiguration(device))
  start(
    device,
    { name: device.name, label: 'BIRD' },
    (revived) => birdCommand(program, folder, { revived }),
    surroundings,
  )
}

function startFrr(device: SwitchPlan, folder: string, surroundings: SwitchSurroundings): void {
  const user = frrUser()
  if (user === null) throw new LabError('--tor frr: /etc/passwd has no user frr')
  chownSync(folder, user.uid, user.gid)
  writeFileSync(join(folder, 'zebra.conf'), frrZebraConfiguration(device))
  writeFileSync(join(folder, 'bgpd.conf'), frrBgpConfiguration(device))
  for (const daemon of ['zebra', 'bgpd'] as const) {
    const program = findFrr(daemon) ?? daemon
    const build = (revived: boolean) => {
      const command = frrCommand(program, daemon, folder, { revived })
      return daemon === 'bgpd' ? frrAfterZebra(command, folder) : command
    }
    start(device, { name: `${device.name}-${daemon}`, label: daemon }, build, surroundings)
  }
}

/**
 * @param label what people call the program
 * @param build its command line: the first one, or (`revived`) that after a crash
 */
function start(
  device: SwitchPlan,
  { name, label }: { name: string; label: string },
  build: (revived: boolean) => readonly string[],
  { network, processes, onExit }: SwitchSurroundings,
): void {
  const launch = (revived: boolean) =>
    processes.start({
      name,
      command: network.inside(device.name, build(revived)),
      onExit: (ending) => onExit(`${device.name}: ${label}`, ending, () => launch(true)),
    })
  launch(false)
}

function frrUser(): { uid: number; gid: number } | null {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('frr:'))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) }
}
