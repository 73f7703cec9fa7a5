/**
 * The address families we speak (RFC 4760): one row each. A family is added by adding a row and its
 * name in types.ts; nothing else asks for an AFI or SAFI number.
 */
import type { FamilyName } from '../types.ts'

export interface Family {
  readonly name: FamilyName
  readonly afi: number
  readonly safi: number
  /** Longest prefix. */
  readonly bits: number
  /** 32-bit words of an address. */
  readonly words: number
  /** Lengths of MP_REACH's next hop in octets: RFC 4760 §3, RFC 2545 §3 (global and link-local). */
  readonly nextHopLengths: readonly number[]
  /** Those that extended next hop encoding adds (RFC 8950 §3). */
  readonly extendedNextHopLengths: readonly number[]
}

export const families: Readonly<Record<FamilyName, Family>> = {
  'ipv4-unicast': {
    name: 'ipv4-unicast',
    afi: 1,
    safi: 1,
    bits: 32,
    words: 1,
    nextHopLengths: [4],
    extendedNextHopLengths: [16, 32],
  },
  'ipv6-unicast': {
    name: 'ipv6-unicast',
    afi: 2,
    safi: 1,
    bits: 128,
    words: 4,
    nextHopLengths: [16, 32],
    extendedNextHopLengths: [],
  },
}

/** Longest next hop of any family, in octets. */
export const maxNextHopLength = 32

const rows: readonly Family[] = Object.values(families)

/** The family with these numbers, or null when we don't speak it. */
export function familyByCode(afi: number, safi: number): Family | null {
  for (const row of rows) if (row.afi === afi && row.safi === safi) return row
  return null
}

/** Name for people, also of a family we don't speak. */
export function formatFamily(afi: number, safi: number): string {
  return familyByCode(afi, safi)?.name ?? `afi ${afi} safi ${safi}`
}
