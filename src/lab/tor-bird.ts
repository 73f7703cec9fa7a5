/**
 * A switch run by BIRD 2 or 3: its configuration and command line. eBGP to every neighbour, one
 * session a family; all it learns goes to all (RFC 4271 §9.1.3) and to the kernel, with ECMP. Killed
 * and started again, it takes the kernel's routes up where they are (RFC 4724).
 */
import { join } from 'node:path'
import type { NeighbourPlan, SwitchPlan } from './topology.ts'

export function birdConfiguration(device: SwitchPlan): string {
  return `# ${device.name}, made by routelet lab
log stderr all;
router id ${device.routerId};
graceful restart wait 60;

protocol device {}
protocol direct loopback {
  ipv4;
  ipv6;
  interface "lo";
}
protocol kernel kernel4 {
  merge paths on;
  persist;
  graceful restart;
  ipv4 { import none; export where source = RTS_BGP; };
}
protocol kernel kernel6 {
  merge paths on;
  persist;
  graceful restart;
  ipv6 { import none; export where source = RTS_BGP; };
}
template bgp neighbour {
  local as ${device.asn};
  direct;
  connect delay time 1;
  connect retry time 2;
  error wait time 1, 4;
  graceful restart on;
}
${device.neighbours.flatMap((neighbour) => [session(neighbour, 'ipv4'), session(neighbour, 'ipv6')]).join('')}`
}

function session(neighbour: NeighbourPlan, family: 'ipv4' | 'ipv6'): string {
  return `protocol bgp ${neighbour.name}_v${family.slice(-1)} from neighbour {
  neighbor ${neighbour.address[family]} as ${neighbour.asn};
  ${family} { import all; export where source ~ [ RTS_BGP, RTS_DEVICE ]; };
}
`
}

/**
 * BIRD in the foreground, with its sockets in `folder`.
 * @param program full path of `bird`
 * @param revived started after a crash: it says so in its OPENs
 */
export function birdCommand(
  program: string,
  folder: string,
  { revived = false }: { revived?: boolean } = {},
): string[] {
  return [
    program,
    '-f',
    ...(revived ? ['-R'] : []),
    ...['-c', join(folder, 'bird.conf')],
    ...['-s', join(folder, 'bird.ctl')],
    ...['-P', join(folder, 'bird.pid')],
  ]
}
