/**
 * What must hold for an UPDATE, however broken: only NotificationError leaves the reader, it serves
 * the next message, what is left is canonical, reads back as itself, can be summarised, shown,
 * rewritten for every kind of peer, and every prefix is within its family.
 */
import { strict as assert } from 'node:assert'
import { viewAttributes } from '../../bgp/wire/attribute.ts'
import { attributeEnd } from '../../bgp/wire/attribute-bytes.ts'
import { Writer } from '../../bgp/wire/bytes.ts'
import type { Negotiated } from '../../bgp/wire/context.ts'
import { messageType, writeHeader } from '../../bgp/wire/message.ts'
import { type AttributeEdit, rewriteAttributes } from '../../bgp/wire/rewrite.ts'
import { AttributeSummary } from '../../bgp/wire/summary.ts'
import { NlriCursor, type NlriRange, UpdateReader } from '../../bgp/wire/update.ts'
import type { Random } from './random.ts'

const untouched: AttributeEdit = {
  prependAsn: 0,
  prependCount: 0,
  localPref: 100,
  keepMed: true,
  originatorId: null,
  prependClusterId: null,
  replaceAsn: null,
  as4: true,
  nextHop: null,
  stripReflection: false,
}
const hop = Uint8Array.of(10, 0, 0, 1)

const edits: readonly AttributeEdit[] = [
  untouched,
  { ...untouched, originatorId: 0x0a000002, prependClusterId: 0x0a000001, nextHop: hop },
  {
    ...untouched,
    prependAsn: 65001,
    prependCount: 3,
    localPref: null,
    keepMed: false,
    stripReflection: true,
    nextHop: hop,
    replaceAsn: { from: 65002, to: 65001 },
  },
  { ...untouched, prependAsn: 70000, prependCount: 1, localPref: null, as4: false, nextHop: hop },
]

const reader = new UpdateReader()
const again = new UpdateReader()
const cursor = new NlriCursor()
const summary = new AttributeSummary()
const rewritten = new Writer(0x40000)
const back = new Writer(0x40000)

/** Reads and checks `[start, end)`; gives the class of the outcome. @throws NotificationError */
export function readUpdate(
  random: Random,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  negotiated: Negotiated,
): string {
  reader.read(bytes, view, start, end, negotiated)
  reader.check(negotiated)
  checkCanonical(reader)
  const announced =
    walk(bytes, view, reader.announced, end) + walk(bytes, view, reader.mpReach, end)
  walk(bytes, view, reader.withdrawn, end)
  walk(bytes, view, reader.mpUnreach, end)
  const { attributes, attributesLength } = reader
  summary.read(attributes, 0, attributesLength)
  if (reader.treatAsWithdraw) {
    assert(reader.faults.some(({ action }) => action === 'treat-as-withdraw'))
    return 'treated as withdrawn'
  }
  if (random.once(8)) JSON.stringify(viewAttributes(attributes, 0, attributesLength))
  rewritten.reset()
  rewriteAttributes(attributes, 0, attributesLength, random.pick(edits), rewritten)
  if (announced > 0 && random.once(2)) checkReadsBack(negotiated)
  if (reader.endOfRib !== null) return 'End-of-RIB'
  if (reader.faults.length > 0) return 'attribute discarded'
  return announced > 0 ? 'announced' : 'nothing announced'
}

/** Ascending, each once, and ending where they should. */
function checkCanonical({ attributes, attributesLength }: UpdateReader): void {
  let last = -1
  let at = 0
  while (at < attributesLength) {
    const code = attributes[at + 1]!
    assert(code > last, `attribute ${code} stands after ${last}`)
    assert(code !== 3 && code !== 14 && code !== 15, `attribute ${code} is not to be stored`)
    last = code
    at = attributeEnd(attributes, at)
  }
  assert.equal(at, attributesLength, 'the last attribute ends with the canonical bytes')
}

function walk(bytes: Uint8Array, view: DataView, range: NlriRange, end: number): number {
  if (range.family === null) return 0
  assert(range.start <= range.end && range.end <= end, 'a range lies within its message')
  const bits = range.family === 'ipv4-unicast' ? 32 : 128
  let count = 0
  cursor.start(bytes, view, range)
  while (cursor.next()) {
    assert(cursor.length <= bits)
    count++
  }
  return count
}

/** Canonical bytes, sent by a four-octet peer of the same kind, are stored as the same bytes. */
function checkReadsBack(negotiated: Negotiated): void {
  const { attributes, attributesLength } = reader
  const length = 23 + attributesLength + 7 + 2
  if (length > 0xffff) return
  back.reset()
  writeHeader(back, messageType.update, length)
  back.u16(0)
  back.u16(attributesLength + 7)
  back.copy(attributes, 0, attributesLength)
  for (const octet of [0x40, 3, 4, 10, 0, 0, 1, 8, 10]) back.u8(octet)
  const context = { ...negotiated, as4: true, families, addPathReceive: [] }
  again.read(back.buffer, back.view, 0, length, context)
  again.check(context)
  assert.deepEqual(again.faults, [])
  assert.equal(again.attributesLength, attributesLength)
  for (let i = 0; i < attributesLength; i++) {
    if (again.attributes[i] !== attributes[i]) assert.fail(`octet ${i} changed when read back`)
  }
}

const families = ['ipv4-unicast'] as const
