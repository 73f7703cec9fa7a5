/**
 * What the tests of BFD against other daemons share: a link between two namespaces, our BFD at one end
 * with everything it reports kept, and the means to silence the other end without touching the link.
 */
import type { BfdEvent, BfdSessionConfig, BfdState, BfdStateName } from '../../bgp/bfd/index.ts'
import { type Bfd, type BfdOptions, createBfd } from '../../src/workers/bfd-proxy.ts'
import type { Bird } from '../network/bird.ts'
import { type Namespace, Network, type Scope } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'

export const seed = Number(process.env['FC_SEED'] ?? 20_261_121)

/** A session config but for its name and remote. */
export const timers = {
  localAddress: null,
  interface: null,
  multihop: false,
  transmitMs: 100,
  receiveMs: 100,
  multiplier: 3,
} as const

export interface Link {
  readonly network: Network
  readonly node: Namespace
  readonly tor: Tor
}

/** 192.0.2.1 and .2, 2001:db8::1 and ::2, fe80::1 and ::2; loopbacks for multihop. */
export async function buildLink(scope: Scope): Promise<Link> {
  const network = new Network(scope)
  const [node, tor] = [await network.namespace('node'), await network.namespace('tor')]
  const ends = [node, tor].map((namespace, index) => ({
    namespace,
    interface: 'eth0',
    addresses: [`192.0.2.${index + 1}/24`, `2001:db8::${index + 1}/64`, `fe80::${index + 1}/64`],
  }))
  await network.link(ends[0]!, ends[1]!)
  for (const [index, namespace] of [node, tor].entries()) {
    const [own, other] = [index + 1, 2 - index]
    await namespace.address('lo', `198.51.100.${own}/32`)
    await namespace.address('lo', `2001:db8:${own}::${own}/128`)
    await namespace.ip('route', 'add', `198.51.100.${other}/32`, 'via', `192.0.2.${other}`)
    await namespace.ip('route', 'add', `2001:db8:${other}::/64`, 'via', `2001:db8::${other}`)
  }
  return { network, node, tor: new Tor(tor) }
}

export interface BirdSession {
  readonly address: string
  readonly state: string
  readonly intervalSeconds: number
  readonly timeoutSeconds: number
}

/** The other end, whose BFD packets can be made to vanish. */
export class Tor {
  readonly namespace: Namespace

  constructor(namespace: Namespace) {
    this.namespace = namespace
  }

  /** From now on BFD packets are dropped in both directions; the link stays up. */
  async silence(): Promise<void> {
    const rules = ['input', 'output']
      .map(
        (hook) => `chain ${hook} { type filter hook ${hook} priority 0;
          udp dport { 3784, 4784 } drop; }`,
      )
      .join('\n')
    const file = this.namespace.write('nft', `table inet silence {\n${rules}\n}\n`)
    await this.namespace.must('nft', ['-f', file])
  }

  async speak(): Promise<void> {
    await this.namespace.must('nft', ['delete', 'table', 'inet', 'silence'])
  }

  /** The only session of a BIRD here, when it is in that state. */
  birdSession(bird: Bird, state = 'Up'): Promise<BirdSession> {
    return waitUntil(
      `BIRD's session to be ${state}`,
      () => birdSession(bird),
      (seen) => seen?.state === state,
    ) as Promise<BirdSession>
  }
}

async function birdSession(bird: Bird): Promise<BirdSession | null> {
  const text = await bird.ask('show bfd sessions')
  const line = text.split('\n').find((one) => /^[0-9a-f]+[.:]\S+\s/.test(one))
  // Address, interface, state, since, interval, timeout.
  const words = line?.trim().split(/\s+/)
  if (words === undefined) return null
  return {
    address: words[0] ?? '',
    state: words[2] ?? '',
    intervalSeconds: Number(words.at(-2)),
    timeoutSeconds: Number(words.at(-1)),
  }
}

/** BFD in the node's namespace, closed with the test. */
export async function startBfd(
  scope: Scope,
  namespace: Namespace,
  options: BfdOptions = {},
): Promise<ObservedBfd> {
  const bfd = createBfd({ netnsPath: `/run/netns/${namespace.name}`, ...options })
  scope.teardown(() => bfd.close())
  const observed = new ObservedBfd(bfd)
  await bfd.start()
  return observed
}

export class ObservedBfd {
  readonly bfd: Bfd
  readonly states: BfdState[] = []
  readonly events: BfdEvent[] = []

  constructor(bfd: Bfd) {
    this.bfd = bfd
    bfd.onState((state) => this.states.push(state))
    bfd.onEvent((event) => this.events.push(event))
  }

  want(sessions: readonly BfdSessionConfig[]): void {
    this.bfd.setSessions(sessions)
  }

  last(name: string): BfdState | undefined {
    return this.states.findLast((one) => one.name === name)
  }

  /** How often that session has failed so far. */
  failures(name: string): number {
    return this.states.filter((one) => one.name === name && one.failed).length
  }

  async state(name: string, state: BfdStateName): Promise<void> {
    await waitUntil(
      `the session ${name} to be ${state}`,
      () => ({ view: this.bfd.views(), states: this.states, events: this.events }),
      () => this.last(name)?.state === state,
    )
  }
}

/** BIRD's configuration for BFD as in `timers`, with these neighbours. */
export function birdBfd(neighbour: string): string {
  const interval = 'interval 100 ms; multiplier 3; idle tx interval 1 s;'
  return `router id 192.0.2.2;
protocol device {}
protocol bfd {
  interface "*" { ${interval} };
  multihop { ${interval} };
  ${neighbour}
}
`
}

/** The same for FRR's bfdd, with one peer. */
export function frrBfd(peer: string): string {
  return `bfd
 ${peer}
  transmit-interval 100
  receive-interval 100
 exit
exit
`
}
