/**
 * A broken peer hurts itself alone. Each row is something a peer may do; whatever it is, the sessions
 * of its neighbours stay up, their keepalives flow, their routes stay where they are, and what they
 * announce meanwhile arrives.
 */
import t from 'tap'
import { memberQueueBytesMax } from '../../../bgp/rib/member.ts'
import type { PeerConfig } from '../../../bgp/types.ts'
import { keepalive, message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  connect,
  dial,
  dice,
  endOfRib,
  harmDone,
  plainCapabilities,
  prefixOf,
  range,
  refresh,
  restartCapability,
  type Site,
  strangeOpen,
  withdrawing,
} from './scene.ts'

/** Prefix numbers of the stranger, beside those of the healthy ones. */
const strange = range(1000, 1200)

interface Misdeed {
  readonly caption: string
  readonly settings?: Partial<PeerConfig>
  readonly commit: (site: Site) => void
  /** What becomes of its own session, as its last error or state. */
  readonly outcome: RegExp
  /** How often it may have had a session. */
  readonly sessionsMax?: number
}

const misdeeds: readonly Misdeed[] = [
  {
    caption: 'sends garbage in a session',
    commit(site) {
      const random = dice(1)
      for (let times = 0; times < 10; times++) {
        const line = connect(site)
        line.say(announcing({ numbers: strange }))
        line.say(Uint8Array.from(range(0, 500), () => Math.floor(random() * 256)))
        site.clock.advance(1000)
      }
    },
    outcome: /a message starts without the marker/,
  },
  {
    caption: 'sends garbage instead of an OPEN',
    commit(site) {
      for (let times = 0; times < 10; times++) {
        const line = dial(site)
        site.clock.advance(100)
        line.say(new Uint8Array(4000).fill(7))
        site.clock.advance(61_000)
      }
    },
    outcome: /a message starts without the marker/,
  },
  {
    caption: 'connects and says nothing, over and over',
    commit(site) {
      for (let times = 0; times < 200; times++) {
        dial(site)
        site.clock.advance(100)
      }
      site.clock.advance(300_000)
    },
    outcome: /the peer sent no OPEN for 240 s/,
  },
  {
    caption: 'stalls in the middle of a message',
    commit(site) {
      const line = connect(site)
      const update = announcing({ numbers: strange })
      line.say(update.subarray(0, update.length - 1))
      site.clock.advance(95_000)
    },
    outcome: /hold timer expired/,
  },
  {
    caption: 'sends a message octet by octet, for ever',
    commit(site) {
      const line = connect(site)
      const update = announcing({ numbers: strange })
      for (const octet of update.subarray(0, 30)) {
        line.say(Uint8Array.of(octet))
        site.clock.advance(5_000)
      }
    },
    outcome: /hold timer expired/,
  },
  {
    caption: 'floods UPDATEs',
    commit(site) {
      const line = connect(site)
      for (let round = 0; round < 50; round++) {
        line.say(
          announcing({
            numbers: strange,
            more: `8004 04 ${'000000'}${(10 + round).toString(16).padStart(2, '0')}`,
          }),
        )
        line.say(...strange.map((number) => announcing({ numbers: [number] })))
        line.say(withdrawing(strange))
        site.clock.advance(2)
      }
      line.say(announcing({ numbers: strange }))
    },
    outcome: /^Established$/,
  },
  {
    caption: 'floods malformed UPDATEs',
    commit(site) {
      const line = connect(site)
      // ORIGIN 7, which no RFC knows: treated as withdrawn.
      const wrong = message(2, '0000 000e 40010107 400200 4003040a000009 18 0a4400')
      for (let round = 0; round < 20; round++) {
        line.say(...range(0, 200).map(() => wrong))
        site.clock.advance(2)
      }
    },
    outcome: /^Established$/,
  },
  {
    caption: 'floods KEEPALIVEs, ROUTE-REFRESHs and End-of-RIBs',
    commit(site) {
      const line = connect(site)
      for (let round = 0; round < 50; round++) {
        line.say(...range(0, 300).flatMap(() => [keepalive, refresh, endOfRib]))
        site.clock.advance(2)
      }
    },
    outcome: /^Established$/,
  },
  {
    caption: 'flaps every second',
    commit(site) {
      for (let times = 0; times < 300; times++) {
        const line = dial(site)
        site.clock.advance(10)
        line.say(strangeOpen(), keepalive, announcing({ numbers: strange }))
        site.clock.advance(980)
        line.connection.destroy()
        site.clock.advance(10)
      }
    },
    outcome: /closed the connection/,
    sessionsMax: 20,
  },
  {
    caption: 'flaps every second and claims to restart gracefully',
    settings: { gracefulRestart: 'Enabled' },
    commit(site) {
      const capabilities = [...plainCapabilities, restartCapability()]
      for (let times = 0; times < 300; times++) {
        const line = dial(site)
        site.clock.advance(10)
        line.say(strangeOpen({ capabilities }), keepalive, announcing({ numbers: strange }))
        site.clock.advance(980)
        line.connection.destroy()
        site.clock.advance(10)
      }
    },
    outcome: /closed the connection/,
    sessionsMax: 20,
  },
  {
    caption: 'claims to have restarted every ten seconds, and closes nothing',
    settings: { gracefulRestart: 'Enabled' },
    commit(site) {
      const capabilities = [...plainCapabilities, restartCapability()]
      for (let times = 0; times < 60; times++) {
        const line = dial(site)
        site.clock.advance(10)
        line.say(strangeOpen({ capabilities }), keepalive, announcing({ numbers: strange }))
        site.clock.advance(9990)
      }
    },
    outcome: /hold timer expired|^Established$/,
    sessionsMax: 20,
  },
  {
    caption: 'never reads, while the others change all the time',
    commit(site) {
      const line = connect(site)
      line.connection.pause()
      // Two hundred prefixes that change every ten seconds, each with communities of its own.
      const communities = (number: number, round: number) =>
        range(0, 60).map((each) => `${number}:${each + (round % 7)}`)
      for (let round = 0; round < 70; round++) {
        if (line.closedBy === 'nobody') line.say(keepalive)
        site.healthy[0].speaker.announce([
          ...[...site.healthy[0].speaker.engine.announcements.values()].slice(0, 100),
          ...range(500, 700).map((number) => ({
            prefix: prefixOf(number),
            reason: 'a test',
            communities: communities(number, round),
          })),
        ])
        site.clock.advance(10_000)
        const { queuedBytes } = site.router.view('stranger')
        if (queuedBytes > 2 * memberQueueBytesMax) throw new Error(`${queuedBytes} B are queued`)
      }
    },
    outcome: /took nothing of what we sent until the send hold timer expired/,
  },
  {
    caption: 'says that it is somebody else',
    commit(site) {
      for (let times = 0; times < 20; times++) {
        const line = dial(site)
        site.clock.advance(10)
        line.say(strangeOpen({ asn: 65001, routerId: 0x0a000002, capabilities: [] }), keepalive)
        site.clock.advance(70_000)
      }
    },
    outcome: /says AS 65001, configured 65009/,
  },
  {
    caption: 'ends every session with a NOTIFICATION',
    commit(site) {
      for (const code of ['0100', '0300', '0400', '0602', '0609', 'ff00']) {
        connect(site).say(announcing({ numbers: strange }), message(3, code))
        site.clock.advance(1000)
      }
    },
    outcome: /received NOTIFICATION/,
  },
]

for (const { caption, settings = {}, commit, outcome, sessionsMax } of misdeeds) {
  t.test(`a peer that ${caption} hurts itself alone`, async (t) => {
    const site = await buildSite({ gracefulRestart: 'Disabled', ...settings })
    commit(site)
    const { state, lastError } = site.router.view('stranger')
    t.match(state === 'Established' ? state : lastError?.text, outcome)
    t.same(harmDone(site), [])
    const { flaps } = site.router.view('stranger')
    if (sessionsMax !== undefined) t.ok(flaps <= sessionsMax, `it had ${flaps} sessions`)
    // The others still talk with each other.
    site.healthy[0].announce([...range(0, 100), ...range(300, 350)])
    const told = () => site.healthy[1].heardFrom('reflector').includes('10.65.93.0/24')
    t.ok(site.clock.until(told, 10_000), 'what a announces now is known to b')
    site.clock.advance(200_000)
    t.same(harmDone(site), [])
  })
}
