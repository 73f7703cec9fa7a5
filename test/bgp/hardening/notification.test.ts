/**
 * Every NOTIFICATION we may send is sent, by a session over a wire: each row brings one about. The
 * table of codes (bgp/wire/notification.ts) also has codes that we only understand; those are listed
 * with the reason, and their names occur nowhere else in the engine.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { pathsPerPrefixMax } from '../../../bgp/rib/paths.ts'
import type { PeerConfig } from '../../../bgp/types.ts'
import type { Capability } from '../../../bgp/wire/capability.ts'
import { codeOf, type Fault, faults } from '../../../bgp/wire/notification.ts'
import type { Open } from '../../../bgp/wire/open.ts'
import { message } from '../session/scene.ts'
import {
  announcing,
  buildSite,
  connect,
  dial,
  hex,
  type Line,
  plainCapabilities,
  range,
  restartCapability,
  type Site,
  settle,
  strangeConfig,
  strangeOpen,
} from './scene.ts'

interface Scenario {
  readonly fault: Fault
  readonly caption: string
  readonly settings?: Partial<PeerConfig>
  /** Brings it about; the line that hears the NOTIFICATION. */
  readonly provoke: (site: Site) => Line | Promise<Line>
  /** Data of the NOTIFICATION, as hex. */
  readonly data?: string
}

/** What the stranger says in place of a sound OPEN. */
function opening(...messages: readonly Uint8Array[]): Scenario['provoke'] {
  return (site) => {
    const line = dial(site)
    site.clock.advance(100)
    line.say(...messages)
    return line
  }
}

function greeting(open: Partial<Open>): Scenario['provoke'] {
  return opening(strangeOpen(open))
}

/** What the stranger says in an Established session. */
function saying(...messages: readonly Uint8Array[]): Scenario['provoke'] {
  return (site) => {
    const line = connect(site)
    line.say(...messages)
    return line
  }
}

/** What becomes of an Established session by our own doing. */
function meanwhile(
  act: (site: Site) => void | Promise<void>,
  open: Partial<Open> = {},
): Scenario['provoke'] {
  return async (site) => {
    const line = connect(site, open)
    await settle(site, act(site))
    return line
  }
}

/** The stranger sends path ids of IPv4 unicast (RFC 7911). */
const addPathSent: Capability = {
  kind: 'addPath',
  entries: [{ family: 'ipv4-unicast', afi: 1, safi: 1, send: true, receive: false }],
}

/** A raw OPEN: version, AS, hold time, identifier, parameters. */
function rawOpen(body: string): Uint8Array {
  return message(1, body)
}

const reconfigured = (changes: Partial<PeerConfig>) =>
  meanwhile(async ({ router }) => {
    const kept = router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
    await router.speaker.setPeers([...kept, strangeConfig(changes)])
  })

