/**
 * What a session would make of one message: the shapes of `routelet decode`, and what the context
 * decides beyond the octets.
 */
import t from 'tap'
import { type DecodeContext, SessionDecoder } from '../../bgp/decode.ts'
import { multiprotocol } from '../../bgp/wire/capability.ts'
import { encodeRefresh, keepaliveMessage } from '../../bgp/wire/message.ts'
import { encodeNotification } from '../../bgp/wire/notification.ts'
import { encodeOpen, type Open } from '../../bgp/wire/open.ts'
import { basics, hex, iBasics, net, updateOf } from '../bgp/wire/vectors.ts'

const decoder = new SessionDecoder()
const openOf = (changes: Partial<Open> = {}) =>
  encodeOpen({
    version: 4,
    asn: 65001,
    holdSeconds: 90,
    routerId: 0xc0000201,
    capabilities: [multiprotocol('ipv4-unicast')],
    ...changes,
  })
const update = updateOf({ attributes: basics, announced: net })
const notification = encodeNotification(6, 4, hex(''))
const refresh = encodeRefresh('ipv4-unicast', 0)

/** `code/subcode data`, or the type of a message that was read. */
function verdict(bytes: Uint8Array, context: DecodeContext): string {
  const described = decoder.describe(bytes, context)
  if ('type' in described) return described.type
  const { code, subcode, data } = described.error
  return `${code}/${subcode}${data === '' ? '' : ` ${data}`}`
}

t.test('every attribute of the list is shown under its name', async (t) => {
  const attributes = `${iBasics} 800404 00000005 400600 c00708 000111700a000001 c00804 fde90064
    800904 01010101 800a04 02020202 c01008 0002fde900000064 c0200c 000000010000000200000003
    c02304 0000fde9 c06302 beef d0640001 01`
  t.same(
    decoder.describe(updateOf({ attributes, announced: net }), { peerType: 'ibgp' }),
    {
      type: 'UPDATE',
      announced: [{ family: 'ipv4-unicast', prefix: '10.1.0.0/16', nextHops: ['10.0.0.1'] }],
      withdrawn: [],
      attributes: {
        origin: 'igp',
        asPath: [{ type: 'sequence', asns: [65002] }],
        med: 5,
        localPref: 100,
        atomicAggregate: true,
        aggregator: { asn: 70000, address: '10.0.0.1' },
        communities: ['65001:100'],
        originatorId: '1.1.1.1',
        clusterList: ['2.2.2.2'],
        extendedCommunities: ['0002fde900000064'],
        largeCommunities: ['1:2:3'],
        otc: 65001,
        unknown: [
          { code: 99, flags: 0xc0, value: 'beef' },
          { code: 100, flags: 0xd0, value: '01' },
        ],
        nextHop: '10.0.0.1',
      },
      faults: [],
    },
    'with the flags an unknown one came with',
  )
})

t.test('each field of the context reaches the codec', async (t) => {
  const v6Hop = '800e17 000101 10 20010db8000000000000000000000001 00 08 0a'
  const table: readonly [
    what: string,
    message: Uint8Array,
    context: DecodeContext,
    expected: object,
  ][] = [
    [
      'two-octet AS numbers',
      updateOf({ attributes: '400101 00 400204 0201 fdea 400304 0a000001', announced: net }),
      { as4: false },
      { attributes: { asPath: [{ type: 'sequence', asns: [65002] }] }, faults: [] },
    ],
    [
      'iBGP wants LOCAL_PREF',
      update,
      { peerType: 'ibgp' },
      { withdrawn: [{ prefix: '10.1.0.0/16' }], faults: [{ attribute: 5 }] },
    ],
    ['equal AS numbers are iBGP', update, { localAs: 65002, peerAs: 65002 }, { announced: [] }],
    [
      'a peer type goes before AS numbers',
      update,
      { peerType: 'ebgp', localAs: 65002, peerAs: 65002 },
      { announced: [{}] },
    ],
    [
      'path ids',
      updateOf({ withdrawn: '00000007 08 0a' }),
      { addPath: ['ipv4-unicast'] },
      { withdrawn: [{ family: 'ipv4-unicast', prefix: '10.0.0.0/8', pathId: 7 }] },
    ],
    [
      'a family that was not negotiated',
      updateOf({ withdrawn: '08 0a' }),
      { families: ['ipv6-unicast'] },
      { withdrawn: [] },
    ],
    [
      'extended next hops',
      updateOf({ attributes: `${v6Hop} 400101 00 400206 0201 0000fdea` }),
      { extendedNextHop: true },
      { announced: [{ prefix: '10.0.0.0/8', nextHops: ['2001:db8::1'] }] },
    ],
    [
      'without them',
      updateOf({ attributes: `${v6Hop} 400101 00 400206 0201 0000fdea` }),
      {},
      { error: { code: 3, subcode: 9 } },
    ],
  ]
  for (const [what, message, context, expected] of table) {
    t.match(decoder.describe(message, context), expected, what)
  }
})

