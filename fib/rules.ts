/**
 * rtnetlink, policy rules (linux/fib_rules.h; ip-rule(8)): reading and writing them, and which ones
 * keep packets to service addresses that nobody serves from bouncing between a node and its switch.
 * A range has two: what this host itself sends is looked up in `main` as ever (kube-proxy rewrites it
 * only after that), and everything else goes no further. What kube-proxy serves never meets them: it
 * has another destination before it is routed.
 */
import { type Family, formatPrefix, type Prefix, wordsOf } from './address.ts'
import { familyNumber, littleEndian, readAddress, readText, visitAttributes } from './netlink.ts'
import { messageFlags, messageTypes, ruleActions, ruleAttributes, tables } from './numbers.ts'

/**
 * Our places among the rules of a host: after what people and other agents put in front (they take
 * the low thousands), long before `main` at 32766.
 */
export const rulePriorities = { own: 21_790, others: 21_791 } as const

const headerBytes = 16
const ruleBytes = 12
const familyOf: Readonly<Record<number, Family>> = { 2: 4, 10: 6 }
/** What a rule of ours may say; one that says more is somebody else's. */
const knownAttributes: ReadonlySet<number> = new Set([
  ruleAttributes.destination,
  ruleAttributes.inInterface,
  ruleAttributes.priority,
  ruleAttributes.table,
  ruleAttributes.protocol,
  ruleAttributes.suppressPrefixLength,
  ruleAttributes.padding,
])

/** A rule that looks at the destination, and at where a packet comes from. */
export interface Rule {
  readonly prefix: Prefix
  /** Incoming interface; `lo` is what this host itself sends, null any. */
  readonly inInterface: string | null
  readonly action: number
  /** 0 where the action looks nothing up. */
  readonly table: number
  readonly priority: number
  readonly protocol: number
}

/** The rules of one range, in the order in which they are to be made. */
export function rulesFor(prefix: Prefix, refusal: number, protocol: number): readonly Rule[] {
  const lookup = { action: ruleActions.lookup, table: tables.main, inInterface: 'lo' }
  const refuse = { action: refusal, table: 0, inInterface: null }
  return [
    { prefix, protocol, priority: rulePriorities.own, ...lookup },
    { prefix, protocol, priority: rulePriorities.others, ...refuse },
  ]
}

/** As `ip rule` prints it: `21791: to 10.96.0.0/16 blackhole`. It is the key of a rule as well. */
export function ruleText({ prefix, inInterface, action, table, priority, protocol }: Rule): string {
  const to = formatPrefix(prefix.family, prefix.words, 0, prefix.length)
  const from = inInterface === null ? '' : ` iif ${inInterface}`
  const what = ruleActionNames[action] ?? `action ${action}`
  const where = action === ruleActions.lookup ? ` ${table}` : ''
  return `${priority}: to ${to}${from} ${what}${where} proto ${protocol}`
}

const ruleActionNames: Readonly<Record<number, string>> = {
  [ruleActions.lookup]: 'lookup',
  [ruleActions.blackhole]: 'blackhole',
  [ruleActions.unreachable]: 'unreachable',
}

/** Whether it bears one of these protocol numbers, in one of our places. */
export function isOwnRule(rule: Rule, protocols: ReadonlySet<number>): boolean {
  const { own, others } = rulePriorities
  return protocols.has(rule.protocol) && (rule.priority === own || rule.priority === others)
}

/**
 * Reads fib_rule_hdr and its attributes. null for a rule that none of ours could be: of another
 * family, without a destination, inverted, or with a condition that ours don't have.
 */
export function readRule(view: DataView, start: number, end: number): Rule | null {
  if (end - start < ruleBytes) return null
  const family = familyOf[view.getUint8(start)]
  const length = view.getUint8(start + 1)
  if (family === undefined || length === 0 || length > 32 * wordsOf(family)) return null
  const sourceLength = view.getUint8(start + 2)
  const tos = view.getUint8(start + 3)
  const inverted = (view.getUint32(start + 8, littleEndian) & 0x2) !== 0
  if (sourceLength !== 0 || tos !== 0 || inverted) return null
  const words = new Uint32Array(wordsOf(family))
  let found = false
  let strange = false
  let inInterface: string | null = null
  let table = view.getUint8(start + 4)
  let priority = 0
  let protocol = 0
  visitAttributes(view, start + ruleBytes, end, (type, from, to) => {
    if (!knownAttributes.has(type)) strange = true
    if (type === ruleAttributes.destination) found = readAddress(view, from, to, family, words, 0)
    if (type === ruleAttributes.inInterface) inInterface = readText(view, from, to)
    if (type === ruleAttributes.protocol && to > from) protocol = view.getUint8(from)
    if (to - from < 4) return
    if (type === ruleAttributes.priority) priority = view.getUint32(from, littleEndian)
    if (type === ruleAttributes.table) table = view.getUint32(from, littleEndian)
    // The kernel says "none" of every rule.
    if (type === ruleAttributes.suppressPrefixLength) {
      if (view.getUint32(from, littleEndian) !== 0xffff_ffff) strange = true
    }
  })
  if (!found || strange) return null
  const prefix = { family, words, length }
  return { prefix, inInterface, action: view.getUint8(start + 7), table, priority, protocol }
}

/** A request to make or remove a rule, acknowledged; a removal names everything that it is. */
export function encodeRule(operation: 'add' | 'remove', rule: Rule, sequence: number): Uint8Array {
  const { prefix, inInterface, action, table, priority, protocol } = rule
  const addressBytes = prefix.words.length * 4
  const nameBytes = inInterface === null ? 0 : 4 + ((inInterface.length + 1 + 3) & ~3)
  const bytes = new Uint8Array(headerBytes + ruleBytes + 4 + addressBytes + nameBytes + 24)
  const view = new DataView(bytes.buffer)
  const adds = operation === 'add'
  const flags = messageFlags.request | messageFlags.ack
  view.setUint32(0, bytes.length, littleEndian)
  view.setUint16(4, adds ? messageTypes.newRule : messageTypes.delRule, littleEndian)
  view.setUint16(6, adds ? flags | messageFlags.create | messageFlags.excl : flags, littleEndian)
  view.setUint32(8, sequence, littleEndian)
  view.setUint8(16, familyNumber(prefix.family))
  view.setUint8(17, prefix.length)
  view.setUint8(20, table > 255 ? 0 : table)
  view.setUint8(23, action)
  let at = headerBytes + ruleBytes
  const attribute = (type: number, payloadBytes: number): number => {
    view.setUint16(at, 4 + payloadBytes, littleEndian)
    view.setUint16(at + 2, type, littleEndian)
    const payload = at + 4
    at = payload + ((payloadBytes + 3) & ~3)
    return payload
  }
  const to = attribute(ruleAttributes.destination, addressBytes)
  for (const [index, word] of prefix.words.entries()) view.setUint32(to + 4 * index, word)
  if (inInterface !== null) {
    const name = attribute(ruleAttributes.inInterface, inInterface.length + 1)
    for (let i = 0; i < inInterface.length; i++) bytes[name + i] = inInterface.charCodeAt(i)
  }
  view.setUint32(attribute(ruleAttributes.priority, 4), priority, littleEndian)
  view.setUint32(attribute(ruleAttributes.table, 4), table, littleEndian)
  view.setUint8(attribute(ruleAttributes.protocol, 1), protocol)
  return bytes
}
