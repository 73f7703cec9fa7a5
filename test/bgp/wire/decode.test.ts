/**
 * Messages put in words for `routelet decode`: every type, what is treated as withdrawn, what would
 * end a session; any octets give words or an error, and nothing else.
 */
import fc from 'fast-check'
import t from 'tap'
import { Writer } from '../../../bgp/wire/bytes.ts'
import { describeMessage } from '../../../bgp/wire/decode.ts'
import { encodeRefresh, keepaliveMessage, writeHeader } from '../../../bgp/wire/message.ts'
import {
  encodeNotification,
  encodeShutdownText,
  NotificationError,
} from '../../../bgp/wire/notification.ts'
import { encodeOpen } from '../../../bgp/wire/open.ts'
import {
  basics,
  context,
  hex,
  hexText,
  iBasics,
  ibgp,
  net,
  readUpdate,
  seed,
  updateOf,
} from './vectors.ts'

const ebgp = context()

t.test('every type of message is put in words', async (t) => {
  const open = {
    version: 4,
    asn: 23456,
    holdSeconds: 90,
    routerId: 0xc0000201,
    capabilities: [{ kind: 'as4', asn: 70000 }] as const,
  }
  t.same(describeMessage(encodeOpen(open), ebgp), {
    type: 'OPEN',
    version: 4,
    asn: 23456,
    holdSeconds: 90,
    routerId: '192.0.2.1',
    capabilities: ['4-octet AS 70000'],
  })
  t.same(describeMessage(keepaliveMessage, ebgp), { type: 'KEEPALIVE' })
  t.same(describeMessage(encodeRefresh('ipv6-unicast', 2), ebgp), {
    type: 'ROUTE-REFRESH',
    family: 'ipv6-unicast',
    subtype: 2,
  })
  t.same(describeMessage(encodeNotification(6, 2, encodeShutdownText('bye')), ebgp), {
    type: 'NOTIFICATION',
    code: 6,
    subcode: 2,
    name: 'Cease / Administrative Shutdown',
    data: '03627965',
    text: 'bye',
  })
})

t.test('an UPDATE shows routes, attributes and nothing that did not happen', async (t) => {
  const message = updateOf({ withdrawn: '08 0b', attributes: basics, announced: `${net} 00` })
  t.same(describeMessage(message, ebgp), {
    type: 'UPDATE',
    announced: [
      { family: 'ipv4-unicast', prefix: '10.1.0.0/16', nextHops: ['10.0.0.1'] },
      { family: 'ipv4-unicast', prefix: '0.0.0.0/0', nextHops: ['10.0.0.1'] },
    ],
    withdrawn: [{ family: 'ipv4-unicast', prefix: '11.0.0.0/8' }],
    attributes: {
      origin: 'igp',
      asPath: [{ type: 'sequence', asns: [65002] }],
      nextHop: '10.0.0.1',
    },
    faults: [],
  })
})

t.test('both next hops of an IPv6 route are shown, and its path id', async (t) => {
  const next = '20010db8000000000000000000000001 fe800000000000000000000000000001'
  const attributes = `800e2c 000201 20 ${next} 00 00000007 10 2001 400101 00 400206 0201 0000fdea`
  const negotiated = context({ addPathReceive: ['ipv6-unicast'] })
  t.match(describeMessage(updateOf({ attributes }), negotiated), {
    announced: [{ prefix: '2001::/16', pathId: 7, nextHops: ['2001:db8::1', 'fe80::1'] }],
    attributes: { nextHop: '2001:db8::1' },
  })
})

t.test('what is treated as withdrawn is listed as withdrawn', async (t) => {
  const message = updateOf({ attributes: `${basics} 800403 000000`, announced: net })
  t.same(describeMessage(message, ebgp), {
    type: 'UPDATE',
    announced: [],
    withdrawn: [{ family: 'ipv4-unicast', prefix: '10.1.0.0/16' }],
    attributes: {
      origin: 'igp',
      asPath: [{ type: 'sequence', asns: [65002] }],
      nextHop: '10.0.0.1',
    },
    faults: [{ attribute: 4, action: 'treat-as-withdraw', reason: 'it has 3 octets, not 4' }],
  })
})

t.test('what would end a session is an error with its octets', async (t) => {
  const table: readonly [what: string, message: Uint8Array, code: number, subcode: number][] = [
    ['nothing', hex(''), 1, 2],
    ['half a message', updateOf({ withdrawn: net }).slice(0, 24), 1, 2],
    ['two messages', hex(hexText(keepaliveMessage).repeat(2)), 1, 2],
    ['no marker', new Uint8Array(19), 1, 1],
    ['a prefix too long', updateOf({ withdrawn: '21 0a0102 0380' }), 3, 10],
  ]
  for (const [what, message, code, subcode] of table) {
    t.match(describeMessage(message, ebgp), { error: { code, subcode } }, what)
  }
  t.same(describeMessage(updateOf({ attributes: '406302 beef', announced: net }), ebgp), {
    error: {
      code: 3,
      subcode: 2,
      data: '406302beef',
      reason: 'attribute 99 claims to be well-known, and no RFC we follow knows it',
    },
  })
})

