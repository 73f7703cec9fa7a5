/**
 * Where the attributes that rules look at lie in the canonical bytes of a route. They are found in
 * one walk for all rules of an evaluation, and only if some rule asks.
 */
import { attributeCode, attributeEnd, valueStart } from '../wire/attribute-bytes.ts'
import type { RouteFacts } from './types.ts'

/** Long-lived; start and end of an attribute that isn't there are equal. */
export class AttributePlaces {
  pathStart = 0
  pathEnd = 0
  standardStart = 0
  standardEnd = 0
  largeStart = 0
  largeEnd = 0

  read({ bytes, start, end }: RouteFacts): void {
    this.pathStart = this.pathEnd = 0
    this.standardStart = this.standardEnd = 0
    this.largeStart = this.largeEnd = 0
    for (let at = start; at < end; ) {
      const value = valueStart(bytes, at)
      const code = bytes[at + 1]!
      at = attributeEnd(bytes, at)
      if (code === attributeCode.asPath) {
        this.pathStart = value
        this.pathEnd = at
      } else if (code === attributeCode.communities) {
        this.standardStart = value
        this.standardEnd = at
      } else if (code === attributeCode.largeCommunities) {
        this.largeStart = value
        this.largeEnd = at
        return
      }
    }
  }
}
