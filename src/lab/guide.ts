/**
 * What a person can do with a lab that is up: addresses to open, files to change, commands to type.
 * Pure.
 */
import { join } from 'node:path'
import type { Network } from './namespaces.ts'
import type { SwitchSoftware } from './options.ts'
import { switchConsole } from './switches.ts'
import type { Plan } from './topology.ts'

export interface Surroundings {
  readonly plan: Plan
  readonly network: Network
  readonly software: SwitchSoftware
  /** Of the lab: configurations, sockets, logs. */
  readonly folder: string
  /** What the nodes read. */
  readonly manifests: string
  readonly logs: string
  /** Ports on 127.0.0.1, one a node. */
  readonly ports: readonly number[]
  /** What goes before a command that must see the lab's namespaces; empty for root. */
  readonly enter: readonly string[]
}

export function formatGuide(surroundings: Surroundings): string[] {
  const { plan, network, software, folder, manifests, logs, ports, enter } = surroundings
  const urls = plan.nodes.map(({ name }, index) => `${name} http://127.0.0.1:${ports[index]}/`)
  const command = (...words: string[]) => [...enter, ...words].join(' ')
  const [first, second] = plan.nodes
  const target = second?.pods[0]?.address.ipv4 ?? ''
  const device = plan.switches[0]?.name ?? ''
  const lines = [
    ...urls.map((url, index) => [index === 0 ? 'looking glass' : '', url]),
    ['manifests', `${manifests}: edit one, and the network follows`],
    ['peers', `npx routelet peers --api http://127.0.0.1:${ports[0]}`],
    ['a pod', command(...network.inside(first?.pods[0]?.name ?? '', ['ping', target]))],
    ['a kernel', command('ip', '-n', network.name(first?.name ?? ''), 'route')],
    ['a switch', command(switchConsole(software, join(folder, device)))],
    ['logs', logs],
  ]
  return [
    '',
    'The lab is up. Ctrl-C ends it and removes everything.',
    ...lines.map(([name = '', text = '']) => `  ${name.padEnd(15)}${text}`),
  ]
}
