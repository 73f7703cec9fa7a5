/**
 * Keeps the policy rules of guarded ranges in the kernel: want against have, as for routes. A rule is
 * ours by its protocol number and its place; others are neither touched nor counted. One that somebody
 * removes is put back at once, and with growing pauses when that goes on.
 */
import { type Family, parsePrefix } from './address.ts'
import type { Channel } from './channel.ts'
import type { Dumper } from './dumper.ts'
import type { Journal } from './journal.ts'
import { type ErrorMessage, littleEndian, visitMessages } from './netlink.ts'
import { errnos, messageTypes, ruleActions } from './numbers.ts'
import { type Clock, type Kernel, KernelError } from './port.ts'
import { describeRefusal, isAbsent, isUnknownTable } from './refusal.ts'
import { encodeRule, isOwnRule, type Rule, readRule, rulesFor, ruleText } from './rules.ts'
import type { FibRules, Guard } from './types.ts'

/** Rules made or removed in one turn, each acknowledged. */
const rulesPerTurnMax = 64
/** Rules that are wanted at most: two for each range of the three lists of services. */
export const rulesMax = 3_000
/** Longest pause before a rule that was refused, or that somebody keeps removing, is made again. */
const retryMaxMs = 60_000
const firstRetryMs = 1_000

const refusals = { drop: ruleActions.blackhole, reject: ruleActions.unreachable } as const

/** Why a rule has to wait. */
interface Pause {
  readonly attempts: number
  readonly dueMs: number
  /** What the kernel said; null: it was removed by somebody. */
  readonly refusal: string | null
}

export interface RuleKeeperParts {
  readonly channel: Channel
  readonly dumper: Dumper
  readonly kernel: Pick<Kernel, 'port'>
  readonly clock: Clock
  readonly journal: Journal
  /** The protocol number in force. */
  readonly protocol: () => number
  /** Whether anything of ours is to be in the kernel. */
  readonly writes: () => boolean
}

export class RuleKeeper {
  readonly #parts: RuleKeeperParts
  #guard: Guard = { prefixes: [], action: 'drop' }
  #wanted: ReadonlyMap<string, Rule> = new Map()
  #held = new Map<string, Rule>()
  readonly #pauses = new Map<string, Pause>()
  /** Protocol numbers that were ours in this life; rules of an older one go. */
  readonly #protocols = new Set<number>()
  /** Something may differ. */
  #dirty = false

  constructor(parts: RuleKeeperParts) {
    this.#parts = parts
  }

  /** @throws RangeError for text that is no prefix, or too many of them */
  guard(guard: Guard): void {
    if (guard.prefixes.length * 2 > rulesMax) {
      throw new RangeError(`${guard.prefixes.length} guarded ranges: at most ${rulesMax / 2}`)
    }
    for (const text of guard.prefixes) {
      if (parsePrefix(text) === null) throw new RangeError(`guard ${text}: not a prefix`)
    }
    this.#guard = guard
    this.refresh()
  }

