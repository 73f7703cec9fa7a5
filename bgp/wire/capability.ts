/**
 * Capabilities of an OPEN: one row each, with decoder, encoder and words (RFC 5492). A capability
 * without a row is kept as octets, so that it can be shown.
 *
 * RFC 4760 §8 (multiprotocol), RFC 2918 (route refresh), RFC 7313 (enhanced), RFC 6793 §3 (AS4),
 * RFC 7911 §4 (add-path), RFC 4724 §3 and RFC 8538 §2 (graceful restart), RFC 8654 §3 (extended
 * message), RFC 8950 §4 (extended next hop), draft-walton-bgp-hostname-capability (FQDN).
 */
import type { FamilyName } from '../types.ts'
import { hexOf, type Reader, type Writer } from './bytes.ts'
import { families, familyByCode, formatFamily } from './family.ts'

/** A family as named in a capability; `family` is null for one we don't speak. */
export interface CapabilityFamily {
  readonly family: FamilyName | null
  readonly afi: number
  readonly safi: number
}

export interface AddPathEntry extends CapabilityFamily {
  readonly send: boolean
  readonly receive: boolean
}

export interface RestartFamily extends CapabilityFamily {
  /** Forwarding state was kept over the restart. */
  readonly forwarding: boolean
}

export interface ExtendedNextHopEntry extends CapabilityFamily {
  readonly nextHopAfi: number
}

export type Capability =
  | ({ readonly kind: 'multiprotocol' } & CapabilityFamily)
  | { readonly kind: 'routeRefresh' }
  | { readonly kind: 'enhancedRefresh' }
  | { readonly kind: 'extendedMessage' }
  | { readonly kind: 'as4'; readonly asn: number }
  | { readonly kind: 'addPath'; readonly entries: readonly AddPathEntry[] }
  | {
      readonly kind: 'gracefulRestart'
      /** The peer has just restarted and waits for no one (R bit). */
      readonly restarting: boolean
      /** Restart also survives NOTIFICATIONs (N bit, RFC 8538). */
      readonly notification: boolean
      readonly seconds: number
      readonly families: readonly RestartFamily[]
    }
  | { readonly kind: 'extendedNextHop'; readonly entries: readonly ExtendedNextHopEntry[] }
  | { readonly kind: 'fqdn'; readonly host: string; readonly domain: string }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array }

type Known = Exclude<Capability, { kind: 'unknown' }>
type Kind = Known['kind']

interface Row<C> {
  readonly code: number
  /** Reads a value bounded to its length; null when the length is wrong for this capability. */
  decode(value: Reader): C | null
  encode(capability: C, out: Writer): void
  format(capability: C): string
}

const rows: { readonly [K in Kind]: Row<Extract<Known, { kind: K }>> } = {
  multiprotocol: {
    code: 1,
    decode(value) {
      if (value.remaining !== 4) return null
      const afi = value.u16()
      value.u8()
      return { kind: 'multiprotocol', ...familyFields(afi, value.u8()) }
    },
    encode({ afi, safi }, out) {
      out.u16(afi)
      out.u8(0)
      out.u8(safi)
    },
    format: ({ afi, safi }) => `multiprotocol ${formatFamily(afi, safi)}`,
  },
  routeRefresh: emptyRow(2, 'routeRefresh', 'route refresh'),
  extendedNextHop: {
    code: 5,
    decode(value) {
      if (value.remaining % 6 !== 0) return null
      const entries: ExtendedNextHopEntry[] = []
      while (value.remaining > 0) {
        const fields = familyFields(value.u16(), value.u16())
        entries.push({ ...fields, nextHopAfi: value.u16() })
      }
      return { kind: 'extendedNextHop', entries }
    },
    encode({ entries }, out) {
      for (const { afi, safi, nextHopAfi } of entries) {
        out.u16(afi)
        out.u16(safi)
        out.u16(nextHopAfi)
      }
    },
    format: ({ entries }) =>
      words(
        'extended next hop',
        entries.map((e) => `${formatFamily(e.afi, e.safi)} by afi ${e.nextHopAfi}`),
      ),
  },
  extendedMessage: emptyRow(6, 'extendedMessage', 'extended message'),
  gracefulRestart: {
    code: 64,
    decode(value) {
      if (value.remaining % 4 !== 2) return null
      const head = value.u16()
      const list: RestartFamily[] = []
      while (value.remaining > 0) {
        const fields = familyFields(value.u16(), value.u8())
        list.push({ ...fields, forwarding: (value.u8() & 0x80) !== 0 })
      }
      return {
        kind: 'gracefulRestart',
        restarting: (head & 0x8000) !== 0,
        notification: (head & 0x4000) !== 0,
        seconds: head & restartSecondsMax,
        families: list,
      }
    },
    encode(capability, out) {
      const { restarting, notification, seconds } = capability
      if (!Number.isInteger(seconds) || seconds < 0 || seconds > restartSecondsMax) {
        throw new RangeError(`a restart time is 0 to ${restartSecondsMax} seconds, not ${seconds}`)
      }
      out.u16((restarting ? 0x8000 : 0) | (notification ? 0x4000 : 0) | seconds)
      for (const { afi, safi, forwarding } of capability.families) {
        out.u16(afi)
        out.u8(safi)
        out.u8(forwarding ? 0x80 : 0)
      }
    },
    format(capability) {
      const list = capability.families.map(
        (f) => `${formatFamily(f.afi, f.safi)}${f.forwarding ? ' forwarding' : ''}`,
      )
      if (capability.restarting) list.unshift('restarting')
      if (capability.notification) list.unshift('notification')
      return words(`graceful restart ${capability.seconds} s`, list)
    },
  },
  as4: {
    code: 65,
    decode: (value) => (value.remaining === 4 ? { kind: 'as4', asn: value.u32() } : null),
    encode: ({ asn }, out) => out.u32(asn),
    format: ({ asn }) => `4-octet AS ${asn}`,
  },
  addPath: {
    code: 69,
    decode(value) {
      if (value.remaining % 4 !== 0) return null
      const entries: AddPathEntry[] = []
      while (value.remaining > 0) {
        const fields = familyFields(value.u16(), value.u8())
        const bits = value.u8()
        // RFC 7911 §4: any other value is as if the family had not been named.
        if (bits >= 1 && bits <= 3) {
          entries.push({ ...fields, receive: (bits & 1) !== 0, send: (bits & 2) !== 0 })
        }
      }
      return { kind: 'addPath', entries }
    },
    encode({ entries }, out) {
      for (const { afi, safi, send, receive } of entries) {
        out.u16(afi)
        out.u8(safi)
        out.u8((receive ? 1 : 0) | (send ? 2 : 0))
      }
    },
    format: ({ entries }) =>
      words(
        'add-path',
        entries.map((e) => {
          const direction = e.send && e.receive ? 'both' : e.send ? 'send' : 'receive'
          return `${formatFamily(e.afi, e.safi)} ${direction}`
        }),
      ),
  },
  enhancedRefresh: emptyRow(70, 'enhancedRefresh', 'enhanced route refresh'),
  fqdn: {
    code: 73,
    decode(value) {
      const host = takeText(value)
      const domain = value.remaining > 0 ? takeText(value) : ''
      return { kind: 'fqdn', host, domain }
    },
    encode({ host, domain }, out) {
      for (const text of [host, domain]) {
        const octets = new TextEncoder().encode(text)
        out.u8(octets.length)
        out.bytes(octets)
      }
    },
    format: ({ host, domain }) => words('host name', [domain === '' ? host : `${host}.${domain}`]),
  },
}

