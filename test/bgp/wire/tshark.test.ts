/**
 * What we send, dissected by somebody else: a capture of our messages, read by tshark. It must find
 * nothing malformed and read the fields we wrote.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseAddress, parsePrefix } from '../../../bgp/prefix.ts'
import type { FamilyName } from '../../../bgp/types.ts'
import { encodeOwnAttributes } from '../../../bgp/wire/attribute.ts'
import { Writer } from '../../../bgp/wire/bytes.ts'
import { multiprotocol } from '../../../bgp/wire/capability.ts'
import { encodeEndOfRib, UpdateWriter } from '../../../bgp/wire/encode.ts'
import { encodeRefresh, keepaliveMessage } from '../../../bgp/wire/message.ts'
import { encodeNotification, encodeShutdownText } from '../../../bgp/wire/notification.ts'
import { encodeOpen } from '../../../bgp/wire/open.ts'
import { type AttributeEdit, rewriteAttributes } from '../../../bgp/wire/rewrite.ts'

const open = encodeOpen({
  version: 4,
  asn: 23456,
  holdSeconds: 90,
  routerId: 0xc0000201,
  capabilities: [
    multiprotocol('ipv4-unicast'),
    multiprotocol('ipv6-unicast'),
    { kind: 'routeRefresh' },
    { kind: 'extendedMessage' },
    { kind: 'as4', asn: 70000 },
    {
      kind: 'gracefulRestart',
      restarting: false,
      notification: true,
      seconds: 120,
      families: [{ family: 'ipv4-unicast', afi: 1, safi: 1, forwarding: true }],
    },
    {
      kind: 'addPath',
      entries: [{ family: 'ipv4-unicast', afi: 1, safi: 1, send: true, receive: true }],
    },
    {
      kind: 'extendedNextHop',
      entries: [{ family: 'ipv4-unicast', afi: 1, safi: 1, nextHopAfi: 2 }],
    },
    { kind: 'enhancedRefresh' },
    { kind: 'fqdn', host: 'node-1', domain: 'lab' },
  ],
})

const edit: AttributeEdit = {
  prependAsn: 70000,
  prependCount: 2,
  localPref: 150,
  keepMed: true,
  originatorId: 0xc0000209,
  prependClusterId: 0xc000020a,
  replaceAsn: null,
  as4: true,
  nextHop: null,
  stripReflection: false,
}

/** Announcements and a withdrawal of one family, in as many messages as they take. */
function updates(family: FamilyName, prefixes: readonly string[], nextHop: string): Uint8Array {
  const own = encodeOwnAttributes({
    origin: 'incomplete',
    localPref: 100,
    med: 42,
    communities: ['65001:100', '70000:1:2'],
  })
  const address = parseAddress(nextHop)
  const attributes = new Writer(4096)
  const classic = family === 'ipv4-unicast' ? address : null
  rewriteAttributes(own, 0, own.length, { ...edit, nextHop: classic }, attributes)
  const out = new Writer(65536)
  const writer = new UpdateWriter(out)
  const begin = () =>
    writer.beginAnnounce(family, attributes.buffer, attributes.position, address, 4096)
  begin()
  for (const text of prefixes) {
    const { words, length } = parsePrefix(text)
    if (writer.addPrefix(words, 0, length, -1)) continue
    writer.finish()
    begin()
    writer.addPrefix(words, 0, length, -1)
  }
  writer.finish()
  writer.beginWithdraw(family, 4096)
  const { words, length } = parsePrefix(prefixes[0]!)
  writer.addPrefix(words, 0, length, -1)
  writer.finish()
  return out.written()
}

/** A capture of one TCP direction: Ethernet, IPv4 and TCP headers by hand, one packet a chunk. */
function capture(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Writer(1 << 20)
  out.u32(0xa1b2c3d4)
  for (const word of [0x00020004, 0, 0, 262144, 1]) out.u32(word)
  let sequence = 1
  chunks.forEach((chunk, i) => {
    const length = 14 + 20 + 20 + chunk.length
    for (const word of [1700000000, i, length, length]) out.u32(word)
    for (const word of [0x02000000, 0x00010200, 0x00000002]) out.u32(word)
    out.u16(0x0800)
    out.u16(0x4500)
    out.u16(40 + chunk.length)
    for (const word of [0x00004000, 0x40060000, 0x0a000001, 0x0a000002]) out.u32(word)
    out.u16(40000)
    out.u16(179)
    for (const word of [sequence, 1, 0x5018ffff, 0]) out.u32(word)
    out.bytes(chunk)
    sequence += chunk.length
  })
  return out.written()
}

const missing = spawnSync('tshark', ['--version']).error !== undefined

t.test(
  'tshark reads every message we send and finds nothing malformed',
  missing ? { skip: 'tshark is not installed (Debian package tshark)' } : {},
  async (t) => {
    const many = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
    const chunks = [
      open,
      keepaliveMessage,
      updates('ipv4-unicast', ['10.1.0.0/16', '0.0.0.0/0', '192.0.2.1/32'], '192.0.2.1'),
      updates('ipv4-unicast', many, '192.0.2.1'),
      updates('ipv6-unicast', ['2001:db8:1::/48', '::/0', '2001:db8::1/128'], '2001:db8::9'),
      encodeEndOfRib('ipv4-unicast'),
      encodeEndOfRib('ipv6-unicast'),
      encodeRefresh('ipv6-unicast', 0),
      encodeNotification(6, 2, encodeShutdownText('maintenance')),
    ]
    const folder = mkdtempSync(join(tmpdir(), 'routelet-tshark-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'sent.pcap')
    writeFileSync(file, capture(chunks))
    const text = execFileSync('tshark', ['-r', file, '-V', '-O', 'bgp'], {
      encoding: 'utf8',
      // As root it warns on standard error that this might be dangerous.
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 << 20,
    })
    t.same(text.match(/.*(malformed|unreassembled|dissector bug).*/gi), null)
    const expected = [
      /My AS: 23456/,
      /BGP Identifier: 192\.0\.2\.1/,
      /AS Number: 70000/,
      /Time: 120/,
      /Hostname: node-1/,
      /Extended Next Hop Encoding/,
      /Capability: BGP-Extended Message/,
      /Origin: INCOMPLETE/,
      /AS Path segment: 70000 70000/,
      /Next hop: 192\.0\.2\.1/,
      /Multiple exit discriminator: 42/,
      /Local preference: 150/,
      /Originator identifier: 192\.0\.2\.9/,
      /Cluster ID: 192\.0\.2\.10/,
      /Community: 65001:100/,
      /70000:1:2/,
      /10\.11\.183\.0\/24/,
      /2001:db8:1::\/48/,
      /2001:db8::9/,
      /ROUTE-REFRESH Message/,
      /maintenance/,
    ]
    for (const field of expected) t.ok(field.test(text), `it reads ${field}`)
    const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0
    t.equal(count(/^Border Gateway Protocol - OPEN/gm), 1)
    t.equal(count(/^Border Gateway Protocol - KEEPALIVE/gm), 1)
    t.equal(count(/^Border Gateway Protocol - NOTIFICATION/gm), 1)
    t.equal(count(/^Border Gateway Protocol - UPDATE/gm), 2 + 4 + 1 + 2 + 2)
  },
)
