/**
 * Records of MRT archives, as route collectors publish them and daemons dump them: messages and
 * state changes of sessions, and whole tables. What is inside is read by the code a session runs;
 * a route of a table becomes an UPDATE of its own for that.
 *
 * RFC 6396 (§4.3 TABLE_DUMP_V2, §4.4 BGP4MP), RFC 8050 (additional paths).
 */
import { formatAddress, formatIpv4, formatPrefix } from '../prefix.ts'
import type { FamilyName } from '../types.ts'
import { attributeRows } from './attribute.ts'
import { attributeCode, attributeEnd, attributeFlag, valueStart } from './attribute-bytes.ts'
import { Reader, shortRead, Writer } from './bytes.ts'
import type { Negotiated } from './context.ts'
import { MessageDecoder } from './decode.ts'
import { families } from './family.ts'
import { maxExtendedLength, messageType, writeHeader } from './message.ts'
import {
  bgp4mp,
  bgp4mpEt,
  MrtError,
  type MrtHead,
  type MrtIndexedPeer,
  type MrtPath,
  type MrtRecord,
  otherTypes,
  type SessionKind,
  sessionKinds,
  stateNames,
  tableDump2,
  tableNames,
} from './mrt-record.ts'

/** Long-lived; remembers the peer index table that later records point into. */
export class MrtReader {
  readonly #reader = new Reader()
  readonly #decoder = new MessageDecoder()
  readonly #update = new Writer(maxExtendedLength)
  #bytes: Uint8Array = new Uint8Array(0)
  #peers: readonly MrtIndexedPeer[] | null = null

  /**
   * Describes the record `[start, end)`, as measured by mrtLengthAt.
   * @throws MrtError when it is damaged
   */
  describe(bytes: Uint8Array, view: DataView, start: number, end: number): MrtRecord {
    const reader = this.#reader
    this.#bytes = bytes
    reader.reset(bytes, view, start, end)
    try {
      const seconds = reader.u32()
      const type = reader.u16()
      const subtype = reader.u16()
      reader.u32()
      if (type === tableDump2) return this.#describeTable(seconds, subtype)
      if (type === bgp4mp || type === bgp4mpEt) {
        return this.#describeSession(seconds, subtype, type === bgp4mpEt)
      }
      const name = otherTypes[type]
      if (name === undefined) throw new MrtError(`there is no MRT type ${type}`)
      const head = { time: formatTime(seconds), type: name, subtype: String(subtype) }
      return { mrt: head, type: 'SKIPPED', reason: `${name} is not read` }
    } catch (error) {
      if (error === shortRead) throw new MrtError('a field runs past the end of the record')
      throw error
    }
  }

  #describeSession(seconds: number, subtype: number, extended: boolean): MrtRecord {
    const reader = this.#reader
    const kind = sessionKinds[subtype]
    const type = extended ? 'BGP4MP_ET' : 'BGP4MP'
    const microseconds = extended ? reader.u32() : null
    const time = formatTime(seconds, microseconds)
    if (kind === undefined) {
      const reason = `${type} of subtype ${subtype} is not read`
      return { mrt: { time, type, subtype: String(subtype) }, type: 'SKIPPED', reason }
    }
    const peerAsn = kind.as4 ? reader.u32() : reader.u16()
    const localAsn = kind.as4 ? reader.u32() : reader.u16()
    reader.u16()
    const length = addressLength(reader.u16())
    const peer = { asn: peerAsn, address: this.#takeAddress(length) }
    const local = { asn: localAsn, address: this.#takeAddress(length) }
    const mrt: MrtHead = { time, type, subtype: kind.name, peer, local }
    if (kind.stateChange) {
      const from = formatState(reader.u16())
      return { mrt, type: 'STATE_CHANGE', from, to: formatState(reader.u16()) }
    }
    const message = reader.take(reader.remaining)
    return { mrt, ...this.#decoder.describe(message, contextOf(peerAsn, localAsn, kind)) }
  }

  #describeTable(seconds: number, subtype: number): MrtRecord {
    const subtypeName = tableNames[subtype] ?? String(subtype)
    const head = { time: formatTime(seconds), type: 'TABLE_DUMP_V2', subtype: subtypeName }
    if (subtype === 1) return this.#describePeers(head)
    const family =
      subtype === 2 || subtype === 8
        ? 'ipv4-unicast'
        : subtype === 4 || subtype === 10
          ? 'ipv6-unicast'
          : null
    if (family !== null) return this.#describeRib(head, family, subtype >= 8)
    if (tableNames[subtype] !== undefined) {
      return { mrt: head, type: 'SKIPPED', reason: `${subtypeName} is not read` }
    }
    throw new MrtError(`TABLE_DUMP_V2 has no subtype ${subtype}`)
  }

  #describePeers(mrt: MrtHead): MrtRecord {
    const reader = this.#reader
    const collector = formatIpv4(reader.u32())
    const view = new TextDecoder().decode(reader.take(reader.u16()))
    const peers: MrtIndexedPeer[] = []
    for (let left = reader.u16(); left > 0; left--) {
      // RFC 6396 §4.3.1: bit 0 is the width of the address, bit 1 that of the AS.
      const kind = reader.u8()
      const routerId = formatIpv4(reader.u32())
      const address = this.#takeAddress((kind & 1) === 0 ? 4 : 16)
      peers.push({ asn: (kind & 2) === 0 ? reader.u16() : reader.u32(), address, routerId })
    }
    this.#requireEnd()
    this.#peers = peers
    return { mrt, type: 'PEER_INDEX_TABLE', collector, view, peers }
  }

