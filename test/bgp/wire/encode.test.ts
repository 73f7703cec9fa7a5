/**
 * UPDATEs as they leave: octets of both families, path ids, End-of-RIB, lengths that hold; what is
 * encoded reads back as it was.
 */
import fc from 'fast-check'
import t from 'tap'
import { formatPrefix, parseAddress, parsePrefix } from '../../../bgp/prefix.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { Writer } from '../../../bgp/wire/bytes.ts'
import { type DescribedUpdate, describeMessage } from '../../../bgp/wire/decode.ts'
import { encodeEndOfRib, UpdateWriter } from '../../../bgp/wire/encode.ts'
import { Framer } from '../../../bgp/wire/framer.ts'
import { basics, context, hex, hexText, seed, updateOf } from './vectors.ts'

const attributes = hex(basics)
/** Without NEXT_HOP: what goes beside MP_REACH. */
const mpAttributes = hex('400101 00 400206 0201 0000fdea')
const v6next = parseAddress('2001:db8::1')
const none = new Uint8Array(0)

function begin(updates: UpdateWriter, family: FamilyName, maxLength = 4096): boolean {
  return family === 'ipv4-unicast'
    ? updates.beginAnnounce(family, attributes, attributes.length, none, maxLength)
    : updates.beginAnnounce(family, mpAttributes, mpAttributes.length, v6next, maxLength)
}

function add(updates: UpdateWriter, text: string, pathId = -1): boolean {
  const { words, length } = parsePrefix(text)
  return updates.addPrefix(words, 0, length, pathId)
}

t.test('IPv4 goes into the fields of RFC 4271', async (t) => {
  const out = new Writer(4096)
  const updates = new UpdateWriter(out)
  begin(updates, 'ipv4-unicast')
  add(updates, '10.1.0.0/16')
  add(updates, '0.0.0.0/0')
  add(updates, '192.0.2.129/32')
  t.equal(updates.prefixes, 3)
  updates.finish()
  updates.beginWithdraw('ipv4-unicast', 4096)
  add(updates, '10.128.0.0/9')
  updates.finish()
  const announce = updateOf({ attributes: basics, announced: '10 0a01 00 20 c0000281' })
  const withdraw = updateOf({ withdrawn: '09 0a80' })
  t.equal(hexText(out.written()), hexText(announce) + hexText(withdraw))
})

t.test('IPv6 goes into MP_REACH, first of all attributes, and MP_UNREACH', async (t) => {
  const out = new Writer(4096)
  const updates = new UpdateWriter(out)
  begin(updates, 'ipv6-unicast')
  add(updates, '2001:db8:1::/48')
  updates.finish()
  updates.beginWithdraw('ipv6-unicast', 4096)
  add(updates, '2001:db8::/33')
  updates.finish()
  const reach = `900e001c 000201 10 ${hexText(v6next)} 00 30 20010db80001`
  const announce = updateOf({ attributes: `${reach} ${hexText(mpAttributes)}` })
  const withdraw = updateOf({ attributes: '900f0009 000201 21 20010db800' })
  t.equal(hexText(out.written()), hexText(announce) + hexText(withdraw))
})

t.test('path ids go before their prefixes', async (t) => {
  const out = new Writer(4096)
  const updates = new UpdateWriter(out)
  begin(updates, 'ipv4-unicast')
  add(updates, '10.1.0.0/16', 0)
  add(updates, '10.1.0.0/16', 4294967295)
  updates.finish()
  const expected = updateOf({ attributes: basics, announced: '00000000 10 0a01 ffffffff 10 0a01' })
  t.equal(hexText(out.written()), hexText(expected))
})

t.test('bits past the length are sent as zeros', async (t) => {
  const out = new Writer(4096)
  const updates = new UpdateWriter(out)
  updates.beginWithdraw('ipv4-unicast', 4096)
  updates.addPrefix(Uint32Array.of(0xffffffff), 0, 9, -1)
  updates.finish()
  t.equal(hexText(out.written()), hexText(updateOf({ withdrawn: '09 ff80' })))
})

