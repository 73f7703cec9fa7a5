/** The face of the protocol engine: what other rooms may import from it as values. */
export {
  type DecodeContext,
  defaultLocalAs,
  defaultPeerAs,
  SessionDecoder,
} from './decode.ts'
export { formatPrefix } from './prefix.ts'
export { type Rehearsal, rehearse } from './rehearsal/rehearse.ts'
export type { Deed, StrayTimer } from './replay/deeds.ts'
export { type Replay, type ReplayStep, replaySession } from './replay/player.ts'
export {
  formatRecording,
  type RecordedEvent,
  type RecordedInput,
  type RecordedOutput,
  type Recording,
  recordingFormat,
} from './session/record-events.ts'
export { compareSettings, type SettingsChange } from './session/settings.ts'
export { createSpeaker, type Speaker } from './speaker.ts'
export { type Cursor, tablesStart } from './table-reader.ts'
export type { DescribedMessage } from './wire/decode.ts'
export { MrtReader } from './wire/mrt.ts'
export {
  MrtError,
  type MrtRecord,
  mrtHeaderLength,
  mrtLengthAt,
  mrtRecordLengthMax,
} from './wire/mrt-record.ts'
