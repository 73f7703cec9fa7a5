/**
 * Other programs that write routes where we do, in words: who they are by the protocol number of
 * their routes and the interfaces those lead through, what that means for ours, and what to do.
 */
import type { FibIntruder, FibRival } from '../../fib/types.ts'
import { warn } from '../intent/problem.ts'
import type { Problem } from '../intent/types.ts'

interface Agent {
  readonly name: string
  readonly remedy: string
}

const oneOfTwo = 'let one of the two carry the routes: stop it, or keep these prefixes out of it'

/** By routing protocol number (rt_protos, and the habits of the programs). */
const byProtocol: Readonly<Record<number, Agent>> = {
  11: { name: 'FRR or Quagga (zebra)', remedy: 'stop FRR, or give it another table' },
  12: { name: 'BIRD (perhaps calico-node)', remedy: 'stop BIRD or calico-node on this node' },
  16: { name: 'a DHCP client', remedy: 'switch its routes off, or accept that they are used' },
  17: { name: 'kube-router', remedy: 'run kube-router without --run-router' },
  18: { name: 'keepalived', remedy: 'leave these prefixes out of its virtual routes' },
  42: { name: 'Babel', remedy: oneOfTwo },
  80: { name: 'Calico (Felix)', remedy: 'disable its route programming (programClusterRoutes)' },
  179: {
    name: 'another routelet',
    remedy: 'stop it; routes that it left go with: routelet cleanup --metric THEIR-METRIC',
  },
  186: { name: 'FRR (bgpd)', remedy: 'stop FRR, or give it another table' },
  188: { name: 'FRR (ospfd)', remedy: 'stop FRR, or give it another table' },
  196: { name: 'FRR (staticd)', remedy: 'remove the static route from FRR' },
}

/** Routes of protocol boot or static say nothing of their maker; their interfaces may. */
const byInterface: readonly (readonly [pattern: RegExp, agent: Agent])[] = [
  [/^flannel/, { name: 'flannel', remedy: 'remove flannel: its overlay carries the pods already' }],
  [/^(vxlan\.calico|tunl0|cali)/, { name: 'Calico', remedy: 'set its encapsulation to Never' }],
  [/^cilium_/, { name: 'Cilium', remedy: 'run Cilium with routing-mode=native' }],
  [/^kube-bridge/, { name: 'kube-router', remedy: 'run kube-router without --run-router' }],
  [/^weave/, { name: 'Weave Net', remedy: 'remove Weave Net' }],
]

/** Who it is, and what to do about it. */
export function identify({ protocol, name, interfaces }: FibRival): Agent {
  const [, agent] = byInterface.find(([pattern]) => interfaces.some((i) => pattern.test(i))) ?? []
  if (agent !== undefined) return agent
  const known = byProtocol[protocol]
  if (known !== undefined) return known
  // flannel's host-gw and people at a shell both leave "boot"; people who write it down, "static".
  const maker = protocol === 3 ? 'somebody by hand, or flannel in host-gw mode' : `protocol ${name}`
  return { name: maker, remedy: oneOfTwo }
}

/** Conditions for programs whose routes stand in the way of ours; those that rest harm nobody. */
export function rivalProblems(rivals: readonly FibRival[]): Problem[] {
  return rivals
    .filter(({ holding, winning }) => holding + winning > 0)
    .map((rival) => {
      const { name, remedy } = identify(rival)
      const { holding, winning, prefixes, interfaces } = rival
      const what = [
        ...(holding > 0 ? [`${holding} hold the place of ours, which can't be installed`] : []),
        ...(winning > 0 ? [`${winning} have a lower metric and are used instead of ours`] : []),
      ]
      const shown = prefixes.slice(0, 3).join(', ')
      const through = interfaces.length === 0 ? '' : ` through ${interfaces.join(', ')}`
      const message = `${name} (routes of ${rival.name}${through}) has routes for prefixes wanted here: ${what.join('; ')}; e.g. ${shown}`
      return warn('RivalRoutes', 'kernel', message, remedy)
    })
}

/** `nameOf`: the name of a process by its number, null when it is not known. */
export function intruderProblems(
  intruders: readonly FibIntruder[],
  nameOf: (pid: number) => string | null,
): Problem[] {
  return intruders.map(({ port, changes, prefix }) => {
    const name = nameOf(port)
    const who = name === null ? `a program (netlink port ${port})` : `${name} (process ${port})`
    const message = `${who} writes routes with our protocol number, table and metric: ${changes} changes lately, the last to ${prefix}`
    const remedy = 'stop it if it is another routelet, or give one of the two another fib.metric'
    return warn('MarkShared', 'kernel', message, remedy)
  })
}