const restartSecondsMax = 0x0fff
const valueLengthMax = 255

/** Words for capabilities that are shown but have no row. */
const otherNames: ReadonlyMap<number, string> = new Map([
  [3, 'outbound route filtering'],
  [7, 'BGPsec'],
  [8, 'multiple labels'],
  [9, 'role'],
  [67, 'dynamic capability'],
  [68, 'multisession'],
  [71, 'long-lived graceful restart'],
  [75, 'software version'],
  [76, 'paths limit'],
  [128, 'route refresh (Cisco)'],
])

const rowByCode = new Map(
  Object.values(rows).map((row) => [row.code, row as unknown as Row<Capability>]),
)

/** The multiprotocol capability of a family we speak. */
export function multiprotocol(family: FamilyName): Capability {
  const { afi, safi } = families[family]
  return { kind: 'multiprotocol', family, afi, safi }
}

/**
 * Reads one capability: code, length, value.
 * @returns null when its length is wrong for what it is.
 * @throws shortRead when it leaves the range of the reader.
 */
export function decodeCapability(reader: Reader): Capability | null {
  const code = reader.u8()
  const outer = reader.narrow(reader.u8())
  const row = rowByCode.get(code)
  const capability: Capability | null = row
    ? row.decode(reader)
    : { kind: 'unknown', code, value: reader.take(reader.remaining) }
  reader.widen(outer)
  return capability
}

/** @throws RangeError when a value is longer than 255 octets. */
export function encodeCapability(capability: Capability, out: Writer): void {
  const row = rowOf(capability)
  out.u8(row ? row.code : (capability as { code: number }).code)
  const at = out.position
  out.u8(0)
  if (row) row.encode(capability, out)
  else out.bytes((capability as { value: Uint8Array }).value)
  const length = out.position - at - 1
  if (length > valueLengthMax) {
    throw new RangeError(`a capability holds ${valueLengthMax} octets, ${length} were given`)
  }
  out.view.setUint8(at, length)
}

/** One line for people. */
export function formatCapability(capability: Capability): string {
  if (capability.kind !== 'unknown') return rowOf(capability)!.format(capability)
  const name = otherNames.get(capability.code) ?? `capability ${capability.code}`
  return capability.value.length === 0 ? name : `${name} 0x${hexOf(capability.value)}`
}

/** The compiler can't see that a row found by kind takes that kind; this is the one place to say it. */
function rowOf(capability: Capability): Row<Capability> | null {
  if (capability.kind === 'unknown') return null
  return rows[capability.kind] as unknown as Row<Capability>
}

function emptyRow<K extends 'routeRefresh' | 'enhancedRefresh' | 'extendedMessage'>(
  code: number,
  kind: K,
  text: string,
): Row<{ readonly kind: K }> {
  return {
    code,
    decode: (value) => (value.remaining === 0 ? { kind } : null),
    encode() {},
    format: () => text,
  }
}

function familyFields(afi: number, safi: number): CapabilityFamily {
  return { family: familyByCode(afi, safi)?.name ?? null, afi, safi }
}

function takeText(value: Reader): string {
  const text = new TextDecoder().decode(value.take(value.u8()))
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD')
}

function words(head: string, list: readonly string[]): string {
  return list.length === 0 ? head : `${head}: ${list.join(', ')}`
}
