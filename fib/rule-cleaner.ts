/** Removes the policy rules that an agent left, without an agent: those with its mark in its places. */
import { Channel } from './channel.ts'
import type { Removal } from './cleaner.ts'
import { Dumper } from './dumper.ts'
import type { ErrorMessage } from './netlink.ts'
import { errnos, messageTypes } from './numbers.ts'
import { type Kernel, KernelError } from './port.ts'
import { describeRefusal, isAbsent, isUnknownTable } from './refusal.ts'
import { encodeRule, isOwnRule, type Rule, readRule, ruleText } from './rules.ts'

/** Over a kernel that is open already. */
export class RuleCleaner {
  readonly #channel: Channel
  readonly #dumper: Dumper

  constructor(kernel: Kernel) {
    this.#channel = new Channel(kernel)
    this.#dumper = new Dumper(this.#channel, () => {})
  }

  /** By their text, as `ip rule` prints them. @throws KernelError */
  find(protocol: number): ReadonlyMap<string, Rule> {
    const rules = new Map<string, Rule>()
    const protocols = new Set([protocol])
    try {
      this.#dumper.dump('reading rules', messageTypes.getRule, null, (view, start, end) => {
        const rule = readRule(view, start, end)
        if (rule !== null && isOwnRule(rule, protocols)) rules.set(ruleText(rule), rule)
      })
    } catch (error) {
      // A kernel without policy routing has no rules.
      if (!isUnknownTable(error)) throw error
    }
    return rules
  }

  /** The rule that refuses goes before the one that excepts. @throws KernelError without privilege */
  remove(rules: ReadonlyMap<string, Rule>): Removal {
    const refusals: string[] = []
    let removed = 0
    for (const [text, rule] of [...rules].sort(([, a], [, b]) => b.priority - a.priority)) {
      const refused = this.#remove(rule)
      if (refused === null) removed++
      else if (refused.errno === errnos.perm) {
        const remedy = 'it needs CAP_NET_ADMIN: run as root'
        throw new KernelError('removing what is left in the kernel', refused.errno, remedy)
      } else if (!isAbsent(refused)) refusals.push(`${text}: ${describeRefusal(refused)}`)
    }
    return { removed, refusals }
  }

  #remove(rule: Rule): ErrorMessage | null {
    const sequence = this.#channel.next()
    const bytes = encodeRule('remove', rule, sequence)
    const refused: ErrorMessage[] = []
    this.#channel.exchange(bytes, bytes.length, sequence, sequence, (_sequence, error) => {
      refused.push(error)
    })
    return refused[0] ?? null
  }
}
