/** MRT archives: each kind of record, and what damage costs. */
import fc from 'fast-check'
import t from 'tap'
import { keepaliveMessage } from '../../bgp/wire/message.ts'
import { type MrtItem, readMrt } from '../../src/decode/mrt-file.ts'
import { basics, hex, iBasics, net, seed, updateOf } from '../bgp/wire/vectors.ts'
import { bgp4mpMessage, peerIndex, record, rib } from './archive.ts'

const update = updateOf({ attributes: basics, announced: net })
const update16 = updateOf({
  attributes: '400101 00 400204 0201 fdea 400304 0a000001',
  announced: net,
})
const hop6 = '20010db8000000000000000000000001'

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(parts: readonly Uint8Array[], size = 4096): Promise<MrtItem[]> {
  const items: MrtItem[] = []
  for await (const item of readMrt('test', chunksOf(Buffer.concat(parts), size))) items.push(item)
  return items
}

t.test('messages and state changes of every subtype', async (t) => {
  const as2 = 'fdea fde9 0000 0001 0a000002 0a000001'
  const as4 = '0000fdea 0000fde9 0000 0001 0a000002 0a000001'
  const v6 = `0000fdea 0000fde9 0000 0002 ${hop6} ${hop6}`
  const withId = updateOf({ withdrawn: '00000007 08 0a' })
  const body = (head: string, rest: Uint8Array) => Uint8Array.of(...hex(head), ...rest)
  const table: readonly [what: string, record: Uint8Array, expected: object][] = [
    ['MESSAGE', record(16, 1, body(as2, update16)), { announced: [{}], faults: [] }],
    ['MESSAGE_AS4', record(16, 4, body(as4, update)), { announced: [{}], faults: [] }],
    ['MESSAGE_LOCAL', record(16, 6, body(as2, update16)), { announced: [{}] }],
    ['MESSAGE_AS4_LOCAL', record(16, 7, body(as4, update)), { announced: [{}] }],
    ['MESSAGE_ADDPATH', record(16, 8, body(as2, withId)), { withdrawn: [{ pathId: 7 }] }],
    ['MESSAGE_AS4_ADDPATH', record(16, 9, body(as4, withId)), { withdrawn: [{ pathId: 7 }] }],
    ['MESSAGE_LOCAL_ADDPATH', record(16, 10, body(as2, withId)), { withdrawn: [{ pathId: 7 }] }],
    [
      'MESSAGE_AS4_LOCAL_ADDPATH',
      record(16, 11, body(as4, withId)),
      { withdrawn: [{ pathId: 7 }] },
    ],
    [
      'STATE_CHANGE',
      record(16, 0, hex(`${as2} 0005 0006`)),
      { type: 'STATE_CHANGE', from: 'OpenConfirm', to: 'Established' },
    ],
    ['STATE_CHANGE_AS4', record(16, 5, hex(`${as4} 0006 0001`)), { to: 'Idle' }],
    ['STATE_CHANGE_AS4', record(16, 5, hex(`${as4} 0006 0007`)), { to: 'state 7' }],
    [
      'MESSAGE_AS4',
      record(16, 4, body(v6, update)),
      { mrt: { time: '2026-01-02T03:04:05Z', peer: { asn: 65002, address: '2001:db8::1' } } },
    ],
    [
      'MESSAGE_AS4',
      record(17, 4, body(`0000004b ${as4}`, update)),
      { mrt: { type: 'BGP4MP_ET', time: '2026-01-02T03:04:05.000075Z' }, type: 'UPDATE' },
    ],
    ['MESSAGE_AS4', record(16, 4, body(as4, update.slice(0, 30))), { error: { code: 1 } }],
  ]
  for (const [subtype, bytes, expected] of table) {
    const items = await read([bytes])
    t.match(items, [{ mrt: { subtype } }], subtype)
    t.match(items, [expected], subtype)
  }
})

t.test('the type of the session comes from the two AS numbers', async (t) => {
  const same = '0000fde9 0000fde9 0000 0001 0a000002 0a000001'
  const items = await read([record(16, 4, Uint8Array.of(...hex(same), ...update))])
  t.match(items, [{ faults: [{ attribute: 5, action: 'treat-as-withdraw' }] }])
})

