/**
 * Two real speakers that peer with each other over an unreliable pipe on a fake clock, and what may
 * befall them; both record.
 */
import fc from 'fast-check'
import { createSpeaker, type Recording, type Speaker } from '../../bgp/index.ts'
import type { NextHopState, PeerConfig } from '../../bgp/types.ts'
import { FakeClock } from '../bgp/clock.ts'
import { PipeNetwork } from '../bgp/pipe.ts'
import { peerConfig } from '../bgp/session/scene.ts'

export const secret = 'a key that no recording shows'

export type Step =
  | { readonly do: 'wait'; readonly milliseconds: number }
  | { readonly do: 'flood'; readonly speaker: 0 | 1; readonly count: number }
  | { readonly do: 'reset' | 'shutdown' | 'enable' | 'refresh'; readonly speaker: 0 | 1 }
  | { readonly do: 'hold'; readonly speaker: 0 | 1; readonly seconds: number }
  | { readonly do: 'limit'; readonly speaker: 0 | 1; readonly limit: number }
  | { readonly do: 'rename' | 'renumber'; readonly speaker: 0 | 1 }
  | { readonly do: 'silence' | 'speak'; readonly speaker: 0 | 1 }

const speaker = fc.constantFrom<0 | 1>(0, 1)

export const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('wait' as const),
    milliseconds: fc.integer({ min: 0, max: 40_000 }),
  }),
  fc.record({ do: fc.constant('flood' as const), speaker, count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    do: fc.constantFrom(
      'reset' as const,
      'shutdown' as const,
      'enable' as const,
      'refresh' as const,
    ),
    speaker,
  }),
  fc.record({ do: fc.constant('hold' as const), speaker, seconds: fc.constantFrom(0, 3, 9, 90) }),
  fc.record({ do: fc.constant('limit' as const), speaker, limit: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constantFrom('rename' as const, 'renumber' as const), speaker }),
  fc.record({ do: fc.constantFrom('silence' as const, 'speak' as const), speaker }),
)

class Side {
  readonly address: string
  readonly speaker: Speaker
  peer: PeerConfig
  #config: Parameters<typeof createSpeaker>[0]

  constructor(number: 0 | 1, clock: FakeClock, network: PipeNetwork, random: () => number) {
    this.address = `10.0.0.${number + 1}`
    const other = 1 - number
    this.peer = peerConfig({
      name: 'peer',
      address: `10.0.0.${other + 1}`,
      asn: 65001 + other,
      localAsn: 65001 + number,
      password: secret,
      holdSeconds: 9,
    })
    this.#config = {
      asn: 65001 + number,
      routerId: this.address,
      listen: [{ address: this.address, family: 4, port: 179 }],
      localPreference: 100,
      maxPaths: 4,
      asPathRelax: false,
      refuse: [],
      defaultRoute: 'Install',
    }
    let tell: (states: readonly NextHopState[]) => void = () => {}
    this.speaker = createSpeaker(this.#config, {
      clock,
      random,
      transport: network.host(this.address),
      tracker: {
        track: (nextHop) => {
          clock.schedule(0, () => tell([{ nextHop, reachable: true, metric: 0 }]))
        },
        untrack: () => {},
        onChange: (listener) => {
          tell = listener
        },
      },
      onRoutes: () => {},
      onEvent: () => {},
      selfAddress: (family, local) => (family === 'ipv4-unicast' ? local : null),
      subnetOf: () => null,
    })
  }

  async change(changes: Partial<PeerConfig>): Promise<void> {
    this.peer = { ...this.peer, ...changes }
    await this.speaker.setPeers([this.peer])
  }

  async renumber(): Promise<void> {
    const routerId = this.#config.routerId === this.address ? '192.0.2.77' : this.address
    this.#config = { ...this.#config, routerId }
    await this.speaker.configure(this.#config)
  }
}

/** Lets two speakers live through the steps; gives what each recorded. */
export async function playOut(seed: number, steps: readonly Step[]): Promise<Recording[]> {
  const random = fc.sample(fc.double({ min: 0, max: 0.999, noNaN: true }), { seed, numRuns: 64 })
  let drawn = 0
  const draw = (): number => random[drawn++ % random.length] as number
  const clock = new FakeClock()
  const network = new PipeNetwork(clock, { random: draw, delayMs: 40 })
  const sides = [new Side(0, clock, network, draw), new Side(1, clock, network, draw)] as const
  for (const side of sides) {
    await side.speaker.start()
    await side.change({})
  }
  clock.advance(3_000)
  for (const one of steps) {
    await carryOut(one, sides, clock, network)
    clock.advance(50)
  }
  return sides.map((side) => {
    const recording = side.speaker.views.recording(side.peer.name)
    if (recording === null) throw new Error('the session was not recorded')
    return recording
  })
}

async function carryOut(
  one: Step,
  sides: readonly [Side, Side],
  clock: FakeClock,
  network: PipeNetwork,
): Promise<void> {
  if (one.do === 'wait') {
    clock.advance(one.milliseconds)
    return
  }
  const side = sides[one.speaker]
  const { name } = side.peer
  if (one.do === 'reset') side.speaker.reset(name)
  if (one.do === 'shutdown') side.speaker.shutdown(name)
  if (one.do === 'enable') side.speaker.enable(name)
  if (one.do === 'refresh') side.speaker.requestRefresh(name)
  if (one.do === 'hold') await side.change({ holdSeconds: one.seconds })
  if (one.do === 'rename') await side.change({ name: name === 'peer' ? 'renamed' : 'peer' })
  if (one.do === 'renumber') await side.renumber()
  if (one.do === 'silence') network.silence(side.address)
  if (one.do === 'speak') network.speak(side.address)
  if (one.do === 'limit') {
    const maxPrefixes = { limit: one.limit, warningPercent: 50, restartSeconds: 7 }
    await side.change({ maxPrefixes })
  }
  if (one.do === 'flood') {
    for (let round = 0; round < one.count; round++) {
      const third = round % 256
      const prefix = `10.${64 + one.speaker}.${third}.0/24`
      side.speaker.announce([{ prefix, reason: 'test', communities: [`65001:${round}`] }])
      clock.advance(60)
    }
  }
}
