/**
 * recvmsg(2) by FFI: a packet with where it came from and the control messages that tell how. The
 * memory is made once and its addresses are written into struct msghdr once; ArrayBuffers don't move.
 */
import koffi from 'koffi'

/** A BFD packet has 24 octets, with authentication at most 52; what is longer is cut off. */
const packetBytesMax = 128

const recvmsg = koffi.load(null).func('intptr_t recvmsg(int, _Inout_ uint8_t *, int)') as (
  fd: number,
  header: Uint8Array,
  flags: number,
) => number

/** struct msghdr with what it points to, for 64-bit little-endian Linux; used again and again. */
export class ReceivedMessage {
  readonly bytes: Uint8Array = new Uint8Array(new ArrayBuffer(packetBytesMax))
  readonly controlView: DataView
  readonly #source = new Uint8Array(new ArrayBuffer(28))
  readonly #control = new Uint8Array(new ArrayBuffer(128))
  readonly #vector = new Uint8Array(new ArrayBuffer(16))
  readonly #header = new Uint8Array(new ArrayBuffer(56))
  readonly #headerView = new DataView(this.#header.buffer)

  constructor() {
    this.controlView = new DataView(this.#control.buffer)
    const vector = new DataView(this.#vector.buffer)
    vector.setBigUint64(0, BigInt(koffi.address(this.bytes)), true)
    vector.setBigUint64(8, BigInt(this.bytes.length), true)
    this.#headerView.setBigUint64(0, BigInt(koffi.address(this.#source)), true)
    this.#headerView.setBigUint64(16, BigInt(koffi.address(this.#vector)), true)
    this.#headerView.setBigUint64(24, 1n, true)
    this.#headerView.setBigUint64(32, BigInt(koffi.address(this.#control)), true)
  }

  /**
   * recvmsg(2): the length of the packet, or -1 with the errno set. The kernel writes the lengths it
   * used into those it was given, so they are set anew.
   */
  receive(fd: number, flags: number): number {
    this.#headerView.setUint32(8, this.#source.length, true)
    this.#headerView.setBigUint64(40, BigInt(this.#control.length), true)
    return recvmsg(fd, this.#header, flags)
  }

  sourceBytes(at: number, length: number): Uint8Array {
    return this.#source.subarray(at, at + length)
  }

  controlBytes(at: number, length: number): Uint8Array {
    return this.#control.subarray(at, at + length)
  }

  /** Where the data of a control message begins; null when it didn't come. */
  control(level: number, type: number): number | null {
    const end = Number(this.#headerView.getBigUint64(40, true))
    for (let at = 0; at + 16 <= end; ) {
      const length = Number(this.controlView.getBigUint64(at, true))
      if (length < 16) return null
      const found =
        this.controlView.getInt32(at + 8, true) === level &&
        this.controlView.getInt32(at + 12, true) === type
      if (found) return at + 16
      at += (length + 7) & ~7
    }
    return null
  }
}
