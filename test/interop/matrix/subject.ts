/**
 * A BGP daemon of somebody else's as the matrix sees it: sessions described once, routes read back in
 * one shape, whatever its own language is. Each daemon has a file that translates.
 */
import type { Namespace } from '../../network/namespaces.ts'
import type { Row } from './rows.ts'

export type Family = 'ipv4' | 'ipv6'

export interface Announced {
  readonly prefix: string
  readonly communities?: readonly string[]
  readonly largeCommunities?: readonly string[]
  readonly med?: number
  /** What stands behind the daemon's own AS. */
  readonly asPath?: readonly number[]
  /** Default: its address of the session. */
  readonly nextHop?: string
  /** RFC 7911; only where the daemon can be told. */
  readonly pathId?: number
}

/** One session as the daemon is told of it. */
export interface SubjectSession {
  /** A word, not one of any daemon's language. */
  readonly name: string
  readonly local: string
  readonly remote: string
  readonly remoteAsn: number
  readonly families: readonly Family[]
  /** Next hop of its IPv6 routes. */
  readonly localIpv6: string
  /** Over this session alone. */
  readonly announce: readonly Announced[]
  /** Prefixes learned elsewhere that go out here too. */
  readonly pass?: readonly string[]
  /** The AS it calls itself here, when it isn't its own. */
  readonly localAsn?: number
  readonly password?: string
  /** GTSM (RFC 5082) for a neighbour on the link. */
  readonly ttlSecurity?: true
  /** Both directions (RFC 7911). */
  readonly addPath?: true
  /** Restart time in seconds (RFC 4724). */
  readonly restartSeconds?: number
  /** Speaks as if AS numbers had two octets. */
  readonly as4?: false
  readonly extendedMessage?: true
  /** Dials; otherwise it waits to be dialled where it can. */
  readonly active?: true
}

export interface SubjectConfig {
  readonly asn: number
  readonly routerId: string
  readonly sessions: readonly SubjectSession[]
  /** Learned routes go to its kernel, where the daemon has that. */
  readonly kernel?: true
}

/** A route as the daemon heard it, before any change of its own. */
export interface HeardRoute {
  readonly prefix: string
  readonly nextHop: string
  /** `64512 65001`; empty for a route of the own AS. */
  readonly asPath: string
  readonly localPref: number | null
  /** null for 0 too: it means the same (RFC 4271 §9.1.2.2), and not every daemon tells them apart. */
  readonly med: number | null
  /** Sorted. */
  readonly communities: readonly string[]
  readonly largeCommunities: readonly string[]
  readonly originatorId: string | null
  readonly clusterList: readonly string[]
}

/** What a row of the matrix needs of the daemon beyond routes. */
export interface Subject {
  readonly namespace: Namespace
  /** The daemon's word for its state: `Established`, `Active`, … */
  state(session: string): Promise<string>
  /** Sorted by prefix; several of a prefix with add-path. */
  heard(session: string): Promise<HeardRoute[]>
  /** Asks us to send everything again. */
  askRefresh(session: string): Promise<void>
  /** Ends the session by its administrator's order. */
  shutdown(session: string, text: string): Promise<void>
  /** Ends a pause it makes after an error; where that can't be ordered, it is short. */
  wake?(session: string): Promise<void>
  /** What it has to say of the last NOTIFICATION it got from us. */
  lastWords(session: string): Promise<string>
  /** Ends it without a word. */
  kill(): Promise<void>
  /** Starts it again, as after a crash. */
  revive(): Promise<void>
}

/** What the translators start from. */
export type StartSubject<S extends Subject = Subject> = (
  namespace: Namespace,
  config: SubjectConfig,
) => Promise<S>

export interface SubjectKind<S extends Subject = Subject> {
  readonly kind: string
  /** As in the table. */
  readonly name: string
  readonly programs: readonly string[]
  readonly version: {
    readonly program: string
    readonly args: readonly string[]
    /** The version is its first group. */
    readonly pattern: RegExp
  }
  /** Rows it can't do, and why. */
  readonly cannot: Readonly<Partial<Record<Row, string>>>
  /** Can be told two paths to one prefix of its own. */
  readonly originatesPaths?: true
  /** Writes what it learns to its kernel. */
  readonly hasKernel?: true
  /** What it says to a peer on shutdown, when nobody can choose its words. */
  readonly shutdownText?: string
  /** Can't be given an AS path of its own: it passes on what it learned. */
  readonly borrowsPaths?: true
  readonly start: StartSubject<S>
}

export function familyOf(text: string): Family {
  return text.includes(':') ? 'ipv6' : 'ipv4'
}

export function ofFamily(announced: readonly Announced[], family: Family): Announced[] {
  return announced.filter(({ prefix }) => familyOf(prefix) === family)
}

export function sortRoutes(routes: readonly HeardRoute[]): HeardRoute[] {
  const key = ({ prefix, nextHop }: HeardRoute) => `${familyOf(prefix)} ${prefix} ${nextHop}`
  return [...routes].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** The session of that name. */
export function sessionNamed({ sessions }: SubjectConfig, name: string): SubjectSession {
  const found = sessions.find((session) => session.name === name)
  if (!found) throw new Error(`no session ${name} is configured`)
  return found
}

/** Every announcement of all sessions, with the session it goes out of. */
export function announcements(
  config: SubjectConfig,
): readonly (Announced & { readonly session: SubjectSession })[] {
  return config.sessions.flatMap((session) =>
    session.announce.map((announced) => ({ ...announced, session })),
  )
}
