/**
 * An UPDATE taken apart: where its prefixes and attributes are, what of it is withdrawn instead,
 * and what alone resets a session (RFC 7606).
 */
import t from 'tap'
import type { Negotiated } from '../../../bgp/wire/context.ts'
import { NlriCursor } from '../../../bgp/wire/update.ts'
import {
  basics,
  context,
  faultOf,
  hex,
  hexText,
  iBasics,
  ibgp,
  net,
  outcome,
  readUpdate,
  stored,
  type UpdateParts,
  updateOf,
  viewOf,
} from './vectors.ts'

const ebgp = context()

t.test('a plain announcement is located and its attributes are canonical', async (t) => {
  const message = updateOf({ withdrawn: '08 0b', attributes: basics, announced: net })
  const reader = readUpdate(message, ebgp)
  t.match(reader.withdrawn, { family: 'ipv4-unicast', start: 21, end: 23, addPath: false })
  t.match(reader.announced, { family: 'ipv4-unicast', end: message.length })
  t.equal(reader.mpReach.family, null)
  t.equal(reader.mpUnreach.family, null)
  t.equal(hexText(reader.nextHop.slice(0, reader.nextHopLength)), '0a000001')
  t.equal(hexText(reader.attributes.slice(0, reader.attributesLength)), stored)
  t.equal(reader.present, 0b1110)
  t.same([reader.treatAsWithdraw, reader.faults, reader.endOfRib], [false, [], null])
})

t.test('one reader serves message after message and forgets the one before', async (t) => {
  const reader = readUpdate(updateOf({ attributes: '400101', announced: net }), ebgp)
  t.equal(reader.treatAsWithdraw, true)
  const next = updateOf({ attributes: basics, announced: net })
  reader.read(next, viewOf(next), 0, next.length, ebgp)
  t.same([reader.treatAsWithdraw, reader.faults], [false, []])
  const withdraw = updateOf({ withdrawn: net })
  reader.read(withdraw, viewOf(withdraw), 0, withdraw.length, ebgp)
  t.same([reader.attributesLength, reader.nextHopLength, reader.present], [0, 0, 0])
  t.equal(reader.announced.family, null)
})

t.test('a message is read in the middle of a buffer', async (t) => {
  const message = updateOf({ attributes: basics, announced: net })
  const buffer = new Uint8Array(message.length + 20).fill(0xee)
  buffer.set(message, 10)
  const reader = readUpdate(message, ebgp)
  reader.read(buffer, viewOf(buffer), 10, 10 + message.length, ebgp)
  const cursor = new NlriCursor()
  cursor.start(buffer, viewOf(buffer), reader.announced)
  t.equal(cursor.next(), true)
  t.same([cursor.w0, cursor.length], [0x0a010000, 16])
})

t.test('End-of-RIB is an UPDATE with nothing in it (RFC 4724 §2)', async (t) => {
  const eor = (parts: UpdateParts, negotiated: Negotiated) =>
    readUpdate(updateOf(parts), negotiated).endOfRib
  const v4only = context({ families: ['ipv4-unicast'] })
  const v6only = context({ families: ['ipv6-unicast'] })
  t.equal(eor({}, ebgp), 'ipv4-unicast')
  t.equal(eor({}, v6only), null)
  t.equal(eor({ attributes: '800f03 000201' }, ebgp), 'ipv6-unicast')
  t.equal(eor({ attributes: '900f0003 000201' }, ebgp), 'ipv6-unicast')
  t.equal(eor({ attributes: '800f03 000101' }, ebgp), 'ipv4-unicast')
  t.equal(eor({ attributes: '800f03 000201' }, v4only), null)
  t.equal(eor({ attributes: '800f03 001946' }, ebgp), null, 'a family nobody speaks')
  t.equal(eor({ withdrawn: net, attributes: '800f03 000201' }, ebgp), null)
  t.equal(eor({ attributes: '800f04 000201 00' }, ebgp), null, '::/0 is withdrawn')
})

