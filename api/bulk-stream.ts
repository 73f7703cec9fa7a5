/**
 * A whole table as JSON lines (application/x-ndjson): one path a line, in no particular order. The
 * source is read a stretch at a time and only as fast as the client takes it, so a million routes cost
 * the agent one stretch of memory, and no turn of the event loop is long.
 */
import { Readable } from 'node:stream'
import type { PathView } from '../bgp/types.ts'

export const NDJSON = 'application/x-ndjson'
/** Bytes made before the client has taken the ones before. */
const AHEAD_BYTES_MAX = 64 * 1024

export function streamPaths(stretches: AsyncIterable<readonly PathView[]>): Readable {
  return Readable.from(linesOf(stretches), { objectMode: false, highWaterMark: AHEAD_BYTES_MAX })
}

async function* linesOf(stretches: AsyncIterable<readonly PathView[]>): AsyncGenerator<string> {
  for await (const paths of stretches) {
    if (paths.length > 0) yield paths.map((path) => `${JSON.stringify(path)}\n`).join('')
  }
}