  #describeRib(head: MrtHead, family: FamilyName, addPath: boolean): MrtRecord {
    const reader = this.#reader
    const mrt = { ...head, sequence: reader.u32() }
    const start = reader.position
    const length = reader.u8()
    const { bits } = families[family]
    if (length > bits) throw new MrtError(`a prefix says /${length}, the longest is /${bits}`)
    const octets = reader.take((length + 7) >> 3)
    const nlri = this.#bytes.slice(start, reader.position)
    const paths: MrtPath[] = []
    for (let left = reader.u16(); left > 0; left--) {
      paths.push(this.#describePath(family, addPath, nlri))
    }
    this.#requireEnd()
    const prefix = formatPrefix(family, wordsOf(octets), 0, length)
    return { mrt, type: 'RIB', family, prefix, paths }
  }

  #describePath(family: FamilyName, addPath: boolean, nlri: Uint8Array): MrtPath {
    const reader = this.#reader
    const index = reader.u16()
    const peer = this.#peers?.[index]
    if (peer === undefined) {
      const known = this.#peers === null ? 'there is none yet' : `it has ${this.#peers.length}`
      throw new MrtError(`a route is from peer ${index} of the peer index table, and ${known}`)
    }
    const since = formatTime(reader.u32())
    const id = addPath ? { pathId: reader.u32() } : {}
    const attributes = reader.take(reader.u16())
    completeFlags(attributes)
    const head = { peer, since, ...id }
    const place = findRaw(attributes, attributeCode.mpReach)
    if (place < 0 && family !== 'ipv4-unicast') {
      return { ...head, error: { reason: 'it has no MP_REACH_NLRI and so no next hop' } }
    }
    if (!this.#buildUpdate(family, attributes, place, nlri)) {
      return { ...head, error: { reason: 'its attributes do not fit an UPDATE' } }
    }
    // A table doesn't say of which kind the session was; only iBGP carries LOCAL_PREF.
    const ebgp = findRaw(attributes, attributeCode.localPref) < 0
    const update = this.#decoder.describe(this.#update.written(), tableContext(ebgp))
    if (!('type' in update)) return { ...head, ...update }
    if (update.type !== 'UPDATE') throw new MrtError('a route did not become an UPDATE')
    const { announced, attributes: view, faults } = update
    const told = view.nextHop === undefined ? [] : [view.nextHop]
    return { ...head, nextHops: announced[0]?.nextHops ?? told, attributes: view, faults }
  }

  /**
   * Writes the UPDATE that would announce this route. RFC 6396 §4.3.4: the MP_REACH of a table has
   * only the next hop; some writers keep all of it, which a first octet of zero betrays.
   */
  #buildUpdate(
    family: FamilyName,
    attributes: Uint8Array,
    place: number,
    nlri: Uint8Array,
  ): boolean {
    const out = this.#update
    const nextHop = place < 0 ? null : nextHopOf(attributes, place)
    const spare = nextHop === null ? 0 : 9 + nextHop.length + nlri.length
    if (23 + attributes.length + spare + nlri.length > maxExtendedLength) return false
    out.reset()
    writeHeader(out, messageType.update, 0)
    out.u16(0)
    const lengthAt = out.reserve16()
    if (nextHop === null) {
      out.bytes(attributes)
      out.patch16(lengthAt)
      out.bytes(nlri)
    } else {
      out.copy(attributes, 0, place)
      writeMpReach(out, family, nextHop, nlri)
      out.copy(attributes, attributeEnd(attributes, place), attributes.length)
      out.patch16(lengthAt)
    }
    out.view.setUint16(16, out.position)
    return true
  }

  #takeAddress(length: 4 | 16): string {
    return formatAddress(this.#reader.take(length), 0, length)
  }

  #requireEnd(): void {
    const { remaining } = this.#reader
    if (remaining > 0) throw new MrtError(`${remaining} octets are left over at its end`)
  }
}

