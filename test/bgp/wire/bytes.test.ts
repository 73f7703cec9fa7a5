/**
 * The reader and the writer under every codec: network order, ends that hold, and octets as text.
 */
import t from 'tap'
import { hexOf, Reader, shortRead, Writer } from '../../../bgp/wire/bytes.ts'
import { hex, hexText, viewOf } from './vectors.ts'

t.test('a reader gives network-order numbers and stops at its end', async (t) => {
  const bytes = hex('ff 01 0203 04050607 08')
  const reader = new Reader()
  reader.reset(bytes, viewOf(bytes), 1, 8)
  t.equal(reader.u8(), 1)
  t.equal(reader.u16(), 0x0203)
  t.equal(reader.peek8(), 4)
  t.equal(reader.u32(), 0x04050607)
  t.equal(reader.remaining, 0)
  t.throws(() => reader.u8(), shortRead, 'octets behind the range are out of reach')
  t.throws(() => reader.peek8(), shortRead)
  t.throws(() => reader.take(1), shortRead)
})

t.test(
  'a narrowed reader cannot leave its part, and widening seeks to the end of it',
  async (t) => {
    const bytes = hex('01 02 03 04')
    const reader = new Reader()
    reader.reset(bytes, viewOf(bytes), 0, 4)
    const outer = reader.narrow(2)
    reader.u8()
    t.throws(() => reader.u16(), shortRead)
    reader.widen(outer)
    t.equal(reader.u8(), 3, 'the octet that nobody read is skipped')
    t.throws(() => reader.narrow(2), shortRead)
  },
)

t.test('what a reader takes is a copy', async (t) => {
  const bytes = hex('0a0b')
  const reader = new Reader()
  reader.reset(bytes, viewOf(bytes), 0, 2)
  const taken = reader.take(2)
  bytes.fill(0)
  t.equal(hexText(taken), '0a0b')
})

t.test('a writer writes network order and patches lengths', async (t) => {
  const out = new Writer(64)
  out.u8(1)
  const at = out.reserve16()
  out.u16(0x0203)
  out.u32(0xfffefdfc)
  out.bytes(hex('aabb'))
  out.copy(hex('00 cc 00'), 1, 2)
  out.patch16(at)
  t.equal(hexText(out.written()), '0100090203fffefdfcaabbcc')
  t.equal(out.room, 64 - 12)
  out.reset()
  t.equal(out.position, 0)
})

t.test('long and short copies write the same octets', async (t) => {
  for (const length of [0, 1, 95, 96, 97, 500]) {
    const source = Uint8Array.from({ length: length + 2 }, (_, i) => i)
    const out = new Writer(length)
    out.copy(source, 1, length + 1)
    t.same(out.written(), source.slice(1, length + 1), `${length} octets`)
  }
})

t.test('a writer refuses what does not fit and keeps what it has', async (t) => {
  const out = new Writer(new Uint8Array(3))
  out.u16(7)
  t.throws(() => out.u16(8), /2 octets don't fit a block of 3 that holds 2/)
  t.equal(hexText(out.written()), '0007')
  const large = new Writer(70000)
  const at = large.reserve16()
  large.bytes(new Uint8Array(65536))
  t.throws(() => large.patch16(at), /65536 octets don't fit a 16-bit length/)
})

t.test('octets in hexadecimal', async (t) => {
  t.equal(hexOf(hex('00 0f ff')), '000fff')
  t.equal(hexOf(hex('00 0f ff'), 1, 2), '0f')
})
