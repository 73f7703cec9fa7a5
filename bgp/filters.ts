/**
 * Filters at work: a peer's compiled policies put between Adj-RIB-In and the decision (import), and
 * between the decision and Adj-RIB-Out (export, RFC 4271 §9.1.1 and §9.1.3), and graceful shutdown
 * (RFC 8326), which is a filter everybody has.
 */
import { editAttributes } from './policy/edit.ts'
import { compileOperations, nextHopOf, setsMed } from './policy/operations.ts'
import { compilePolicy, type Policy } from './policy/policy.ts'
import type { Match, Operation, RouteFacts, TraceStep } from './policy/types.ts'
import { type AttributeStore, attributeMark, setMeaning } from './rib/attribute-store.ts'
import { type ExportPolicy, undecided } from './rib/export.ts'
import type { FamilyRib } from './rib/family-rib.ts'
import type { NextHops } from './rib/next-hops.ts'
import { localPeer } from './rib/peers.ts'
import type { FamilyName, PeerConfig } from './types.ts'
import { Writer } from './wire/bytes.ts'

/** Any received attribute set, and what operations add to it. */
const editedBytesMax = 64 * 1024 - 1

/** RFC 8326 §4: the community, and the lowest preference. */
const gracefulShutdown = '65535:0'
const lowered = compileOperations(
  [{ kind: 'setLocalPref', localPref: 0 }],
  'import',
  'ipv4-unicast',
)
const farewell = compileOperations(
  [
    { kind: 'addCommunity', community: gracefulShutdown },
    { kind: 'setLocalPref', localPref: 0 },
  ],
  'export',
  'ipv4-unicast',
)

const noWords = new Uint32Array(0)
const noBytes = new Uint8Array(0)

/** Makes edited attribute sets, interned like all others. */
export class SetEditor {
  readonly #attributes: AttributeStore
  readonly #nextHops: NextHops
  readonly #out = new Writer(editedBytesMax)

  constructor(attributes: AttributeStore, nextHops: NextHops) {
    this.#attributes = attributes
    this.#nextHops = nextHops
  }

  /**
   * Id of the edited set; 0 when it grows past what an UPDATE can carry. It may be fresh.
   * @param meaning bits of `setMeaning`: what the operations want beyond the bytes
   */
  edit(set: number, operations: readonly Operation[], meaning = 0): number {
    const store = this.#attributes
    const start = store.offset[set] as number
    const out = this.#out
    out.reset()
    try {
      editAttributes(operations, store.heap, start, start + (store.length[set] as number), out)
    } catch (cause) {
      if (cause instanceof RangeError) return 0
      throw cause
    }
    const nextHop = this.#nextHopOf(set, operations)
    const length = out.position
    return (
      store.find(out.buffer, length, nextHop, meaning) ||
      store.add(out.buffer, length, nextHop, meaning)
    )
  }

  /** The same where the set is only told: what operations mean beyond the bytes goes with it. */
  editForExport(set: number, operations: readonly Operation[]): number {
    if (operations.length === 0) return set
    let meaning = this.#attributes.meaning[set] as number
    if (setsMed(operations)) meaning |= setMeaning.keepMed
    const nextHop = nextHopOf(operations)
    if (nextHop !== null) {
      meaning &= ~(setMeaning.nextHopSelf | setMeaning.nextHopKept)
      meaning |= nextHop === 'self' ? setMeaning.nextHopSelf : setMeaning.nextHopKept
    }
    return this.edit(set, operations, meaning)
  }

  #nextHopOf(set: number, operations: readonly Operation[]): number {
    const wanted = nextHopOf(operations)
    if (wanted === null || wanted === 'self') return this.#attributes.nextHop[set] as number
    return this.#nextHops.intern(wanted, wanted.length)
  }
}

/** The filters of one peer in one family. */
export class PeerFilter implements ExportPolicy {
  readonly key: string
  readonly #imports: Policy | null
  readonly #exports: Policy | null
  readonly #ebgp: boolean
  readonly #draining: boolean
  readonly #editor: SetEditor
  readonly #facts: RouteFacts
  #nextHop = 0

