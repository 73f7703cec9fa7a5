/**
 * The face of BFD, apart from the face of the speaker: it runs in a thread of its own, which has no
 * use for the rest of the room.
 */
export { BfdEngine, type BfdPorts, type Refusal, sessionsMax } from './engine.ts'
export type {
  Arrival,
  BfdEvent,
  BfdNetwork,
  BfdPath,
  BfdSessionConfig,
  BfdState,
  BfdStateName,
  BfdView,
  Ear,
  HearingKind,
  Sender,
} from './types.ts'
export { groupByPath } from './wanted.ts'