t.test('a session is reset only where prefixes or attributes cannot be told apart', async (t) => {
  const v6next = '20010db8000000000000000000000001'
  const reach = `800e15 000201 10 ${v6next} 00`
  const table: readonly [what: string, parts: UpdateParts, fault: string][] = [
    ['prefix /33', { withdrawn: '21 0a010203 80' }, 'update/invalidNetwork'],
    ['prefix cut off', { attributes: basics, announced: '10 0a' }, 'update/invalidNetwork'],
    ['second MP_REACH', { attributes: reach + reach }, 'update/malformedAttributes'],
    [
      'second MP_UNREACH',
      { attributes: '800f03000201 800f03000201' },
      'update/malformedAttributes',
    ],
    [
      'short MP_REACH',
      { attributes: '800e04 00020100' },
      'update/optionalAttribute 800e0400020100',
    ],
    ['short MP_UNREACH', { attributes: '800f02 0002' }, 'update/optionalAttribute 800f020002'],
    [
      'MP_REACH with next hop of 15',
      { attributes: `800e14 000201 0f ${v6next}` },
      `update/optionalAttribute 800e140002010f${v6next}`,
    ],
    [
      'MP_REACH with next hop past its end',
      { attributes: '800e06 000201 10 0000' },
      'update/optionalAttribute 800e06000201100000',
    ],
    [
      'MP_UNREACH with /129',
      { attributes: '800f04 000201 81' },
      'update/optionalAttribute 800f0400020181',
    ],
    [
      'MP_UNREACH past the attributes',
      { attributes: '800f09 000201' },
      'update/optionalAttribute 800f09000201',
    ],
    [
      'unknown well-known attribute',
      { attributes: `${basics} 406302 beef`, announced: net },
      'update/unrecognizedWellKnown 406302beef',
    ],
    ['fault without prefixes', { attributes: '400102 0000' }, 'update/malformedAttributes'],
    [
      'fault with withdrawals only',
      { withdrawn: net, attributes: '400101 07' },
      'update/malformedAttributes',
    ],
    [
      'MP_UNREACH and a fault',
      { attributes: '800f03000201 400101 07' },
      'update/malformedAttributes',
    ],
    ['attributes cut off, no prefixes', { attributes: '4001' }, 'update/malformedAttributes'],
    ['good attributes, no prefixes', { attributes: basics }, 'accepted'],
    ['discard, no prefixes', { attributes: '400601 00' }, 'accepted'],
    ['withdrawal with wrong flags', { attributes: '400f04 000201 00' }, 'accepted'],
  ]
  for (const [what, parts, fault] of table) {
    t.equal(
      faultOf(() => outcome(parts, ebgp)),
      fault,
      what,
    )
  }
})

t.test('an AS_SET withdraws, and resets nothing where there is nothing to withdraw', async (t) => {
  const attributes = '400101 00 40020a 0102 0000fdeb 0000fdec 800f06 000201 10 2001'
  const read = readUpdate(updateOf({ attributes }), context())
  t.same(read.faults, [], 'it is no malformation (RFC 7606 §5.2)')
  read.check(context())
  t.match(read.faults, [{ code: 2, action: 'treat-as-withdraw', reason: /RFC 9774/ }])
  t.ok(read.mpUnreach.family, 'the withdrawal stands')
})

t.test('total lengths past the end of the message reset the session', async (t) => {
  for (const [place, octet] of [
    [20, 1],
    [19, 1],
    [22, 200],
  ] as const) {
    const message = updateOf({ announced: '' })
    message[place] = octet
    t.equal(
      faultOf(() => readUpdate(message, ebgp)),
      'update/malformedAttributes',
    )
  }
})

t.test('mandatory attributes that are missing withdraw (RFC 7606 §3 d)', async (t) => {
  const without = (part: string) => ({ attributes: iBasics.replace(part, ''), announced: net })
  const table: readonly [what: string, part: string, code: number][] = [
    ['ORIGIN', '400101 00', 1],
    ['AS_PATH', '400206 0201 0000fdea', 2],
    ['NEXT_HOP', '400304 0a000001', 3],
    ['LOCAL_PREF', '400504 00000064', 5],
  ]
  for (const [what, part, code] of table) {
    t.same(outcome(without(part), ibgp, false).faults, [`${code} treat-as-withdraw`], what)
  }
  t.same(outcome({ attributes: basics, announced: net }, ebgp).faults, [], 'no LOCAL_PREF on eBGP')
})