  constructor(
    family: FamilyName,
    config: PeerConfig,
    ebgp: boolean,
    draining: boolean,
    editor: SetEditor,
    nextHops: NextHops,
  ) {
    this.#imports = compilePolicy(config.filters, 'import', family)
    this.#exports = compilePolicy(config.filters, 'export', family)
    this.#ebgp = ebgp
    this.#draining = draining
    this.#editor = editor
    this.key = `${this.#exports?.key ?? ''}${draining ? ' draining' : ''}`
    this.#facts = {
      family,
      words: noWords,
      offset: 0,
      length: 0,
      bytes: noBytes,
      start: 0,
      end: 0,
      ebgp,
      learned: true,
      localPref: 0,
      interfaces: () => nextHops.interfaces(this.#nextHop),
    }
  }

  /** Whether export does anything at all; without, the group goes by its defaults. */
  get exports(): boolean {
    return this.#exports !== null || this.#draining
  }

  /** Whether import does anything at all. */
  get imports(): boolean {
    return this.#imports !== null || this.#ebgp
  }

  /** Whether the verdicts depend on the interface a next hop is reached through. */
  get perNextHop(): boolean {
    return this.#imports?.perNextHop === true || this.#exports?.perNextHop === true
  }

  /** The set to use for a received one (edited or not), or 0 when the path is rejected. */
  accept(rib: FamilyRib, words: Uint32Array, offset: number, length: number, set: number): number {
    let accepted = set
    if (this.#imports !== null) {
      const match = this.#evaluate(this.#imports, rib, words, offset, length, set, true)
      if (match.verdict === 'reject') return 0
      if (match.operations.length > 0) accepted = this.#editor.edit(set, match.operations)
    }
    const marks = rib.attributes.marks[accepted] as number
    if (!this.#ebgp || (marks & attributeMark.gracefulShutdown) === 0) return accepted
    return this.#replace(rib, set, accepted, lowered)
  }

  apply(rib: FamilyRib, prefix: number, path: number, allowed: boolean): number {
    const set = rib.paths.attributes[path] as number
    const { addresses, lengths, words } = rib.prefixes
    let decided = allowed ? set : undecided
    if (this.#exports !== null) {
      const learned = rib.paths.peer[path] !== localPeer
      const length = lengths[prefix] as number
      const at = prefix * words
      const match = this.#evaluate(this.#exports, rib, addresses, at, length, set, learned)
      if (match.verdict === 'reject') return 0
      if (match.verdict === 'accept') decided = this.#editor.editForExport(set, match.operations)
    }
    if (decided === undecided || decided === 0) return 0
    return this.#draining ? this.#replace(rib, set, decided, farewell) : decided
  }

  /** Every rule that was looked at, for people. */
  trace(
    direction: 'import' | 'export',
    rib: FamilyRib,
    prefix: number,
    path: number,
  ): readonly TraceStep[] {
    const policy = direction === 'import' ? this.#imports : this.#exports
    if (policy === null) return []
    const { paths, prefixes } = rib
    const received = direction === 'import'
    const set = received ? paths.receivedOf(path) : (paths.attributes[path] as number)
    const learned = paths.peer[path] !== localPeer
    const length = prefixes.lengths[prefix] as number
    this.#fill(rib, prefixes.addresses, prefix * prefixes.words, length, set, learned)
    return policy.trace(this.#facts)
  }

  /** Edits a set once more; what was made of `original` in between may be needed by nobody. */
  #replace(
    rib: FamilyRib,
    original: number,
    between: number,
    operations: readonly Operation[],
  ): number {
    const edited = this.#editor.editForExport(between, operations)
    if (between !== original && between !== edited) rib.attributes.discard(between)
    return edited
  }

  #evaluate(
    policy: Policy,
    rib: FamilyRib,
    words: Uint32Array,
    offset: number,
    length: number,
    set: number,
    learned: boolean,
  ): Match {
    this.#fill(rib, words, offset, length, set, learned)
    return policy.evaluate(this.#facts)
  }

  #fill(
    rib: FamilyRib,
    words: Uint32Array,
    offset: number,
    length: number,
    set: number,
    learned: boolean,
  ): void {
    const facts = this.#facts
    const store = rib.attributes
    facts.words = words
    facts.offset = offset
    facts.length = length
    facts.bytes = store.heap
    facts.start = store.offset[set] as number
    facts.end = facts.start + (store.length[set] as number)
    facts.learned = learned
    const hasLocalPref = ((store.marks[set] as number) & attributeMark.hasLocalPref) !== 0
    facts.localPref = hasLocalPref ? (store.localPref[set] as number) : rib.defaultLocalPreference
    this.#nextHop = store.nextHop[set] as number
  }
}
