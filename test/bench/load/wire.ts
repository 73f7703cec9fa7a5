/**
 * As much BGP on the wire as a load generator needs (RFC 4271, RFC 5492, RFC 6793, RFC 7911), written
 * apart from `bgp/wire` on purpose: a codec checked by itself would never be wrong. IPv4 unicast,
 * no extended messages.
 */

export const headerBytes = 19
export const messageBytesMax = 4096

export const messageType = { open: 1, update: 2, notification: 3, keepalive: 4 } as const

/** Bytes that grow as they are written. */
export class Bytes {
  #buffer = new Uint8Array(4096)
  length = 0

  byte(value: number): this {
    if (this.length === this.#buffer.length) this.#grow(1)
    this.#buffer[this.length++] = value
    return this
  }

  short(value: number): this {
    return this.byte(value >>> 8).byte(value & 0xff)
  }

  word(value: number): this {
    return this.short(value >>> 16).short(value & 0xffff)
  }

  bytes(values: Uint8Array | readonly number[]): this {
    if (this.length + values.length > this.#buffer.length) this.#grow(values.length)
    this.#buffer.set(values, this.length)
    this.length += values.length
    return this
  }

  /** Overwrites 16 bits written before. */
  patchShort(at: number, value: number): void {
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value & 0xff
  }

  /** What was written so far; not a copy. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.length)
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.length + needed))
    larger.set(this.#buffer.subarray(0, this.length))
    this.#buffer = larger
  }
}

const marker = new Uint8Array(16).fill(0xff)

/** Appends one message; `body` writes what follows the header. */
export function writeMessage(out: Bytes, type: number, body: () => void): void {
  const start = out.length
  out.bytes(marker).short(0).byte(type)
  body()
  out.patchShort(start + 16, out.length - start)
}

export function encodeKeepalive(): Uint8Array {
  const out = new Bytes()
  writeMessage(out, messageType.keepalive, () => {})
  return out.written()
}

/** An UPDATE without a prefix: End-of-RIB of IPv4 unicast, RFC 4724 §2. */
export function encodeEndOfRib(): Uint8Array {
  const out = new Bytes()
  writeMessage(out, messageType.update, () => out.short(0).short(0))
  return out.written()
}

export interface OpenOptions {
  readonly asn: number
  readonly holdSeconds: number
  readonly routerId: number
  /** Bits of RFC 7911 §4: 1 receive, 2 send; 0 leaves the capability out. */
  readonly addPath: number
}

const transitionAsn = 23456

export function encodeOpen({ asn, holdSeconds, routerId, addPath }: OpenOptions): Uint8Array {
  const capabilities = new Bytes()
  capabilities.bytes([1, 4, 0, 1, 0, 1]).bytes([2, 0]).bytes([65, 4]).word(asn)
  if (addPath !== 0) capabilities.bytes([69, 4, 0, 1, 1, addPath])
  const out = new Bytes()
  writeMessage(out, messageType.open, () => {
    out.byte(4).short(asn > 0xffff ? transitionAsn : asn)
    out.short(holdSeconds).word(routerId)
    out
      .byte(capabilities.length + 2)
      .byte(2)
      .byte(capabilities.length)
    out.bytes(capabilities.written())
  })
  return out.written()
}

/** Appends one path attribute. */
export function writeAttribute(
  out: Bytes,
  flags: number,
  code: number,
  value: Uint8Array | readonly number[],
): void {
  if (value.length > 255)
    out
      .byte(flags | 0x10)
      .byte(code)
      .short(value.length)
  else out.byte(flags).byte(code).byte(value.length)
  out.bytes(value)
}

/**
 * Where the parts of an UPDATE are. One object is used for all messages: at a million messages a
 * second a fresh one each would be what is measured.
 */
export class UpdateScan {
  withdrawnStart = 0
  withdrawnEnd = 0
  prefixesStart = 0
  prefixesEnd = 0
  nextHop = 0
  /** ORIGINATOR_ID, or 0. */
  originator = 0
  /** Octets of CLUSTER_LIST. */
  clusterListBytes = 0

  /** False when the lengths in it contradict each other. `start` and `end` hold the whole message. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.nextHop = 0
    this.originator = 0
    this.clusterListBytes = 0
    this.withdrawnStart = start + headerBytes + 2
    if (this.withdrawnStart + 2 > end) return false
    this.withdrawnEnd = this.withdrawnStart + short(bytes, this.withdrawnStart - 2)
    const attributes = this.withdrawnEnd + 2
    if (attributes > end) return false
    this.prefixesStart = attributes + short(bytes, this.withdrawnEnd)
    this.prefixesEnd = end
    return this.prefixesStart <= end && this.#attributes(bytes, attributes, this.prefixesStart)
  }

  #attributes(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start
    while (at + 3 <= end) {
      const extended = (bytes[at] as number) & 0x10
      const length = extended ? short(bytes, at + 2) : (bytes[at + 2] as number)
      const value = at + (extended ? 4 : 3)
      const code = bytes[at + 1] as number
      if (code === 3) this.nextHop = word(bytes, value)
      else if (code === 9) this.originator = word(bytes, value)
      else if (code === 10) this.clusterListBytes = length
      at = value + length
    }
    return at === end
  }
}

export function short(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

export function word(bytes: Uint8Array, at: number): number {
  return ((short(bytes, at) << 16) | short(bytes, at + 2)) >>> 0
}

/** `10.1.2.3` as a number. */
export function parseAddress(text: string): number {
  const parts = text.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) {
    throw new Error(`${text} is not an IPv4 address`)
  }
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
}