t.test('long messages need extended messages, which an OPEN has not agreed on yet', async (t) => {
  const long = updateOf({ withdrawn: '18 0a0000'.repeat(1200) })
  t.equal(verdict(long, {}), '1/2 12d7')
  t.equal(verdict(long, { extendedMessage: true }), 'UPDATE')
  t.equal(verdict(long, { extendedMessage: true, state: 'OpenSent' }), '1/2 12d7')
})

t.test('a message that has no place in the state is an error of RFC 6608', async (t) => {
  const messages = [openOf(), update, notification, keepaliveMessage, refresh]
  const table: readonly [state: DecodeContext['state'], verdicts: readonly string[]][] = [
    ['OpenSent', ['OPEN', '5/1 02', 'NOTIFICATION', '5/1 04', '5/1 05']],
    ['OpenConfirm', ['5/2 01', '5/2 02', 'NOTIFICATION', 'KEEPALIVE', '5/2 05']],
    ['Established', ['5/3 01', 'UPDATE', 'NOTIFICATION', 'KEEPALIVE', 'ROUTE-REFRESH']],
    ['Active', ['5/0', '5/0', '5/0', '5/0', '5/0']],
    [undefined, ['OPEN', 'UPDATE', 'NOTIFICATION', 'KEEPALIVE', 'ROUTE-REFRESH']],
  ]
  for (const [state, verdicts] of table) {
    const context = state === undefined ? {} : { state }
    t.same(
      messages.map((message) => verdict(message, context)),
      verdicts,
      String(state),
    )
  }
  t.equal(verdict(new Uint8Array(19), { state: 'OpenSent' }), '1/1', 'the framing is read first')
  const broken = updateOf({ withdrawn: '21 0a0102 0380' })
  t.equal(verdict(broken, { state: 'OpenConfirm' }), '5/2 02', 'and the content last')
})

t.test('an OPEN is judged by what the context says of the peer', async (t) => {
  const as4 = { kind: 'as4', asn: 70000 } as const
  const table: readonly [string, Uint8Array, DecodeContext, string][] = [
    ['nothing is known', openOf(), {}, 'OPEN'],
    ['the AS expected', openOf(), { peerAs: 65001 }, 'OPEN'],
    ['another AS', openOf(), { peerAs: 65002 }, '2/2'],
    ['AS 0', openOf({ asn: 0 }), {}, '2/2'],
    ['four octets', openOf({ asn: 23456, capabilities: [as4] }), { peerAs: 70000 }, 'OPEN'],
    ['our identifier, iBGP', openOf(), { peerType: 'ibgp', localId: '192.0.2.1' }, '2/3'],
    ['our identifier by AS', openOf(), { localAs: 65001, localId: '192.0.2.1' }, '2/3'],
    ['our identifier, eBGP (RFC 6286)', openOf(), { localId: '192.0.2.1' }, 'OPEN'],
    ['identifier 0', openOf({ routerId: 0 }), {}, '2/3'],
    ['hold time 2', openOf({ holdSeconds: 2 }), {}, '2/6'],
    ['no common family', openOf(), { families: ['ipv6-unicast'] }, '2/7 010400020001'],
    [
      'a family we do not speak',
      openOf({ capabilities: [{ kind: 'multiprotocol', family: null, afi: 25, safi: 70 }] }),
      {},
      'OPEN',
    ],
  ]
  for (const [what, message, context, expected] of table) {
    t.equal(verdict(message, context), expected, what)
  }
})

t.test('after an error the next message is read as if nothing had happened', async (t) => {
  for (const broken of [update.slice(0, 25), hex('00'), new Uint8Array(70_000)]) {
    t.equal(verdict(broken, {}).slice(0, 2), '1/')
    t.equal(verdict(update, {}), 'UPDATE')
  }
})
