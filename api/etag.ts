/**
 * Weak entity tags (RFC 9110 §8.8.3) of the JSON replies under /v1, so that a client that polls is
 * sent only what changed. The tag is taken from the reply as serialised, before compression: it can't
 * be out of date, as the count of a forgotten change could.
 */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'

const TAG_LENGTH = 22

/** Must be called before whatever compresses. */
export function tagReplies(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const reading = request.method === 'GET' || request.method === 'HEAD'
    const tagged = reading && reply.statusCode === 200 && typeof payload === 'string'
    if (!tagged || !request.url.startsWith('/v1/')) return payload
    const digest = createHash('sha256').update(payload).digest('base64url')
    const tag = `W/"${digest.slice(0, TAG_LENGTH)}"`
    // It may be kept, and has to be asked about each time; by nobody but its reader.
    reply.header('etag', tag).header('cache-control', 'private, no-cache')
    if (!matches(request.headers['if-none-match'], tag)) return payload
    reply.code(304).removeHeader('content-type').removeHeader('content-length')
    return ''
  })
}

/** Weak comparison (RFC 9110 §8.8.3.2). */
function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  const bare = (text: string) => text.trim().replace(/^W\//, '')
  return header.trim() === '*' || header.split(',').some((each) => bare(each) === bare(tag))
}
