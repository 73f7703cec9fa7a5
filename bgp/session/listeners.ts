/**
 * Keeps the listening sockets, and the MD5 keys on them, as they are wanted: the desired state comes
 * whole, and only what differs is touched, on every change. A key is in force before a listener
 * answers its first connection; one that cannot be set is an error and never a session without
 * (RFC 2385; reference: keys that were silently missing have been the commonest MD5 failure).
 */

import type { Incoming, ListenAddress, Listener, ListenerKey, Transport } from '../types.ts'

/** Connections the kernel may hold ready for us; a whole cluster dials at once after an outage. */
const backlog = 4096

export interface FamilyKey extends ListenerKey {
  readonly family: 4 | 6
}

export interface ListenEvent {
  readonly level: 'info' | 'warn'
  readonly text: string
}

interface Open {
  readonly address: ListenAddress
  readonly listener: Listener
}

export class Listeners {
  readonly #transport: Transport
  readonly #accept: (incoming: Incoming) => void
  readonly #event: (event: ListenEvent) => void
  readonly #open = new Map<string, Open>()
  /** Changes are applied one after the other. */
  #last: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    transport: Transport,
    accept: (incoming: Incoming) => void,
    event: (event: ListenEvent) => void,
  ) {
    this.#transport = transport
    this.#accept = accept
    this.#event = event
  }

  /** Where we listen now, with the port the kernel chose where 0 was asked for. */
  get addresses(): readonly ListenAddress[] {
    return [...this.#open.values()].map(({ address, listener }) => {
      return { ...address, port: listener.port }
    })
  }

  /**
   * Makes it so. What could be done is done even when something could not.
   * @throws Error in words: port in use, privilege missing, address not here, key refused; `code`
   *   holds the name of the errno
   */
  configure(listen: readonly ListenAddress[], keys: readonly FamilyKey[]): Promise<void> {
    const run = (): Promise<void> => this.#reconcile(listen, keys)
    const result = this.#last.then(run, run)
    // The caller is told; the next change must not be held up by it.
    this.#last = result.catch(() => {})
    return result
  }

  close(): void {
    this.#closed = true
    for (const { listener } of this.#open.values()) listener.close()
    this.#open.clear()
  }

  async #reconcile(listen: readonly ListenAddress[], keys: readonly FamilyKey[]): Promise<void> {
    const wanted = new Map(listen.map((address) => [nameOf(address), address]))
    for (const [name, { listener }] of this.#open) {
      if (wanted.has(name)) continue
      listener.close()
      this.#open.delete(name)
      this.#event({ level: 'info', text: `no longer listening on ${name}` })
    }
    let failure: unknown = null
    for (const [name, address] of wanted) {
      try {
        await this.#ensure(name, address, keysOf(keys, address.family))
      } catch (cause) {
        failure ??= cause
      }
    }
    if (failure !== null) throw failure
  }

  async #ensure(name: string, address: ListenAddress, keys: readonly ListenerKey[]): Promise<void> {
    const open = this.#open.get(name)
    if (open !== undefined) {
      open.listener.setKeys(keys)
      return
    }
    if (this.#closed) return
    const listener = await this.#listen(name, { ...address, backlog, keys })
    if (this.#closed) {
      listener.close()
      return
    }
    this.#open.set(name, { address, listener })
    this.#event({ level: 'info', text: `listening on ${name}` })
  }

  async #listen(name: string, options: Parameters<Transport['listen']>[0]): Promise<Listener> {
    try {
      return await this.#transport.listen(options, (incoming) => this.#accept(incoming))
    } catch (cause) {
      const code = codeOf(cause)
      const words = problems[code]
      if (words === undefined) throw cause
      const text = `cannot listen on ${name}: ${words}${holderOf(cause)}`
      throw Object.assign(new Error(text, { cause }), { code })
    }
  }
}

const problems: { readonly [code: string]: string } = {
  EADDRINUSE:
    'the port is in use, most likely by another BGP daemon (BIRD, FRR, GoBGP, another routelet); ' +
    'stop it, or listen on another port or address',
  EACCES:
    'a port below 1024 needs root or CAP_NET_BIND_SERVICE; grant it, or listen on a higher port',
  EADDRNOTAVAIL: 'the address is not on this host',
  EAFNOSUPPORT: 'the kernel does not have this address family',
}

/** The transport may know who has the port. */
function holderOf(cause: unknown): string {
  return cause instanceof Error && 'holder' in cause ? `; ${cause.holder} has it` : ''
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}

/** For people, and the identity of a listener. */
function nameOf({ address, family, port }: ListenAddress): string {
  const host = address ?? (family === 4 ? '0.0.0.0' : '::')
  return family === 4 ? `${host}:${port}` : `[${host}]:${port}`
}

function keysOf(keys: readonly FamilyKey[], family: 4 | 6): readonly ListenerKey[] {
  return keys.filter((key) => key.family === family)
}
