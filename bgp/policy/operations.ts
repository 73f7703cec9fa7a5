/**
 * What an accepting rule changes: texts read into numbers once, and the two answers that don't lie
 * in the attribute bytes, the next hop and whether the MED is the policy's own.
 */
import { parseAddress } from '../prefix.ts'
import type { FamilyName } from '../types.ts'
import { parseCommunity } from '../wire/community.ts'
import { parsePattern } from './community-pattern.ts'
import { checkAsns, checkPriority, checkU32, localPrefOf } from './numbers.ts'
import type { Direction, FilterOperation, Operation } from './types.ts'

/** Operations of one rule at most. */
const operationsMax = 100
/** AS numbers that one rule prepends at most: one segment (RFC 4271 §4.3). */
const prependedAsnsMax = 255

/** @throws RangeError naming the operation that can't be carried out. */
export function compileOperations(
  operations: readonly FilterOperation[],
  direction: Direction,
  family: FamilyName,
): readonly Operation[] {
  if (operations.length > operationsMax) {
    throw new RangeError(`${operations.length} operations; ${operationsMax} are allowed`)
  }
  const compiled = operations.map((operation, index) => {
    try {
      return compileOperation(operation, direction, family)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      const place = `operations[${index}].${operation.kind}`
      throw new RangeError(`${place}: ${cause.message}`, { cause })
    }
  })
  const prepended = compiled.reduce(
    (sum, operation) => sum + (operation.kind === 'prependASPath' ? operation.asns.length : 0),
    0,
  )
  if (prepended > prependedAsnsMax) {
    throw new RangeError(`${prepended} AS numbers are prepended; ${prependedAsnsMax} are allowed`)
  }
  return Object.freeze(compiled)
}

function compileOperation(
  operation: FilterOperation,
  direction: Direction,
  family: FamilyName,
): Operation {
  switch (operation.kind) {
    case 'addCommunity':
      return { kind: operation.kind, community: parseCommunity(operation.community) }
    case 'removeCommunity':
      return { kind: operation.kind, pattern: parsePattern(operation.community) }
    case 'replaceCommunities':
      return { kind: operation.kind, communities: operation.communities.map(parseCommunity) }
    case 'prependASPath':
      checkAsns(operation.asns)
      return { kind: operation.kind, asns: operation.asns }
    case 'setPriority':
      checkPriority(operation.priority)
      return { kind: 'setLocalPref', localPref: localPrefOf(operation.priority) }
    case 'setLocalPref':
      checkU32('LOCAL_PREF', operation.localPref)
      return { kind: operation.kind, localPref: operation.localPref }
    case 'setMED':
      checkU32('MED', operation.med)
      return { kind: operation.kind, med: operation.med }
    case 'setNextHop':
      return { kind: operation.kind, nextHop: readNextHop(operation.nextHop, direction, family) }
  }
}

function readNextHop(text: string, direction: Direction, family: FamilyName): 'self' | Uint8Array {
  if (text === 'self') {
    if (direction === 'export') return text
    throw new RangeError('a received route whose next hop is this node leads nowhere')
  }
  const octets = parseAddress(text)
  if (octets.length === (family === 'ipv4-unicast' ? 4 : 16)) return octets
  throw new RangeError(`${text} can't be the next hop of an ${family} route`)
}

/** The next hop that the last such operation sets; null: none does, and the caller's rule holds. */
export function nextHopOf(operations: readonly Operation[]): 'self' | Uint8Array | null {
  let nextHop: 'self' | Uint8Array | null = null
  for (let i = 0; i < operations.length; i++) {
    const operation = operations[i]!
    if (operation.kind === 'setNextHop') nextHop = operation.nextHop
  }
  return nextHop
}

/**
 * Whether a MED of the result was set here. Such a MED goes to an eBGP peer, where a received one
 * doesn't (RFC 4271 §5.1.4).
 */
export function setsMed(operations: readonly Operation[]): boolean {
  for (let i = 0; i < operations.length; i++) if (operations[i]!.kind === 'setMED') return true
  return false
}

/** In words, as `adds 65001:100, prepends 65001 65002`. */
export function formatOperations(operations: readonly FilterOperation[]): string {
  return operations.map(formatOperation).join(', ')
}

function formatOperation(operation: FilterOperation): string {
  switch (operation.kind) {
    case 'addCommunity':
      return `adds ${operation.community}`
    case 'removeCommunity':
      return `removes ${operation.community}`
    case 'replaceCommunities':
      return operation.communities.length === 0
        ? 'removes all communities'
        : `replaces all communities by ${operation.communities.join(' ')}`
    case 'prependASPath':
      return `prepends ${operation.asns.join(' ')}`
    case 'setPriority':
      return `sets priority ${operation.priority} (LOCAL_PREF ${localPrefOf(operation.priority)})`
    case 'setLocalPref':
      return `sets LOCAL_PREF ${operation.localPref}`
    case 'setMED':
      return `sets MED ${operation.med}`
    case 'setNextHop':
      return `sets next hop ${operation.nextHop}`
  }
}
