/**
 * Other programs that have routes for the prefixes we want, in the table we write: by protocol number,
 * since that is the mark of a program, with what it means for ours (linux/rtnetlink.h: of one prefix
 * the lowest metric is used). Connected routes of the kernel itself are nobody's.
 */
import type { ForeignRoute } from './foreign.ts'
import { protocolText } from './numbers.ts'
import { families, type State } from './state.ts'
import type { RouteTable } from './table.ts'
import type { FibRival } from './types.ts'

/** Prefixes and interfaces named of one program. */
const namedMax = 8
/** Programs told of. */
const rivalsMax = 32
const kernelProtocol = 2

type Found = {
  protocol: number
  holding: number
  winning: number
  resting: number
  prefixes: string[]
  interfaces: Set<string>
}

/** Every program with a route for a wanted prefix; those with most routes first. */
export function findRivals(state: State): FibRival[] {
  const found = new Map<number, Found>()
  for (const family of families) {
    const foreign = state.view.foreign[family]
    if (foreign.index.size === 0) continue
    const table = state.tables[family]
    const { addresses, lengths, words } = table.index
    for (const row of table.rows()) {
      if (foreign.index.lengthCounts[lengths[row]!] === 0 || !table.isWanted(row)) continue
      for (const route of foreign.at(addresses, row * words, lengths[row]!)) {
        count(state, table, row, route, found)
      }
    }
  }
  return [...found.values()]
    .sort((a, b) => total(b) - total(a))
    .slice(0, rivalsMax)
    .map((rival) => ({
      ...rival,
      name: protocolText(rival.protocol),
      interfaces: [...rival.interfaces].sort(),
    }))
}

function count(
  state: State,
  table: RouteTable,
  row: number,
  route: ForeignRoute,
  found: Map<number, Found>,
): void {
  const { metric, table: number } = state.settings
  if (route.table !== number || route.protocol === kernelProtocol) return
  let rival = found.get(route.protocol)
  if (rival === undefined) {
    const none = { holding: 0, winning: 0, resting: 0, prefixes: [], interfaces: new Set<string>() }
    rival = { protocol: route.protocol, ...none }
    found.set(route.protocol, rival)
  }
  if (route.metric === metric) rival.holding++
  else if (route.metric < metric) rival.winning++
  else rival.resting++
  if (rival.prefixes.length < namedMax) rival.prefixes.push(state.prefixText(table, row))
  for (const { interface: index } of state.ways.get(route.way).legs) {
    if (rival.interfaces.size < namedMax) rival.interfaces.add(state.view.nameOf(index))
  }
}

function total({ holding, winning, resting }: Found): number {
  return holding + winning + resting
}
