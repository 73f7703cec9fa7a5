/**
 * What the decision process and export rules need to know of an attribute set, read once per set
 * from its canonical bytes (attribute.ts) and never from a message.
 *
 * RFC 4271 §9.1.2, RFC 4456 §9 (cluster list length), RFC 1997, RFC 7999, RFC 8326, RFC 9494
 * (communities that change behaviour).
 */
import { countInPath, neighbourOf, pathLength } from './as-path.ts'
import { attributeCode, attributeEnd, findAttribute, valueStart } from './attribute-bytes.ts'
import { u32At } from './bytes.ts'
import { wellKnown } from './community.ts'

/** Long-lived: `read` overwrites every field and keeps nothing of the bytes. */
export class AttributeSummary {
  /** 0 IGP, 1 EGP, 2 incomplete; lower is better. */
  origin = 0
  /** A set counts 1, a confederation segment 0. */
  asPathLength = 0
  /** Leftmost AS, for comparing MED; 0 for an empty path and behind an aggregate's set. */
  neighbourAsn = 0
  /** Range of the AS_PATH value, relative to the bytes given; both 0 without one. */
  asPathStart = 0
  asPathEnd = 0
  /** -1 when absent. */
  med = -1
  /** -1 when absent. */
  localPref = -1
  /** -1 when absent. */
  originatorId = -1
  clusterCount = 0
  noExport = false
  noAdvertise = false
  noExportSubconfed = false
  noPeer = false
  gracefulShutdown = false
  blackhole = false
  llgrStale = false
  noLlgr = false

  read(bytes: Uint8Array, start: number, end: number): void {
    this.#clear()
    for (let at = start; at < end; ) {
      const value = valueStart(bytes, at)
      const code = bytes[at + 1]!
      at = attributeEnd(bytes, at)
      switch (code) {
        case attributeCode.origin:
          this.origin = bytes[value]!
          break
        case attributeCode.asPath:
          this.asPathStart = value
          this.asPathEnd = at
          this.asPathLength = pathLength(bytes, value, at)
          this.neighbourAsn = neighbourOf(bytes, value, at)
          break
        case attributeCode.med:
          this.med = u32At(bytes, value)
          break
        case attributeCode.localPref:
          this.localPref = u32At(bytes, value)
          break
        case attributeCode.communities:
          for (let i = value; i < at; i += 4) this.#addCommunity(u32At(bytes, i))
          break
        case attributeCode.originatorId:
          this.originatorId = u32At(bytes, value)
          break
        case attributeCode.clusterList:
          this.clusterCount = (at - value) / 4
          break
        // The rest says nothing about preference; it is only carried.
      }
    }
  }

  #clear(): void {
    this.origin = 0
    this.asPathLength = 0
    this.neighbourAsn = 0
    this.asPathStart = 0
    this.asPathEnd = 0
    this.med = -1
    this.localPref = -1
    this.originatorId = -1
    this.clusterCount = 0
    this.noExport = false
    this.noAdvertise = false
    this.noExportSubconfed = false
    this.noPeer = false
    this.gracefulShutdown = false
    this.blackhole = false
    this.llgrStale = false
    this.noLlgr = false
  }

  #addCommunity(community: number): void {
    // Every community with a row here is 65535:n; one comparison passes over the others.
    if (community < wellKnown.gracefulShutdown) return
    if (community === wellKnown.noExport) this.noExport = true
    else if (community === wellKnown.noAdvertise) this.noAdvertise = true
    else if (community === wellKnown.noExportSubconfed) this.noExportSubconfed = true
    else if (community === wellKnown.noPeer) this.noPeer = true
    else if (community === wellKnown.gracefulShutdown) this.gracefulShutdown = true
    else if (community === wellKnown.blackhole) this.blackhole = true
    else if (community === wellKnown.llgrStale) this.llgrStale = true
    else if (community === wellKnown.noLlgr) this.noLlgr = true
  }
}

/** How often `asn` occurs in the AS_PATH of canonical bytes (RFC 4271 §9.1.2, loop detection). */
export function countAsn(bytes: Uint8Array, start: number, end: number, asn: number): number {
  const at = findAttribute(bytes, start, end, attributeCode.asPath)
  return at < 0 ? 0 : countInPath(bytes, valueStart(bytes, at), attributeEnd(bytes, at), asn)
}

/** Whether the CLUSTER_LIST of canonical bytes names this cluster (RFC 4456 §8, loop detection). */
export function hasCluster(
  bytes: Uint8Array,
  start: number,
  end: number,
  clusterId: number,
): boolean {
  const at = findAttribute(bytes, start, end, attributeCode.clusterList)
  if (at < 0) return false
  const stop = attributeEnd(bytes, at)
  for (let i = valueStart(bytes, at); i < stop; i += 4) {
    if (u32At(bytes, i) === clusterId) return true
  }
  return false
}
