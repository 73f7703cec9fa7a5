/**
 * A switch run by FRR: configuration and command lines of bgpd and zebra. eBGP to every neighbour,
 * one session a family; all it learns goes to all (RFC 4271 §9.1.3) and to the kernel, with ECMP.
 * Killed and started again, it takes the kernel's routes up where they are (RFC 4724).
 */
import { join } from 'node:path'
import { findProgramIn } from './commands.ts'
import type { NeighbourPlan, SwitchPlan } from './topology.ts'

export function frrBgpConfiguration(device: SwitchPlan): string {
  return `! ${device.name}, made by routelet lab
hostname ${device.name}
log stdout
router bgp ${device.asn}
 bgp router-id ${device.routerId}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 bgp bestpath as-path multipath-relax
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
${device.neighbours.flatMap(neighbourLines).join('\n')}
 address-family ipv4 unicast
  network ${device.loopback.ipv4}
  maximum-paths 16
${activations(device, 'ipv4')}
 exit-address-family
 address-family ipv6 unicast
  network ${device.loopback.ipv6}
  maximum-paths 16
${activations(device, 'ipv6')}
 exit-address-family
`
}

export function frrZebraConfiguration(device: SwitchPlan): string {
  return `! ${device.name}, made by routelet lab
hostname ${device.name}
log stdout
`
}

function neighbourLines(neighbour: NeighbourPlan): string[] {
  return [neighbour.address.ipv4, neighbour.address.ipv6].flatMap((address) => [
    ` neighbor ${address} remote-as ${neighbour.asn}`,
    ` neighbor ${address} description ${neighbour.name}`,
    ` neighbor ${address} timers connect 2`,
    ` neighbor ${address} advertisement-interval 0`,
    ` neighbor ${address} graceful-restart`,
  ])
}

function activations(device: SwitchPlan, family: 'ipv4' | 'ipv6'): string {
  return device.neighbours.map(({ address }) => `  neighbor ${address[family]} activate`).join('\n')
}

const folders = ['/usr/lib/frr', '/usr/libexec/frr', '/usr/local/lib/frr', '/usr/local/sbin']

/** Full path of one of FRR's daemons, or null. */
export function findFrr(daemon: 'zebra' | 'bgpd'): string | null {
  return findProgramIn(folders, daemon)
}

/** What a zebra found in the kernel and nobody has claimed by then is removed. */
const zebraKeepsSeconds = 60

/** So often zebra is asked whether it knows the interfaces, a twentieth of a second apart. */
const zebraAskedMax = 200

/**
 * The command of bgpd, held back until zebra answers: a bgpd that has a session before it knows its
 * interfaces withdraws IPv6 routes whose next hop has a link-local address.
 */
export function frrAfterZebra(command: readonly string[], folder: string): string[] {
  const wait =
    `tries=0; until vtysh --vty_socket "$0" -d zebra -c 'show interface brief' >/dev/null 2>&1 ` +
    `|| [ $tries -ge ${zebraAskedMax} ]; do tries=$((tries + 1)); sleep 0.05; done; exec "$@"`
  return ['sh', '-c', wait, folder, ...command]
}

/**
 * FRR's daemons in the foreground, with their sockets in `folder`, which the user `frr` must own:
 * they drop their privileges and refuse to stay root.
 * @param program full path of `zebra` or `bgpd`
 * @param revived started after a crash: zebra leaves the routes it finds to bgpd for a while
 */
export function frrCommand(
  program: string,
  daemon: 'zebra' | 'bgpd',
  folder: string,
  { revived = false }: { revived?: boolean } = {},
): string[] {
  return [
    program,
    ...['-u', 'frr', '-g', 'frr'],
    ...['-f', join(folder, `${daemon}.conf`)],
    ...['-i', join(folder, `${daemon}.pid`)],
    ...['-z', join(folder, 'zserv')],
    ...['--vty_socket', folder],
    // The vty listens on its socket alone, on no TCP port.
    ...['-P', '0'],
    ...['--log', 'stdout'],
    ...(revived && daemon === 'zebra' ? ['--graceful_restart', `${zebraKeepsSeconds}`] : []),
  ]
}