const contexts = [
  ebgp,
  ibgp,
  context({ as4: false }),
  context({ as4: false, ebgp: false }),
  context({ addPathReceive: ['ipv4-unicast', 'ipv6-unicast'] }),
  context({ families: ['ipv6-unicast'], extendedNextHop: true }),
]
const anyContext = fc.constantFrom(...contexts)

/** Pieces that UPDATEs are made of, right and wrong, so that random joins get deep into the decoder. */
const pieces = [
  '400101 00',
  '400101 03',
  '400200',
  '400206 0201 0000fdea',
  '400204 0201 fdea',
  '40020c 0102 00000001 00000002 00',
  '400304 0a000001',
  '400304 00000000',
  '800404 00000005',
  '400504 00000064',
  '400600',
  'c00708 000111700a000001',
  'c00706 5ba00a000001',
  'c00804 fde90064',
  'c00803 fde900',
  '800904 01010101',
  '800a04 01010101',
  '800e15 000201 10 20010db8000000000000000000000001 00',
  '800e18 000201 10 20010db8000000000000000000000001 00 10 2001',
  '800f03 000201',
  '800f06 000201 10 2001',
  '800f03 001946',
  'c01008 0002fde900000064',
  'c01106 0201 00011170',
  'c01208 000111700a000001',
  'c0200c 000000010000000200000003',
  'c02304 0000fde9',
  'c06303 010203',
  '806300',
  'd0630002 0102',
  '4063 00',
  '9004',
].map((piece) => hexText(hex(piece)))

t.test(`any UPDATE gives words, or an error and nothing else (seed ${seed})`, async (t) => {
  const attributes = fc
    .array(fc.constantFrom(...pieces), { maxLength: 12 })
    .map((list) => list.join(''))
  const prefixes = fc.constantFrom(
    '',
    net,
    '00',
    '20 0a010203',
    '21 0a01020380',
    '00000001 10 0a01',
  )
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 })
  fc.assert(
    fc.property(
      prefixes,
      attributes,
      prefixes,
      flips,
      anyContext,
      (withdrawn, list, announced, changes, negotiated) => {
        const message = updateOf({ withdrawn, attributes: list, announced })
        for (const [place, octet] of changes) message[19 + (place % (message.length - 19))] = octet
        const described = describeMessage(message, negotiated)
        t.type(JSON.stringify(described), 'string')
      },
    ),
    { seed, numRuns: 4000 },
  )
})

t.test(`any octets give words, or an error and nothing else (seed ${seed})`, async () => {
  const body = fc.uint8Array({ maxLength: 120 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), body, anyContext, (type, octets, negotiated) => {
      const out = new Writer(19 + octets.length)
      writeHeader(out, type, out.buffer.length)
      out.bytes(octets)
      describeMessage(out.buffer, negotiated)
      describeMessage(octets, negotiated)
    }),
    { seed, numRuns: 3000 },
  )
})

t.test(`canonical attributes read back as themselves (seed ${seed})`, async (t) => {
  const attributes = fc.array(
    fc.constantFrom(...pieces.filter((piece) => !/^..0[ef]/.test(piece))),
    { maxLength: 12 },
  )
  let compared = 0
  fc.assert(
    fc.property(attributes, anyContext, (list, negotiated) => {
      let reader: ReturnType<typeof readUpdate>
      try {
        reader = readUpdate(
          updateOf({ attributes: `${iBasics} ${list.join('')}`, announced: net }),
          {
            ...negotiated,
            families: ['ipv4-unicast'],
            addPathReceive: [],
          },
        )
      } catch (error) {
        return error instanceof NotificationError
      }
      reader.check(negotiated)
      if (reader.treatAsWithdraw) return true
      compared++
      const once = hexText(reader.attributes.slice(0, reader.attributesLength))
      const nextHop = '400304 0a000001'
      const again = readUpdate(updateOf({ attributes: `${once}${nextHop}`, announced: net }), {
        ...negotiated,
        as4: true,
        addPathReceive: [],
        families: ['ipv4-unicast'],
      })
      again.check(negotiated)
      t.same(again.faults, [])
      return hexText(again.attributes.slice(0, again.attributesLength)) === once
    }),
    { seed, numRuns: 1500 },
  )
  t.ok(compared > 50, `${compared} sets were compared`)
})