  /** The settings changed, or everything is to go. */
  refresh(): void {
    const protocol = this.#parts.protocol()
    const wanted = new Map<string, Rule>()
    this.#protocols.add(protocol)
    if (this.#parts.writes()) {
      for (const text of this.#guard.prefixes) {
        for (const rule of rulesFor(parsePrefix(text)!, refusals[this.#guard.action], protocol)) {
          wanted.set(ruleText(rule), rule)
        }
      }
    }
    this.#wanted = wanted
    for (const key of this.#pauses.keys()) if (!wanted.has(key)) this.#pauses.delete(key)
    this.#dirty = true
  }

  /** Reads the kernel's rules whole. Throws KernelError. */
  scan(): void {
    const held = new Map<string, Rule>()
    for (const family of [4, 6] as const) this.#read(family, held)
    for (const key of this.#held.keys()) {
      if (this.#wanted.has(key) && !held.has(key)) this.#parts.journal.counters.repairs++
    }
    this.#held = held
    this.#dirty = true
  }

  /** Works through one datagram of notifications. */
  notified(bytes: Uint8Array, length: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (length < 6 || !isRuleMessage(view.getUint16(4, littleEndian))) return
    visitMessages(view, length, (type, _flags, _sequence, port, start, end) => {
      if (port === this.#parts.kernel.port || !isRuleMessage(type)) return
      const rule = readRule(view, start, end)
      if (rule === null || !isOwnRule(rule, this.#protocols)) return
      if (type === messageTypes.newRule) this.#held.set(ruleText(rule), rule)
      else this.#gone(ruleText(rule))
      this.#dirty = true
    })
  }

  /** Sets right what differs, up to the ceiling of a turn. */
  write(): void {
    if (!this.#dirty) return
    this.#dirty = false
    let left = rulesPerTurnMax
    // The rule that stops everything goes first, and comes last.
    for (const [key, rule] of [...this.#held].reverse()) {
      if (this.#wanted.has(key)) continue
      if (left-- === 0) break
      this.#remove(key, rule)
    }
    const nowMs = this.#parts.clock.now()
    for (const [key, rule] of this.#wanted) {
      if (this.#held.has(key) || (this.#pauses.get(key)?.dueMs ?? 0) > nowMs) continue
      if (left-- <= 0) break
      this.#add(key, rule)
    }
    if (left < 0) this.#dirty = true
  }

  /** Whether another turn is needed at once. */
  get pending(): boolean {
    return this.#dirty
  }

  /** When a rule that waits is tried again. */
  get nextDueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY
    for (const [key, pause] of this.#pauses) {
      if (!this.#held.has(key)) dueMs = Math.min(dueMs, pause.dueMs)
    }
    return dueMs
  }

  /** What waited has become due. */
  wake(): void {
    if (this.nextDueMs <= this.#parts.clock.now()) this.#dirty = true
  }

  status(): FibRules {
    const missing = [...this.#wanted.keys()].filter((key) => !this.#held.has(key))
    const refused = missing.flatMap((key) => this.#pauses.get(key)?.refusal ?? [])
    return {
      wanted: this.#wanted.size,
      installed: this.#wanted.size - missing.length,
      missing: missing.slice(0, 20),
      reason: refused[0] ?? null,
    }
  }

  #read(family: Family, into: Map<string, Rule>): void {
    const { dumper } = this.#parts
    try {
      dumper.dump('reading rules', messageTypes.getRule, family, (view, start, end) => {
        const rule = readRule(view, start, end)
        if (rule !== null && isOwnRule(rule, this.#protocols)) into.set(ruleText(rule), rule)
      })
    } catch (error) {
      // A kernel without policy routing has none to read; wanting one is refused, and told.
      if (!isUnknownTable(error)) throw error
    }
  }

  #gone(key: string): void {
    this.#held.delete(key)
    if (!this.#wanted.has(key)) return
    const { journal, clock } = this.#parts
    const nowMs = clock.now()
    const before = this.#pauses.get(key)
    const calm = before === undefined || nowMs - before.dueMs > retryMaxMs
    const attempts = calm ? 0 : before.attempts + 1
    const pauseMs = attempts === 0 ? 0 : Math.min(retryMaxMs, firstRetryMs * 2 ** (attempts - 1))
    this.#pauses.set(key, { attempts, dueMs: nowMs + pauseMs, refusal: null })
    journal.counters.repairs++
    const text = `rule ${key} was removed by another program; put back`
    journal.tell('fib.rule', 'info', text, { rule: key })
  }

  #add(key: string, rule: Rule): void {
    const error = this.#exchange('add', rule)
    // Somebody wrote this very rule meanwhile: it does what is wanted.
    if (error === null || error.errno === errnos.exists) {
      this.#held.set(key, rule)
      return
    }
    const { journal, clock } = this.#parts
    const attempts = (this.#pauses.get(key)?.attempts ?? 0) + 1
    const dueMs = clock.now() + Math.min(retryMaxMs, firstRetryMs * 2 ** (attempts - 1))
    const refusal = describeRefusal(error)
    this.#pauses.set(key, { attempts, dueMs, refusal })
    journal.countError(error.errno)
    if (attempts > 1) return
    const text = `rule ${key} is refused by the kernel: ${refusal}; it is tried again`
    journal.tell('fib.rule', 'warn', text, { rule: key })
  }

  #remove(key: string, rule: Rule): void {
    const error = this.#exchange('remove', rule)
    this.#held.delete(key)
    if (error === null || isAbsent(error)) return
    this.#parts.journal.countError(error.errno)
    const text = `rule ${key} can't be removed: ${describeRefusal(error)}`
    this.#parts.journal.tell('fib.rule', 'warn', text, { rule: key })
  }

  #exchange(operation: 'add' | 'remove', rule: Rule): ErrorMessage | null {
    const { channel } = this.#parts
    const sequence = channel.next()
    const bytes = encodeRule(operation, rule, sequence)
    const refused: ErrorMessage[] = []
    try {
      channel.exchange(bytes, bytes.length, sequence, sequence, (_sequence, error) => {
        refused.push(error)
      })
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      return { errno: error.errno, text: null }
    }
    return refused[0] ?? null
  }
}

function isRuleMessage(type: number): boolean {
  return type === messageTypes.newRule || type === messageTypes.delRule
}
