/**
 * What the node's kernel should hold, from what has been done to the network: which switches can be
 * reached, and which of our keys somebody else has taken. Pure.
 */
import { farCidrs, podCidrs } from './rack.ts'

export type SwitchNumber = 1 | 2

/** Why a switch is no way at present; the empty set means that it is one. */
export type Trouble = 'unplugged' | 'silenced' | 'no address'

export interface Model {
  readonly shared: readonly string[]
  readonly alone: Readonly<Record<SwitchNumber, readonly string[]>>
  readonly troubles: Readonly<Record<SwitchNumber, Set<Trouble>>>
  /** Prefixes whose very key, our metric in our table, is somebody else's. */
  readonly taken: Set<string>
}

export const switchNumbers: readonly SwitchNumber[] = [1, 2]

export function buildModel(prefixes: number): Model {
  const range = (name: number, count: number) =>
    Array.from({ length: count }, (_, index) =>
      index % 3 === 2 ? `fd50:${name}:${index.toString(16)}::/48` : `10.${50 + name}.${index}.0/24`,
    )
  return {
    shared: range(0, prefixes),
    alone: { 1: range(1, Math.ceil(prefixes / 5)), 2: range(2, Math.ceil(prefixes / 5)) },
    troubles: { 1: new Set(), 2: new Set() },
    taken: new Set(),
  }
}

export function isUp(model: Model, number: SwitchNumber): boolean {
  return model.troubles[number].size === 0
}

/** Whether both switches can be reached. */
export function isWhole(model: Model): boolean {
  return switchNumbers.every((number) => isUp(model, number))
}

/** Prefix → what readKernel says of it. */
export function expectedRoutes(model: Model): Map<string, string> {
  const routes = new Map<string, string>(podCidrs.map((cidr) => [cidr, 'blackhole']))
  const up = switchNumbers.filter((number) => isUp(model, number))
  const add = (prefix: string, from: readonly SwitchNumber[]) => {
    if (from.length === 0 || model.taken.has(prefix)) return
    routes.set(prefix, `via ${from.map((number) => gatewayOf(prefix, number)).join(', ')}`)
  }
  for (const prefix of [...farCidrs, ...model.shared]) add(prefix, up)
  for (const number of up) for (const prefix of model.alone[number]) add(prefix, [number])
  return routes
}

/** Every prefix that routes of ours may exist for, except the far pods'. */
export function learnedPrefixes(model: Model): string[] {
  return [...model.shared, ...model.alone[1], ...model.alone[2]]
}

function gatewayOf(prefix: string, number: SwitchNumber): string {
  return prefix.includes(':') ? `fd99:0:0:${number}::1` : `10.99.${number}.1`
}

/** Differences in words, a few of them; empty when both are the same. */
export function compareRoutes(
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const prefixes = new Set([...wanted.keys(), ...found.keys()])
  return [...prefixes]
    .filter((prefix) => wanted.get(prefix) !== found.get(prefix))
    .map(
      (prefix) =>
        `${prefix}: wanted ${wanted.get(prefix) ?? 'nothing'}, found ${found.get(prefix) ?? 'nothing'}`,
    )
}
