/**
 * A stream of octets as lines, with a ceiling: however long the input and its lines are, no more
 * than one line and one chunk are held.
 */

/** The longest message twice over in hexadecimal, and room for its context. */
export const lineLengthMax = 1024 * 1024

export interface Line {
  /** From 1. */
  readonly number: number
  /** Without its line break; null for a line that was too long to keep. */
  readonly text: string | null
}

/** Gives the lines that each chunk completes, so that an answer need not wait for the next chunk. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Line[]> {
  const decoder = new TextDecoder()
  let number = 0
  let head = ''
  let overlong = false
  const finish = (tail: string): Line => {
    const text = head + tail
    const lost = overlong || text.length > lineLengthMax
    head = ''
    overlong = false
    number++
    return { number, text: lost ? null : text }
  }
  for await (const chunk of chunks) {
    const parts = decoder.decode(chunk, { stream: true }).split('\n')
    const rest = parts.pop() ?? ''
    const lines = parts.map(finish)
    overlong ||= head.length + rest.length > lineLengthMax
    head = overlong ? '' : head + rest
    if (lines.length > 0) yield lines
  }
  const last = decoder.decode()
  if (head !== '' || last !== '' || overlong) yield [finish(last)]
}
