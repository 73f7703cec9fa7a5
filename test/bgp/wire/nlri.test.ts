/** The cursor over prefixes of an UPDATE against a plain reader of the same octets. */
import fc from 'fast-check'
import t from 'tap'
import { NlriCursor, type NlriRange } from '../../../bgp/wire/update.ts'
import { context, faultOf, hexText, readUpdate, seed, updateOf, viewOf } from './vectors.ts'

/** The slow and obvious reading of a list of prefixes. */
function readPlainly(bytes: Uint8Array, bits: number, addPath: boolean): string[] | null {
  const rest = [...bytes]
  const list: string[] = []
  while (rest.length > 0) {
    const id = addPath ? rest.splice(0, 4) : [0, 0, 0, 0]
    const length = rest.shift()
    if (length === undefined || length > bits) return null
    const octets = Math.ceil(length / 8)
    if (rest.length < octets) return null
    const digits = rest
      .splice(0, octets)
      .map((octet) => octet.toString(2).padStart(8, '0'))
      .join('')
    list.push(`${id.join('.')} ${length} ${digits.slice(0, length).padEnd(bits, '0')}`)
  }
  return list
}

t.test(`the cursor reads what a plain reader reads (seed ${seed})`, async (t) => {
  const cursor = new NlriCursor()
  const word = (value: number) => value.toString(2).padStart(32, '0')
  const octets = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 255 })),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(octets, fc.boolean(), fc.boolean(), (list, wide, addPath) => {
      const family = wide ? 'ipv6-unicast' : 'ipv4-unicast'
      const negotiated = context({ addPathReceive: addPath ? [family] : [] })
      const field = hexText(Uint8Array.from(list))
      const size = (list.length + 3).toString(16).padStart(4, '0')
      const parts = wide ? { attributes: `900f${size} 000201 ${field}` } : { withdrawn: field }
      const expected = readPlainly(Uint8Array.from(list), wide ? 128 : 32, addPath)
      const message = updateOf(parts)
      if (expected === null) {
        return faultOf(() => readUpdate(message, negotiated)) !== 'accepted'
      }
      const reader = readUpdate(message, negotiated)
      const range: NlriRange = wide ? reader.mpUnreach : reader.withdrawn
      const found: string[] = []
      cursor.start(message, viewOf(message), range)
      while (cursor.next()) {
        const { w0, w1, w2, w3, pathId, length } = cursor
        const id = [pathId >>> 24, (pathId >>> 16) & 255, (pathId >>> 8) & 255, pathId & 255]
        const bits = wide ? [w0, w1, w2, w3].map(word).join('') : word(w0)
        found.push(`${id.join('.')} ${length} ${bits}`)
      }
      t.same(found, expected)
      return true
    }),
    { seed, numRuns: 500 },
  )
})
