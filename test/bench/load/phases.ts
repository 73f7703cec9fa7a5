/** What the scenarios' phases have in common: bringing sessions up, and waiting until tables are right. */
import type { Measures } from './job.ts'
import type { Load } from './load.ts'
import type { Player } from './player.ts'
import { round, Stretch } from './stretch.ts'

/** Brings sessions up and waits until the daemon has said what it says to a new one. */
export async function establish(
  load: Load,
  players: readonly Player[],
  into: Measures,
): Promise<void> {
  const stretch = new Stretch(load)
  into['idleBytes'] ??= stretch.residentBytesBefore
  into['establish.seconds'] = round(await load.bringUp(players))
  await load.settle()
  Object.assign(into, stretch.measures('establish'))
}

export function untilRight(load: Load, phase: string): Promise<void> {
  const { board, universe } = load
  const describe = () => board.describe((prefix) => universe.name(prefix))
  return load.until(phase, () => board.open === 0, describe)
}

/** When the last sink that counts became right. */
export function lastRightAt(load: Load): number {
  const counted = load.board.sinks.filter((sink) => sink.counted)
  return counted.reduce((last, sink) => Math.max(last, sink.rightAt), 0)
}
