/** The face of the protocol engine: what other rooms may import from it as values. */
export {
  type DecodeContext,
  defaultLocalAs,
  defaultPeerAs,
  SessionDecoder,
} from './decode.ts'
export { createSpeaker, type Speaker } from './speaker.ts'
export type { DescribedMessage } from './wire/decode.ts'
export { MrtReader } from './wire/mrt.ts'
export {
  MrtError,
  type MrtRecord,
  mrtHeaderLength,
  mrtLengthAt,
  mrtRecordLengthMax,
} from './wire/mrt-record.ts'