function writeMpReach(
  out: Writer,
  family: FamilyName,
  nextHop: Uint8Array,
  nlri: Uint8Array,
): void {
  const { afi, safi } = families[family]
  out.u8(attributeFlag.optional | attributeFlag.extendedLength)
  out.u8(attributeCode.mpReach)
  const lengthAt = out.reserve16()
  out.u16(afi)
  out.u8(safi)
  out.u8(nextHop.length)
  out.bytes(nextHop)
  out.u8(0)
  out.bytes(nlri)
  out.patch16(lengthAt)
}

/** The next hop octets of a table's MP_REACH at `at`; those a length octet promises, if they are there. */
function nextHopOf(attributes: Uint8Array, at: number): Uint8Array {
  const start = valueStart(attributes, at)
  const value = attributes.subarray(start, attributeEnd(attributes, at))
  const lengthAt = value[0] === 0 ? 3 : 0
  return value.subarray(lengthAt + 1, lengthAt + 1 + (value[lengthAt] ?? 0))
}

/** BIRD dumps attributes that no peer sent, as its own LOCAL_PREF, with flags of zero. */
function completeFlags(attributes: Uint8Array): void {
  for (let at = 0; at + 3 <= attributes.length; at = attributeEnd(attributes, at)) {
    const row = attributeRows[attributes[at + 1]!]
    if (attributes[at] === 0 && row) attributes[at] = row.flags
  }
}

/** Where the first whole attribute with this code is in octets that nobody has checked, or -1. */
function findRaw(bytes: Uint8Array, code: number): number {
  for (let at = 0; at + 3 <= bytes.length; ) {
    const end = valueStart(bytes, at) <= bytes.length ? attributeEnd(bytes, at) : bytes.length + 1
    if (end > bytes.length) return -1
    if (bytes[at + 1] === code) return at
    at = end
  }
  return -1
}

function contextOf(peerAsn: number, localAsn: number, kind: SessionKind): Negotiated {
  return {
    ...tableContext(peerAsn !== localAsn),
    localAsn,
    peerAsn,
    as4: kind.as4,
    addPathReceive: kind.addPath ? archiveFamilies : [],
  }
}

const archiveFamilies: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast']

/** An archive doesn't tell what was negotiated, so everything is taken to be. */
function tableContext(ebgp: boolean): Negotiated {
  return {
    ebgp,
    localAsn: 0,
    peerAsn: 0,
    localRouterId: 0,
    peerRouterId: 0,
    as4: true,
    families: archiveFamilies,
    addPathReceive: [],
    addPathSend: [],
    extendedMessage: true,
    extendedNextHop: true,
    refresh: true,
    enhancedRefresh: true,
    holdSeconds: null,
    keepaliveSeconds: null,
    peerRestart: null,
  }
}

function addressLength(afi: number): 4 | 16 {
  if (afi === 1) return 4
  if (afi === 2) return 16
  throw new MrtError(`the addresses are of family ${afi}; 1 (IPv4) and 2 (IPv6) are known`)
}

function wordsOf(octets: Uint8Array): Uint32Array {
  const words = new Uint32Array(4)
  for (let i = 0; i < octets.length; i++) {
    words[i >> 2] = words[i >> 2]! | (octets[i]! << (24 - 8 * (i & 3)))
  }
  return words
}

function formatState(state: number): string {
  return stateNames[state - 1] ?? `state ${state}`
}

function formatTime(seconds: number, microseconds: number | null = null): string {
  if (microseconds !== null && microseconds > 999_999) {
    throw new MrtError(`a time has ${microseconds} microseconds in its second`)
  }
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19)
  return microseconds === null ? `${whole}Z` : `${whole}.${String(microseconds).padStart(6, '0')}Z`
}