const scenarios: readonly Scenario[] = [
  {
    fault: 'header/unsynchronized',
    caption: 'sixteen octets that are no marker',
    provoke: saying(new Uint8Array(19)),
  },
  {
    fault: 'header/badLength',
    caption: 'a KEEPALIVE of twenty octets',
    provoke: saying(message(4, '00')),
    data: '0014',
  },
  { fault: 'header/badType', caption: 'type 9', provoke: saying(message(9)), data: '09' },
  {
    fault: 'open/unspecific',
    caption: 'a parameter that runs past the end',
    provoke: opening(rawOpen('04 fdf1 005a 0a000009 02 02ff')),
  },
  {
    fault: 'open/unsupportedVersion',
    caption: 'BGP-5',
    provoke: opening(rawOpen('05 fdf1 005a 0a000009 00')),
    data: '0004',
  },
  {
    fault: 'open/badPeerAs',
    caption: 'another AS',
    provoke: greeting({ capabilities: [], asn: 7 }),
  },
  {
    fault: 'open/badBgpIdentifier',
    caption: 'identifier 0.0.0.0',
    provoke: opening(rawOpen('04 fdf1 005a 00000000 00')),
  },
  {
    fault: 'open/unsupportedOptionalParameter',
    caption: 'parameter 1, authentication, which is deprecated',
    provoke: opening(rawOpen('04 fdf1 005a 0a000009 03 010100')),
  },
  {
    fault: 'open/unacceptableHoldTime',
    caption: 'a hold time of two seconds',
    provoke: opening(rawOpen('04 fdf1 0002 0a000009 00')),
  },
  {
    fault: 'open/unsupportedCapability',
    caption: 'IPv6 alone, where we want IPv4',
    provoke: greeting({
      capabilities: [
        { kind: 'multiprotocol', family: 'ipv6-unicast', afi: 2, safi: 1 },
        { kind: 'as4', asn: 65009 },
      ],
    }),
    data: '010400010001',
  },
  {
    fault: 'update/malformedAttributes',
    caption: 'path attributes longer than the message',
    provoke: saying(message(2, '0000 00ff')),
  },
  {
    fault: 'update/unrecognizedWellKnown',
    caption: 'an unknown attribute that claims to be well-known',
    provoke: saying(announcing({ numbers: [1000], more: '40c801 00' })),
    data: '40c80100',
  },
  {
    fault: 'update/optionalAttribute',
    caption: 'MP_UNREACH of two octets',
    provoke: saying(message(2, '0000 0005 800f02 0001')),
    data: '800f020001',
  },
  {
    fault: 'update/invalidNetwork',
    caption: 'an IPv4 prefix of 33 bits',
    provoke: saying(message(2, '0006 210a00000000 0000')),
  },
  {
    fault: 'holdTimerExpired',
    caption: 'silence',
    provoke(site) {
      const line = connect(site)
      site.clock.advance(91_000)
      return line
    },
  },
  {
    fault: 'fsm/unexpectedInOpenSent',
    caption: 'an UPDATE before the OPEN',
    provoke: opening(announcing({ numbers: [1000] })),
    data: '02',
  },
  {
    fault: 'fsm/unexpectedInOpenConfirm',
    caption: 'an UPDATE before the KEEPALIVE',
    provoke: opening(strangeOpen(), announcing({ numbers: [1000] })),
    data: '02',
  },
  {
    fault: 'fsm/unexpectedInEstablished',
    caption: 'a second OPEN',
    provoke: saying(strangeOpen()),
    data: '01',
  },
  {
    fault: 'cease/unspecific',
    caption: 'a bug of ours',
    provoke(site) {
      const line = connect(site)
      // The next next hop can't be looked up: as if its table were broken.
      site.router.speaker.engine.nextHops.intern = () => {
        throw new TypeError('broken on purpose')
      }
      line.say(announcing({ numbers: [1000] }))
      return line
    },
  },
  {
    fault: 'cease/maxPrefixes',
    caption: 'eleven prefixes where ten are allowed',
    settings: { maxPrefixes: { limit: 10, warningPercent: null, restartSeconds: null } },
    provoke: saying(announcing({ numbers: range(1000, 1011) })),
  },
  {
    fault: 'cease/administrativeShutdown',
    caption: 'shut down by order',
    provoke: meanwhile(({ router }) => void router.speaker.shutdown('stranger')),
  },
  {
    fault: 'cease/peerDeconfigured',
    caption: 'removed from the configuration',
    provoke: meanwhile(async ({ router }) => {
      const kept = router.speaker.wantedPeers.filter(({ name }) => name !== 'stranger')
      await router.speaker.setPeers(kept)
    }),
  },
  {
    fault: 'cease/administrativeReset',
    caption: 'reset by order',
    provoke: meanwhile(({ router }) => void router.speaker.reset('stranger')),
  },
  {
    fault: 'cease/connectionRejected',
    caption: 'back too soon after an error',
    provoke(site) {
      saying(message(9))(site)
      site.clock.advance(100)
      return dial(site)
    },
  },
  {
    fault: 'cease/otherConfigurationChange',
    caption: 'another hold time is configured',
    provoke: reconfigured({ holdSeconds: 30 }),
  },
  {
    fault: 'cease/connectionCollision',
    caption: 'a second connection beside a session',
    provoke(site) {
      connect(site)
      return dial(site)
    },
  },
  {
    fault: 'cease/outOfResources',
    caption: 'more paths to one prefix than anybody needs',
    settings: { addPathReceive: true },
    provoke(site) {
      const line = connect(site, { capabilities: [...plainCapabilities, addPathSent] })
      const paths = range(1, pathsPerPrefixMax + 2)
      for (let at = 0; at < paths.length; at += 400) {
        const nlri = paths.slice(at, at + 400).map((pathId) => `${hex(pathId, 4)}180a4000`)
        const attributes = '40010100 40020602010000fdf1 4003040a000009'
        line.say(message(2, `0000 0014 ${attributes} ${nlri.join('')}`))
      }
      return line
    },
  },
  {
    fault: 'cease/hardReset',
    caption: 'shut down, towards a peer that keeps routes over other NOTIFICATIONs',
    settings: { gracefulRestart: 'Enabled' },
    provoke: meanwhile(({ router }) => void router.speaker.shutdown('stranger'), {
      capabilities: [...plainCapabilities, restartCapability({ notification: true })],
    }),
    data: '0602',
  },
  {
    fault: 'cease/bfdDown',
    caption: 'BFD says that the peer cannot be reached',
    provoke: meanwhile(({ router }) => void router.speaker.pathFailed('stranger', 'BFD: Down')),
  },
  {
    fault: 'refresh/invalidLength',
    caption: 'a ROUTE-REFRESH of five octets',
    provoke: saying(message(5, '0001 00 01 00')),
    data: Buffer.from(message(5, '0001 00 01 00')).toString('hex'),
  },
]

