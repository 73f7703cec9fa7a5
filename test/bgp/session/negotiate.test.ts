/** What we offer, and what two OPENs agree on. */
import t from 'tap'
import { asTrans, keepaliveSeconds, localOpen, negotiate } from '../../../bgp/session/negotiate.ts'
import type { PeerConfig } from '../../../bgp/types.ts'
import type { Capability } from '../../../bgp/wire/capability.ts'
import { codeOf, NotificationError } from '../../../bgp/wire/notification.ts'
import type { Open } from '../../../bgp/wire/open.ts'
import { peerConfig } from './scene.ts'

const ipv4: Capability = { kind: 'multiprotocol', family: 'ipv4-unicast', afi: 1, safi: 1 }
const ipv6: Capability = { kind: 'multiprotocol', family: 'ipv6-unicast', afi: 2, safi: 1 }
const evpn: Capability = { kind: 'multiprotocol', family: null, afi: 25, safi: 70 }
const bothFamilies = ['ipv4-unicast', 'ipv6-unicast'] as const

function open(capabilities: readonly Capability[], overrides: Partial<Open> = {}): Open {
  return { version: 4, asn: 65002, holdSeconds: 90, routerId: 2, capabilities, ...overrides }
}

function agree(
  config: Partial<PeerConfig>,
  remote: Open,
  local: readonly Capability[] = [],
): ReturnType<typeof negotiate> {
  const whole = peerConfig(config)
  const ours = localOpen(whole, 1)
  const capabilities = [...ours.capabilities, ...local]
  return negotiate({ ...ours, capabilities }, remote, whole)
}

t.test('we offer what we do and nothing else', async (t) => {
  const { capabilities } = localOpen(peerConfig({ families: bothFamilies }), 1)
  t.same(capabilities, [
    ipv4,
    ipv6,
    { kind: 'routeRefresh' },
    { kind: 'enhancedRefresh' },
    { kind: 'as4', asn: 65001 },
    {
      kind: 'gracefulRestart',
      restarting: false,
      notification: true,
      seconds: 120,
      families: [
        { family: 'ipv4-unicast', afi: 1, safi: 1, forwarding: false },
        { family: 'ipv6-unicast', afi: 2, safi: 1, forwarding: false },
      ],
    },
    { kind: 'extendedMessage' },
  ])
  const long = localOpen(peerConfig({ localAsn: 4_200_000_000, restartSeconds: 86_400 }), 1)
  t.equal(long.asn, asTrans)
  t.match(long.capabilities, [ipv4, {}, {}, { asn: 4_200_000_000 }, { seconds: 4095 }])
})

t.test('hold time is the smaller one, and zero switches it off', async (t) => {
  const rows = [
    [90, 90, 90, 30],
    [90, 30, 30, 10],
    [9, 180, 9, 3],
    [3, 90, 3, 1],
    [0, 90, null, null],
    [90, 0, null, null],
  ] as const
  for (const [ours, theirs, hold, keepalive] of rows) {
    const result = agree({ holdSeconds: ours }, open([], { holdSeconds: theirs }))
    t.same(
      [result.holdSeconds, result.keepaliveSeconds],
      [hold, keepalive],
      `${ours} and ${theirs} make ${hold} with a KEEPALIVE every ${keepalive}`,
    )
  }
  t.equal(keepaliveSeconds(peerConfig({ keepaliveSeconds: 5 }), 90), 5, 'as configured')
  t.equal(keepaliveSeconds(peerConfig({ keepaliveSeconds: 60 }), 90), 30, 'at most a third')
})

t.test('families are those that both sides named', async (t) => {
  const rows: [string, PeerConfig['families'], Capability[], PeerConfig['families']][] = [
    ['both', bothFamilies, [ipv6, ipv4], bothFamilies],
    ['one of two', bothFamilies, [ipv6], ['ipv6-unicast']],
    ['a family we do not know is passed over', ['ipv4-unicast'], [evpn, ipv4], ['ipv4-unicast']],
    ['none named means IPv4 (RFC 4760 §8)', bothFamilies, [], ['ipv4-unicast']],
  ]
  for (const [caption, ours, theirs, wanted] of rows) {
    t.same(agree({ families: ours }, open(theirs)).families, wanted, caption)
  }
})

t.test('what one side alone can do is not used', async (t) => {
  const rows: [string, Capability[], object][] = [
    ['nothing', [], { as4: false, extendedMessage: false, refresh: false, peerRestart: null }],
    ['four-octet AS', [{ kind: 'as4', asn: 65002 }], { as4: true }],
    ['refresh', [{ kind: 'routeRefresh' }], { refresh: true, enhancedRefresh: false }],
    ['enhanced refresh', [{ kind: 'enhancedRefresh' }], { enhancedRefresh: true }],
    ['long messages', [{ kind: 'extendedMessage' }], { extendedMessage: true }],
    [
      'add-path',
      [
        {
          kind: 'addPath',
          entries: [{ family: 'ipv4-unicast', afi: 1, safi: 1, send: true, receive: true }],
        },
      ],
      { addPathReceive: [], addPathSend: [] },
    ],
  ]
  for (const [caption, theirs, wanted] of rows) t.match(agree({}, open(theirs)), wanted, caption)
})

