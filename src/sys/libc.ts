/**
 * The door to the C library: the few calls that Node has no word for, by FFI (koffi). Every call
 * returns a count or 0, or the negated errno; nothing here throws but `load` on a system without a
 * usable libc. Linux only. `src/sys/` is the one place that may import koffi.
 */
import koffi from 'koffi'

const libc = koffi.load(null)

type Call = (...args: (number | Uint8Array | string)[]) => number

function call(signature: string): Call {
  const native = libc.func(signature) as Call
  return (...args) => {
    const result = native(...args)
    return result < 0 ? -koffi.errno() : result
  }
}

/** socket(2): a file descriptor. */
export const socket: (domain: number, type: number, protocol: number) => number = call(
  'int socket(int, int, int)',
)
/** bind(2) with raw sockaddr bytes. */
const nativeBind = call('int bind(int, const void *, unsigned int)')
export function bind(fd: number, address: Uint8Array): number {
  return nativeBind(fd, address, address.length)
}

const nativeSetsockopt = call('int setsockopt(int, int, int, const void *, unsigned int)')
export function setsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
  return nativeSetsockopt(fd, level, name, value, value.length)
}

/** setsockopt(2) with a C int. */
export function setsockoptInt(fd: number, level: number, name: number, value: number): number {
  return setsockopt(fd, level, name, new Uint8Array(new Int32Array([value]).buffer))
}

// Called for every peer at every change, so it goes without `call`.
const nativeSend = libc.func('intptr_t send(int, const void *, size_t, int)') as Call
export function send(fd: number, bytes: Uint8Array, length: number, flags: number): number {
  const result = nativeSend(fd, bytes, length, flags)
  return result < 0 ? -koffi.errno() : result
}

const nativeRecv = call('intptr_t recv(int, _Out_ uint8_t *, size_t, int)')
export function recv(fd: number, into: Uint8Array, flags: number): number {
  return nativeRecv(fd, into, into.length, flags)
}

export const close: (fd: number) => number = call('int close(int)')

/** setns(2): moves the calling thread only. */
export const setns: (fd: number, kind: number) => number = call('int setns(int, int)')

/** Name of an errno (positive), e.g. `EEXIST`. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}

// Aliases share a number (EAGAIN, EWOULDBLOCK): the usual name wins.
const names = new Map<number, string>([
  ...Object.entries(koffi.os.errno).map(([name, value]): [number, string] => [value, name]),
  [koffi.os.errno['EAGAIN'] as number, 'EAGAIN'],
  [koffi.os.errno['EOPNOTSUPP'] as number, 'EOPNOTSUPP'],
])