t.test('tables: peers, prefixes and their paths', async (t) => {
  const path = '400101 00 400206 0201 0000fdea'
  const items = await read([
    peerIndex,
    rib(2, '10 0a01', [
      { peer: 0, attributes: basics },
      { peer: 1, attributes: iBasics },
    ]),
    rib(8, '10 0a01', [{ peer: 0, pathId: 7, attributes: basics }]),
    rib(4, '20 20010db8', [
      { peer: 0, attributes: `${path} 800e11 10 ${hop6}` },
      { peer: 0, attributes: `800e15 000201 10 ${hop6} 00 ${path}` },
      { peer: 0, attributes: `${path} 800e21 20 ${hop6} fe800000000000000000000000000002` },
      { peer: 0, attributes: path },
      { peer: 0, attributes: `${path} 800e05 10 20010db8` },
    ]),
    rib(10, '00', [{ peer: 1, pathId: 3, attributes: `${path} 800e11 10 ${hop6}` }]),
    rib(2, '10 0a01', [{ peer: 0, attributes: `${basics} 800403 000000` }]),
    rib(2, '10 0a01', [{ peer: 0, attributes: `${path} 800e11 10 ${hop6}` }]),
    rib(2, '10 0a01', [{ peer: 0, attributes: `${basics} 000504 00000064` }]),
  ])
  t.match(items[0], {
    mrt: { time: '2026-01-02T03:04:05Z', subtype: 'PEER_INDEX_TABLE' },
    collector: '192.0.2.1',
    view: 'test',
    peers: [
      { asn: 65002, address: '10.0.0.2', routerId: '10.0.0.2' },
      { asn: 70000, address: '2001:db8::3', routerId: '10.0.0.3' },
    ],
  })
  t.match(items[1], {
    mrt: { sequence: 9 },
    family: 'ipv4-unicast',
    prefix: '10.1.0.0/16',
    paths: [
      { peer: { asn: 65002 }, since: '2026-01-02T03:04:05Z', nextHops: ['10.0.0.1'], faults: [] },
      { peer: { asn: 70000 }, attributes: { localPref: 100 }, faults: [] },
    ],
  })
  t.match(items[2], { paths: [{ pathId: 7, nextHops: ['10.0.0.1'] }] })
  t.match(items[3], {
    prefix: '2001:db8::/32',
    paths: [
      { nextHops: ['2001:db8::1'], faults: [] },
      { nextHops: ['2001:db8::1'], faults: [] },
      { nextHops: ['2001:db8::1', 'fe80::2'], faults: [] },
      { error: { reason: /no MP_REACH_NLRI/ } },
      { error: { code: 3, subcode: 9 } },
    ],
  })
  t.match(items[4], { prefix: '::/0', paths: [{ pathId: 3, peer: { asn: 70000 } }] })
  t.match(items[5], {
    paths: [{ nextHops: ['10.0.0.1'], faults: [{ attribute: 4, action: 'treat-as-withdraw' }] }],
  })
  t.match(items[6], { paths: [{ nextHops: ['2001:db8::1'] }] }, 'IPv4 over IPv6 (RFC 8950)')
  t.match(
    items[7],
    { paths: [{ attributes: { localPref: 100 }, faults: [] }] },
    'an attribute that no peer sent, dumped without flags',
  )
})

t.test('kinds that are not read are named and passed over', async (t) => {
  const items = await read([
    record(12, 1, hex('00')),
    record(13, 6, hex('00')),
    record(16, 2, hex('00')),
    bgp4mpMessage(keepaliveMessage),
  ])
  t.match(items, [
    { mrt: { type: 'TABLE_DUMP' }, type: 'SKIPPED' },
    { mrt: { subtype: 'RIB_GENERIC' }, type: 'SKIPPED' },
    { type: 'SKIPPED' },
    { type: 'KEEPALIVE' },
  ])
})

t.test('damage costs one record and is said', async (t) => {
  const good = bgp4mpMessage(update)
  const patched = (at: number, octet: number, bytes = good) => {
    const copy = bytes.slice()
    copy[at] = octet
    return copy
  }
  const v4 = rib(2, '10 0a01', [{ peer: 0, attributes: basics }])
  const table: readonly [what: string, damaged: Uint8Array, reason: RegExp][] = [
    ['unknown type', patched(5, 99), /no record starts here/],
    ['length far too long', patched(8, 0xff), /no record starts here/],
    ['length too long, within the next', patched(11, good[11]! + 9), /$/],
    ['cut off', good.slice(0, 40), /$/],
    ['family of the addresses', patched(23, 3), /addresses are of family 3/],
    ['garbage', new Uint8Array(100).fill(0x55), /no record starts here/],
    ['unknown peer', v4, /peer index table, and there is none yet/],
    ['prefix too long', patched(16, 33, v4), /a prefix says \/33/],
    ['octets left over', record(13, 1, hex('c0000201 0000 0000 00')), /1 octets are left over/],
    ['too short', record(16, 4, hex('0000')), /a field runs past the end/],
  ]
  for (const [what, damaged, reason] of table) {
    const items = await read([good, damaged, good, good])
    const errors = items.filter((item) => !('mrt' in item))
    t.ok(items.length - errors.length >= 3 || what.startsWith('length'), `${what}: the rest stands`)
    const last = items.at(-1)
    t.match(last, { mrt: {}, type: 'UPDATE', announced: [{}] }, what)
    if (reason.source !== '$') t.match(errors, [{ error: { offset: good.length, reason } }], what)
  }
})

t.test('a file that ends in a record says so', async (t) => {
  const good = bgp4mpMessage(update)
  const [first, second] = await read([good, good.slice(0, 30)])
  t.match(first, { type: 'UPDATE' })
  t.match(second, {
    error: { record: 2, offset: good.length, reason: /says 78 octets, the file has 30 more/ },
  })
  t.match((await read([good, good.slice(0, 5)]))[1], { error: { reason: /5 octets are left/ } })
  t.same(await read([]), [], 'an empty file has no records')
})

t.test('a stream that breaks is read as far as it goes', async (t) => {
  const good = bgp4mpMessage(update)
  const items: MrtItem[] = []
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield good
    throw new Error('incorrect data check')
  }
  for await (const item of readMrt('test', breaking())) items.push(item)
  t.match(items, [{ type: 'UPDATE' }, { error: { reason: /stopped: incorrect data check/ } }])
})

t.test(`records are the same however the file is cut, and damaged (seed ${seed})`, async (t) => {
  const archive = Buffer.concat([
    peerIndex,
    rib(2, '10 0a01', [{ peer: 0, attributes: basics }]),
    bgp4mpMessage(update),
    bgp4mpMessage(keepaliveMessage),
    rib(4, '20 20010db8', [{ peer: 1, attributes: `800e11 10 ${hop6} 400101 00` }]),
  ])
  const changes = fc.array(fc.tuple(fc.nat({ max: archive.length - 1 }), fc.nat({ max: 255 })), {
    maxLength: 4,
  })
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 1, max: 90 }), async (list, size) => {
      const damaged = Buffer.from(archive)
      for (const [at, octet] of list) damaged[at] = octet
      t.same(await read([damaged], size), await read([damaged]))
    }),
    { seed, numRuns: 400 },
  )
})