/** Codes that are understood when they come, and why they never go. */
const neverSent: { readonly [F in Fault]?: string } = {
  'header/unspecific': 'every fault of a header has its own subcode',
  'open/authenticationFailure': 'deprecated by RFC 4271',
  'open/roleMismatch': 'roles (RFC 9234) are not negotiated',
  'update/unspecific': 'every fault that resets a session has its own subcode',
  'update/missingWellKnown': 'treated as withdrawn (RFC 7606 §3 d)',
  'update/attributeFlags': 'treated as withdrawn (RFC 7606 §3 c)',
  'update/attributeLength': 'treated as withdrawn (RFC 7606 §4)',
  'update/invalidOrigin': 'treated as withdrawn (RFC 7606 §7.1)',
  'update/asRoutingLoop': 'deprecated by RFC 4271; a loop makes the path ineligible',
  'update/invalidNextHop': 'treated as withdrawn (RFC 7606 §7.3)',
  'update/malformedAsPath': 'treated as withdrawn (RFC 7606 §7.2)',
  'fsm/unspecific': 'every state with a connection has its own subcode (RFC 6608)',
  'refresh/unspecific': 'only the length of a ROUTE-REFRESH can be wrong',
  sendHoldTimerExpired: 'it would join the queue that is stuck (RFC 9687 §4.2)',
}

t.test('every code is either sent by a scenario or never, for a reason', async (t) => {
  const sent = new Set(scenarios.map(({ fault }) => fault))
  t.same(
    faults.filter((fault) => sent.has(fault) === fault in neverSent),
    [],
  )
})

/** The table itself, and the reader of captured messages, which names what a session would do. */
const untold = ['wire/notification.ts', 'decode.ts']

t.test('codes that are never sent are named nowhere in the engine', async (t) => {
  const files = readdirSync('bgp', { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !untold.includes(file),
  )
  t.ok(files.length > 40, 'run from the top of the repository')
  const found = files.flatMap((file) => {
    const text = readFileSync(`bgp/${file}`, 'utf8')
    return Object.keys(neverSent)
      .filter((fault) => text.includes(`'${fault}'`))
      .map((fault) => `bgp/${file} sends ${fault}: it needs a scenario`)
  })
  t.same(found, [])
})

for (const { fault, caption, settings = {}, provoke, data } of scenarios) {
  const { code, subcode } = codeOf(fault)
  t.test(`${caption}: ${fault} (${code}/${subcode})`, async (t) => {
    const site = await buildSite({ gracefulRestart: 'Disabled', ...settings })
    const line = await provoke(site)
    site.clock.advance(100)
    const octets = Buffer.of(code, subcode).toString('hex')
    t.equal(line.notification?.slice(0, 4), octets)
    if (data !== undefined) t.equal(line.notification?.slice(4), data)
    site.clock.advance(3000)
    t.equal(line.open, false, 'and the connection is closed')
    const fallen = site.router.events.filter(
      ({ kind, peer }) => kind === 'peer.down' && peer !== 'stranger',
    )
    t.same(fallen, [], 'nobody else is')
  })
}
