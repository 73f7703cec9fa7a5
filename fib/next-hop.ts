/** One BGP next hop in use: who uses it, what it resolves to now, and how that is told to people. */
import { type Address, covers, type Prefix } from './address.ts'
import type { Answer } from './resolver.ts'
import type { Resolution } from './types.ts'
import type { KernelView } from './view.ts'

export interface Hop {
  readonly text: string
  /** null: the text is no address. */
  readonly address: Address | null
  /** Times tracked from outside, and sets in use that name it. */
  tracked: number
  used: number
  /** null: not resolved yet, or to be told again. */
  answer: Answer | null
  dirty: boolean
}

export function resolutionOf(hop: Hop, view: KernelView): Resolution {
  const legs = hop.answer?.legs ?? []
  const onLink = hop.answer?.onLink ?? false
  return {
    nextHop: hop.text,
    reachable: legs.length > 0,
    metric: hop.answer?.metric ?? 0,
    onLink,
    gateways: legs.map((leg) => ({
      interface: view.nameOf(leg.interface),
      gateway: onLink ? null : leg.gateway,
    })),
    reason: reasonOf(hop),
  }
}

export function reasonOf(hop: Hop): string {
  if (hop.address === null) return 'not an IP address'
  return hop.answer?.reason ?? 'not resolved yet'
}

/** Whether a set may use it; some want next hops on link alone. */
export function isUsable(hop: Hop, onLinkOnly: boolean): hop is Hop & { readonly answer: Answer } {
  return hop.answer !== null && (hop.answer.onLink || !onLinkOnly)
}

/** Whether the prefix holds the next hop. */
export function holds(prefix: Prefix, hop: Hop): boolean {
  return (
    prefix.family === hop.address?.family &&
    covers(prefix.words, 0, prefix.length, hop.address.words)
  )
}

export function sameAnswer(a: Answer, b: Answer): boolean {
  return (
    a.metric === b.metric &&
    a.onLink === b.onLink &&
    a.reason === b.reason &&
    a.legs.length === b.legs.length &&
    a.legs.every(
      (leg, index) =>
        leg.interface === b.legs[index]!.interface && leg.gateway === b.legs[index]!.gateway,
    )
  )
}