t.test('End-of-RIB has the octets of RFC 4724 §2', async (t) => {
  t.same(encodeEndOfRib('ipv4-unicast'), updateOf({}))
  t.same(encodeEndOfRib('ipv6-unicast'), updateOf({ attributes: '800f03 000201' }))
})

t.test('a message is never longer than allowed, and a refused begin adds nothing', async (t) => {
  const out = new Writer(65536)
  const updates = new UpdateWriter(out)
  t.equal(begin(updates, 'ipv4-unicast', 23 + attributes.length + 8), false)
  t.throws(() => add(updates, '10.0.0.0/8'), /no UPDATE is begun/)
  t.throws(() => updates.finish(), /no UPDATE is begun/)
  t.equal(out.position, 0)
  t.equal(begin(updates, 'ipv4-unicast', 23 + attributes.length + 9), true)
  updates.finish()
  t.throws(() => updates.finish(), /finish was called already/)
  const large = new Uint8Array(4096)
  t.equal(updates.beginAnnounce('ipv4-unicast', large, large.length, none, 4096), false)
  const short = new UpdateWriter(new Writer(40))
  t.equal(short.beginWithdraw('ipv4-unicast', 4096), true, 'a short block makes short messages')
  t.equal(short.beginWithdraw('ipv6-unicast', 4096), false)
})

t.test('a next hop that does not go with the family is refused', async (t) => {
  const updates = new UpdateWriter(new Writer(4096))
  t.throws(
    () => updates.beginAnnounce('ipv6-unicast', mpAttributes, 0, parseAddress('10.0.0.1'), 4096),
    /4 octets doesn't go with ipv6-unicast/,
  )
})

t.test(
  `what is written reads back, in messages that are full but fit (seed ${seed})`,
  async (t) => {
    const words = fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 0xffffffff })))
    const prefixes = fc.array(fc.tuple(words, fc.integer({ min: 0, max: 128 })), { maxLength: 60 })
    const shape = fc.record({
      wide: fc.boolean(),
      announce: fc.boolean(),
      addPath: fc.boolean(),
      maxLength: fc.integer({ min: 120, max: 400 }),
    })
    fc.assert(
      fc.property(prefixes, shape, (list, { wide, announce, addPath, maxLength }) => {
        const family = wide ? 'ipv6-unicast' : 'ipv4-unicast'
        const out = new Writer(65536)
        const updates = new UpdateWriter(out)
        const open = () =>
          t.ok(
            announce ? begin(updates, family, maxLength) : updates.beginWithdraw(family, maxLength),
          )
        const expected: unknown[] = []
        open()
        list.forEach(([parts, bits], id) => {
          const length = wide ? bits : bits % 33
          const all = Uint32Array.of(7, ...parts)
          if (!updates.addPrefix(all, 1, length, addPath ? id : -1)) {
            updates.finish()
            open()
            t.ok(updates.addPrefix(all, 1, length, addPath ? id : -1))
          }
          const prefix = formatPrefix(family, all, 1, length)
          expected.push({ family, prefix, ...(addPath ? { pathId: id } : {}) })
        })
        updates.finish()
        const negotiated = context({ addPathReceive: addPath ? [family] : [] })
        const found: unknown[] = []
        const framer = new Framer()
        framer.push(out.written(), (_type, start, end) => {
          t.ok(end - start <= maxLength)
          const message = framer.bytes.slice(start, end)
          const update = describeMessage(message, negotiated) as DescribedUpdate
          t.same(update.faults, [])
          found.push(
            ...update.withdrawn,
            ...update.announced.map(({ nextHops: _, ...rest }) => rest),
          )
        })
        t.same(found, expected)
      }),
      { seed, numRuns: 150 },
    )
  },
)
