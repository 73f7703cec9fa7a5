/**
 * Records of MRT archives as data: the header, the kinds there are, and what each becomes in JSON.
 * RFC 6396 (§2 and §3 header, §4 types), RFC 8050 (additional paths).
 */
import type { AttributesView, FamilyName, SessionState } from '../types.ts'
import type { DescribedError, DescribedFault, DescribedMessage } from './decode.ts'

export const mrtHeaderLength = 12

/** A peer index of 65535 IPv6 peers has 1.7 MB; nothing known is near this. */
export const mrtRecordLengthMax = 16 * 1024 * 1024

export const tableDump2 = 13
export const bgp4mp = 16
export const bgp4mpEt = 17

export const tableNames: Readonly<Record<number, string>> = {
  1: 'PEER_INDEX_TABLE',
  2: 'RIB_IPV4_UNICAST',
  3: 'RIB_IPV4_MULTICAST',
  4: 'RIB_IPV6_UNICAST',
  5: 'RIB_IPV6_MULTICAST',
  6: 'RIB_GENERIC',
  8: 'RIB_IPV4_UNICAST_ADDPATH',
  9: 'RIB_IPV4_MULTICAST_ADDPATH',
  10: 'RIB_IPV6_UNICAST_ADDPATH',
  11: 'RIB_IPV6_MULTICAST_ADDPATH',
  12: 'RIB_GENERIC_ADDPATH',
}

export interface SessionKind {
  readonly name: string
  readonly as4: boolean
  readonly addPath: boolean
  readonly stateChange: boolean
}

export const sessionKinds: Readonly<Record<number, SessionKind>> = {
  0: { name: 'STATE_CHANGE', as4: false, addPath: false, stateChange: true },
  1: { name: 'MESSAGE', as4: false, addPath: false, stateChange: false },
  4: { name: 'MESSAGE_AS4', as4: true, addPath: false, stateChange: false },
  5: { name: 'STATE_CHANGE_AS4', as4: true, addPath: false, stateChange: true },
  6: { name: 'MESSAGE_LOCAL', as4: false, addPath: false, stateChange: false },
  7: { name: 'MESSAGE_AS4_LOCAL', as4: true, addPath: false, stateChange: false },
  8: { name: 'MESSAGE_ADDPATH', as4: false, addPath: true, stateChange: false },
  9: { name: 'MESSAGE_AS4_ADDPATH', as4: true, addPath: true, stateChange: false },
  10: { name: 'MESSAGE_LOCAL_ADDPATH', as4: false, addPath: true, stateChange: false },
  11: { name: 'MESSAGE_AS4_LOCAL_ADDPATH', as4: true, addPath: true, stateChange: false },
}

/** Types of RFC 6396 §4 that archives hold and we don't read. */
export const otherTypes: Readonly<Record<number, string>> = {
  11: 'OSPFv2',
  12: 'TABLE_DUMP',
  32: 'ISIS',
  33: 'ISIS_ET',
  48: 'OSPFv3',
  49: 'OSPFv3_ET',
}

export const stateNames: readonly SessionState[] = [
  'Idle',
  'Connect',
  'Active',
  'OpenSent',
  'OpenConfirm',
  'Established',
]

/** A record that can't be read; the message says why. */
export class MrtError extends Error {
  override readonly name = 'MrtError'
}

export interface MrtPeer {
  readonly asn: number
  readonly address: string
}

export interface MrtIndexedPeer extends MrtPeer {
  readonly routerId: string
}

export interface MrtHead {
  /** ISO 8601 in UTC, with microseconds where the record has them. */
  readonly time: string
  readonly type: string
  readonly subtype: string
  /** Of BGP4MP: who speaks to whom. */
  readonly peer?: MrtPeer
  readonly local?: MrtPeer
  /** Of a table: the number of the record in its dump. */
  readonly sequence?: number
}

export type MrtPath =
  | {
      readonly peer: MrtIndexedPeer
      /** When the route was learned, ISO 8601. */
      readonly since: string
      readonly pathId?: number
      readonly nextHops: readonly string[]
      readonly attributes: AttributesView
      readonly faults: readonly DescribedFault[]
    }
  | ({ readonly peer: MrtIndexedPeer; readonly since: string; readonly pathId?: number } & (
      | DescribedError
      | { readonly error: { readonly reason: string } }
    ))

export type MrtBody =
  | DescribedMessage
  | { readonly type: 'STATE_CHANGE'; readonly from: string; readonly to: string }
  | {
      readonly type: 'PEER_INDEX_TABLE'
      readonly collector: string
      readonly view: string
      readonly peers: readonly MrtIndexedPeer[]
    }
  | {
      readonly type: 'RIB'
      readonly family: FamilyName
      readonly prefix: string
      readonly paths: readonly MrtPath[]
    }
  /** Sound, and of a kind that isn't read. */
  | { readonly type: 'SKIPPED'; readonly reason: string }

export type MrtRecord = { readonly mrt: MrtHead } & MrtBody

/**
 * Length of the record whose header is at `at`, header included; 0 when no header can be there.
 * @param end where what is known of the file ends
 */
export function mrtLengthAt(view: DataView, at: number, end: number): number {
  if (at + mrtHeaderLength > end) return 0
  const type = view.getUint16(at + 4)
  const subtype = view.getUint16(at + 6)
  const length = view.getUint32(at + 8)
  const known =
    type === tableDump2
      ? tableNames[subtype] !== undefined
      : type === bgp4mp || type === bgp4mpEt
        ? subtype <= 11
        : otherTypes[type] !== undefined
  return known && length <= mrtRecordLengthMax ? mrtHeaderLength + length : 0
}
