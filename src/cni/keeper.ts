/**
 * Keeps the node's CNI configuration: written when the agent first is ready, so that no pod starts on a
 * node that can't route yet, and kept as the manifests want it from then on. A session that is lost
 * later takes nothing away. What an earlier boot left is removed until this boot is ready.
 */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '../../bgp/types.ts'
import { tellNew } from '../conditions.ts'
import type { EventLog } from '../event-log.ts'
import { findUplinks } from '../host/uplinks.ts'
import { fail, warn } from '../intent/problem.ts'
import type { Intent, Problem } from '../intent/types.ts'
import { type Link, writeConflist } from './conflist.ts'
import {
  findOwnConflist,
  findRivals,
  readConflist,
  removeConflist,
  replaceConflist,
} from './files.ts'

/** Between two looks: at readiness before the first writing, at the file and the manifests after it. */
const gateSeconds = 1
const checkSeconds = 5
const subject = 'cni'

export interface CniKeeperParts {
  /** Where CNI configurations lie; null: none is written. */
  readonly folder: string | null
  readonly clock: Clock
  readonly events: EventLog
  readonly intent: () => Intent | null
  readonly ready: () => boolean
  /** Default: the kernel's own. */
  readonly bootId?: string
  /** Default: the link with the node's address, or the first with a gateway. */
  readonly link?: (addresses: readonly string[]) => Link | null
}

export class CniKeeper {
  readonly #parts: CniKeeperParts
  readonly #bootId: string
  #problems: readonly Problem[] = []
  #known: ReadonlySet<string> = new Set()
  /** The first gate was passed, in this life of the agent. */
  #passed = false
  #timer: Timer | null = null
  #closed = false

  constructor(parts: CniKeeperParts) {
    this.#parts = parts
    this.#bootId = parts.bootId ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  }

  /** As of the last look. */
  get problems(): readonly Problem[] {
    return this.#problems
  }

  /** Looks now, and from now on again and again. */
  start(): void {
    if (this.#closed) return
    this.look()
    const seconds = this.#passed ? checkSeconds : gateSeconds
    this.#timer = this.#parts.clock.schedule(seconds * 1000, () => this.start())
  }

  /** Leaves the file where it is: pods need it while no agent runs. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  look(): void {
    const intent = this.#parts.intent()
    if (intent?.node == null) return
    this.#passed ||= this.#parts.ready()
    try {
      this.#problems = this.#settle(intent)
    } catch (error) {
      const message = `the CNI configuration can't be kept: ${(error as Error).message}`
      const remedy = 'mount the folder writable, or correct --cni-conf-dir; it is tried again'
      this.#problems = [fail('CniUnwritable', subject, message, remedy)]
    }
    this.#known = tellNew(this.#problems, this.#known, this.#parts.events)
  }

  /** @throws Error when a file can't be read or written */
  #settle(intent: Intent): readonly Problem[] {
    const { folder } = this.#parts
    if (folder === null) {
      if (intent.cni === null) return []
      const message = 'cni is set, and the agent was not told where to write it'
      return [warn('CniNowhere', subject, message, 'start it with --cni-conf-dir /etc/cni/net.d')]
    }
    const found = readConflist(folder)
    if (found !== null && found.node === null) {
      if (intent.cni === null) return []
      const { kept } = findOwnConflist(folder)
      return [fail('CniForeign', subject, kept.join(), 'move that file away')]
    }
    if (intent.cni === null) {
      if (found !== null) this.#remove(folder, 'the manifests ask for none')
      return []
    }
    if (!this.#passed) {
      if (found !== null && found.bootId !== this.#bootId) {
        this.#remove(folder, 'it is of an earlier boot, and this one is not ready yet')
      }
      return []
    }
    return this.#write(folder, intent, found?.text ?? null)
  }

  #write(folder: string, { cni, node }: Intent, present: string | null): readonly Problem[] {
    if (cni === null || node === null) return []
    const link = (this.#parts.link ?? findLink)(node.addresses)
    if (link === null) {
      const message = 'no interface has an address of the node, and none leads to a gateway'
      return [
        fail('CniNoLink', subject, message, "correct the Node's addresses; it is tried again"),
      ]
    }
    const text = writeConflist(cni, link, { node: node.name, bootId: this.#bootId })
    if (text !== present) {
      replaceConflist(folder, text)
      const what = `CNI configuration ${present === null ? 'written' : 'replaced'}`
      this.#tell(`${what}: ${cni.type} with ${cni.ranges.map(({ part }) => part).join(', ')}`)
    }
    const rivals = findRivals(folder)
    if (rivals.length === 0) return []
    const message = `${rivals.join(', ')} in ${folder} comes before ours; the runtime takes that one`
    return [warn('CniShadowed', subject, message, 'move it away when its agent is gone')]
  }

  #remove(folder: string, why: string): void {
    const { refusals } = removeConflist(findOwnConflist(folder).file)
    if (refusals[0] !== undefined) throw new Error(refusals[0])
    this.#tell(`CNI configuration removed: ${why}`)
  }

  #tell(text: string): void {
    this.#parts.events.add({ kind: 'cni', level: 'info', text })
  }
}

/** The link that carries the node's address; behind a loopback address, the first with a gateway. */
function findLink(addresses: readonly string[]): Link | null {
  const own = new Set(addresses.map((address) => address.replace(/\/.*/, '')))
  const holder = Object.entries(networkInterfaces()).find(([, list = []]) =>
    list.some(({ address, internal }) => !internal && own.has(address)),
  )
  const name = holder?.[0] ?? firstUplink()
  if (name === undefined) return null
  return { name, mtu: Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8')) }
}

/** Reads the kernel's whole table, which may be large. */
function firstUplink(): string | undefined {
  const { ipv4, ipv6 } = findUplinks()
  return [...ipv4, ...ipv6][0]
}
