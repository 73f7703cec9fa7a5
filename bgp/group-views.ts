/**
 * Update groups as people see them: who shares one, and why a peer doesn't share that of the others.
 * Members of a group are told the same bytes, so what parts two groups is what parts their profiles.
 * Cold code.
 */
import type { ExportProfile } from './rib/export.ts'
import type { UpdateGroup } from './rib/update-group.ts'
import type { UpdateGroupView } from './types.ts'

/** Other groups a group is compared with at most: those with the most members. */
const groupsComparedMax = 64

/** What a difference in each field of the profile is called; the type makes sure of a row each. */
const fieldWords: { readonly [K in keyof ExportProfile]-?: string } = {
  family: 'the family',
  ebgp: 'eBGP or iBGP',
  client: 'routeReflectorClient',
  clusterId: 'the cluster id',
  export: 'export',
  localAsn: 'the AS presented',
  peerAsn: 'the AS that is overridden',
  asOverride: 'asOverride',
  as4: 'four-octet AS numbers',
  messageLengthMax: 'the longest message',
  nextHopMode: 'nextHopMode',
  selfOctets: 'the kind of address that is the next hop',
  extendedNextHop: 'IPv6 next hops for IPv4 (RFC 8950)',
  addPath: 'the paths sent (addPaths)',
  subnet: 'the subnet shared with the peer',
}

const fields = Object.keys(fieldWords) as (keyof ExportProfile)[]

/** Views of groups, each made once: a thousand peers may share one. */
export class GroupViews {
  readonly #all: readonly UpdateGroup[]
  readonly #known = new Map<UpdateGroup, UpdateGroupView>()
  readonly #texts = new Map<ExportProfile, readonly (string | undefined)[]>()

  constructor(groups: Iterable<UpdateGroup>) {
    this.#all = [...groups].sort((a, b) => b.memberCount - a.memberCount)
  }

  of(group: UpdateGroup): UpdateGroupView {
    const known = this.#known.get(group)
    if (known !== undefined) return known
    const { number, memberCount: members } = group
    const view = { number, members, apart: this.#apartFromNearest(group) }
    this.#known.set(group, view)
    return view
  }

  /** Why it isn't one with the group most like it; null: there is no other. */
  #apartFromNearest(group: UpdateGroup): string | null {
    let nearest: UpdateGroup | null = null
    let fewest: readonly string[] = []
    const others = this.#all.filter((each) => each !== group && each.family === group.family)
    for (const other of others.slice(0, groupsComparedMax)) {
      const words = this.#differences(group, other)
      if (nearest !== null && words.length >= fewest.length) continue
      nearest = other
      fewest = words
    }
    if (nearest === null) return null
    return `differs from group ${nearest.number} in ${fewest.join(', ')}`
  }

  #differences(a: UpdateGroup, b: UpdateGroup): string[] {
    const textsOfA = this.#textsOf(a)
    const textsOfB = this.#textsOf(b)
    const words = fields
      .filter((_, index) => textsOfA[index] !== textsOfB[index])
      .map((field) => fieldWords[field])
    if (a.policy?.key !== b.policy?.key) words.push('the filters on export')
    return words
  }

  /** Each is compared with many. */
  #textsOf({ profile }: UpdateGroup): readonly (string | undefined)[] {
    let texts = this.#texts.get(profile)
    if (texts === undefined) {
      texts = fields.map((field) => JSON.stringify(profile[field]))
      this.#texts.set(profile, texts)
    }
    return texts
  }
}
