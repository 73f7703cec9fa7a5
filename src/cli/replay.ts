/**
 * `routelet replay`: plays the recording of a session through the engine, and shows what it did
 * then and does now. Needs no agent and touches no network.
 */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type Replay, replaySession } from '../../bgp/index.ts'
import { type ReadRecording, RecordingError, readRecording } from '../replay/read.ts'
import { differs, stepInWords } from '../replay/words.ts'
import { CommandError, EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE, type Terminal } from './terminal.ts'

export interface ReplayOptions {
  /** Show only the steps that differ. */
  readonly differences: boolean
}

/**
 * Exit code 0 when the session does what it did, 1 when it does otherwise.
 * @param file `-` for standard input
 * @throws CommandError for a file that can't be read or is no recording
 */
export async function runReplay(
  file: string,
  options: ReplayOptions,
  terminal: Pick<Terminal, 'write'>,
  stdin: AsyncIterable<Uint8Array>,
): Promise<number> {
  const recording = await read(file, stdin)
  const { peer, events, software } = recording
  const since = events[0]?.at ?? 0
  terminal.write(
    `${peer.name} (${peer.address}, AS ${peer.asn}), recorded by ${software}: ` +
      `${events.length} events from ${new Date(since).toISOString()} on\n`,
  )
  const replay = play(file, recording)
  let steps = 0
  let compared = 0
  let differing = 0
  for await (const step of replay.steps) {
    const other = differs(step)
    steps += 1
    if (step.compared) compared += 1
    if (other) differing += 1
    if (other || !options.differences) terminal.write(stepInWords(step, since))
  }
  terminal.write(outcome(replay))
  terminal.write(verdict(steps, compared, differing))
  return differing === 0 ? EXIT_OK : EXIT_NEGATIVE
}

async function read(file: string, stdin: AsyncIterable<Uint8Array>): Promise<ReadRecording> {
  try {
    return await readRecording(file === '-' ? stdin : await openFile(file))
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error
    throw refusal(file, error)
  }
}

async function openFile(file: string): Promise<AsyncIterable<Uint8Array>> {
  const stream = createReadStream(file)
  try {
    await once(stream, 'ready')
  } catch (error) {
    throw new CommandError(
      `${file} can't be read: ${(error as Error).message}`,
      null,
      EXIT_USAGE,
      error,
    )
  }
  return stream
}

function play(file: string, recording: ReadRecording): Replay {
  try {
    return replaySession(recording)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw refusal(file, error)
  }
}

function refusal(file: string, error: Error): CommandError {
  return new CommandError(
    `${file} is no recording: ${error.message}`,
    'a recording is what GET /v1/peers/NAME/recording answers; see docs/replay.md',
    EXIT_USAGE,
    error,
  )
}

function outcome(replay: Replay): string {
  const peer = replay.view()
  if (peer === null) return ''
  const reason = peer.reason === null ? '' : `: ${peer.reason}`
  const families = peer.families
    .filter(({ negotiated }) => negotiated)
    .map(
      ({ family, received, accepted }) => `; ${family}: ${received} received, ${accepted} accepted`,
    )
  return `In the end the replay is ${peer.state}${reason}${families.join('')}.\n`
}

function verdict(steps: number, compared: number, differing: number): string {
  if (compared === 0) {
    return `None of ${steps} steps could be compared: the recording never shows where it stands.\n`
  }
  const skipped = compared === steps ? '' : ` (${steps - compared} before could not be compared)`
  if (differing === 0) return `${compared} steps, no difference${skipped}.\n`
  return `${compared} steps, ${differing} of them differ: - then, + now${skipped}.\n`
}