t.test('add-path needs a sender and a receiver in each direction', async (t) => {
  const entry = { family: 'ipv4-unicast', afi: 1, safi: 1 } as const
  const addPath = (send: boolean, receive: boolean): Capability => {
    return { kind: 'addPath', entries: [{ ...entry, send, receive }] }
  }
  for (const [ours, theirs, wanted] of [
    [addPath(true, true), addPath(true, true), [1, 1]],
    [addPath(true, false), addPath(true, true), [1, 0]],
    [addPath(true, false), addPath(true, false), [0, 0]],
    [addPath(false, true), addPath(true, false), [0, 1]],
  ] as const) {
    const result = agree({}, open([theirs]), [ours])
    t.same([result.addPathSend.length, result.addPathReceive.length], wanted)
  }
})

t.test('IPv4 by an IPv6 next hop when both can (RFC 8950)', async (t) => {
  const entries = [{ family: 'ipv4-unicast', afi: 1, safi: 1, nextHopAfi: 2 }] as const
  const capability: Capability = { kind: 'extendedNextHop', entries }
  t.equal(agree({}, open([capability])).extendedNextHop, false)
  t.equal(agree({}, open([capability]), [capability]).extendedNextHop, true)
})

t.test('IPv6 next hops for IPv4 are offered over IPv6 and to iBGP peers alone', async (t) => {
  const rows: [caption: string, Partial<PeerConfig>, offered: boolean][] = [
    ['eBGP over IPv4', { address: '192.0.2.2' }, false],
    ['eBGP over IPv6', { address: '2001:db8::2' }, true],
    ['eBGP over IPv6, without IPv4', { address: '2001:db8::2', families: ['ipv6-unicast'] }, false],
    ['iBGP over IPv4: next hops pass as they came', { asn: 65001, localAsn: 65001 }, true],
    ['iBGP without IPv4', { asn: 65001, localAsn: 65001, families: ['ipv6-unicast'] }, false],
  ]
  for (const [caption, config, offered] of rows) {
    const { capabilities } = localOpen(peerConfig(config), 1)
    t.equal(
      capabilities.some(({ kind }) => kind === 'extendedNextHop'),
      offered,
      caption,
    )
  }
})

t.test('graceful restart is kept as the peer said it, without unknown families', async (t) => {
  const said: Capability = {
    kind: 'gracefulRestart',
    restarting: true,
    notification: true,
    seconds: 77,
    families: [
      { family: 'ipv4-unicast', afi: 1, safi: 1, forwarding: true },
      { family: null, afi: 25, safi: 70, forwarding: true },
    ],
  }
  t.same(agree({}, open([said])).peerRestart, {
    restarting: true,
    notification: true,
    seconds: 77,
    families: [{ family: 'ipv4-unicast', forwarding: true }],
  })
})

t.test(
  'a peer that is not who it should be is refused, with the right code and words',
  async (t) => {
    const ibgp = { asn: 65001 }
    const as = (asn: number): Capability[] => [{ kind: 'as4', asn }]
    const rows: [string, Partial<PeerConfig>, Open, string, RegExp][] = [
      ['another AS', {}, open(as(65003)), 'open/badPeerAs', /says AS 65003, configured 65002/],
      ['another AS, the short way', {}, open([], { asn: 7 }), 'open/badPeerAs', /says AS 7/],
      ['AS 0 (RFC 7607)', { asn: 0 }, open(as(0)), 'open/badPeerAs', /AS 0/],
      ['AS_TRANS alone', { asn: 23456 }, open(as(9)), 'open/badPeerAs', /says AS 9/],
      [
        'our own router id in our AS',
        ibgp,
        open([], { asn: 65001, routerId: 1 }),
        'open/badBgpIdentifier',
        /our own router id 0\.0\.0\.1/,
      ],
      [
        'no family in common',
        { families: ['ipv6-unicast'] },
        open([ipv4]),
        'open/unsupportedCapability',
        /we want ipv6-unicast, 10\.0\.0\.2 offers ipv4-unicast/,
      ],
    ]
    for (const [caption, config, remote, fault, words] of rows) {
      t.throws(() => agree(config, remote), { fault, message: words }, caption)
    }
    t.equal(
      agree({}, open([], { routerId: 1 })).peerRouterId,
      1,
      'another AS may use our router id (RFC 6286)',
    )
  },
)

t.test('the family that is missing is named in the data (RFC 5492)', async (t) => {
  try {
    agree({ families: ['ipv6-unicast'] }, open([ipv4]))
    t.fail('it was accepted')
  } catch (error) {
    if (!(error instanceof NotificationError)) throw error
    t.same({ code: error.code, subcode: error.subcode }, codeOf('open/unsupportedCapability'))
    t.equal(Buffer.from(error.data).toString('hex'), '010400020001')
  }
})

t.test('iBGP is the peer that has the AS we present to it', async (t) => {
  t.equal(agree({}, open([])).ebgp, true)
  t.equal(agree({ asn: 65001 }, open([], { asn: 65001 })).ebgp, false)
  t.equal(agree({ asn: 65002, localAsn: 65002 }, open([])).ebgp, false)
})
