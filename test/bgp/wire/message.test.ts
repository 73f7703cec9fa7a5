/** KEEPALIVE and ROUTE-REFRESH (RFC 2918, RFC 7313), octet by octet. */
import t from 'tap'
import { decodeRefresh, encodeRefresh, keepaliveMessage } from '../../../bgp/wire/message.ts'
import { hex, hexText, viewOf } from './vectors.ts'

const marker = 'ff'.repeat(16)

t.test('KEEPALIVE is a header', async (t) => {
  t.equal(hexText(keepaliveMessage), `${marker}001304`)
})

t.test('ROUTE-REFRESH names family and subtype', async (t) => {
  t.equal(hexText(encodeRefresh('ipv6-unicast', 1)), `${marker}00170500020101`)
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    for (const subtype of [0, 1, 2] as const) {
      const message = encodeRefresh(family, subtype)
      t.same(decodeRefresh(message, viewOf(message), 0, 23), { family, subtype })
    }
  }
})

t.test('a ROUTE-REFRESH for a family we do not speak has none', async (t) => {
  const message = hex(`${marker} 0017 05 0019 07 41`)
  t.same(decodeRefresh(message, viewOf(message), 0, 23), { family: null, subtype: 7 })
})