t.test('next hops come from NEXT_HOP and MP_REACH, each for its own prefixes', async (t) => {
  const v6 = '20010db8000000000000000000000001'
  const local = 'fe800000000000000000000000000001'
  const path = '400101 00 400206 0201 0000fdea'
  const read = (parts: UpdateParts, negotiated = ebgp) => {
    const reader = readUpdate(updateOf(parts), negotiated)
    reader.check(negotiated)
    return [
      hexText(reader.nextHop.slice(0, reader.nextHopLength)),
      hexText(reader.mpNextHop.slice(0, reader.mpNextHopLength)),
      reader.mpReach.family,
      reader.faults.length,
    ]
  }
  const reach = (next: string) => {
    const length = hex(next).length
    const size = (length + 5 + 3).toString(16).padStart(2, '0')
    return `800e${size} 000201 ${length.toString(16).padStart(2, '0')} ${next} 00 10 2001`
  }
  t.same(read({ attributes: reach(v6) + path }), [v6, v6, 'ipv6-unicast', 0])
  t.same(read({ attributes: reach(v6 + local) + path }), [
    v6 + local,
    v6 + local,
    'ipv6-unicast',
    0,
  ])
  t.same(read({ attributes: reach(local) + path }), [local, local, 'ipv6-unicast', 0])
  t.same(read({ attributes: reach('00'.repeat(16) + local) + path })[3], 0, 'global half empty')
  t.same(read({ attributes: reach(v6) + basics, announced: net }), [
    '0a000001',
    v6,
    'ipv6-unicast',
    0,
  ])
  t.same(
    read({ attributes: `${reach(v6)} ${path} 400303 000000` }),
    [v6, v6, 'ipv6-unicast', 0],
    'a NEXT_HOP beside MP_REACH alone is ignored, malformed or not (RFC 4760 §3)',
  )
  t.same(read({ attributes: reach(`${'00'.repeat(10)}ffff0a000001`) + path })[3], 0, 'IPv4-mapped')
  for (const bad of [
    '00'.repeat(16),
    `${'00'.repeat(10)}ffff00000001`,
    `ff02${'00'.repeat(13)}01`,
  ]) {
    t.equal(read({ attributes: reach(bad) + path })[3], 1, bad)
  }
  for (const good of [`${'00'.repeat(10)}ffff7f000001`, `${'00'.repeat(15)}01`]) {
    t.equal(read({ attributes: reach(good) + path })[3], 0, `${good}: well formed, not usable`)
  }
  const v4only = context({ families: ['ipv4-unicast'] })
  t.same(read({ attributes: reach(v6) + path }, v4only), ['', '', null, 1], 'not negotiated')
})

t.test('IPv4 prefixes over an IPv6 next hop need extended next hops (RFC 8950)', async (t) => {
  const attributes = `800e18 000101 10 20010db8000000000000000000000001 00 10 0a01 400101 00 400206 0201 0000fdea`
  t.match(
    faultOf(() => outcome({ attributes }, ebgp)),
    /^update\/optionalAttribute/,
  )
  const extended = context({ extendedNextHop: true })
  t.same(outcome({ attributes }, extended).faults, [])
})

t.test('prefixes of a family that was not negotiated are not shown', async (t) => {
  const v6only = context({ families: ['ipv6-unicast'] })
  const reader = readUpdate(
    updateOf({ withdrawn: net, attributes: basics, announced: net }),
    v6only,
  )
  t.same([reader.withdrawn.family, reader.announced.family], [null, null])
  const cursor = new NlriCursor()
  const bytes = new Uint8Array(0)
  cursor.start(bytes, viewOf(bytes), reader.announced)
  t.equal(cursor.next(), false)
})
